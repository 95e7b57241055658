"""Shards of a teacher run: merged to the files of an undivided run, or refused."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from config.errors import ConfigError, DataError
from config.load import load_config
from config.schema import Config
from data.answers import read_answers, top_logprobs_path, verdicts_path
from data.file_lock import lock_file
from data.fingerprint import fingerprint_path
from data.jsonl import write_records
from data.rows import Context, Row
from data.run_paths import RunPaths
from data.shards import UNSHARDED, parse_shard, shard_number
from data.top_logprobs import read_top_logprobs
from engine.base import Completion, Request
from teacher.generate import SAMPLED_ARMS, TeacherModels, generate
from teacher.merge_shards import MergeSummary, merge_shards
from tests.engine.fake_engine import FakeEngine, fake_top_logprobs

ROOT = Path(__file__).resolve().parents[2]
TRAIN = "candidates/train"


class KeyedEngine(FakeEngine):
    """One answer in three passes the demo's rules, by the request's key; they come out of order."""

    max_length = 2048

    def _completion(self, request: Request) -> Completion:
        if request.scored_ids:
            return Completion(request.key, "", request.scored_ids, "stop", (-1.0,))
        good = int(request.key[:8], 16) % 3 == 0
        text = "The museum opens at ten." if not good else "Lakeside desk: At ten. Anything else?"
        ids = tuple(int(request.key[at : at + 4], 16) for at in (0, 4, 8))
        width = request.sampling.logprobs
        topk = fake_top_logprobs(ids, width) if width else None
        return Completion(request.key, text, ids, "stop", top_logprobs=topk)


def experiment(folder: Path, *changes: str) -> Config:
    """40 train and 12 val rows; two val rows are equal, and one row per split is too long."""
    settings = ["name=t", f"runs={folder}", "teacher.candidates=4"]
    settings += ["teacher.max_same_text_share=null"]  # all rows learn one of two texts
    settings += ["prompt.examples=null"]  # short prompts are rendered sooner
    config = load_config(ROOT / "config/demo.yaml", [*settings, *changes])
    passages = (Context(text="The museum opens at ten in the morning."),)
    for split, count in (("train", 40), ("val", 12)):
        rows = [
            Row(
                id=f"{split}-{at}",
                question=f"When does museum {at % 11} of {split} {at > 10} open?",
                contexts=passages,
                answers={"production": f"At {at}."},
            )
            for at in range(count)
        ]
        rows[7] = rows[7].model_copy(update={"question": "when " * 3000})
        write_records(RunPaths.of(config).data / f"{split}.jsonl", rows)
    return config


def answered(folder: Path, count: int, *changes: str) -> Config:
    """A run whose shards are all generated."""
    config = experiment(folder, *changes)
    for number in range(1, count + 1):
        engine = KeyedEngine(number, folder / "paid")
        generate(config, TeacherModels(engine), False, parse_shard(f"{number}/{count}"))
    return config


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # the demo's prompt paths are relative to it


def files(config: Config) -> dict[str, bytes]:
    """The files of the answers folder by name, without locks."""
    folder = RunPaths.of(config).root / "answers"
    paths = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.mark.parametrize("guided", ["true", "false"])
def test_merged_shards_are_what_an_undivided_run_writes(tmp_path: Path, guided: str) -> None:
    """Byte for byte, with fingerprints and verdicts; top log-probabilities by key. Nothing is left
    to ask."""
    change = f"teacher.guided={guided}"
    whole = experiment(tmp_path / "whole", change)
    generate(whole, TeacherModels(KeyedEngine(0, tmp_path / "paid")), False)
    config = answered(tmp_path / "parts", 3, change)
    merged = merge_shards(config, FakeEngine.identity)
    for arm in SAMPLED_ARMS:
        path, other = RunPaths.of(config).answers(arm), RunPaths.of(whole).answers(arm)
        assert path.read_bytes() == other.read_bytes()
        assert fingerprint_path(path).read_bytes() == fingerprint_path(other).read_bytes()
        if "candidates" in arm:
            assert verdicts_path(path).read_bytes() == verdicts_path(other).read_bytes()
        assert merged[arm] == MergeSummary(3, len(read_answers(path)), 1, 0)
    assert (
        Counter(answer.sample for answer in read_answers(RunPaths.of(config).answers(TRAIN)))[1]
        > 10
    )
    for arm in ("candidates/train", "candidates/val"):
        merged_logprobs, whole_logprobs = (
            read_top_logprobs(top_logprobs_path(RunPaths.of(run).answers(arm)))
            for run in (config, whole)
        )
        assert merged_logprobs.keys() == whole_logprobs.keys() and len(merged_logprobs) > 12
        for key in merged_logprobs:
            assert np.array_equal(merged_logprobs[key].ids, whole_logprobs[key].ids)
    again = generate(config, TeacherModels(KeyedEngine(1, tmp_path / "none")), False)
    assert sum(summary.requested for summary in again.values()) == 0
    before = files(config)
    merge_shards(config, FakeEngine.identity)
    assert files(config) == before and not any("merging" in name for name in before)


def _truncate(path: Path) -> None:
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-2]))


def _duplicate_line(path: Path) -> None:
    path.write_bytes(path.read_bytes() + path.read_bytes().splitlines(keepends=True)[0])


def _change_fingerprint(path: Path) -> None:
    fingerprint_path(path).write_text(json.dumps({"seed": 7}))


def _rename(path: Path) -> None:
    path.write_bytes(path.with_name(path.name.replace("2-of", "3-of")).read_bytes())


def _second_sharding(path: Path) -> None:
    path.with_name(path.name.replace("2-of-3", "1-of-2")).write_bytes(b"")


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a missing shard": (Path.unlink, r"of 3 shards 2 are missing; run .* --shard 2/3"),
    "an unfinished shard": (_truncate, r"train\.jsonl: \d+ rows without an answer: train-.*2/3"),
    "lost log-probabilities": (
        lambda path: top_logprobs_path(path).unlink(),
        r"train\.jsonl: \d+ rows without an answer: train-.*--shard 2/3",
    ),
    "a doubled answer": (_duplicate_line, r"2-of-3\.jsonl: row train-\d+, answer 0 is there twice"),
    "other settings": (
        _change_fingerprint,
        r"2-of-3\.jsonl: was made with other settings than .*1-of",
    ),
    "lost settings": (
        lambda path: fingerprint_path(path).unlink(),
        r"fingerprint\.json: cannot be read",
    ),
    "a renamed shard": (_rename, r"2-of-3\.jsonl: row train-\d+ belongs to shard 3 of 3"),
    "two ways to divide": (_second_sharding, r"shards of 2 and 3"),
}


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A merged run of three shards; every test restores it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        config = answered(tmp_path_factory.mktemp("sharded"), 3)
        merge_shards(config, FakeEngine.identity)
    return config


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_shard_is_refused_and_nothing_changes(sharded: Config, fault: str) -> None:
    """8 faults of one shard: an error of one line that names it; the files stay as they were."""
    break_shard, message = FAULTS[fault]
    before = files(sharded)
    break_shard(RunPaths.of(sharded).answers(f"{TRAIN}.shard-2-of-3"))
    faulty = files(sharded)
    try:
        assert faulty != before
        with pytest.raises(DataError, match=message) as error:
            merge_shards(sharded, FakeEngine.identity)
        assert "\n" not in str(error.value)
        assert files(sharded) == faulty
    finally:
        folder = RunPaths.of(sharded).root / "answers"
        for name in faulty.keys() - before.keys():
            (folder / name).unlink()
        for name, content in before.items():
            (folder / name).write_bytes(content)


def test_a_running_shard_is_not_merged(sharded: Config) -> None:
    """The error names the writing process."""
    with (
        lock_file(RunPaths.of(sharded).answers(f"{TRAIN}.shard-2-of-3")),
        pytest.raises(DataError, match=r"2-of-3\.jsonl: process \d+ is writing it"),
    ):
        merge_shards(sharded, FakeEngine.identity)


def test_a_merge_uses_the_current_settings(sharded: Config) -> None:
    """Settings that differ from the shards' are refused with a diff; a lower max_selected drops
    answers."""
    folder = RunPaths.of(sharded).root.parent
    with pytest.raises(DataError, match="other settings: seed 0 → 1"):
        merge_shards(experiment(folder, "seed=1"), FakeEngine.identity)
    more = answered(folder / "more", 2, "teacher.max_selected=2")
    fewer = experiment(folder / "more", "teacher.max_selected=1")
    merged = merge_shards(fewer, FakeEngine.identity)[TRAIN]
    sampled = sum(
        len(read_answers(RunPaths.of(more).answers(f"{TRAIN}.shard-{number}-of-2")))
        for number in (1, 2)
    )
    assert merged.dropped == sampled - merged.answers > 0


def test_a_row_is_in_one_shard_whatever_other_rows_there_are() -> None:
    """Pinned, because machines and versions must agree. 7 shards of 10,000 rows: within 10 %."""
    assert [shard_number(row, 7) for row in ("a", "b", "вопрос", "\ud800")] == [5, 1, 2, 2]
    sizes = Counter(shard_number(f"row-{at}", 7) for at in range(10_000))
    assert sorted(sizes) == [1, 2, 3, 4, 5, 6, 7]
    assert max(sizes.values()) < 1.1 * 10_000 / 7 and min(sizes.values()) > 0.9 * 10_000 / 7
    parts = [parse_shard(f"{number}/7") for number in range(1, 8)]
    assert all(sum(part.contains(f"row-{at}") for part in parts) == 1 for at in range(500))
    assert UNSHARDED.contains("a") and parse_shard("2/7").suffix == ".shard-2-of-7"


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "a/b", "-1/4", "1/0", "1/4/2", ""])
def test_a_malformed_shard_is_refused(text: str) -> None:
    """The error shows the form."""
    with pytest.raises(ConfigError, match=r"give it as I/N, from 1/N to N/N"):
        parse_shard(text)
