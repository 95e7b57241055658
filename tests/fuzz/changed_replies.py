"""Replies of a server that answers one row oddly and the others well."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import strategies as st

from tests.fuzz.changes import ODD_TEXTS, changed_bytes, changed_tree
from tests.judge.llm.server import Body, Respond, Sent, Served, serving

STATUSES = (*[200] * 15, 201, 204, 301, 400, 401, 403, 404, 408, 413, 422, 429, 500, 503, 529)
_HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"retry_after": "nan"},
    {"retry_after": "-1"},
    {"retry_after": "9" * 400},
    {"content_encoding": "gzip"},
    {"content_encoding": "br"},
    {"content_type": "text/html; charset=x"},
    {"location": "http://127.0.0.1:9/"},
    {"set_cookie": "a=b"},
)


class OddServer:
    """A server whose `respond` changes from example to example."""

    def __init__(self, served: Served) -> None:
        self.url = served.url
        self.respond: Respond = lambda body: Sent()


@contextmanager
def odd_server() -> Iterator[OddServer]:
    """Runs it for the time of the block."""
    servers: list[OddServer] = []
    with serving(lambda body: servers[0].respond(body)) as served:
        servers.append(OddServer(served))
        yield servers[0]


def answered(tree: Any) -> Sent:
    """A reply with this value as its body."""
    return Sent(raw=json.dumps(tree).encode())


def streamed(tree: Any) -> Sent:
    """The first choice's message as an event stream of two chunks."""
    message = tree["choices"][0]["message"]
    text = str(message.get("content"))
    pieces = (text[: len(text) // 2], text[len(text) // 2 :])
    chunks = [{"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    return Sent(raw="".join([*lines, "data: [DONE]\n\n"]).encode())


@st.composite
def odd_replies(draw: st.DrawFn, tree: Any) -> Sent:
    """A good reply that is changed somewhere: its values, text, bytes, status or headers."""
    text = draw(st.integers(0, 2))
    if text == 0:
        tree = draw(changed_tree(tree))
        sent = answered(tree)
    elif text == 1:
        message = {**tree["choices"][0]["message"], "content": draw(_odd_text(tree))}
        sent = answered({**tree, "choices": [{**tree["choices"][0], "message": message}]})
    else:
        whole = draw(st.sampled_from((answered, streamed)))(tree)
        sent = Sent(raw=draw(changed_bytes(whole.raw)))
    sent.status = draw(st.sampled_from(STATUSES))
    sent.headers = draw(st.sampled_from(_HEADERS))
    return sent


@st.composite
def _odd_text(draw: st.DrawFn, tree: Any) -> str:
    """The message's text, changed as text or as the JSON that it is."""
    text = str(tree["choices"][0]["message"]["content"])
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if value is not None and draw(st.booleans()):
        return json.dumps(draw(changed_tree(value)))
    if draw(st.booleans()):
        return draw(changed_bytes(text.encode())).decode("utf-8", "replace")
    return draw(st.sampled_from(ODD_TEXTS)) + text + draw(st.sampled_from(ODD_TEXTS))


def one_odd(place: str, odd: Sent, good: Respond) -> Respond:
    """Answers the requests that mention `place` oddly, and the others well."""

    def respond(body: Body) -> Sent:
        is_place = any(place in str(message["content"]) for message in body["messages"][1:2])
        return odd if is_place else good(body)

    return respond
