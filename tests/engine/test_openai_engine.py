"""The backend of servers against servers that fail: what is retried, what ends the job, and how."""

import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config.backends import OpenAiBackend
from config.errors import SetupError
from config.generation import SamplingSettings
from data.answers import read_answers
from engine.base import Completion, Request
from engine.batch_job import Task, run_job
from engine.openai_engine import OpenAiEngine
from engine.openai_messages import ChatCodec
from tests.engine.echo_server import renderer, replied, request, respond
from tests.judge.llm.server import Respond, Sent, error, serving
from wire.client import RetryPolicy

QUICK = RetryPolicy(attempts=6, first_wait_s=0.002, longest_wait_s=0.02)
CANARY = "sk-canary-0123456789"
DEAD = "http://127.0.0.1:9/v1"


def engine_at(*urls: str, **settings: Any) -> OpenAiEngine:
    backend = OpenAiBackend(
        model="m", base_urls=urls, api_key_env="TEACHER_TEST_KEY", timeout_s=2.0, **settings
    )
    kwargs = {"enable_thinking": False}
    return OpenAiEngine(backend, ChatCodec(backend, renderer(), kwargs), 2048, QUICK)


def questions(count: int, sampling: SamplingSettings | None = None) -> list[Request]:
    return [request(f"Question number {n}?", sampling) for n in range(count)]


def asked(respond: Respond, requests: Sequence[Request], **settings: Any) -> list[Completion]:
    with serving(respond) as served:
        return list(engine_at(served.url, **settings).run(requests))


def tasks(count: int) -> list[Task]:
    return [Task("teacher", f"r{n}", 0, one) for n, one in enumerate(questions(count))]


class TestBody:
    def test_another_model_is_sent_what_every_server_knows(self) -> None:
        """Messages and sampling; the seed where it decides something."""
        with serving(respond) as served:
            engine = engine_at(served.url)
            list(engine.run(questions(1)))
            list(
                engine.run(questions(1, SamplingSettings(temperature=0.7, top_p=0.9, max_tokens=9)))
            )
            greedy, drawn = served.bodies
        known = {"model", "messages", "max_tokens", "temperature", "top_p"}
        assert set(greedy) == known and set(drawn) == known | {"seed"}
        assert (drawn["temperature"], drawn["top_p"], drawn["max_tokens"]) == (0.7, 0.9, 9)
        assert [turn["role"] for turn in greedy["messages"]] == ["system", "user"]

    def test_vllm_is_asked_for_tokens_in_the_bases_template(self) -> None:
        with serving(respond) as served:
            engine = engine_at(served.url, same_tokenizer=True)
            list(engine.run(questions(1, SamplingSettings(max_tokens=9, logprobs=4))))
            body = served.bodies[0]
        assert body["chat_template_kwargs"] == {"enable_thinking": False}
        assert body["return_token_ids"] and body["logprobs"] and body["top_logprobs"] == 4


class TestTokens:
    def test_probabilities_by_falling_likelihood(self) -> None:
        """The drawn token is third of four here, and listed first by the server."""
        wanted = questions(3, SamplingSettings(max_tokens=9, logprobs=4))
        for done in asked(respond, wanted, same_tokenizer=True):
            assert done.top_logprobs is not None and done.logprobs == (-1.25,) * len(done.token_ids)
            assert done.top_logprobs.ids.shape == (len(done.token_ids), 4)
            assert (np.diff(done.top_logprobs.logprobs.astype(float), axis=1) <= 0).all()
            assert done.top_logprobs.ids[:, 1].tolist() == list(done.token_ids), (
                "-0.5, own, -1.5, -2.5"
            )

    @pytest.mark.parametrize(
        ("spoil", "line"),
        [
            (lambda found: found.pop("prompt_token_ids"), "returns no token ids"),
            (lambda found: found["choices"][0].pop("token_ids"), "returns no token ids"),
            (lambda found: found.update(prompt_token_ids=[1, 2]), "other token ids of the same"),
            (
                lambda found: found["choices"][0]["logprobs"]["content"].pop(),
                r"returns 8 logprobs for 9 tokens",
            ),
        ],
    )
    def test_a_server_of_other_tokens_is_refused(
        self, spoil: Callable[[dict[str, Any]], Any], line: str
    ) -> None:
        """What the settings say of the server is held against each of its replies."""

        def other(body: dict[str, Any]) -> Sent:
            found = replied(body)
            spoil(found)
            return Sent(raw=json.dumps(found).encode())

        long = [request("one two three four five six", SamplingSettings(max_tokens=9, logprobs=2))]
        with pytest.raises(SetupError, match=f"{line}.*same_tokenizer: false"):
            asked(other, long, same_tokenizer=True)


class TestFaults:
    def test_thirty_percent_faults_of_six_kinds(self) -> None:
        """Each of 400 is answered once, after as many attempts as were drawn for it.

        Drawn beforehand: in the order of arrival one of 400 would fail six times in a row, and end
        the job, in a run of four (400 · 0.3⁶ = 0.29).
        """
        chance = random.Random(3)
        kinds = [
            lambda: error(429, retry_after="0.005"),
            lambda: error(500),
            lambda: error(503),
            lambda: Sent(drop=True),
            lambda: Sent(raw=b'{"choices": [{"mess'),
            lambda: Sent(raw=b'{"choices": []}'),
        ]
        wanted = questions(400)
        planned: dict[str, list[Sent]] = {}
        for one in wanted:
            faults = planned[one.messages[-1]["content"]] = []
            while chance.random() < 0.3:
                faults.append(chance.choice(kinds)())
        attempts = 400 + sum(map(len, planned.values()))
        assert max(map(len, planned.values())) == 5  # of six attempts the last has to do

        def faulty(body: dict[str, Any]) -> Sent:
            faults = planned[body["messages"][-1]["content"]]
            return faults.pop() if faults else respond(body)

        with serving(faulty) as served:
            counts = Counter(done.key for done in engine_at(served.url).run(wanted))
        assert counts == Counter(one.key for one in wanted)
        assert len(served.bodies) == attempts

    def test_a_reply_too_late_is_asked_for_again(self) -> None:
        slow = iter([Sent("late", delay_s=3.0)])
        assert len(asked(lambda body: next(slow, respond(body)), questions(1))) == 1

    def test_what_fails_for_good_ends_the_job_after_what_came_is_stored(
        self, tmp_path: Path
    ) -> None:
        """One of 40 is always 500: one line, those under way still come, a rerun asks the rest."""
        bad = "Question number 25?"
        path = tmp_path / "teacher.jsonl"

        def respond_but_one(body: dict[str, Any]) -> Sent:
            return error(500) if body["messages"][-1]["content"] == bad else respond(body)

        with serving(respond_but_one) as served:
            with pytest.raises(SetupError, match=r"HTTP 500: check the server and run") as raised:
                run_job(engine_at(served.url, concurrency=4), tasks(40), path, {})
            came = {body["messages"][-1]["content"] for body in served.bodies} - {bad}
        assert "\n" not in str(raised.value)
        stored = {answer.row for answer in read_answers(path)}
        assert len(stored) == len(came) >= 25 and "r25" not in stored
        with serving(respond) as served:
            done = run_job(engine_at(served.url), tasks(40), path, {})
            assert (done.requested, done.reused) == (len(served.bodies), len(stored))
        assert len(read_answers(path)) == 40

    def test_a_refused_key_stops_at_once_and_is_nowhere(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        """Two requests at most, one for each server; the key is in the request and nowhere else."""
        monkeypatch.setenv("TEACHER_TEST_KEY", CANARY)
        path = tmp_path / "teacher.jsonl"
        echoing = error(401, f"Incorrect API key provided: {CANARY}")
        with serving(lambda body: echoing) as one, serving(lambda body: echoing) as two:
            with pytest.raises(SetupError, match=r"TEACHER_TEST_KEY is set") as raised:
                run_job(engine_at(one.url, two.url), tasks(50), path, {})
            assert 1 <= len(one.bodies) + len(two.bodies) <= 2
            assert {*one.keys, *two.keys} == {f"Bearer {CANARY}"}
        shown = capfd.readouterr()
        files = [file.read_text() for file in tmp_path.rglob("*") if file.is_file()]
        assert not any(CANARY in text for text in (str(raised.value), *shown, *files))

    def test_a_prompt_too_long_for_the_server_names_the_way_out(self) -> None:
        long = error(400, "maximum context length is 2048 tokens")
        with pytest.raises(SetupError, match=r"too long for the server; lower model.max_length"):
            asked(lambda body: long, questions(3))

    @pytest.mark.parametrize(
        "sent",
        [
            error(400, "The response was filtered", "content_filter"),
            Sent("half of", finish="content_filter"),
            Sent(None, refusal="I cannot"),
        ],
    )
    def test_what_the_providers_filter_holds_back_is_an_empty_answer(self, sent: Sent) -> None:
        """Empty answers are counted and never selected; the other rows go on."""
        found = asked(lambda body: sent, questions(3))
        end = renderer().template.end_of_turn
        assert [(one.text, one.token_ids, one.finish) for one in found] == [
            ("", (end,), "stop")
        ] * 3


class TestSeveral:
    def test_the_servers_take_turns(self) -> None:
        with serving(respond) as one, serving(respond) as two, serving(respond) as three:
            found = list(engine_at(one.url, two.url, three.url).run(questions(60)))
            shares = [len(served.bodies) for served in (one, two, three)]
        assert len(found) == 60 and shares == [20, 20, 20]

    def test_a_dead_one_is_left_out(self) -> None:
        """Its requests go to the other; after 20 it is not tried any more."""
        with serving(respond) as served:
            found = list(engine_at(DEAD, served.url).run(questions(100)))
            assert len(found) == len(served.bodies) == 100

    def test_all_dead_is_one_line(self) -> None:
        with pytest.raises(SetupError, match=r"127\.0\.0\.1:9.*check the server") as raised:
            list(engine_at(DEAD, f"{DEAD}/other").run(questions(10)))
        assert "\n" not in str(raised.value)


def test_a_caller_who_stops_leaves_nothing_under_way() -> None:
    """The generator is closed after the first of a hundred; no later request is sent."""
    with serving(respond) as served:
        answers = engine_at(served.url, concurrency=2).run(questions(100))
        next(answers)
        answers.close()  # type: ignore[attr-defined]
        assert len(served.bodies) < 10


@pytest.mark.slow
def test_a_vllm_server_of_the_bases_tokenizer(tmp_path: Path) -> None:
    """The embedded model behind HTTP, by ids and by text: the same words, and probabilities.

    Greedily the drawn token is the likeliest one, or in bfloat16 as likely as that; float16 holds
    three digits of its logprob.
    """
    from engine.vllm_server import vllm_server

    def answers(url: str, same: bool, sampling: SamplingSettings) -> list[Completion]:
        backend = OpenAiBackend(model="embedded", base_urls=(url,), same_tokenizer=same)
        wanted = questions(4, sampling)
        found = OpenAiEngine(backend, ChatCodec(backend, renderer(), {}), 2048).run(wanted)
        by_key = {one.key: one for one in found}
        return [by_key[one.key] for one in wanted]

    with vllm_server("embedded", 2048, tmp_path / "server.log") as url:
        by_ids = answers(url, True, SamplingSettings(max_tokens=12, logprobs=5))
        by_text = answers(url, False, SamplingSettings(max_tokens=12))
    for one, other in zip(by_ids, by_text, strict=True):
        assert one.text.strip() == other.text.strip() != "" and one.finish == other.finish
        assert one.top_logprobs is not None and one.top_logprobs.ids.shape == (
            len(one.token_ids),
            5,
        )
        likeliest = one.top_logprobs.logprobs == one.top_logprobs.logprobs[:, :1]  # (tokens, 5)
        drawn = one.top_logprobs.ids == np.array(one.token_ids)[:, None]
        assert (likeliest & drawn).any(axis=1).all()
        assert one.logprobs == pytest.approx(
            one.top_logprobs.logprobs[:, 0].tolist(), rel=2e-3, abs=1e-3
        )
