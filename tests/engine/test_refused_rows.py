"""A request that a teacher's server refuses for its own text costs that row, and not the run."""

from pathlib import Path
from typing import Any

import pytest

from config.errors import DataError, SetupError
from data.answers import read_answers
from engine.batch_job import Task, run_job
from engine.openai_batch import BatchEngine, BatchFolder
from tests.engine.echo_model import request, respond
from tests.engine.openai_engine_factory import completions_from, engine_at, questions
from tests.engine.test_openai_batch import chat, lines_of, result
from tests.judge.llm.server import Respond, Sent, error, serving
from wire.client import FIRST_REFUSALS, GIVE_UP_AFTER

REFUSALS = {
    "HTTP 403 without words": (error(403), "stop"),
    "the page of a firewall": (Sent(status=403, raw=b"<html>Access Denied</html>"), "stop"),
    "moderation": (error(403, "Your input was flagged by moderation"), "stop"),
    "the content policy": (error(422, "against the content policy"), "stop"),
    "HTTP 422": (error(422, "strange text"), "stop"),
    "HTTP 400": (error(400, "strange text"), "stop"),
    "too long": (error(400, "maximum context length is 2048 tokens"), "too_long"),
    "half a character": (Sent("So \ud83d"), "stop"),
}


def number_of(body: dict[str, Any]) -> int:
    return int(body["messages"][-1]["content"].split()[2].rstrip("?"))


def refusing(sent: Sent, numbers: set[int]) -> Respond:
    return lambda body: sent if number_of(body) in numbers else respond(body)


def tasks(count: int) -> list[Task]:
    return [Task("teacher", f"r{n}", 0, request) for n, request in enumerate(questions(count))]


@pytest.mark.parametrize("name", REFUSALS)
def test_one_refused_row_is_recorded_once(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first, one in the middle and the last of 30; a second run asks for none of them again."""
    sent, finish = REFUSALS[name]
    numbers = {1, 15, 29} if name == "HTTP 400" else {0, 15, 29}
    path = tmp_path / "teacher.jsonl"
    with serving(refusing(sent, numbers)) as served:
        run_job(engine_at(served.url, concurrency=2), tasks(30), path, {})
        answers = {answer.row: answer for answer in read_answers(path)}
        requests = len(served.bodies)
        run_job(engine_at(served.url), tasks(30), path, {})
        assert len(served.bodies) == requests == (33 if name == "half a character" else 30)
    refused = {row for row, answer in answers.items() if not answer.text}
    assert refused == {f"r{number}" for number in numbers} and len(answers) == 30
    assert all((answers[row].finish, answers[row].usable) == (finish, False) for row in refused)
    is_reported = name not in ("moderation", "the content policy")  # counted with the filtered
    assert capsys.readouterr().err.count("3 requests were refused") == is_reported


@pytest.mark.parametrize(
    ("sent", "most"),
    [(error(403), 3), (error(422, "strange"), 4), (REFUSALS["too long"][0], 19)],
)
def test_a_server_that_refuses_every_row_is_not_asked_for_all(
    tmp_path: Path, sent: Sent, most: int
) -> None:
    """Three times, and up to 16 on the way. Nothing is stored: the same command asks again."""
    path = tmp_path / "teacher.jsonl"
    with serving(lambda body: sent) as served:
        with pytest.raises(SetupError) as line:
            run_job(engine_at(served.url), tasks(50), path, {})
        assert FIRST_REFUSALS <= len(served.bodies) <= most
    assert "\n" not in str(line.value) and not path.read_text()


@pytest.mark.parametrize(
    ("sent", "line"),
    [
        (error(401), "the key was refused"),
        (error(403, "You have no permission"), "the key was refused"),
        (error(403, code="unsupported_country_region_territory"), "does not serve this region"),
        (error(400, "strange"), "change what it names"),
    ],
)
def test_a_fault_of_the_set_up_stops_within_two_requests(sent: Sent, line: str) -> None:
    with serving(lambda body: sent) as served:
        with pytest.raises(SetupError, match=line):
            list(engine_at(served.url).run(questions(50)))
        assert len(served.bodies) <= 2


@pytest.mark.parametrize("sent", [error(403), error(422, "strange")])
def test_a_key_that_is_withdrawn_on_the_way_poisons_no_row(tmp_path: Path, sent: Sent) -> None:
    """After 30 answers everything is refused: it stops twenty requests later and stores none."""
    path = tmp_path / "teacher.jsonl"
    with serving(refusing(sent, set(range(30, 90)))) as served:
        with pytest.raises(SetupError):
            run_job(engine_at(served.url, concurrency=1), tasks(90), path, {})
        assert len(served.bodies) == 30 + GIVE_UP_AFTER
    assert len(read_answers(path)) == 30 and all(answer.text for answer in read_answers(path))


def test_long_rows_at_the_end_do_not_stop_a_run() -> None:
    """Forty rows sorted to the end, twice the number that would stop it."""
    long = refusing(REFUSALS["too long"][0], set(range(10, 50)))
    finishes = [each.finish for each in completions_from(long, questions(50), concurrency=1)]
    assert finishes == ["stop"] * 10 + ["too_long"] * 40


def test_two_refused_rows_alone_are_recorded() -> None:
    """A rerun for the last rows must end, or it would begin anew for ever."""
    completions = completions_from(lambda body: error(403), questions(2))
    assert [completion.text for completion in completions] == ["", ""]


def test_a_prompt_too_long_in_a_batch_is_recorded(tmp_path: Path) -> None:
    folder, requests = BatchFolder(tmp_path, 100), [request(f"Question {n}?") for n in range(3)]
    folder.write(requests, chat())
    lines = lines_of(folder)[0]
    long = {"error": {"code": "context_length_exceeded", "message": "no"}}
    half = {"choices": [{"message": {"content": "So \ud83d"}, "finish_reason": "stop"}]}
    folder.results.mkdir()
    path = folder.results / "a.jsonl"
    path.write_text(result(lines[0], 400, long) + result(lines[1]))
    with pytest.raises(DataError, match="1 answers are missing"):
        list(BatchEngine(folder, chat(), 2048).run(requests))
    path.write_text(path.read_text() + result(lines[2], body=half))
    with pytest.raises(DataError, match=r"1 answers are missing.*1 lines are unreadable"):
        list(BatchEngine(folder, chat(), 2048).run(requests))
    completions = list(BatchEngine(folder, chat(), 2048).run(requests[:2]))
    assert [completion.finish for completion in completions] == ["too_long", "stop"]
