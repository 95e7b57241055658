"""How the best student is said to be served, by the kind of what was trained."""

import shlex
import shutil
from pathlib import Path

from config.peft_methods import DoraMethod, FullMethod, Method, PTuningMethod
from config.schema import Config
from config.training import StudentSettings
from data.atomic_write import write_text
from data.run_paths import RunPaths
from report.gather import gather
from report.numbers import make_numbers
from report.render import render_card, render_html, render_markdown
from report.serving import serving
from tests.report.made import STUDENT, make_run


def run_with(root: Path, method: Method) -> Config:
    """A whole run whose best student is of this method, with quotes in its texts."""
    config = make_run(root, "it's")
    best = StudentSettings(name=STUDENT, method=method)
    return config.model_copy(update={"students": (best, *config.students[1:])})


def test_merged_weights_are_served_as_a_model(tmp_path: Path) -> None:
    """No base and no adapter beside it: vLLM knows neither DoRA nor a whole student."""
    config = run_with(tmp_path, DoraMethod())
    merged = RunPaths.of(config).best / "merged"
    write_text(merged / "config.json", "{}")
    material = gather(config)
    found = serving(material)
    assert found is not None and found.request is not None
    assert shlex.split(found.command.replace("\\\n", "")) == [
        *("vllm", "serve", str(merged.resolve())),
        *("--served-model-name", STUDENT, "--max-model-len", "2048"),
    ]
    card = render_card(material, make_numbers(material))
    assert "merged/ in this folder: those of the base" in card
    assert "| dora, rank 12 |" in card


def test_a_whole_student_has_no_adapter(tmp_path: Path) -> None:
    """Full fine-tuning leaves merged weights alone, and they are enough to be served."""
    config = run_with(tmp_path, FullMethod())
    best = RunPaths.of(config).best
    shutil.rmtree(best / "adapter")
    assert serving(gather(config)) is None, "nothing has been saved"
    write_text(best / "merged/config.json", "{}")
    material = gather(config)
    found = serving(material)
    assert found is not None and str(best.resolve() / "merged") in found.command
    assert "A model that follows" in render_card(material, make_numbers(material))


def test_virtual_tokens_are_served_by_a_program(tmp_path: Path) -> None:
    """Python, whatever stands in a path; no server and no system message. tests/student runs it."""
    material = gather(run_with(tmp_path, PTuningMethod()))
    found = serving(material)
    assert found is not None and found.request is None
    compile(found.command, "serving", "exec")
    assert "'role': 'user'" in found.command and "'role': 'system'" not in found.command
    numbers = make_numbers(material)
    for page in (render_html, render_markdown, render_card):
        shown = page(material, numbers)
        assert "PeftModel.from_pretrained" in shown
        assert "vllm serve" not in shown and "curl" not in shown
