"""The OpenAI engine against failing servers: retries, failover, errors."""

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from config.errors import SetupError
from data.answers import read_answers
from engine.batch_job import Task, run_job
from tests.engine.echo_model import renderer, respond
from tests.engine.openai_engine_factory import completions_from, engine_at, questions
from tests.judge.llm.server import Sent, error, serving

CANARY = "sk-canary-0123456789"
DEAD = "http://127.0.0.1:9/v1"


def tasks(count: int) -> list[Task]:
    return [Task("teacher", f"r{n}", 0, request) for n, request in enumerate(questions(count))]


class TestFaults:
    def test_thirty_percent_faults_of_six_kinds(self) -> None:
        """Each of 400 is answered once, after the planned number of attempts.

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
        for planned_request in wanted:
            faults = planned[planned_request.messages[-1]["content"]] = []
            while chance.random() < 0.3:
                faults.append(chance.choice(kinds)())
        attempts = 400 + sum(map(len, planned.values()))
        assert max(map(len, planned.values())) == 5  # of six attempts the last has to do

        def faulty(body: dict[str, Any]) -> Sent:
            faults = planned[body["messages"][-1]["content"]]
            return faults.pop() if faults else respond(body)

        with serving(faulty) as served:
            counts = Counter(done.key for done in engine_at(served.url).run(wanted))
        assert counts == Counter(planned_request.key for planned_request in wanted)
        assert len(served.bodies) == attempts

    def test_a_reply_too_late_is_asked_for_again(self) -> None:
        slow = iter([Sent("late", delay_s=3.0)])
        assert len(completions_from(lambda body: next(slow, respond(body)), questions(1))) == 1

    def test_what_fails_for_good_ends_the_job_after_what_came_is_stored(
        self, tmp_path: Path
    ) -> None:
        """One of 40 is always HTTP 500: one line, answers in flight stay, a rerun gets the rest."""
        bad = "Question number 25?"
        path = tmp_path / "teacher.jsonl"

        def respond_but_one(body: dict[str, Any]) -> Sent:
            return error(500) if body["messages"][-1]["content"] == bad else respond(body)

        with serving(respond_but_one) as served:
            with pytest.raises(
                SetupError, match=r"HTTP 500: no: check the server and run"
            ) as raised:
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
        """At most two requests, one per server; the key is in the request and nowhere else."""
        monkeypatch.setenv("TEACHER_TEST_KEY", CANARY)
        path = tmp_path / "teacher.jsonl"
        echoing = error(401, f"Incorrect API key provided: {CANARY}")
        with serving(lambda body: echoing) as first, serving(lambda body: echoing) as second:
            with pytest.raises(SetupError, match=r"TEACHER_TEST_KEY is set") as raised:
                run_job(engine_at(first.url, second.url), tasks(50), path, {})
            assert 1 <= len(first.bodies) + len(second.bodies) <= 2
            assert {*first.keys, *second.keys} == {f"Bearer {CANARY}"}
        shown = capfd.readouterr()
        files = [file.read_text() for file in tmp_path.rglob("*") if file.is_file()]
        assert not any(CANARY in text for text in (str(raised.value), *shown, *files))

    def test_a_prompt_too_long_for_the_server_names_the_way_out(self) -> None:
        long = error(400, "maximum context length is 2048 tokens")
        with pytest.raises(SetupError, match=r"too long for the server; lower model.max_length"):
            completions_from(lambda body: long, questions(3))

    @pytest.mark.parametrize(
        ("sent", "line", "requests"),
        [
            (
                error(400, "Unsupported parameter: 'max_tokens' is not supported"),
                "max_tokens' is not supported: set teacher.engine.max_tokens_field: max_completion",
                1,
            ),
            (
                error(400, "'temperature' is not supported with this model"),
                r"leave it out: teacher.engine.extra_body: \{temperature: null\}",
                1,
            ),
            (error(400, "Computer says no"), "HTTP 400: Computer says no: change what it names", 1),
            (
                Sent(raw=b'{"error": {"code": 401, "message": "No."}}'),
                "error 401 in a reply: No: the key was refused",
                1,
            ),
            (Sent(raw=b"<html>Sign in"), "the reply is HTML.*<html>Sign in: check the server", 6),
            (
                Sent(raw=b'{"error": {"code": 429, "message": "Daily limit"}}'),
                "error 429 in a reply: Daily limit: check the server",
                6,
            ),
        ],
    )
    def test_a_refused_set_up_says_what_the_server_says(
        self, sent: Sent, line: str, requests: int
    ) -> None:
        """At the first request, or after the six attempts of what may pass by itself."""
        with serving(lambda body: sent) as served:
            with pytest.raises(SetupError, match=line):
                list(engine_at(served.url, concurrency=1).run(questions(9)))
            assert len(served.bodies) == requests

    @pytest.mark.parametrize(
        "sent",
        [
            error(400, "The response was filtered", "content_filter"),
            error(403, "Your input was flagged by moderation"),
            Sent("half of", finish="SAFETY"),
            Sent("half of", finish="content_filter"),
            Sent(None, refusal="I cannot"),
        ],
    )
    def test_what_the_providers_filter_holds_back_is_an_empty_answer(self, sent: Sent) -> None:
        """Empty answers are counted and never selected; other rows are unaffected."""
        completions = completions_from(lambda body: sent, questions(3))
        end = renderer().template.end_of_turn
        assert [
            (completion.text, completion.token_ids, completion.finish) for completion in completions
        ] == [("", (end,), "stop")] * 3


class TestSeveral:
    def test_the_servers_take_turns(self) -> None:
        with serving(respond) as first, serving(respond) as second, serving(respond) as third:
            completions = list(engine_at(first.url, second.url, third.url).run(questions(60)))
            shares = [len(served.bodies) for served in (first, second, third)]
        assert len(completions) == 60 and shares == [20, 20, 20]

    def test_a_dead_one_is_left_out(self) -> None:
        """Its requests go to the other server; after 20 failures it is no longer tried."""
        with serving(respond) as served:
            completions = list(engine_at(DEAD, served.url).run(questions(100)))
            assert len(completions) == len(served.bodies) == 100

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
