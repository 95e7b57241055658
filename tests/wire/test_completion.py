"""Replies in the shapes that public servers give, and bodies that are no reply."""

import json
from typing import Any

import pytest

from wire.completion import ChatCompletion, ErrorReply, Reply, Unintelligible, read_completion


def body(message: Any, finish: Any = "stop", **more: Any) -> bytes:
    return json.dumps({"choices": [{"message": message, "finish_reason": finish}], **more}).encode()


def events(*chunks: Any, done: bool = True) -> bytes:
    lines = [f"data: {json.dumps(chunk)}" for chunk in chunks] + ["data: [DONE]"] * done
    return "\n\n".join([": OPENROUTER PROCESSING", *lines, ""]).encode()


def delta(finish: str | None = None, index: int = 0, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": fields, "finish_reason": finish}]}


PARTS = [{"type": "text", "text": "At "}, {"type": "text", "text": "nine."}]
THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}  # Magistral
REFUSAL = [{"type": "refusal", "refusal": "I cannot."}]
OTHER = {"index": 1, "message": {"content": "second"}, "finish_reason": "length"}
FIRST = {"index": 0, "message": {"content": "At nine."}, "finish_reason": "stop"}

WHOLE = {
    "plain": body({"content": "At nine."}),
    "byte order mark": b"\xef\xbb\xbf" + body({"content": "At nine."}),
    "blank lines to keep the connection": b"\n\n\n " + body({"content": "At nine."}),
    "parts": body({"content": PARTS}),
    "strings as parts": body({"content": ["At ", "nine."]}),
    "one part": body({"content": {"type": "output_text", "text": "At nine."}}),
    "part without a type": body({"content": [{"text": "At nine."}]}),
    "thoughts in front, as a part": body({"content": [THOUGHT, *PARTS]}),
    "thoughts beside it": body({"content": "At nine.", "reasoning_content": "Hm."}),
    "choices in another order": json.dumps({"choices": [OTHER, FIRST]}).encode(),
    "an index as text": json.dumps({"choices": [OTHER, {**FIRST, "index": "0"}]}).encode(),
    "error: null": body({"content": "At nine."}, error=None),
    "logprobs of another form": json.dumps(
        {"choices": [{**FIRST, "logprobs": {"content": [{"top": 1}], "tokens": ["a"]}}]}
    ).encode(),
    "finish_reason as an object": body({"content": "At nine."}, {"type": "stop"}),
    "empty tool calls": body({"content": "At nine.", "tool_calls": [], "function_call": None}),
    "an event stream": events(
        delta(role="assistant", content=""), delta(content="At "), delta("stop", content="nine.")
    ),
    "a stream with thoughts and a second choice": events(
        delta(reasoning_content="Hm."), delta(index=1, content="no"), delta(content="At nine."),
        delta("stop"), {"choices": [], "usage": {"prompt_tokens": 3}},
    ),
    "a stream of parts": events(delta(content=PARTS[:1]), delta("stop", content=PARTS[1:])),
    "a stream with carriage returns": b"data:"
    + json.dumps(delta("stop", content="At nine.")).encode()
    + b"\r\n\r\ndata: [DONE]\r\n",
    "tool calls null, a citation": body(
        {"content": "At nine.", "tool_calls": None, "citations": ["a"], "audio": None}
    ),
    "a completion as one event": b"event: message\ndata: " + body({"content": "At nine."}) + b"\n",
}  # fmt: skip


@pytest.mark.parametrize("raw", WHOLE.values(), ids=WHOLE.keys())
def test_one_answer_in_every_shape(raw: bytes) -> None:
    reply = read_completion(raw)
    assert (reply.text, reply.finish, reply.reasoning) == ("At nine.", "stop", "")
    assert reply.is_whole


@pytest.mark.parametrize(
    "message",
    [
        {"content": None, "reasoning_content": "Hm."},
        {"content": "", "reasoning": "Hm."},
        {"reasoning": "Hm."},
        {"content": [THOUGHT]},
        {"content": [{"type": "thinking", "thinking": "Hm."}]},
        {"content": "\n", "reasoning_content": [{"text": "H"}, {"text": "m."}]},
    ],
)
def test_reasoning_is_no_answer(message: dict[str, Any]) -> None:
    reply = read_completion(body(message))
    assert (reply.text.strip(), reply.reasoning) == ("", "Hm.")


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 5}, (10, 5)),
        ({"prompt_tokens": 10.5, "completion_tokens": 5.0}, (10, 5)),
        ({"prompt_tokens": "10", "completion_tokens": "5"}, (10, 5)),
        ({"input_tokens": 10, "output_tokens": 5}, (10, 5)),
        ({"prompt_tokens": 10}, (10, 0)),
        ({"prompt_tokens": None, "completion_tokens": -1}, (0, 0)),
        ({"prompt_tokens": [1], "completion_tokens": "many"}, (0, 0)),
        (None, (0, 0)),
        ([], (0, 0)),
        ("none", (0, 0)),
    ],
)
def test_usage_in_every_form(usage: Any, tokens: tuple[int, int]) -> None:
    """What is no number of tokens counts as not counted, and costs no reply."""
    reply = read_completion(body({"content": "x"}, usage=usage))
    assert (reply.prompt_tokens, reply.completion_tokens) == tokens


@pytest.mark.parametrize(
    ("raw", "finish", "ending"),
    [
        (body({"content": "x"}, None), "", "unstated"),
        (json.dumps({"choices": [{"message": {"content": "x"}}]}).encode(), "", "unstated"),
        (body({"content": "x"}, 7), "7", "unknown"),
        (body({"content": None, "refusal": "I cannot."}), "content_filter", "filtered"),
        (body({"content": REFUSAL}), "content_filter", "filtered"),
        (body({"content": None, "tool_calls": [{}]}, "tool_calls"), "tool_calls", "unknown"),
        # Azure and Gemini, where the filter withholds the message too
        (b'{"choices": [{"finish_reason": "content_filter"}]}', "content_filter", "filtered"),
        (
            b'{"choices": [{"finish_reason": "content_filter: SAFETY", "message": null}]}',
            "content_filter: SAFETY",
            "filtered",
        ),
        (events(delta(content="x"), done=True), "", "unstated"),
        (events(delta("length", content="x"), done=False), "length", "cut"),
    ],
)
def test_how_it_ended(raw: bytes, finish: str, ending: str) -> None:
    reply = read_completion(raw)
    assert (reply.finish, reply.ending) == (finish, ending)


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b'{"error": {"code": 429, "message": "Daily limit"}}', 429),
        (b'{"error": {"code": "502", "message": "x"}, "choices": []}', 502),
        (b'{"error": {"type": "rate_limit_error", "message": "x"}}', 429),
        (b'{"error": {"code": "RESOURCE_EXHAUSTED", "message": "x"}}', 429),
        (b'{"error": {"type": "authentication_error", "message": "x"}}', 401),
        (b'{"error": {"type": "invalid_request_error", "code": null}}', 400),
        (b'{"error": "model overloaded"}', 500),
        (b'{"object": "error", "message": "no such model", "code": 404}', 404),
        (b'{"detail": "Not authenticated", "status": 401}', 401),
        (b'{"choices": [{"message": {"content": ""}, "error": {"code": 504}}]}', 504),
        (b'{"code": "InvalidApiKey", "message": "x"}', 401),  # DashScope
        (b'{"error": {"httpCode": 403, "message": "x"}}', 403),  # YandexGPT
        (b'{"detail": {"error": "x"}}', 500),  # DeepInfra
        (b'{"result": null, "success": false, "errors": [{"code": 10000}]}', 500),  # Cloudflare
        (b'{"error_code": 336003, "error_msg": "x"}', 500),  # Baidu
        (b'{"error": {"code": "unsupported_value", "message": "x"}}', 400),
        (b'{"error": {"code": "model_not_found", "message": "x"}}', 404),
        (b'event: error\r\ndata: {"type": "error", "error": {"type": "overloaded_error"}}', 500),
        (events(delta(content="x"), {"error": {"code": 503, "message": "x"}}), 503),
    ],
)
def test_an_error_in_place_of_a_reply(raw: bytes, status: int) -> None:
    with pytest.raises(ErrorReply) as caught:
        read_completion(raw)
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (b"", r"not JSON: \(empty\)"),
        (b"upstream said no", "not JSON: upstream said no"),
        (b"<html>\r\n<h1>502</h1>", "HTML, as of a proxy or a login page: <html> <h1>502</h1>"),
        (b"{}", "holds no choices: {}"),
        (b'{"choices": []}', "holds no choices"),
        (b'{"choices": null}', "choices: Input should be"),
        (b'{"choices": [{"text": "x"}]}', "choices.0.message: Field required"),
        (b'{"choices": [{"message": {"content": 5}}]}', "message.content"),
        (b'[{"choices": []}]', "no chat completion"),
        (b"null", "no chat completion"),
        (b'{"result": {"alternatives": [{"message": {"text": "x"}}]}}', "holds no choices"),
        (b'{"model": "m", "message": {"content": "x"}, "done": true}', "holds no choices"),
        (b'{"model": "m", "done": false}\n{"model": "m", "done": true}', "not JSON"),
        (b'{"choices": [{"message": null, "finish_reason": "stop"}]}', "choices.0.message"),
        (b'{"choices": [{"mess', "not JSON: {.choices"),
        (events(delta(content="x"), done=False), "stream ends before the reply does"),
        (b"data: {no json}\n\n", "not JSON: data: {no json}"),
        (b"data: [1]\n\n", "not JSON"),
        (b"\xff\xfe{\x00}\x00", "not JSON"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_what_is_no_reply_is_quoted(raw: bytes, line: str) -> None:
    with pytest.raises(Unintelligible, match=line) as caught:
        read_completion(raw)
    assert len(str(caught.value)) < 400 and str(caught.value).isprintable()


def test_line_ends_inside_a_streamed_text_are_text() -> None:
    chunk = json.dumps(delta("stop", content="a\u2028b\u0085c"), ensure_ascii=False)
    assert read_completion(f"data: {chunk}\n\n".encode()).text == "a\u2028b\u0085c"


def test_usual_replies_are_parsed_once() -> None:
    """The slow path is reached by an exception alone: a usual reply is valid at the first try."""
    usual = [WHOLE[name] for name in ("plain", "parts", "choices in another order")]
    for raw in usual:
        assert ChatCompletion.model_validate_json(raw).choices


def test_a_stored_reply_has_the_fields_of_today() -> None:
    assert Reply("x", "eos").is_whole and not Reply("x", "error").is_whole
