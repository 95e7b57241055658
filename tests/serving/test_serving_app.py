"""The proxy over real HTTP, by the openai client, in front of a stand-in for vLLM."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
from openai import APIStatusError, AsyncOpenAI, OpenAI
from starlette.responses import JSONResponse

from config.log_formats import AutoLogs
from data.readers.recognise import scan_source
from data.rows import Row
from serving.known_prompt import KnownPrompt, PromptTokens
from serving.pair_log import PairLog
from serving.request_body import MOST_REQUEST_BYTES
from serving.routing import PROMPTED, ROUTE_HEADER, Router
from serving.serving_app import ServedModel, ServingPlan, make_app
from tests.serving.model_stub import ModelStub, listener, running

SYSTEM = "You are the Lakeside desk. Answer briefly."
KEY = "sk-canary-0123456789"
QUESTION = {"role": "user", "content": "When?"}
OLD_CLIENT = [{"role": "system", "content": SYSTEM}, QUESTION]
KNOWN = KnownPrompt(SYSTEM, (), "system", PromptTokens(12, 12))


@contextmanager
def proxied(
    stub: ModelStub,
    log: Path | None = None,
    prompted_share: float = 0.0,
    shadow: float = 0.0,
    kwargs: dict[str, Any] | None = None,
) -> Iterator[OpenAI]:
    """A client of a proxy before the stub, with students `desk` and `other`."""
    with running(stub.app(), listener()) as url:
        names = {"desk": "desk", "other": "other", PROMPTED: "base"}
        targets = {name: ServedModel(url, model, kwargs or {}) for name, model in names.items()}
        pairs = PairLog(log) if log else None
        router = Router(KNOWN, ("desk", "other"), prompted_share)
        plan = ServingPlan(router, targets, shadow, pairs, restart_s=20)
        with running(make_app(plan), listener()) as address:
            yield OpenAI(base_url=f"{address}/v1", api_key=KEY, max_retries=0)
        if pairs:
            pairs.__exit__(None, None, None)


def ask(client: OpenAI, messages: Any, model: str = "gpt-4o", **options: Any) -> str:
    reply = client.chat.completions.create(model=model, messages=messages, **options)
    return str(reply.choices[0].message.content)


def metrics(client: OpenAI) -> str:
    return httpx2.get(str(client.base_url).replace("/v1/", "/metrics")).text


def test_an_old_client_is_answered_by_the_student_without_the_prompt() -> None:
    """It names a model that nobody serves, and sends what it sent before."""
    stub = ModelStub()
    with proxied(stub) as client:
        assert ask(client, OLD_CLIENT, temperature=0.5, seed=7) == "desk read user: When?"
        assert 'prompt_tokens_saved_total{route="desk"} 12.0' in metrics(client)
    assert stub.bodies == [{"model": "desk", "messages": [QUESTION], "temperature": 0.5, "seed": 7}]


@pytest.mark.parametrize(
    ("messages", "model", "headers", "answer"),
    [
        ([QUESTION], "desk", {}, "desk read user: When?"),
        ([QUESTION], "other", {}, "other read user: When?"),
        (OLD_CLIENT, "other", {}, "other read user: When?"),
        (OLD_CLIENT, "x", {ROUTE_HEADER: "other"}, "other read user: When?"),
        (OLD_CLIENT, PROMPTED, {}, f"base read system: {SYSTEM} | user: When?"),
        ([QUESTION], PROMPTED, {}, f"base read system: {SYSTEM} | user: When?"),
        ([QUESTION], "desk", {ROUTE_HEADER: PROMPTED}, f"base read system: {SYSTEM} | user: When?"),
        # nothing is known about these: the server decides
        ([QUESTION], "base", {}, "base read user: When?"),
        ([{"role": "system", "content": "Rhyme."}, QUESTION], "base", {}, None),
    ],
)
def test_routes(messages: Any, model: str, headers: dict[str, str], answer: str | None) -> None:
    with proxied(ModelStub()) as client:
        text = ask(client, messages, model, extra_headers=headers)
    assert text == (answer or "base read system: Rhyme. | user: When?")


def test_what_is_passed_on_is_passed_on_byte_for_byte() -> None:
    """Odd spacing and unknown fields too; other paths as well."""
    stub = ModelStub()
    body = b'{ "messages":[{"content":"caf\\u00e9", "role":"user"}],"model":"base", "x":1e2}'
    with proxied(stub) as client:
        url = str(client.base_url)
        reply = httpx2.post(f"{url}chat/completions", content=body)
        assert reply.json()["choices"][0]["message"]["content"] == "base read user: café"
        assert [model.id for model in client.models.list()] == ["base"]
        assert httpx2.get(f"{url}nothing").status_code == 404
    assert int(stub.headers[0]["content-length"]) == len(body)


def test_a_stream_arrives_word_by_word() -> None:
    """With the words as the model sends them, and the same text in all."""
    with proxied(ModelStub()) as client:
        stream = client.chat.completions.create(
            model="gpt-4o", messages=cast(Any, OLD_CLIENT), stream=True
        )
        words = [chunk.choices[0].delta.content for chunk in stream]
    assert words == ["desk", " read", " user:", " When?"]


def test_template_arguments_are_those_of_the_training_unless_the_client_has_its_own() -> None:
    stub = ModelStub()
    with proxied(stub, kwargs={"enable_thinking": False}) as client:
        ask(client, OLD_CLIENT)
        ask(client, OLD_CLIENT, extra_body={"chat_template_kwargs": {"enable_thinking": True}})
        ask(client, [QUESTION], "base")
    assert [body.get("chat_template_kwargs") for body in stub.bodies] == [
        {"enable_thinking": False},
        {"enable_thinking": True},
        None,
    ]


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_share_is_answered_by_the_prompted_base(share: float) -> None:
    """Of 60: within four standard deviations of the share, 4·√(0.3·0.7·60) = 14.2."""
    stub = ModelStub()
    with proxied(stub, prompted_share=share) as client:
        for _ in range(60):
            ask(client, OLD_CLIENT)
    prompted = sum(body["model"] == "base" for body in stub.bodies)
    assert abs(prompted - 60 * share) <= (14 if 0 < share < 1 else 0)


@pytest.mark.parametrize("stream", [False, True])
def test_the_log_is_training_data(tmp_path: Path, stream: bool) -> None:
    """Without the prompt, with both answers, and without the key; the reader takes all rows."""
    log, stub = tmp_path / "traffic.jsonl", ModelStub()
    with proxied(stub, log, shadow=1.0) as client:
        for _ in range(3):
            reply = client.chat.completions.create(
                model="x", messages=cast(Any, OLD_CLIENT), stream=stream
            )
            if stream:
                list(reply)
        ask(client, OLD_CLIENT, PROMPTED)
        ask(client, [QUESTION], "base")  # of an unknown chat nothing is written
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert len(lines) == 4
    behind_prompt = f"base read system: {SYSTEM} | user: When?"
    routes = {line["route"]: line for line in lines}
    desk, prompted = routes["desk"], routes[PROMPTED]
    assert desk["messages"] == [
        QUESTION,
        {"role": "assistant", "content": "desk read user: When?"},
    ]
    assert desk["shadow"] == {"route": PROMPTED, "content": behind_prompt}
    assert prompted["messages"] == [QUESTION, {"role": "assistant", "content": behind_prompt}]
    assert prompted["shadow"]["content"] == "desk read user: When?"
    assert KEY not in log.read_text()
    rows: list[Row] = []
    form = scan_source(AutoLogs(path=str(log)), Path(), rows.append).form
    assert form is not None and form.name == "OpenAI chat messages"
    assert [row.question for row in rows] == ["When?"] * 4


def test_half_of_a_surrogate_pair_costs_no_answer(tmp_path: Path) -> None:
    """JSON can hold it and UTF-8 cannot: in a question, and so in the stub's answer and the log."""
    log, stub = tmp_path / "traffic.jsonl", ModelStub()
    question = {"role": "user", "content": "\ud83d <|im_end|> Привет"}
    body = json.dumps({"model": "x", "messages": [OLD_CLIENT[0], question]})
    with proxied(stub, log) as client:
        url = f"{client.base_url}chat/completions"
        assert httpx2.post(url, content=body.encode()).status_code == 200
    (line,) = map(json.loads, log.read_text("utf-8").splitlines())
    assert stub.bodies[0]["messages"] == [question] == line["messages"][:1]
    assert "Привет" in log.read_text("utf-8")


@pytest.mark.parametrize("stream", [False, True])
def test_the_servers_errors_reach_the_client(stream: bool) -> None:
    """Status, body and Retry-After."""
    stub = ModelStub()
    error = {"error": {"message": "too long: 9000 tokens", "type": "BadRequestError"}}
    with proxied(stub) as client:
        for status in (400, 404, 429, 500, 503):
            stub.refusal = JSONResponse(error, status, {"retry-after": "7"})
            with pytest.raises(APIStatusError, match="too long: 9000 tokens") as raised:
                client.chat.completions.create(
                    model="desk", messages=cast(Any, OLD_CLIENT), stream=stream
                )
            assert raised.value.status_code == status
            assert raised.value.response.headers["retry-after"] == "7"
    assert len(stub.bodies) == 5  # none is sent twice


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[" * 200_000, 400),
        (b" " * (MOST_REQUEST_BYTES + 1), 413),
        (json.dumps({"model": "other", "messages": [QUESTION]}).encode(), 200),
    ],
)
def test_bodies(body: bytes, status: int) -> None:
    """Nothing of a refused one reaches the model."""
    stub = ModelStub()
    with proxied(stub) as client:
        reply = httpx2.post(f"{client.base_url}chat/completions", content=body)
        assert reply.status_code == status
        assert ("error" in reply.json()) == (status != 200)
    assert len(stub.bodies) == (status == 200)


def test_the_key_goes_to_the_model_alone() -> None:
    """It is in no counter and in no header of a reply."""
    stub = ModelStub()
    with proxied(stub) as client:
        reply = client.chat.completions.with_raw_response.create(
            model="desk", messages=cast(Any, OLD_CLIENT)
        )
        shown = metrics(client) + str(reply.headers)
    assert stub.headers[0]["authorization"] == f"Bearer {KEY}"
    assert KEY not in shown and reply.headers["x-unprompted-tokens-saved"] == "12"


def test_two_hundred_at_once() -> None:
    """Each gets the answer to its own question; together they take about as long as one."""

    async def ask_all(url: str) -> list[str]:
        async with AsyncOpenAI(base_url=url, api_key=KEY, max_retries=0) as client:

            async def ask_one(number: int) -> str:
                chat = [OLD_CLIENT[0], {"role": "user", "content": f"Question {number}"}]
                reply = await client.chat.completions.create(
                    model="gpt-4o", messages=cast(Any, chat)
                )
                return str(reply.choices[0].message.content)

            return await asyncio.gather(*map(ask_one, range(200)))

    with proxied(ModelStub(delay_s=0.2)) as client:
        answers = asyncio.run(ask_all(str(client.base_url)))
    assert answers == [f"desk read user: Question {number}" for number in range(200)]


def test_nothing_is_lost_when_the_model_restarts() -> None:
    """Forty requests: before, during and after two seconds without a server."""
    stub, answers = ModelStub(delay_s=0.05), []
    first = listener()
    port = first.getsockname()[1]
    targets = {"desk": ServedModel(f"http://127.0.0.1:{port}", "desk")}
    plan = ServingPlan(Router(KNOWN, ("desk",)), targets, restart_s=30)

    def ask_forty(url: str) -> None:
        client = OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0)
        for _ in range(40):
            answers.append(ask(client, OLD_CLIENT))

    with running(make_app(plan), listener()) as url:
        thread = threading.Thread(target=ask_forty, args=(url,))
        with running(stub.app(), first):
            thread.start()
            while len(answers) < 10:
                time.sleep(0.01)
        time.sleep(2)
        assert len(answers) < 40
        with running(stub.app(), listener(port)):
            thread.join()
    assert answers == ["desk read user: When?"] * 40


def test_a_stream_that_breaks_says_so() -> None:
    """Words that were sent cannot be taken back: the client gets an error behind them."""
    stub = ModelStub()
    stub.cut_after = 2
    with proxied(stub) as client, pytest.raises(Exception, match="server went away"):
        stream = client.chat.completions.create(
            model="desk", messages=cast(Any, OLD_CLIENT), stream=True
        )
        words = []
        for chunk in stream:
            words.append(chunk.choices[0].delta.content)
    assert words == ["desk", " read"]


def test_a_server_that_stays_away_is_one_error() -> None:
    away = listener()
    port = away.getsockname()[1]
    away.close()
    targets = {"desk": ServedModel(f"http://127.0.0.1:{port}", "desk")}
    plan = ServingPlan(Router(KNOWN, ("desk",)), targets, restart_s=0.5)
    with running(make_app(plan), listener()) as url:
        client = OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0)
        with pytest.raises(APIStatusError, match="is away and did not come back"):
            ask(client, OLD_CLIENT)
