"""The program of a pushed card, run as it stands, on the embedded model and what the hub got."""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model

from config.schema import Config
from data.atomic_write import write_text
from data.run_paths import RunPaths
from engine.embedded import embedded_model
from engine.models import load_base, load_tokenizer
from report.push import push_best
from report.run_files import read_run
from report.serving import build_serving_guide
from tests.report.hub_stub import StubHub
from tests.report.run_fixture import make_run
from tests.report.test_push import REPO, hub

__all__ = ["hub"]  # a fixture
TOKENS = 6


def embedded_run(root: Path) -> Config:
    """A run on the embedded model with an adapter of random weights."""
    config = make_run(root)
    model = config.model.model_copy(update={"name": "embedded"})
    sampling = config.predict.sampling.model_copy(update={"max_tokens": TOKENS})
    predict = config.predict.model_copy(update={"sampling": sampling})
    config = config.model_copy(update={"model": model, "predict": predict})
    torch.manual_seed(0)
    settings = LoraConfig(r=8, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    base = load_base(str(embedded_model()), dtype=torch.float32)
    get_peft_model(base, settings).save_pretrained(str(RunPaths.of(config).best / "adapter"))
    write_text(RunPaths.of(config).manifest, '{"hardware": {"precision": "float32"}}')
    return config


def run_program(program: str) -> tuple[list[int], dict[str, Any]]:
    """The tokens that a program answers, and its names."""
    names: dict[str, Any] = {}
    exec(program, names)
    return names["answer"][0, names["prompt"]["input_ids"].shape[1] :].tolist(), names


@pytest.mark.slow
def test_the_programs_of_both_cards_answer_alike(
    hub: StubHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the run's folder, and from the hub's files under the ids that the pushed card names."""
    config = embedded_run(tmp_path)
    push_best(config, REPO)
    for path, data in hub.repos[REPO].files.items():
        file = tmp_path / REPO / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(hub.large[data] if isinstance(data, str) else data)
    base = tmp_path / "HuggingFaceTB" / "SmolLM2-135M-Instruct"
    base.parent.mkdir()
    base.symlink_to(embedded_model())
    material = read_run(config)
    local, pushed = build_serving_guide(material), build_serving_guide(material, REPO)
    assert local is not None and pushed is not None
    card = hub.repos[REPO].files["README.md"]
    assert isinstance(card, bytes) and pushed.program in card.decode()
    tokens, names = run_program(local.program)
    monkeypatch.chdir(tmp_path)
    assert run_program(pushed.program)[0] == tokens
    tokenizer = load_tokenizer(str(embedded_model()))
    text = tokenizer.decode(names["prompt"]["input_ids"][0])
    assert "Q: Your question" in text and "Start with" not in text, "no system prompt"
    with names["model"].disable_adapter():
        plain = names["model"].generate(**names["prompt"], max_new_tokens=TOKENS, do_sample=False)
    assert plain[0, -TOKENS:].tolist() != tokens, "the adapter answers, not the base"
