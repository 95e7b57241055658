"""Changed files of a run: commands end in a result or one line, and change no row or answer.

A change that leaves a valid file of other content is read as what it says.
"""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.judging import GateSettings
from config.schema import Config
from data.answers import Answer
from data.jsonl import JsonlFile, read_records, write_records
from data.run_paths import RunPaths
from engine.answer_store import AnswerStore
from judge.gate.thresholds import decide_gates, read_measurements
from judge.llm.cache import CachedReply, ReplyCache
from judge.run import judge_run
from judge.summary.summarise import summarise
from judge.verdict import Verdict
from report.numbers import build_numbers
from report.render import render_html
from report.run_files import read_run
from teacher.verdict_store import AnswerVerdicts, VerdictStore
from tests.fuzz.changes import changed_bytes, changed_tree
from tests.fuzz.endings import attempt, fuzzed
from tests.judge.factories import make_answer, make_verdict
from tests.report.run_fixture import make_run, with_gates

Files = dict[Path, bytes]
RECORDS = 6


class Run:
    """A whole run, which is as it was before every example."""

    def __init__(self, root: Path) -> None:
        gate = GateSettings(strict_min=0.5, not_worse_than_teacher=0.1)
        self.config = with_hidden(with_gates(make_run(root), gate))
        self.root = RunPaths.of(self.config).root
        self.files = self.read_files()

    def read_files(self) -> Files:
        return {path: path.read_bytes() for path in self.root.rglob("*") if path.is_file()}

    def restore(self) -> None:
        for path in self.read_files().keys() - self.files.keys():
            path.unlink()
        for path, content in self.files.items():
            path.write_bytes(content)


def with_hidden(config: Config) -> Config:
    """The settings with the hidden set, whose rows and answers the run has."""
    data = config.data.model_copy(update={"hidden": config.data.train})
    return config.model_copy(update={"data": data})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(tmp_path_factory.mktemp("run"))


def report(config: Config) -> None:
    files = read_run(config)
    render_html(files, build_numbers(files))


COMMANDS: dict[str, Callable[[Config], object]] = {
    "report": report,
    "judge score": lambda config: judge_run(config, None),
    "judge score --split hidden": lambda config: judge_run(config, None, "hidden"),
    "judge summary": summarise,
    "judge gate": lambda config: list(decide_gates(config.judge, read_measurements(config))),
}


@st.composite
def changed_file(draw: st.DrawFn, path: Path, content: bytes) -> bytes:
    """The content with changed bytes, or with changed values in its JSON."""
    if path.suffix not in (".json", ".jsonl") or draw(st.booleans()):
        return draw(changed_bytes(content))
    lines = content.splitlines() if path.suffix == ".jsonl" else [content]
    at = draw(st.integers(0, len(lines) - 1))
    lines[at] = json.dumps(draw(changed_tree(json.loads(lines[at])))).encode()
    return b"\n".join(lines) + b"\n"


@fuzzed(40, long_run=1500)
@given(command=st.sampled_from(sorted(COMMANDS)), data=st.data())
def test_commands(run: Run, command: str, data: st.DataObject) -> None:
    """Rows and answers are as they were afterwards, and so is the changed file if it is refused."""
    path = data.draw(st.sampled_from(sorted(run.files)), label="file")
    try:
        changed = data.draw(changed_file(path, run.files[path]))
        path.write_bytes(changed)
        before = run.read_files()
        action = partial(COMMANDS[command], run.config)
        ending = attempt("stored files", lambda: (action(),), f"{run.root}/", "row ")
        after = run.read_files()
        inputs = {file for file in before if file.parent.name in ("data", "answers", "student")}
        assert {file: after[file] for file in inputs} == {file: before[file] for file in inputs}
        assert ending is not None or after[path] == changed
        assert before.keys() <= after.keys()
    finally:
        run.restore()


def open_answers(path: Path) -> Iterator[object]:
    store = AnswerStore(path)
    try:
        yield [store.read(number).key for number in range(store.append(make_answer("new", "new")))]
    finally:
        store.close()


def open_replies(path: Path) -> Iterator[object]:
    cache = ReplyCache(path)
    try:
        yield cache.reply("0")
    finally:
        cache.close()


def open_verdicts_file(path: Path) -> Iterator[object]:
    with JsonlFile(path, AnswerVerdicts) as file:
        store = VerdictStore(file)
        store["new"] = [make_verdict("pass")]
        yield store.get("0")


STORES: dict[str, tuple[Callable[[Path], Iterator[object]], list[Any]]] = {
    "answers": (open_answers, [make_answer(f"Да {n}.", f"r{n}") for n in range(RECORDS)]),
    "replies": (
        open_replies,
        [
            CachedReply(key=str(n), rule="it", row=f"r{n}", text="VERDICT: pass", finish="stop")
            for n in range(RECORDS)
        ],
    ),
    "verdicts": (
        open_verdicts_file,
        [AnswerVerdicts(key=str(n), verdicts=(make_verdict("pass"),)) for n in range(RECORDS)],
    ),
}


@fuzzed(120, long_run=15_000)
@given(name=st.sampled_from(sorted(STORES)), data=st.data())
def test_appended_files(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    """A store that opens loses no whole line; one that refuses its file leaves it as it is."""
    path = tmp_path_factory.getbasetemp() / f"{name}.jsonl"
    open_store, records = STORES[name]
    write_records(path, records)
    whole = path.read_bytes()
    changed = data.draw(changed_file(path, whole))
    path.write_bytes(changed)
    result = attempt("appended files", lambda: list(open_store(path)), str(path))
    after = path.read_bytes()
    lines = [line for line in changed.split(b"\n")[:-1] if line in whole.split(b"\n")[:-1]]
    assert [line for line in after.split(b"\n") if line in lines] == lines
    if result is None:
        assert changed.startswith(after) and b"\n" not in changed[len(after) :]


@fuzzed(60, long_run=6000)
@given(data=st.data())
def test_read_records(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """A reader gives the records of all lines, or names the file."""
    path = tmp_path_factory.getbasetemp() / "read.jsonl"
    kind, records = data.draw(
        st.sampled_from(((Answer, STORES["answers"][1]), (Verdict, [make_verdict("fail")] * 3)))
    )
    write_records(path, records)
    changed = data.draw(changed_file(path, path.read_bytes()))
    path.write_bytes(changed)
    read = attempt("records", lambda: list(read_records(path, kind)), f"{path}:")
    if read is not None:
        assert changed.count(b"\n") <= len(read) <= changed.count(b"\n") + 1
    assert path.read_bytes() == changed
