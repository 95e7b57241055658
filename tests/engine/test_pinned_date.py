"""A run that goes on after midnight renders, and asks for, the same as on its first day."""

from datetime import date
from pathlib import Path

import pytest

from config.errors import DataError
from config.load import load_config
from config.schema import Config
from data.rows import Row
from data.run_paths import RunPaths
from engine.models import check_same_tokens
from engine.request_builder import RequestBuilder, View
from tests.prompts.renderer_factory import PLAIN
from tests.prompts.template_families import TEMPLATES, Family, family_tokenizer
from tests.student.run_factory import ROOT, saved_model

CHATML = ("<|im_start|>", "<|im_end|>")
TEMPLATE_DATES = {
    "takes a date_string": TEMPLATES["Llama 3.2"],
    "asks for the day": Family(
        "Today is {{ strftime_now('%d %b %Y') }}.<|im_end|>" + PLAIN, CHATML, "<|im_end|>"
    ),
    "writes it only without a system turn": Family(
        "{% if messages[0]['role'] != 'system' %}{{ strftime_now('%d %b %Y') }}<|im_end|>"
        "{% endif %}" + PLAIN,
        CHATML,
        "<|im_end|>",
    ),
}
ROWS = [Row(id=f"r{number}", question=f"Where is room {number}?") for number in range(3)]


def experiment(folder: Path, family: Family) -> Config:
    """The demo with a tiny model of a family."""
    model = saved_model(folder / "model", family_tokenizer(family))
    overrides = [f"model.name={model}", f"runs={folder}", "name=t", "prompt.examples=null"]
    return load_config(ROOT / "config/demo.yaml", [*overrides, "model.max_length=100000"])


def keys(builder: RequestBuilder, prompted: bool) -> list[str]:
    """The keys of the requests for the rows."""
    sampling = builder.config.teacher.sampling
    return [task.request.key for task in builder.tasks("a", ROWS, View(prompted), sampling)]


@pytest.mark.parametrize("kind", TEMPLATE_DATES)
def test_the_first_days_date_is_written_on_every_day(kind: str, tmp_path: Path) -> None:
    """Recorded in the run's folder; a run that began on another day renders that day's."""
    config = experiment(tmp_path, TEMPLATE_DATES[kind])
    path, today = RunPaths.of(config).date, date.today()
    first = RequestBuilder(config)
    assert path.read_text() == f"{today.isoformat()}\n"
    assert keys(RequestBuilder(config), False) == keys(first, False)
    path.write_text("2001-02-03\n")
    earlier = RequestBuilder(config)
    text = earlier.renderer.tokenizer.decode(earlier.view_ids(ROWS[0], View(False)))
    assert "03 Feb 2001" in text
    assert keys(earlier, False) != keys(first, False)
    settings = [
        builder.fingerprint(View(True), config.teacher.sampling, ROWS)["date"]
        for builder in (first, earlier)
    ]
    assert settings == [today.isoformat(), "2001-02-03"]


def test_a_template_without_a_date_records_none(tmp_path: Path) -> None:
    """Nothing is written into the folder of a run that does not need it."""
    config = experiment(tmp_path, Family(PLAIN, CHATML, "<|im_end|>"))
    assert RequestBuilder(config).renderer.template.date is None
    assert not RunPaths.of(config).date.exists()


def test_what_is_no_date_is_refused(tmp_path: Path) -> None:
    """In one line, with the form that it needs."""
    config = experiment(tmp_path, TEMPLATE_DATES["asks for the day"])
    RunPaths.of(config).date.parent.mkdir(parents=True)
    RunPaths.of(config).date.write_text("tomorrow")
    with pytest.raises(DataError, match="'tomorrow' is no date; write one as 2026-11-27"):
        RequestBuilder(config)


def test_servers_are_sent_the_date(tmp_path: Path) -> None:
    """Where the template takes it as an argument; a server then renders the same tokens."""
    builder = RequestBuilder(experiment(tmp_path, TEMPLATES["Llama 3.2"]))
    assert builder.renderer.template.kwargs == {"date_string": date.today().strftime("%d %b %Y")}


@pytest.mark.parametrize("family", ["Llama 3.2", "Gemma, Gemma 2"])
def test_templates_with_a_date_or_without_a_system_role_are_compared(
    family: str, tmp_path: Path
) -> None:
    """A template equals itself, also where it refuses one of the chats."""
    tokenizer = family_tokenizer(TEMPLATES[family])
    base, teacher = (str(saved_model(tmp_path / name, tokenizer)) for name in ("base", "teacher"))
    check_same_tokens(base, teacher, {})
