"""Shards of a teacher run: each row in one, joined to what an undivided run writes, or refused."""

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
    """One answer in three obeys the demo's rules, as the request's key decides; out of order."""

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
    """40 train and 12 val rows; two of val ask the same, and one of each split is too long."""
    own = ["name=t", f"runs={folder}", "teacher.candidates=4"]
    own += ["teacher.max_same_text_share=null"]  # all rows learn one of two texts
    own += ["prompt.examples=null"]  # short prompts are rendered sooner
    config = load_config(ROOT / "config/demo.yaml", [*own, *changes])
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
    """A run whose shards are done."""
    config = experiment(folder, *changes)
    for number in range(1, count + 1):
        engine = KeyedEngine(number, folder / "paid")
        generate(config, TeacherModels(engine), False, parse_shard(f"{number}/{count}"))
    return config


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # the demo's prompt paths are relative to it


def files(config: Config) -> dict[str, bytes]:
    """What lies among the answers, locks left out."""
    folder = RunPaths.of(config).root / "answers"
    found = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_merged_shards_are_what_an_undivided_run_writes(tmp_path: Path) -> None:
    """Byte for byte, settings included; likely tokens by key; and then nothing is left to ask."""
    whole = experiment(tmp_path / "whole")
    generate(whole, TeacherModels(KeyedEngine(0, tmp_path / "paid")), False)
    config = answered(tmp_path / "parts", 3)
    merged = merge_shards(config, FakeEngine.identity)
    for arm in SAMPLED_ARMS:
        path, other = RunPaths.of(config).answers(arm), RunPaths.of(whole).answers(arm)
        assert path.read_bytes() == other.read_bytes()
        assert fingerprint_path(path).read_bytes() == fingerprint_path(other).read_bytes()
        if "candidates" in arm:
            assert verdicts_path(path).read_bytes() == verdicts_path(other).read_bytes()
        assert merged[arm] == MergeSummary(3, len(read_answers(path)), 1, 0)
    assert Counter(a.sample for a in read_answers(RunPaths.of(config).answers(TRAIN)))[1] > 10
    for arm in ("candidates/train", "candidates/val"):
        joined, one = (
            read_top_logprobs(top_logprobs_path(RunPaths.of(c).answers(arm)))
            for c in (config, whole)
        )
        assert joined.keys() == one.keys() and len(joined) > 12
        for key in joined:
            assert np.array_equal(joined[key].ids, one[key].ids)
    again = generate(config, TeacherModels(KeyedEngine(1, tmp_path / "none")), False)
    assert sum(done.requested for done in again.values()) == 0
    before = files(config)
    merge_shards(config, FakeEngine.identity)
    assert files(config) == before and not any("merging" in name for name in before)


def _lose_the_end(path: Path) -> None:
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-2]))


def _double(path: Path) -> None:
    path.write_bytes(path.read_bytes() + path.read_bytes().splitlines(keepends=True)[0])


def _change_meaning(path: Path) -> None:
    fingerprint_path(path).write_text(json.dumps({"seed": 7}))


def _rename(path: Path) -> None:
    path.write_bytes(path.with_name(path.name.replace("2-of", "3-of")).read_bytes())


def _divide_anew(path: Path) -> None:
    path.with_name(path.name.replace("2-of-3", "1-of-2")).write_bytes(b"")


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a missing shard": (Path.unlink, r"of 3 shards 2 are missing; run .* --shard 2/3"),
    "an unfinished one": (_lose_the_end, r"train\.jsonl: \d+ rows without an answer: train-.*2/3"),
    "lost likely tokens": (
        lambda path: top_logprobs_path(path).unlink(),
        r"train\.jsonl: \d+ rows without an answer: train-.*--shard 2/3",
    ),
    "a doubled answer": (_double, r"2-of-3\.jsonl: row train-\d+, answer 0 is there twice"),
    "other settings": (_change_meaning, r"2-of-3\.jsonl: was made with other settings than .*1-of"),
    "lost settings": (
        lambda path: fingerprint_path(path).unlink(),
        r"fingerprint\.json: cannot be read",
    ),
    "a renamed shard": (_rename, r"2-of-3\.jsonl: row train-\d+ belongs to shard 3 of 3"),
    "two ways to divide": (_divide_anew, r"shards of 2 and 3"),
}


@pytest.fixture(scope="module")
def divided(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A merged run of three shards, which no test leaves changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        config = answered(tmp_path_factory.mktemp("divided"), 3)
        merge_shards(config, FakeEngine.identity)
    return config


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_proven_is_refused_and_changes_nothing(divided: Config, fault: str) -> None:
    """8 faults of one shard: one line that names it, and the files as they were before."""
    spoil, message = FAULTS[fault]
    before = files(divided)
    spoil(RunPaths.of(divided).answers(f"{TRAIN}.shard-2-of-3"))
    spoilt = files(divided)
    try:
        assert spoilt != before
        with pytest.raises(DataError, match=message) as refused:
            merge_shards(divided, FakeEngine.identity)
        assert "\n" not in str(refused.value)
        assert files(divided) == spoilt
    finally:
        folder = RunPaths.of(divided).root / "answers"
        for name in spoilt.keys() - before.keys():
            (folder / name).unlink()
        for name, content in before.items():
            (folder / name).write_bytes(content)


def test_a_shard_under_way_is_not_merged(divided: Config) -> None:
    """Its writer is named."""
    with (
        lock_file(RunPaths.of(divided).answers(f"{TRAIN}.shard-2-of-3")),
        pytest.raises(DataError, match=r"2-of-3\.jsonl: process \d+ is writing it"),
    ):
        merge_shards(divided, FakeEngine.identity)


def test_a_merge_follows_the_settings_of_today(divided: Config) -> None:
    """Others than the shards' are refused with a diff; fewer answers to keep leave some out."""
    folder = RunPaths.of(divided).root.parent
    with pytest.raises(DataError, match="other settings: seed 0 → 1"):
        merge_shards(experiment(folder, "seed=1"), FakeEngine.identity)
    more = answered(folder / "more", 2, "teacher.max_selected=2")
    fewer = experiment(folder / "more", "teacher.max_selected=1")
    merged = merge_shards(fewer, FakeEngine.identity)[TRAIN]
    drawn = sum(
        len(read_answers(RunPaths.of(more).answers(f"{TRAIN}.shard-{number}-of-2")))
        for number in (1, 2)
    )
    assert merged.dropped == drawn - merged.answers > 0


def test_a_row_is_in_one_shard_whatever_other_rows_there_are() -> None:
    """Pinned: machines and later versions must agree. 7 shards of 10,000 rows are even to 10 %."""
    assert [shard_number(row, 7) for row in ("a", "b", "вопрос", "\ud800")] == [5, 1, 2, 2]
    sizes = Counter(shard_number(f"row-{at}", 7) for at in range(10_000))
    assert sorted(sizes) == [1, 2, 3, 4, 5, 6, 7]
    assert max(sizes.values()) < 1.1 * 10_000 / 7 and min(sizes.values()) > 0.9 * 10_000 / 7
    parts = [parse_shard(f"{number}/7") for number in range(1, 8)]
    assert all(sum(part.contains(f"row-{at}") for part in parts) == 1 for at in range(500))
    assert UNSHARDED.contains("a") and parse_shard("2/7").suffix == ".shard-2-of-7"


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "a/b", "-1/4", "1/0", "1/4/2", ""])
def test_a_shard_that_is_none_is_refused(text: str) -> None:
    """With the form that is meant."""
    with pytest.raises(ConfigError, match=r"give it as I/N, from 1/N to N/N"):
        parse_shard(text)
