"""The whole loop on a few rows: real model, vLLM, training and judge server, one command.

The scores mean nothing at this size; that every stage meets the next one on disk does.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.guard.environment import guarded

ROOT = Path(__file__).resolve().parents[1]
SIZES = {"train": 24, "val": 6, "hidden": 3}


def small_config(folder: Path) -> Path:
    """The demo's settings on the first rows of each split, with one short student."""
    for split, size in SIZES.items():
        rows = json.loads((ROOT / f"data/lakeside/{split}.json").read_text("utf-8"))
        (folder / f"{split}.json").write_text(json.dumps(rows[:size], ensure_ascii=False), "utf-8")
    settings = {
        "extends": str(ROOT / "config/demo.yaml"),
        "name": "small",
        "runs": str(folder / "runs"),
        "data": {split: {"path": str(folder / f"{split}.json")} for split in SIZES},
        "teacher": {"candidates": 3, "sampling": {"max_tokens": 48}, "repair": True},
        "students": [{"name": "tiny", "method": {"rank": 8}, "epochs": 1, "batch_size": 8}],
        "predict": {"sampling": {"max_tokens": 48}, "eval_rows": 4},
        "judge": {"arms": ["teacher"], "max_tokens": 96},
        "wandb": {"mode": "offline"},
    }
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(settings), "utf-8")
    return path


def run(config: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """The pipeline as a user starts it, on a machine whose network is guarded."""
    command = [sys.executable, "-m", "pipeline", str(config), *options]
    env = guarded(config.parent / "tried")
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_logs_in_report_out_and_nothing_asked_twice(tmp_path: Path) -> None:
    """One command makes all that the contract lists, without the network; a second one skips every
    stage."""
    config = small_config(tmp_path)
    dry = run(config, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert all(f"train-{number:04}" in dry.stdout for number in range(1, SIZES["train"] + 1))
    assert not (tmp_path / "runs").exists(), "a dry run leaves nothing behind"

    first = run(config)
    assert first.returncode == 0, first.stdout + first.stderr
    root = tmp_path / "runs/small"
    report = json.loads((root / "report.json").read_text("utf-8"))
    assert report["best"] is not None
    assert {"base", "teacher", "student/tiny"} <= set(report["arms"])
    assert set(report["hidden"]["arms"]) == {"base", "student/tiny"} and report["hidden"]["drift"]
    arms = ("base", "teacher", "student/tiny")
    likely = [report["references"][arm]["perplexity"] for arm in arms]
    assert all(one["n"] > 0 and one["value"] > 1 for one in likely)
    assert len({(one["n"], one["tokens"]) for one in likely}) == 1, "the same answers for every arm"
    for arm in ("base", "teacher", "student/tiny", "student/tiny+prompt"):
        lines = (root / f"answers/{arm}.jsonl").read_text("utf-8").splitlines()
        assert len(lines) == SIZES["val"], arm
    train = len((root / "data/train.jsonl").read_text("utf-8").splitlines())
    base = (root / "answers/candidates/base.jsonl").read_text("utf-8").splitlines()
    assert len(base) == train, "what the candidates must beat"
    ceiling = json.loads((root / "teacher/audit.json").read_text("utf-8"))["strict"]
    ways = [ceiling[way] for way in ("base", "first", "best", "repaired")]
    assert [way["n"] for way in ways] == [train] * 4
    assert ways[1]["value"] <= ways[2]["value"] <= ways[3]["value"]
    hidden = json.loads((root / "best/hidden_answers.json").read_text("utf-8"))
    source = json.loads((tmp_path / "hidden.json").read_text("utf-8"))
    assert [{key: row[key] for key in row if key != "answer"} for row in hidden] == source
    assert all("answer" in row for row in hidden)
    assert (root / "best/adapter/adapter_model.safetensors").exists()
    steps = [json.loads(line) for line in (root / "student/tiny/metrics.jsonl").open()]
    assert any(step["loss"] is not None for step in steps)
    assert any(step["val_rows"] == 4 for step in steps)
    assert list(root.glob("wandb/offline-run-*")), "tracked offline, without a key"
    tried = tmp_path / "tried"
    assert not tried.exists(), f"a default run looks up and connects to nothing: {tried}"

    start = time.monotonic()
    second = run(config)
    assert second.returncode == 0, second.stderr
    assert second.stdout.count("unchanged, skipped") == 10
    assert time.monotonic() - start < 15  # seconds; the bound for a second run

    changed = run(config, "teacher.sampling.temperature=0.5")
    assert changed.returncode == 2
    assert "sampling" in changed.stderr and "--accept-changes" in changed.stderr
