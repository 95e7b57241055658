"""Shares of one card's memory: no two engines that run at a time ask for more than the card has."""

from pathlib import Path
from typing import cast

import pytest

from config.checkout import ROOT
from config.errors import ConfigError
from config.generation import GPU_MEMORY
from config.judging import EMBEDDED_GPU_MEMORY
from config.load import load_config
from engine.factory import teacher_engine
from engine.vllm_engine import VllmEngine

DEMO = ROOT / "config/demo.yaml"
SCORED = ("teacher.score_with_llm=true", "judge.llm=embedded")


def test_teacher_and_embedded_judge_share_a_card() -> None:
    """0.8 + 0.1: a tenth is left for the CUDA contexts of two processes."""
    assert pytest.approx(0.9) == GPU_MEMORY + EMBEDDED_GPU_MEMORY
    assert load_config(DEMO, SCORED).model.gpu_memory == GPU_MEMORY
    with pytest.raises(ConfigError, match=r"model\.gpu_memory 0\.9: .* set it to 0\.85 or less"):
        load_config(DEMO, [*SCORED, "model.gpu_memory=0.9"])
    assert load_config(DEMO, ["model.gpu_memory=0.9"]).model.gpu_memory == 0.9  # it runs alone


def test_the_teachers_engine_gets_the_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    engine = cast(VllmEngine, teacher_engine(load_config(DEMO, ["model.gpu_memory=0.5"]), Path()))
    assert engine.gpu_memory == 0.5


@pytest.mark.parametrize(("setting", "seeded"), [("null", True), ("true", True), ("false", False)])
def test_the_teachers_engine_gets_its_seeds(
    monkeypatch: pytest.MonkeyPatch, setting: str, seeded: bool
) -> None:
    """On a CPU each sample has a seed of its own unless the settings say otherwise."""
    monkeypatch.chdir(ROOT)
    config = load_config(DEMO, [f"teacher.engine={{kind: vllm, seeded: {setting}}}"])
    assert cast(VllmEngine, teacher_engine(config, Path())).seeded is seeded
