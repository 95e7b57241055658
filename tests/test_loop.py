"""The whole pipeline on a few rows: real model, vLLM, training and judge server, one command.

The scores mean nothing at this size. The test checks that the stages fit together on disk.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from config.checkout import ROOT
from tests.guard.environment import guarded_environment

SIZES = {"train": 12, "val": 4, "hidden": 2}


def small_config(folder: Path) -> Path:
    """The demo's settings on the first rows of each split, with one short training."""
    for split, size in SIZES.items():
        rows = json.loads((ROOT / f"data/lakeside/{split}.json").read_text("utf-8"))
        (folder / f"{split}.json").write_text(json.dumps(rows[:size], ensure_ascii=False), "utf-8")
    settings = {
        "extends": str(ROOT / "config/demo.yaml"),
        "name": "small",
        "runs": str(folder / "runs"),
        "data": {split: {"path": str(folder / f"{split}.json")} for split in SIZES},
        "teacher": {"candidates": 2, "sampling": {"max_tokens": 48}, "guided": True},
        "students": [{"name": "tiny", "method": {"rank": 8}, "epochs": 1, "batch_size": 8}],
        "predict": {"sampling": {"max_tokens": 48}, "eval_rows": 4},
        "judge": {"arms": ["teacher"], "max_tokens": 96},
        "report_to": ["wandb"],
    }
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(settings), "utf-8")
    return path


def run(config: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Runs the pipeline as a user would, with guarded network access."""
    command = [sys.executable, "-m", "pipeline", str(config), *options]
    env = guarded_environment(config.parent / "attempts")
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def cpu_of_children() -> float:
    """Seconds of CPU of the processes that have ended; those of one command run one by one."""
    times = os.times()
    return times.children_user + times.children_system


@pytest.mark.reliability(line=23)
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_logs_in_report_out_and_nothing_asked_twice(tmp_path: Path) -> None:
    """One command writes every output file without the network; a second one skips every stage."""
    config = small_config(tmp_path)
    dry = run(config, "--dry-run", "--rows")
    assert dry.returncode == 0, dry.stderr
    assert all(f"train-{number:04}" in dry.stdout for number in range(1, SIZES["train"] + 1))
    assert not (tmp_path / "runs").exists(), "a dry run writes nothing"

    first = run(config)
    assert first.returncode == 0, first.stdout + first.stderr
    root = tmp_path / "runs/small"
    report = json.loads((root / "report.json").read_text("utf-8"))
    assert report["best"] is not None
    assert {"base", "teacher", "student/tiny"} <= set(report["arms"])
    assert set(report["hidden"]["arms"]) == {"base", "student/tiny"} and report["hidden"]["shifts"]
    arms = ("base", "teacher", "student/tiny")
    perplexities = [report["references"][arm]["perplexity"] for arm in arms]
    assert all(entry["n"] > 0 and entry["value"] > 1 for entry in perplexities)
    sizes = {(entry["n"], entry["tokens"]) for entry in perplexities}
    assert len(sizes) == 1, "the same answers for every arm"
    for arm in ("base", "teacher", "student/tiny", "student/tiny+prompt"):
        lines = (root / f"answers/{arm}.jsonl").read_text("utf-8").splitlines()
        assert len(lines) == SIZES["val"], arm
    train = len((root / "data/train.jsonl").read_text("utf-8").splitlines())
    base = (root / "answers/candidates/base.jsonl").read_text("utf-8").splitlines()
    assert len(base) == train, "base answers to compare the candidates with"
    ceiling = json.loads((root / "teacher/audit.json").read_text("utf-8"))["strict"]
    base_rate, first, best, guided = (ceiling[name] for name in ("base", "first", "best", "guided"))
    assert [rate["n"] for rate in (base_rate, first, best, guided)] == [train] * 4
    assert first["value"] <= best["value"] <= guided["value"]
    hidden = json.loads((root / "best/hidden_answers.json").read_text("utf-8"))
    source = json.loads((tmp_path / "hidden.json").read_text("utf-8"))
    assert [{key: row[key] for key in row if key != "answer"} for row in hidden] == source
    assert all("answer" in row for row in hidden)
    assert (root / "best/adapter/adapter_model.safetensors").exists()
    steps = [json.loads(line) for line in (root / "student/tiny/metrics.jsonl").open()]
    assert any(step["loss"] is not None for step in steps)
    assert any(step["val_rows"] == 4 for step in steps)
    assert list(root.glob("wandb/offline-run-*")), "tracked offline, without a key"
    attempts = tmp_path / "attempts"
    assert not attempts.exists(), f"a default run looks up and connects to nothing: {attempts}"

    start = cpu_of_children()
    second = run(config)
    assert second.returncode == 0, second.stderr
    assert second.stdout.count("unchanged, skipped") == 10
    assert cpu_of_children() - start < 15  # seconds; other work on the machine does not count

    changed = run(config, "teacher.sampling.temperature=0.5")
    assert changed.returncode == 2
    assert "sampling" in changed.stderr and "--accept-changes" in changed.stderr
