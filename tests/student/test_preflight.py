"""The preflight: nothing is paid for, loaded or trained before the base has passed it."""

import sys
from pathlib import Path

import pytest

from config.cli import run_command
from config.load import load_config
from config.schema import Config
from data.run_paths import RunPaths
from engine.factory import teacher_engine
from student.preflight import preflight
from teacher.__main__ import main as teacher_main
from teacher.generate import TeacherModels
from tests.engine.fake_engine import FakeEngine
from tests.judge.llm.server import Sent, serving
from tests.student.run_factory import experiment, tiny_model
from tests.student.unusual_bases import plain, reward_model


def config_of(folder: Path, model: str, *overrides: str) -> Config:
    return load_config(experiment(folder, Path(model)), overrides)


def run_teacher(
    monkeypatch: pytest.MonkeyPatch, config_path: Path, url: str, *overrides: str
) -> int | str | None:
    """The exit code of `teacher CONFIG generate` with a remote teacher at `url`.

    A fake engine stands in for the base, whose answers the teacher's are compared with.
    """

    def models(config: Config) -> TeacherModels:
        return TeacherModels(
            teacher_engine(config), FakeEngine(0, config_path.with_suffix(".paid"))
        )

    engine = f"{{kind: openai, base_urls: [{url}], model: m, api_key_env: HOME}}"
    words = [f"teacher.engine={engine}", "teacher.sampling.logprobs=null", *overrides]
    monkeypatch.setattr(sys, "argv", ["teacher", str(config_path), "generate", *words])
    with pytest.raises(SystemExit) as exited:
        run_command(lambda: teacher_main(None, models))
    return exited.value.code


FAULTS = {
    "an incomplete checkpoint": (reward_model, (), "the checkpoint lacks 1 weights"),
    "a context too short": (
        lambda folder: plain(folder, max_position_embeddings=1000),
        (),
        "reads at most 1000 tokens",
    ),
    "no room for a question": (plain, ("model.max_length=200",), "model.max_length = 200"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_faulty_base_costs_no_request(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, exit code 2, and the teacher's server sees nothing."""
    make, overrides, expected = FAULTS[name]
    config = experiment(tmp_path, Path(make(tmp_path / "base")))
    with serving(lambda body: Sent("Hello.")) as server:
        assert run_teacher(monkeypatch, config, server.url, *overrides) == 2
        assert server.bodies == []
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and expected in lines[0]
    assert not list((tmp_path / "t").glob("answers/**/*.jsonl"))


def test_a_sound_base_is_asked_for_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The counterpart of the test above: with the same settings, requests are sent."""
    config = experiment(tmp_path, tiny_model(tmp_path / "base"))
    with serving(lambda body: Sent("Hello.")) as server:
        assert run_teacher(monkeypatch, config, server.url) == 0
        assert len(server.bodies) > 24, "each of the 24 rows, and val"
    assert "preflight: " in capsys.readouterr().out


def test_a_base_that_passed_is_not_loaded_again(tmp_path: Path) -> None:
    """The record names what it depends on; another length or method is checked anew."""
    config = config_of(tmp_path, str(tiny_model(tmp_path / "base")))
    folder = RunPaths.of(config).preflight
    first = preflight(config)
    (record,) = folder.iterdir()
    changed = record.stat().st_mtime_ns
    assert preflight(config) == first
    assert [path.stat().st_mtime_ns for path in folder.iterdir()] == [changed]
    longer = config.model_copy(
        update={"model": config.model.model_copy(update={"max_length": 2000})}
    )
    preflight(longer)
    assert len(list(folder.iterdir())) == 2


def test_what_is_found_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = config_of(tmp_path, str(tiny_model(tmp_path / "base")))
    preflight(config)
    (line,) = capsys.readouterr().out.splitlines()
    for part in ("preflight: ", "LlamaForCausalLM", "context 8192", "end of turn <|im_end|>"):
        assert part in line


def test_a_method_that_cannot_be_attached_costs_no_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = experiment(tmp_path, tiny_model(tmp_path / "base"))
    with serving(lambda body: Sent("Hello.")) as server:
        override = "students.0.method={kind: lora, targets: [c_attn]}"
        assert run_teacher(monkeypatch, config, server.url, override) == 2
        assert server.bodies == []
    error = capsys.readouterr().err
    assert "error: method lora: 'c_attn' names no linear layer" in error
    assert "its layers are down_proj, gate_proj, k_proj" in error and "name some of them" in error
