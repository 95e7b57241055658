"""Runs the scripts in examples/ unchanged, with stand-ins for the cluster and the model.

Two shards each; the result must be the merged file with every train row.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from config.checkout import ROOT
from data.answers import read_answers
from data.run_paths import RunPaths
from data.shards import shard_paths

PYTHON = f"""#!/bin/bash
if [ "$2" = teacher ]; then exec {sys.executable} -m tests.teacher.fake_teacher "${{@:3}}"; fi
exec {sys.executable} "$@"
"""
SBATCH = """#!/bin/bash
# runs an array task by task, or a wrapped command
echo "$@" >> "$CALLS"
for argument in "$@"; do
  case "$argument" in
    --wrap=*) bash -c "${argument#--wrap=}" >&2; echo 12; exit;;
  esac
done
export SLURM_ARRAY_TASK_COUNT=2
for SLURM_ARRAY_TASK_ID in 1 2; do export SLURM_ARRAY_TASK_ID; bash "${@: -1}" >&2; done
echo "11;cluster"
"""
RAY = """#!/bin/bash
# runs the entrypoint of a job
echo "$@" >> "$CALLS"
while [ "$1" != -- ]; do shift; done
shift
exec "$@"
"""


class Cluster:
    """A folder with stand-ins for cluster commands, an experiment, and a log of the calls."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run = RunPaths(folder / "runs" / "t")
        self.calls = folder / "calls"
        for name, text in (("python", PYTHON), ("sbatch", SBATCH), ("ray", RAY)):
            path = folder / "bin" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            path.chmod(0o755)
        self.config = folder / "t.yaml"
        data = {}
        for split, count in (("train", 24), ("val", 8)):
            logged = json.loads((ROOT / f"data/lakeside/{split}.json").read_text("utf-8"))
            path = folder / f"{split}.json"
            path.write_text(json.dumps(logged[20 : 20 + count]), "utf-8")
            data[split] = {"kind": "campus", "path": str(path)}
        settings = {
            "extends": str(ROOT / "config/demo.yaml"),
            "name": "t",
            "runs": str(folder / "runs"),
            "data": {**data, "hidden": None},
            "teacher": {"candidates": 1, "guided": False},  # one answer to each row
            "prompt": {"examples": None},
        }
        self.config.write_text(yaml.safe_dump(settings))

    def bash(self, *command: str, **env: str) -> str:
        """The output of a script that must succeed."""
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        variables = {"PATH": path, "CALLS": str(self.calls), "PAID": str(self.folder / "paid")}
        variables |= {"PYTHON": str(self.folder / "bin/python"), "CONFIG": str(self.config)}
        ended = subprocess.run(
            ["bash", *command],
            cwd=ROOT,
            env={**os.environ, **variables, **env},
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr

    def check(self) -> None:
        """Checks that the merged file has every row and both shards had some."""
        path = self.run.answers("candidates/train")
        answers = read_answers(path)
        assert [answer.row for answer in answers] == [row.id for row in self.run.rows("train")]
        sizes = [len(read_answers(shard)) for shard in shard_paths(path)]
        assert len(sizes) == 2 and sum(sizes) == len(answers) == 24 and min(sizes) > 5


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """A cluster that has run nothing."""
    return Cluster(tmp_path)


def test_every_script_is_bash() -> None:
    """Parses the scripts without running them."""
    for path in (ROOT / "examples").glob("*.s*"):
        assert subprocess.run(["bash", "-n", path], check=False).returncode == 0, path
    sky = yaml.safe_load((ROOT / "examples/skypilot.yaml").read_text("utf-8"))
    assert subprocess.run(["bash", "-n"], input=sky["run"], text=True, check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_slurm(cluster: Cluster) -> None:
    """One array task per shard; the merge waits until all have succeeded."""
    lines = (ROOT / "examples/slurm.sbatch").read_text("utf-8").splitlines()
    options = [line.split(" ", 1)[1] for line in lines if line.startswith("#SBATCH ")]
    assert "--array=1-8" in options and all(re.fullmatch(r"--\S+", option) for option in options)
    output = cluster.bash("examples/slurm.sh")
    assert "candidates/train: 24 answers from 2 shards, none missing" in output
    assert "--dependency=afterok:11 " in cluster.calls.read_text()
    cluster.check()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ray(cluster: Cluster) -> None:
    """One job for the data, one with a GPU per shard, and one to merge."""
    output = cluster.bash("examples/ray.sh", SHARDS="2")
    assert "candidates/train: 24 answers from 2 shards, none missing" in output
    assert cluster.calls.read_text().count("job submit --entrypoint-num-gpus 1 -- bash -c") == 2
    cluster.check()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_skypilot(cluster: Cluster) -> None:
    """Each rank runs its shard on its own disk; the bucket then holds all files for the merge."""
    sky = yaml.safe_load((ROOT / "examples/skypilot.yaml").read_text("utf-8"))
    assert list(sky["file_mounts"]) == [sky["envs"]["BUCKET"]]
    assert "make .venv/ready" in sky["setup"] and sky["num_nodes"] == 8
    bucket = cluster.folder / "bucket"
    script = sky["run"].replace("sleep 300", "sleep 1")
    for rank in ("0", "1"):
        checkout = cluster.folder / f"node-{rank}"
        checkout.mkdir()
        for package in ROOT.glob("*/__init__.py"):
            (checkout / package.parent.name).symlink_to(package.parent)
        (checkout / "tests").symlink_to(ROOT / "tests")
        settings = yaml.safe_load(cluster.config.read_text())
        cluster.config.write_text(yaml.safe_dump({**settings, "runs": "runs"}))
        nodes = {"SKYPILOT_NODE_RANK": rank, "SKYPILOT_NUM_NODES": "2", "BUCKET": str(bucket)}
        cluster.bash("-c", f"cd {checkout}\n{script}", **nodes)
    shutil.copytree(bucket / "runs", cluster.folder / "runs")
    cluster.config.write_text(yaml.safe_dump({**settings, "runs": str(cluster.folder / "runs")}))
    output = cluster.bash("-c", '"$PYTHON" -m teacher "$CONFIG" merge')
    assert "candidates/train: 24 answers from 2 shards, none missing" in output
    cluster.check()
