"""Matrix products of a real training have the precision of the settings, in every process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from config.load import load_config
from engine.precision import precision
from tests.student.product_types import product_types
from tests.student.run_factory import ROOT, experiment, tiny_model

KINDS = ("lora", "dora", "ia3", "p_tuning", "prompt_tuning", "prefix_tuning", "full")
TWO_STEPS = ("students.0.epochs=1", "students.0.batch_size=12")


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def method(kind: str) -> str:
    """The override that chooses a method."""
    return f"students.0.method={{kind: {kind}}}"


@pytest.mark.parametrize("kind", KINDS)
def test_products_in_one_process(tmp_path: Path, kind: str) -> None:
    """Forward, backward and evaluation, in nothing else than the precision of this machine."""
    path = experiment(tmp_path / "run", tiny_model(tmp_path / "model"))
    config = load_config(path, [*TWO_STEPS, method(kind)])
    assert product_types(config) == {f"torch.{precision()}"}


@pytest.mark.slow
def test_products_in_two_processes(tmp_path: Path) -> None:
    """The same in both; `full` is sharded by FSDP2, whose forward accelerate wraps."""
    model = tiny_model(tmp_path / "model")
    paths = []
    for kind in ("lora", "full"):
        path = experiment(tmp_path / kind, model)
        settings = load_config(path, [*TWO_STEPS, method(kind)]).model_dump(mode="json")
        path.write_text(yaml.safe_dump(settings), "utf-8")
        paths.append(str(path))
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    subprocess.run(
        [*launcher, "-m", "tests.student.product_types", str(tmp_path), *paths],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=True,
    )
    for name in ("lora-0", "lora-1", "full-0", "full-1"):
        assert (tmp_path / name).read_text("utf-8") == f"torch.{precision()}", name
