"""Two processes train what one trains."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from config.errors import DataError
from config.load import load_config
from config.schema import Config
from data.jsonl import read_records
from data.run_paths import RunPaths
from engine.models import load_base
from student.checkpoint import TRAINED
from student.distributed import all_reduce_sum, gather_shards, shard_for_rank
from student.records import Step
from student.train import train
from tests.student.run_factory import (
    ROOT,
    add_cases,
    experiment,
    losses,
    small_vocabulary_model,
    trained,
)

PYTHON = [sys.executable, "-m"]
TORCHRUN = [*PYTHON, "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
# without --multi_gpu accelerate starts one process, whatever their number, on CPU as well
ACCELERATE = [*PYTHON, "accelerate.commands.launch", "--multi_gpu", "--num_processes=2"]
ACCELERATE += ["--num_machines=1", "--mixed_precision=no", "--dynamo_backend=no"]


# rows that are batched otherwise differ by bfloat16's rounding, up to 1.5e-4 of a loss
FLOAT32 = "model.dtype=float32"


@pytest.mark.slow
@pytest.mark.parametrize(("objective", "launcher"), [("ce", TORCHRUN), ("kl", ACCELERATE)])
def test_two_processes_are_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, objective: str, launcher: list[str]
) -> None:
    """Losses and weights to 1e-4: the same rows per step, summed in another order, in float32.

    24 rows in steps of 5: shares are unequal, and the last step leaves one process fewer rows. At a
    learning rate at which 20 steps move a weight by some 1e-3: gradients that were not shared would
    show a tenfold difference. test_mixed_precision.py sees the types of both. Rows have weights by
    case, and the weights that are compared are averages over some 5 steps.
    """
    monkeypatch.chdir(ROOT)
    model = small_vocabulary_model(tmp_path / "model")
    changes = ["students.0.method.dropout=0", "students.0.batch_size=5", FLOAT32]
    changes.append("students.0.learning_rate=2e-4")
    changes += ["students.0.case_weights=true", "students.0.averaging=0.1"]
    if objective == "kl":
        changes.append("students.0.objective={kind: kl, teacher: adapter_off}")
    single = load_config(experiment(tmp_path / "one", model), changes)
    path = experiment(tmp_path / "two", model)
    two = load_config(path, changes)
    add_cases(single)
    add_cases(two)
    command = [*launcher, "-m", "student", str(path), "train", *changes]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert not (RunPaths.of(two).student("s") / "checkpoints").exists()

    expected, measured = trained(single), trained(two)
    alone, shared = losses(single), losses(two)
    assert len(alone) == len(shared) == 20
    assert max(abs(a - b) for (_, a), (_, b) in zip(alone, shared, strict=True)) < 1e-4
    assert measured.keys() == expected.keys()
    assert max(float((measured[n] - expected[n]).abs().max()) for n in measured) < 1e-4
    assert max(float(measured[n].abs().max()) for n in measured if "lora_B" in n) > 1e-3, (
        "B began at 0"
    )
    assert evaluations(single) == evaluations(two) and len(evaluations(single)) == 4


FULL = (
    FLOAT32,
    "students.0.method={kind: full}",
    "students.0.batch_size=5",
    "students.0.learning_rate=2e-5",
    "students.0.averaging=0.1",  # each process averages its shards; what is compared is the average
)


@pytest.mark.slow
@pytest.mark.parametrize("tied", [False, True])
def test_every_weight_in_two_shares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tied: bool
) -> None:
    """FSDP2: losses, gradient norms and weights of one process, in one run and after a kill.

    To 1e-4 as above, at a rate that suits full fine-tuning: where a gradient is near zero, AdamW
    follows its sign, so a single weight may go another way for a step.
    """
    monkeypatch.chdir(ROOT)
    model = small_vocabulary_model(tmp_path / "model", tied)
    single = load_config(experiment(tmp_path / "one", model), FULL)
    path = experiment(tmp_path / "two", model)
    two = load_config(path, FULL)
    command = [*TORCHRUN, "-m", "student", str(path), "train", *FULL]
    if tied:
        kill_after_first_checkpoint(command, two)
    assert start(command).wait(400) == 0  # two processes of FSDP on shared cores

    train(single, single.students[0], accept_changes=False)
    alone, shared = steps(single), steps(two)
    assert len(alone) == len(shared) == 20
    for a, b in zip(alone, shared, strict=True):
        assert a.loss == pytest.approx(b.loss, abs=1e-4)
        assert a.grad_norm == pytest.approx(b.grad_norm, rel=1e-2)
    expected, measured = (load_file(RunPaths.of(c).student("s") / TRAINED) for c in (single, two))
    base = load_base(str(model), dtype=torch.float32)
    begun = {name: weight.detach() for name, weight in base.named_parameters()}
    assert measured.keys() == expected.keys() == begun.keys()
    apart, moved = (
        sum(float((side[n] - expected[n]).square().sum()) ** 0.5 for n in expected)
        for side in (measured, begun)
    )
    assert max(float((measured[n] - expected[n]).abs().max()) for n in measured) < 1e-4
    assert moved > 0 and apart < 0.01 * moved, "measured: 0.002"
    assert evaluations(single) == evaluations(two) and len(evaluations(single)) == 4


def kill_after_first_checkpoint(command: list[str], config: Config) -> None:
    """Starts the training, kills it, and sees that one process alone does not go on with it."""
    folder = RunPaths.of(config).student("s")
    killed = start(command)
    while not list(folder.glob("checkpoints/*/COMPLETE")):
        assert killed.poll() is None
        time.sleep(0.01)
    workers = Path(f"/proc/{killed.pid}/task/{killed.pid}/children").read_text().split()
    assert len(workers) == 2, "they are in sessions of their own, and outlive their launcher"
    for worker in workers:
        os.kill(int(worker), signal.SIGKILL)
    assert killed.wait(60) != 0
    assert not (folder / "result.json").exists(), "it ended before it was killed"
    with pytest.raises(DataError, match="saved by several processes; start as many again"):
        train(config, config.students[0], accept_changes=False)


def start(command: list[str]) -> subprocess.Popen[bytes]:
    """Two processes with a core each."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=ROOT, env=environment)


def steps(config: Config) -> list[Step]:
    """Every optimiser step."""
    measured = read_records(RunPaths.of(config).student("s") / "metrics.jsonl", Step)
    return [step for step in measured if step.loss is not None]


def evaluations(config: Config) -> list[tuple[float | None, int]]:
    """Adherence and rows of every evaluation."""
    steps = read_records(RunPaths.of(config).student("s") / "metrics.jsonl", Step)
    return [(step.strict, step.val_rows) for step in steps if step.val_rows is not None]


def test_a_share_is_put_together_again() -> None:
    """Alone, a share is all there is."""
    assert shard_for_rank([1, 2, 3]) == [1, 2, 3] == gather_shards([1, 2, 3])
    assert float(all_reduce_sum(torch.tensor(2.0))) == 2.0
