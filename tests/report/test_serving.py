"""The serving guide, by the method of the best student."""

import shlex
import shutil
from pathlib import Path

from config.peft_methods import FullMethod, LoraMethod, Method, PTuningMethod
from config.schema import Config
from config.training import StudentSettings
from data.atomic_write import write_text
from data.run_paths import RunPaths
from report.numbers import build_numbers
from report.render import render_card, render_html, render_markdown
from report.run_files import read_run
from report.serving import build_serving_guide
from tests.report.run_fixture import STUDENT, make_run


def run_with(root: Path, method: Method) -> Config:
    """A whole run whose best student is of this method, with quotes in its texts."""
    config = make_run(root, "it's")
    best = StudentSettings(name=STUDENT, method=method)
    return config.model_copy(update={"students": (best, *config.students[1:])})


def test_merged_weights_are_served_as_a_model(tmp_path: Path) -> None:
    """No base and no adapter beside it: vLLM knows neither DoRA nor a whole student."""
    config = run_with(tmp_path, LoraMethod(kind="dora"))
    merged = RunPaths.of(config).best / "merged"
    write_text(merged / "config.json", "{}")
    material = read_run(config)
    guide = build_serving_guide(material)
    assert guide is not None and guide.command is not None and guide.request is not None
    assert shlex.split(guide.command.replace("\\\n", "")) == [
        *("vllm", "serve", str(merged.resolve())),
        *("--served-model-name", STUDENT, "--max-model-len", "2048"),
        *("--generation-config", "vllm"),
        *("--chat-template", str(RunPaths.of(config).chat_template.resolve())),
    ]
    card = render_card(material, build_numbers(material))
    assert "merged/ in this folder: the base with the adapter" in card
    assert "| dora, rank 12 |" in card


def test_a_whole_student_has_no_adapter(tmp_path: Path) -> None:
    """Full fine-tuning leaves merged weights alone, and they are enough to be served."""
    config = run_with(tmp_path, FullMethod())
    best = RunPaths.of(config).best
    shutil.rmtree(best / "adapter")
    assert build_serving_guide(read_run(config)) is None, "nothing has been saved"
    write_text(best / "merged/config.json", "{}")
    material = read_run(config)
    guide = build_serving_guide(material)
    assert guide is not None and guide.command and str(best.resolve() / "merged") in guide.command
    assert "A model that follows" in render_card(material, build_numbers(material))


def test_virtual_tokens_are_served_by_a_program(tmp_path: Path) -> None:
    """Python, whatever stands in a path; no server and no system message. tests/student runs it."""
    material = read_run(run_with(tmp_path, PTuningMethod()))
    guide = build_serving_guide(material)
    assert guide is not None and guide.command is None and guide.request is None
    compile(guide.program, "serving", "exec")
    assert "'role': 'user'" in guide.program and "'role': 'system'" not in guide.program
    numbers = build_numbers(material)
    for page in (render_html, render_markdown, render_card):
        shown = page(material, numbers)
        assert "PeftModel.from_pretrained" in shown
        assert "vllm serve" not in shown and "curl" not in shown


def test_without_a_template_of_its_own(tmp_path: Path) -> None:
    """Where the prompt stands in the user's turn: nothing is said of clients that send it."""
    config = run_with(tmp_path, LoraMethod())
    sentence = "goes on sending exactly the system prompt"
    material = read_run(config)
    assert sentence in render_card(material, build_numbers(material))
    RunPaths.of(config).chat_template.unlink()
    material = read_run(config)
    guide = build_serving_guide(material)
    assert guide is not None and guide.command and "--chat-template" not in guide.command
    page, card = (of(material, build_numbers(material)) for of in (render_html, render_card))
    assert sentence not in page and sentence not in card
