"""The model card's metadata, read back by the hub's own library."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard, parse_eval_result_entries

from config.log_formats import CampusLogs
from config.peft_methods import LoraMethod
from config.schema import Config
from config.training import StudentSettings
from data.atomic_write import write_text
from data.run_paths import RunPaths
from report.card_metadata import EVAL_RESULTS
from report.model_card import write_card
from report.numbers import build_numbers
from report.render import render_card
from report.run_files import RunFiles, read_run
from tests.report.run_fixture import STUDENT, make_run

SHA256 = r"[0-9a-f]{64}"


def data_of(material: RunFiles, repo: str | None = None) -> dict[str, Any]:
    """The metadata as the hub's library reads it: an error where the card is no valid one."""
    card = ModelCard(render_card(material, build_numbers(material), repo))
    return dict(card.data.to_dict())  # type: ignore[no-untyped-call]


def with_model(config: Config, **model: object) -> Config:
    return config.model_copy(update={"model": config.model.model_copy(update=model)})


def test_an_adapter_and_its_results(tmp_path: Path) -> None:
    """18 of 24 rows obey: 0.75, Wilson [0.551, 0.880]; (18 − 2) of the (20 − 2) rows of the gap."""
    data = data_of(read_run(make_run(tmp_path)))
    assert data["base_model"] == "some/base" and data["base_model_relation"] == "adapter"
    assert (data["library_name"], data["pipeline_tag"]) == ("peft", "text-generation")
    assert data["tags"] == ["unprompted", "prompt-distillation", "lora"]
    assert "license" not in data and "language" not in data, "not known"
    (model,) = data["model-index"]
    (result,) = model["results"]
    assert model["name"] == STUDENT and result["dataset"]["split"] == "val"
    strict, gap = result["metrics"]
    assert (strict["type"], strict["value"]) == ("strict_adherence", 0.75)
    assert "95 % interval 0.5510 to 0.8800" in strict["name"]
    assert strict["args"]["rows"] == 24 and len(strict["args"]["judge_sha256"]) == 64
    assert (gap["type"], gap["value"]) == ("share_of_the_gap_closed", 0.8889)


def test_merged_weights_are_a_model_of_their_own(tmp_path: Path) -> None:
    config = make_run(tmp_path)
    best = StudentSettings(name=STUDENT, method=LoraMethod(kind="dora"))
    config = config.model_copy(update={"students": (best, *config.students[1:])})
    write_text(RunPaths.of(config).best / "merged/config.json", "{}")
    data = data_of(read_run(config))
    assert (data["library_name"], data["base_model_relation"]) == ("transformers", "finetune")


def test_results_that_are_not_stated_are_left_out(tmp_path: Path) -> None:
    """No verdicts: a model card without a model index, and no file of results."""
    config = make_run(tmp_path)
    RunPaths.of(config).scores.unlink()
    data = data_of(read_run(config))
    assert "model-index" not in data


def test_the_embedded_base_has_a_name_and_a_license(tmp_path: Path) -> None:
    material = read_run(with_model(make_run(tmp_path), name="embedded"))
    data = data_of(material)
    assert data["base_model"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert data["license"] == "apache-2.0"


def test_a_pushed_card_of_the_embedded_base_names_its_weights(tmp_path: Path) -> None:
    """The package holds 4-bit weights: whoever loads the hub's has others than were measured."""
    material = read_run(with_model(make_run(tmp_path), name="embedded"))
    card = render_card(material, build_numbers(material), "me/desk")
    assert "SmolLM2-135M-Instruct (trained and measured on its 4-bit weights" in card


@pytest.mark.parametrize(
    ("card", "license"),
    [
        ("---\nlicense: mit\n---\nText", "mit"),
        ("---\nlicense: [mit, x]\n---\n", None),
        ("---\n: : [\n---\n", None),
        ("no metadata", None),
    ],
)
def test_a_base_in_a_folder(tmp_path: Path, card: str, license: str | None) -> None:
    """Its license is read from its own card; the way to it stands in no card for the hub."""
    base = tmp_path / "secret-user" / "my-base"
    write_text(base / "README.md", card)
    config = make_run(tmp_path)
    adapter = RunPaths.of(config).best / "adapter/adapter_config.json"
    write_text(adapter, f'{{"base_model_name_or_path": "{base}", "r": 12}}')
    config = with_model(config, name=str(base))
    data = data_of(read_run(config))
    assert data.get("license") == license and "base_model" not in data
    material = read_run(config)
    shown = render_card(material, build_numbers(material), "me/student")
    assert "my-base" in shown and "secret-user" not in shown and str(tmp_path) not in shown


def test_the_prompts_language_where_the_rules_name_it(tmp_path: Path) -> None:
    material = read_run(make_run(tmp_path))
    rules = material.rules.model_copy(update={"language": "ru"})
    assert data_of(replace(material, rules=rules))["language"] == "ru"


def test_eval_results_of_a_dataset_of_the_hub(tmp_path: Path) -> None:
    """Written for val rows that the hub has, in its form; removed when they are others."""
    config = make_run(tmp_path)
    file = RunPaths.of(config).best / EVAL_RESULTS
    for path, written in (("some-org/help-desk", True), ("some-org/val.json", False)):
        val = config.data.model_copy(update={"val": CampusLogs(path=path)})
        material = read_run(config.model_copy(update={"data": val}))
        write_card(material, build_numbers(material))
        assert file.exists() == written
        if written:
            (entry,) = parse_eval_result_entries(yaml.safe_load(file.read_text("utf-8")))
            assert (entry.dataset_id, entry.task_id) == (path, "default")
            assert entry.value == 0.75
            assert "95 % interval 0.5510 to 0.8800); 24 rows" in (entry.notes or "")
            index = data_of(material)["model-index"][0]["results"][0]
            assert index["dataset"]["type"] == path


def test_foreign_text_stays_text(tmp_path: Path) -> None:
    """YAML in a run's names changes no metadata."""
    hostile = "x\n---\nlicense: mit\n"
    material = read_run(make_run(tmp_path, hostile))
    assert "license" not in data_of(material)
