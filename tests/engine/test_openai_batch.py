"""Batch files: shards, results in any order and incomplete, errors, unfinished lines."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from config.backends import BatchBackend
from config.errors import DataError
from config.generation import SamplingSettings
from data.answers import read_answers
from data.run_paths import RunPaths
from engine.factory import teacher_engine
from engine.openai_batch import BatchEngine, BatchFolder
from engine.openai_messages import ChatCodec
from engine.request_builder import RequestBuilder, View
from teacher.generate import TeacherModels, generate
from teacher.prepare_batch import prepare_batch
from tests.engine.batch_experiment import experiment
from tests.engine.echo_model import renderer, reply_to, request
from tests.engine.fake_engine import FakeEngine

ROOT = Path(__file__).resolve().parents[2]
Line = dict[str, Any]
GREEDY = SamplingSettings(max_tokens=80)  # as the demo's predict.sampling


def chat() -> ChatCodec:
    return ChatCodec(BatchBackend(model="m"), renderer(), {})


def lines_of(folder: BatchFolder) -> list[list[Line]]:
    """The request lines, file by file."""
    paths = sorted(folder.requests.glob("*.jsonl"))
    return [[json.loads(line) for line in path.open()] for path in paths]


def result(line: Line, status: int = 200, body: Any = None) -> str:
    """A result line as vLLM and OpenAI write it."""
    response = {"status_code": status, "request_id": "x", "body": body or reply_to(line["body"])}
    output = {"id": "y", "custom_id": line["custom_id"], "response": response, "error": None}
    return json.dumps(output) + "\n"


def test_shards_hold_each_request_once(tmp_path: Path) -> None:
    """Seven requests in files of at most three; a later, smaller batch removes old files."""
    folder = BatchFolder(tmp_path, 3)
    requests = [request(f"Question {n}?") for n in range(7)]
    folder.write(requests, chat())
    written = lines_of(folder)
    assert [len(lines) for lines in written] == [3, 3, 1]
    flat = [line for lines in written for line in lines]
    assert [line["custom_id"] for line in flat] == [request.key for request in requests]
    assert {(line["method"], line["url"]) for line in flat} == {("POST", "/v1/chat/completions")}
    assert [line["body"] for line in flat] == [chat().body(request) for request in requests]
    folder.write(requests[:2], chat())
    assert [len(lines) for lines in lines_of(folder)] == [2]


def test_results_in_part_with_errors_and_torn_lines(tmp_path: Path) -> None:
    """Eight requests: four answers, one filtered, one error, one unfinished line, one missing."""
    folder = BatchFolder(tmp_path, 100)
    requests = [request(f"Question {n}?") for n in range(8)]
    folder.write(requests, chat())
    lines = lines_of(folder)[0]
    folder.results.mkdir()
    filtered = {"error": {"code": "content_filter", "message": "no"}}
    (folder.results / "b.jsonl").write_text(
        result(lines[3]) + result(lines[0]) + result(lines[4], 400, filtered) + "\n"
    )
    failed = json.dumps({"custom_id": lines[5]["custom_id"], "error": {"message": "expired"}})
    torn = result(lines[6])
    (folder.results / "a.jsonl").write_text(
        result(lines[1], 500, {"error": {"message": "busy"}})
        + f"{failed}\n"
        + result(lines[2])
        + torn[: len(torn) // 2]
    )
    (folder.results / "c.jsonl").write_text(result(lines[1]) + result(lines[3]))
    came = []
    line = r"3 answers are missing, 1 of them came back as errors, 1 lines are unreadable"
    with pytest.raises(DataError, match=line) as e:
        for completion in BatchEngine(folder, chat(), 2048).run(requests):
            came.append((completion.key, bool(completion.text)))
    assert "a.jsonl:4" in str(e.value) and "\n" not in str(e.value)
    keys = [request.key for request in requests]
    assert came == [(key, key != keys[4]) for key in keys[:5]], "an error, then an answer: answered"


def test_the_settings_change_the_requests(tmp_path: Path) -> None:
    backend = BatchBackend(
        model="m", max_tokens_field="max_completion_tokens", extra_body={"temperature": None}
    )
    folder = BatchFolder(tmp_path, 100)
    folder.write([request("Where?")], ChatCodec(backend, renderer(), {}))
    (line,) = lines_of(folder)[0]
    assert set(line["body"]) == {"model", "messages", "top_p", "max_completion_tokens"}


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (
            {"response": {"status_code": 400, "body": {"error": {"message": "No 'max_tokens'."}}}},
            "HTTP 400: No 'max_tokens'.",
        ),
        ({"response": {"body": {"error": {"code": 429, "message": "Slow"}}}}, "Slow"),
        ({"error": {"message": "expired"}}, "expired"),
        ({"response": {"body": "<html>"}, "error": None}, "<html>"),
        ({"response": None, "error": "Bearer abcdef0815"}, r"\*\*\*"),
        ({"response": {"body": {"choices": []}}}, "choices"),
    ],
)
def test_what_the_server_says_in_place_of_answers_is_shown(
    tmp_path: Path, output: Line, words: str
) -> None:
    """The most frequent words of the failed results, in the one line and when files are written."""
    folder = BatchFolder(tmp_path, 100)
    requests = [request(f"Question {n}?") for n in range(3)]
    folder.results.mkdir()
    lines = [json.dumps({"custom_id": request.key, **output}) for request in requests]
    (folder.results / "a.jsonl").write_text("\n".join(lines))
    with pytest.raises(DataError, match=f"3 of them came back as errors, mostly: .*{words}"):
        list(BatchEngine(folder, chat(), 2048).run(requests))


def test_a_cut_or_thinking_answer_of_a_batch(tmp_path: Path) -> None:
    """Decoded as the server's replies are: cut is not whole, reasoning is no answer."""
    folder, word = BatchFolder(tmp_path, 100), "MAX_TOKENS"
    requests = [request(f"Question {n}?") for n in range(2)]
    bodies = [
        {"choices": [{"message": {"content": "half of"}, "finish_reason": word}]},
        {"choices": [{"message": {"content": "Hm.</think>At 9."}, "finish_reason": "STOP"}]},
    ]
    folder.results.mkdir()
    lines = [
        result({"custom_id": request.key}, body=body)
        for request, body in zip(requests, bodies, strict=True)
    ]
    (folder.results / "a.jsonl").write_text("".join(lines))
    came = list(BatchEngine(folder, chat(), 2048).run(requests))
    assert [(c.text, c.finish) for c in came] == [("half of", "length"), ("At 9.", "stop")]


@pytest.fixture
def _in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # the demo's prompt paths are relative to it


def send(folder: BatchFolder, name: str, but: int = 0) -> None:
    """Answers all requests except the last `but`."""
    sent = [line for lines in lines_of(folder) for line in lines]
    folder.results.mkdir(exist_ok=True)
    text = "".join(result(line) for line in sent[: len(sent) - but])
    (folder.results / f"{name}.jsonl").write_text(text)


@pytest.mark.usefixtures("_in_the_checkout")
def test_prepare_send_collect(tmp_path: Path) -> None:
    """Val once and 3 candidates of 4 rows: 13. Two stay away: counted, prepared again, collected.

    `v` is asked for val greedily and as a candidate at a temperature: two requests.
    """
    config = experiment(tmp_path)
    first = prepare_batch(config)
    assert (first.requests, first.answered, len(first.files)) == (13, 0, 1)
    folder = BatchFolder(tmp_path / "t/teacher/batch", 100)
    for task in RequestBuilder(config).tasks(
        "teacher", RunPaths.of(config).rows("val"), View(True), GREEDY
    ):
        messages = task.request.messages
        assert renderer().template.prompt_ids(messages) == task.request.prompt_ids, (
            "two forms of one chat"
        )
        assert messages in [tuple(line["body"]["messages"]) for line in lines_of(folder)[0]]
    send(folder, "first", but=2)
    sources = TeacherModels(teacher_engine(config), FakeEngine(0, tmp_path / "paid"))
    with pytest.raises(DataError, match=r"1 answers are missing, 0 of them .* prepare"):
        generate(config, sources, accept_changes=False)
    run = RunPaths.of(config)
    assert len(read_answers(run.answers("candidates/train"))) == 9, "what came is stored"
    again = prepare_batch(config)
    assert (again.requests, again.answered) == (2, 11)
    send(folder, "second")
    done = generate(config, sources, accept_changes=False)
    assert {arm: summary.reused + summary.requested for arm, summary in done.items()} == {
        "candidates/base": 3,
        "teacher": 1,
        "scored/teacher": 0,
        "candidates/train": 9,
        "candidates/val": 3,
    }
    assert all(answer.text for answer in read_answers(run.answers("teacher")))
    last = prepare_batch(config)
    assert (last.requests, last.answered, last.files) == (0, 13, [])


@pytest.mark.usefixtures("_in_the_checkout")
def test_guided_requests_are_a_second_round(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No answer obeys, so each of 4 rows gets 3 focused and one reminded request: 16, once the 13
    ordinary ones of train and val are collected. Text cannot be continued: none is prefilled."""
    config = experiment(tmp_path, "teacher.guided=true")
    assert prepare_batch(config).requests == 13
    folder, run = BatchFolder(tmp_path / "t/teacher/batch", 100), RunPaths.of(config)
    send(folder, "first")
    sources = TeacherModels(teacher_engine(config), FakeEngine(0, tmp_path / "paid"))
    with pytest.raises(DataError, match=r"3 answers are missing, 0 of them .* prepare"):
        generate(config, sources, accept_changes=False)
    stored = {split: read_answers(run.answers(f"candidates/{split}")) for split in ("train", "val")}
    assert {split: len(answers) for split, answers in stored.items()} == {"train": 9, "val": 3}
    assert "no answers are prefilled: engine batch may not continue" in capsys.readouterr().out
    second = prepare_batch(config)
    assert (second.requests, second.answered) == (16, 13)
    send(folder, "second")
    done = generate(config, sources, accept_changes=False)
    assert done["candidates/train"].answers == 3 * (3 + 4) and done["candidates/val"].answers == 7
    hows = Counter(answer.how for answer in read_answers(run.answers("candidates/train")))
    assert hows == {"sampled": 9, "focused": 9, "reminded": 3}
    last = prepare_batch(config)
    assert (last.requests, last.answered) == (0, 29)


def command(config: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "teacher", str(config), *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )


def test_the_commands_are_refused_where_there_are_no_files() -> None:
    """One line and exit code 2, before any model is loaded."""
    done = command(ROOT / "config/demo.yaml", "prepare")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "prepare needs batch files, but teacher.engine is vllm; run generate" in done.stderr
