"""The command: the machine that runs the tests can run the demo, and settings that cannot start are
refused with the setting's name."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from config.checkout import ROOT
from config.load import load_config
from config.terminal import TERMINAL_COLUMNS
from pipeline.doctor.doctor import main
from pipeline.doctor.settings_needs import (
    key_names,
    requirement_findings,
    settings_findings,
)
from pipeline.doctor.torch_device import Gpu, TorchDevice
from tests.pipeline.doctor.test_machine import CPU, CUDA

DEMO = "config/demo.yaml"
HELP = """
import importlib, sys
try:
    importlib.import_module(sys.argv[1]).main(["--help"])
except SystemExit as end:
    heavy = {"torch", "transformers", "pydantic", "numpy", "scipy", "pyarrow"}
    print("imported:", *heavy & set(sys.modules))
    sys.exit(end.code)
"""


@pytest.fixture(autouse=True)
def at_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("module", ["pipeline.doctor.doctor", "pipeline.show", "student.chat"])
def test_help_imports_no_heavy_package(module: str) -> None:
    command = [sys.executable, "-c", HELP, module]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert "examples:" in ended.stdout and ended.stdout.endswith("imported:\n")


def test_the_demo_can_run_here(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No value of a key is shown, and nothing is wider than a terminal."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert main([DEMO]) == 0
    output = capsys.readouterr().out
    assert max(map(len, output.splitlines())) <= TERMINAL_COLUMNS
    for subject in ("Python", "packages", "torch", "vLLM", "memory", "disk", "write", "settings"):
        assert re.search(rf"^ok +{subject} ", output, re.M), output
    assert "set: OPENAI_API_KEY" in output and "secret" not in output
    assert f"`unprompted run {DEMO}` can start." in output


def test_settings_that_cannot_be_read(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other lines are there all the same."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    path = tmp_path / "x.yaml"
    path.write_text(json.dumps({"extends": str(ROOT / DEMO), "modle": "\x1b[2J"}))
    assert main([str(path)]) == 2
    output = capsys.readouterr().out
    joined = " ".join(output.split())
    assert re.search(r"problem settings .*x\.yaml ?: .*unknown setting 'modle'; did you", joined)
    assert "1 problem: a run cannot start like this." in output and "\x1b" not in output
    assert re.search(r"^ok +torch ", output, re.M)


def problems(
    *overrides: str, device: TorchDevice | None = CPU, downloads: bool = True
) -> list[str]:
    """Subjects of the problems of the demo with these changes."""
    config = load_config(Path(DEMO), overrides)
    findings = list(settings_findings(config, device))
    assert all(finding.way_out for finding in findings if finding.level != "ok")
    return [finding.subject for finding in findings if finding.level == "problem"]


@pytest.mark.parametrize(
    ("overrides", "subject"),
    [
        (("data.train.path=nope.json",), "data.train.path"),
        (("probes.bank=nope.yaml",), "probes.bank"),
        (("students.1.retention.questions=nope.txt",), "students.1.retention.questions"),
        (("model.name=./nope",), "model.name"),
        (("model.name=README.md",), "model.name"),
        (("model.name=docs",), "model.name"),
        (("teacher.model=/nope",), "teacher.model"),
        (("model.dtype=float16",), "model.dtype"),
        (("report_to=[{kind: wandb, mode: online}]",), "report_to"),
        (("report_to=[trackio]",), "report_to"),
    ],
)
def test_what_settings_lack(
    overrides: tuple[str, ...], subject: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each is found before the teacher is paid for."""
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    assert problems(*overrides) == [subject]


def test_what_settings_need_of_a_gpu() -> None:
    old = CUDA.model_copy(update={"bfloat16": False})
    assert problems("model.dtype=bfloat16", device=old) == ["model.dtype"]
    assert problems("model.dtype=bfloat16", device=CUDA) == []
    assert problems("model.dtype=float16", device=CUDA) == []
    assert isinstance(CUDA.gpus[0], Gpu) and problems(device=None) == []


def test_what_a_run_would_refuse_is_told() -> None:
    """By the same check, with the same line."""
    config = load_config(Path(DEMO), ["judge.arms=[student/nobody]"])
    (finding,) = requirement_findings(config)
    assert (finding.level, finding.subject) == ("problem", "needs")
    assert finding.text.startswith("judge.arms: there is no arm 'student/nobody'; the arms are")
    (finding,) = requirement_findings(load_config(Path(DEMO)))
    assert finding.level == "ok"


def test_a_prompt_with_other_rules(tmp_path: Path) -> None:
    """The line of the rules themselves, with what to do."""
    prompt = tmp_path / "p.yaml"
    prompt.write_text("system_template: Be brief.\nuser_template: '{summaries} {question}'\n")
    config = load_config(Path(DEMO), [f"prompt.system={prompt}"])
    first = next(settings_findings(config, CPU))
    assert (first.level, first.subject) == ("problem", "prompt")
    assert "prompt_sha256" in first.text


def test_the_keys_of_the_settings() -> None:
    judge = "{kind: server, base_url: http://j/v1, model: m, api_key_env: JUDGE}"
    second = "{base_url: http://k/v1, model: n, api_key_env: JUDGE}"
    engine = "{kind: openai, base_urls: [http://t/v1], model: t, api_key_env: TEACHER}"
    overrides = [f"judge.llm={judge}", f"judge.second={second}", f"teacher.engine={engine}"]
    overrides += ["teacher.sampling.logprobs=null", "judge.arms=null"]
    config = load_config(Path(DEMO), overrides)
    assert key_names(config) == ("TEACHER", "JUDGE")
