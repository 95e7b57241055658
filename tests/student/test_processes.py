"""Two processes train what one trains."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from config.load import load_config
from config.schema import Config
from data.run import Run
from data.store import read_records
from student.processes import joined, share, total
from student.records import Step
from tests.student.test_resume import ROOT, experiment, losses, tiny_model, trained


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["ce", "kl"])
def test_two_processes_are_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, objective: str
) -> None:
    """Losses and weights to 1e-4: the same rows per step, summed in another order in bfloat16.

    24 rows in steps of 5: shares are unequal, and the last step leaves one process fewer rows. At a
    learning rate at which 20 steps move a weight by some 1e-3: bfloat16's rounding of a step grows
    with the rate, and gradients that were not shared would show a tenfold difference.
    """
    monkeypatch.chdir(ROOT)
    model = tiny_model(tmp_path / "model")
    changes = ["students.0.method.dropout=0", "students.0.batch_size=5"]
    changes.append("students.0.learning_rate=2e-4")
    if objective == "kl":
        changes.append("students.0.objective={kind: kl, teacher: adapter_off}")
    one = load_config(experiment(tmp_path / "one", model), changes)
    path = experiment(tmp_path / "two", model)
    two = load_config(path, changes)
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    command = [*launch, "-m", "student", str(path), "train", *changes]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert not (Run.of(two).student("s") / "checkpoints").exists()

    expected, found = trained(one), trained(two)
    alone, shared = losses(one), losses(two)
    assert len(alone) == len(shared) == 20
    assert max(abs(a - b) for (_, a), (_, b) in zip(alone, shared, strict=True)) < 1e-4
    assert found.keys() == expected.keys()
    assert max(float((found[n] - expected[n]).abs().max()) for n in found) < 1e-4
    assert max(float(found[n].abs().max()) for n in found if "lora_B" in n) > 1e-3, "B began at 0"
    assert looks(one) == looks(two) and len(looks(one)) == 4


def looks(config: Config) -> list[tuple[float | None, int]]:
    """Adherence and rows of every look at val."""
    steps = read_records(Run.of(config).student("s") / "metrics.jsonl", Step)
    return [(step.strict, step.val_rows) for step in steps if step.val_rows is not None]


def test_a_share_is_put_together_again() -> None:
    """Alone, a share is all there is."""
    assert share([1, 2, 3]) == [1, 2, 3] == joined([1, 2, 3])
    assert float(total(torch.tensor(2.0))) == 2.0
