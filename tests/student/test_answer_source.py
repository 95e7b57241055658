"""Who draws the answers of a training."""

from pathlib import Path

import pytest

from config.load import load_config
from config.schema import Config
from engine.hf_generation import generate_answers
from student.answer_source import answer_source, vllm_obstacle

DEMO = Path(__file__).parents[2] / "config/demo.yaml"
ON_POLICY = "students.0.objective={kind: on_policy}"


def config(*overrides: str) -> Config:
    """The demo's settings; its students learn on policy."""
    return load_config(DEMO, ["students.0.first_token_weight=1", ON_POLICY, *overrides])


def test_on_a_cpu_transformers_draws(capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing is said: there is no choice."""
    settings = config()
    with answer_source(settings, settings.students[0], "none", 40) as draw:
        assert draw is generate_answers
    assert not capsys.readouterr().out


@pytest.mark.parametrize(
    ("overrides", "obstacle"),
    [
        ((), None),
        (("students.0.method={kind: rslora}",), None),
        (("teacher.engine={kind: transformers}",), "teacher.engine is transformers"),
        (("students.0.method={kind: dora}",), "vLLM serves no adapter of method dora"),
        (("students.0.method={kind: ia3}",), "vLLM serves no adapter of method ia3"),
        (("students.0.method={kind: qlora}",), "vLLM has no base in 4 bits"),
        (("students.0.objective={kind: ce}",), "they are few, and vLLM takes a minute to start"),
    ],
)
def test_vllm_draws_for_what_it_serves(overrides: tuple[str, ...], obstacle: str | None) -> None:
    """LoRA on policy; and with ce only where the evaluations write many tokens: the demo's 40 rows
    times 4 epochs times 80 tokens are 12,800, those of 400 rows 128,000."""
    settings = config(*overrides)
    assert vllm_obstacle(settings, settings.students[0], 40) == obstacle
    if obstacle and "few" in obstacle:
        assert vllm_obstacle(settings, settings.students[0], 400) is None
