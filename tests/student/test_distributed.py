"""Two processes train what one trains."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
import yaml
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
from tests.student.run_factory import ROOT, add_cases, experiment, small_vocabulary_model

PYTHON = [sys.executable, "-m"]
TORCHRUN = [*PYTHON, "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
# without --multi_gpu accelerate starts one process, whatever their number, on CPU as well
ACCELERATE = [*PYTHON, "accelerate.commands.launch", "--multi_gpu", "--num_processes=2"]
ACCELERATE += ["--num_machines=1", "--mixed_precision=no", "--dynamo_backend=no"]


class Launched(NamedTuple):
    """Three students by one process, to be trained here, and by two, trained already."""

    single: Config
    two: Config
    types: Path  # a folder with the types of matrix products, by training and process


def three_students(folder: Path, model: Path) -> Config:
    """Two adapters and a full fine-tuning, whose rows have weights by case.

    24 rows in steps of 5: shares are unequal, and the last step leaves one process fewer rows. In
    float32: in bfloat16, rows that are batched otherwise differ by up to 1.5e-4 of a loss.
    """
    path = experiment(folder, model)
    values = yaml.safe_load(path.read_text("utf-8"))
    adapter = {"method": {"rank": 4, "dropout": 0}, "batch_size": 5, "epochs": 4}
    adapter |= {"learning_rate": 2e-4, "case_weights": True, "averaging": 0.1}
    values["students"] = [
        adapter | {"name": "ce"},
        adapter | {"name": "kl", "objective": {"kind": "kl", "teacher": "adapter_off"}},
        {"name": "full", "batch_size": 5, "epochs": 4} | FULL,
    ]
    values["model"]["dtype"] = "float32"
    path.write_text(yaml.safe_dump(values), "utf-8")
    config = load_config(path)
    add_cases(config)
    return config


# each process averages its shards; what is compared is the average
FULL = {"method": {"kind": "full"}, "learning_rate": 2e-5, "averaging": 0.1}


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> Launched:
    """One start of two processes for all trainings: their imports take longer."""
    folder = tmp_path_factory.mktemp("launched")
    model = small_vocabulary_model(folder / "model")
    single = three_students(folder / "one", model)
    two = three_students(folder / "two", model)
    command = [*ACCELERATE, "-m", "tests.student.several_trainings", str(folder / "two/t.yaml")]
    command += [str(folder), *(str(mixed(folder / kind, model, kind)) for kind in ("lora", "full"))]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return Launched(single, two, folder)


def mixed(folder: Path, model: Path, kind: str) -> Path:
    """A config of two steps in bfloat16."""
    path = experiment(folder, model)
    changes = ["students.0.epochs=1", "students.0.batch_size=12", "model.dtype=bfloat16"]
    config = load_config(path, [*changes, f"students.0.method={{kind: {kind}}}"])
    path.write_text(yaml.safe_dump(config.model_dump(mode="json")), "utf-8")
    return path


@pytest.mark.slow
def test_products_in_two_processes(launched: Launched) -> None:
    """In nothing else than the precision of the settings, as test_mixed_precision.py sees it of one
    process; `full` is sharded by FSDP2, whose forward accelerate wraps."""
    for name in ("lora-0", "lora-1", "full-0", "full-1"):
        assert (launched.types / name).read_text("utf-8") == "torch.bfloat16", name


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ce", "kl"])
def test_two_processes_are_one(
    launched: Launched, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Losses and weights to 1e-4: the same rows per step, summed in another order, in float32.

    At a learning rate at which 20 steps move a weight by some 1e-3: gradients that were not shared
    would show a tenfold difference. The weights that are compared are averages over some 5 steps.
    """
    monkeypatch.chdir(ROOT)
    folders = train_alone(launched, name)
    alone, shared = map(steps, folders)
    assert len(alone) == len(shared) == 20
    for a, b in zip(alone, shared, strict=True):
        assert a.loss is not None and b.loss is not None and abs(a.loss - b.loss) < 1e-4
    file = "adapter/adapter_model.safetensors"
    expected, measured = (load_file(folder / file) for folder in folders)
    assert measured.keys() == expected.keys()
    assert max(float((measured[n] - expected[n]).abs().max()) for n in measured) < 1e-4
    assert max(float(measured[n].abs().max()) for n in measured if "lora_B" in n) > 1e-3, (
        "B began at 0"
    )


def train_alone(launched: Launched, name: str) -> tuple[Path, Path]:
    """The folders of a student of one process and of two; their evaluations are equal."""
    (student,) = (student for student in launched.single.students if student.name == name)
    train(launched.single, student, accept_changes=False)
    alone, shared = (RunPaths.of(config).student(name) for config in launched[:2])
    assert not (shared / "checkpoints").exists()
    assert evaluations(alone) == evaluations(shared) and len(evaluations(alone)) == 4
    return alone, shared


@pytest.mark.slow
def test_every_weight_in_two_shares(launched: Launched, monkeypatch: pytest.MonkeyPatch) -> None:
    """FSDP2: losses, gradient norms and weights of one process."""
    monkeypatch.chdir(ROOT)
    alone, shared = train_alone(launched, "full")
    check_full_weights(alone, shared, launched.single.model.name)


@pytest.mark.slow
def test_tied_weights_after_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same of a model whose embeddings are its head, by torchrun, killed and resumed."""
    monkeypatch.chdir(ROOT)
    model = small_vocabulary_model(tmp_path / "model", tied=True)
    single, two = (three_students(tmp_path / name, model) for name in ("one", "two"))
    launched = Launched(single, two, tmp_path)
    command = [*TORCHRUN, "-m", "student", str(tmp_path / "two/t.yaml"), "train"]
    command += ["--student", "full"]
    kill_after_first_checkpoint(command, launched.two)
    assert start(command).wait(400) == 0  # two processes of FSDP on shared cores
    check_full_weights(*train_alone(launched, "full"), str(model))


def check_full_weights(alone: Path, shared: Path, model: str) -> None:
    """To 1e-4 as above, at a rate that suits full fine-tuning: where a gradient is near zero, AdamW
    follows its sign, so a single weight may go another way for a step.
    """
    assert len(steps(alone)) == len(steps(shared)) == 20
    for a, b in zip(steps(alone), steps(shared), strict=True):
        assert a.loss == pytest.approx(b.loss, abs=1e-4)
        assert a.grad_norm == pytest.approx(b.grad_norm, rel=1e-2)
    expected, measured = (load_file(folder / TRAINED) for folder in (alone, shared))
    base = load_base(model, dtype=torch.float32)
    begun = {name: weight.detach() for name, weight in base.named_parameters()}
    assert measured.keys() == expected.keys() == begun.keys()
    apart, moved = (
        sum(float((side[n] - expected[n]).square().sum()) ** 0.5 for n in expected)
        for side in (measured, begun)
    )
    assert max(float((measured[n] - expected[n]).abs().max()) for n in measured) < 1e-4
    assert moved > 0 and apart < 0.01 * moved, "measured: 0.002"


def kill_after_first_checkpoint(command: list[str], config: Config) -> None:
    """Starts the training, kills it, and sees that one process alone does not go on with it."""
    folder = RunPaths.of(config).student("full")
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
        train(config, config.students[2], accept_changes=False)


def start(command: list[str]) -> subprocess.Popen[bytes]:
    """Two processes with a core each."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=ROOT, env=environment)


def steps(folder: Path) -> list[Step]:
    """Every optimiser step of a student."""
    measured = read_records(folder / "metrics.jsonl", Step)
    return [step for step in measured if step.loss is not None]


def evaluations(folder: Path) -> list[tuple[float | None, int]]:
    """Adherence and rows of every evaluation."""
    measured = read_records(folder / "metrics.jsonl", Step)
    return [(step.strict, step.val_rows) for step in measured if step.val_rows is not None]


def test_a_share_is_put_together_again() -> None:
    """Alone, a share is all there is."""
    assert shard_for_rank([1, 2, 3]) == [1, 2, 3] == gather_shards([1, 2, 3])
    assert float(all_reduce_sum(torch.tensor(2.0))) == 2.0
