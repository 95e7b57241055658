"""Fills the templates. All foreign text enters the pages here.

Jinja escapes HTML, and `formats.markdown` escapes every expression of the Markdown template. The
report's Markdown is converted from its page. An unknown name is an error, and templates cannot
change any value.
"""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from judge.records import TEACHER
from report import formats, plots
from report.base_model import base_for_others, weights_note
from report.examples import choose_examples
from report.headline import comparison_sentence, label_difference_sentence
from report.heat_maps import shade
from report.html_to_markdown import html_to_markdown
from report.judging_section import explain_kappa, missing_reasons
from report.numbers import Numbers
from report.run_files import RunFiles
from report.serving import build_serving_guide
from report.settings_table import compare_settings, flatten

_FOLDER = Path(__file__).parent
_FILTERS = (
    formats.percent,
    formats.interval,
    formats.signed_points,
    formats.decimal,
    formats.p_value,
    formats.number,
    formats.duration,
    formats.short,
    formats.fenced,
    formats.listed,
    explain_kappa,
    shade,
)


def render_html(material: RunFiles, numbers: Numbers) -> str:
    """The report as one self-contained page: no scripts, nothing fetched."""
    figures = {
        "forest": plots.draw_forest(material),
        "curves": plots.draw_training_curves(material),
    }
    return _render("report.html.j2", material, numbers, **figures)


def render_markdown(material: RunFiles, numbers: Numbers) -> str:
    """The page as Markdown, without its figures."""
    page = _render("report.html.j2", material, numbers, forest=None, curves=None)
    return html_to_markdown(page)


def render_card(material: RunFiles, numbers: Numbers, repo: str | None = None) -> str:
    """The model card of the best student: the hub's metadata as YAML, then Markdown.

    `repo`: the id of the hub repository for which it is written; None: the run's folder.
    """
    from report.card_metadata import card_metadata, fingerprint_sha256  # huggingface_hub

    metadata = card_metadata(material, numbers).to_yaml()
    saved = material.saved
    assert saved is not None  # else there is no metadata
    config = material.config
    base = f"{config.model.name} ({saved.base})"
    if repo is not None:
        base = base_for_others(config, saved) + weights_note(config)
    values = {
        "repo": repo,
        "base": base,
        "fingerprint": fingerprint_sha256(material),
        "serving": build_serving_guide(material, repo),
    }
    return f"---\n{metadata}\n---\n{_render('card.md.j2', material, numbers, **values)}"


def _render(name: str, material: RunFiles, numbers: Numbers, **values: Any) -> str:
    template = _environment(html=".html." in name).get_template(name)
    return template.render(_values(material, numbers) | values) + "\n"


@cache
def _environment(html: bool) -> ImmutableSandboxedEnvironment:
    """The templates' settings; it keeps what is compiled, which takes longer than filling it."""
    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(_FOLDER),
        undefined=StrictUndefined,
        autoescape=html,
        finalize=formats.seen if html else formats.markdown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {function.__name__: function for function in _FILTERS}
    return environment


def _values(material: RunFiles, numbers: Numbers) -> dict[str, Any]:
    """The names that a template may use."""
    arms, llm_checked, rules = material.arms, material.llm_checked, material.rules.scored_rules()
    trials = material.search.trials if material.search else ()
    ranked = material.choice.ranked if material.choice else ()
    return {
        "m": material,
        "numbers": numbers,
        "arms": arms,
        "colours": plots.COLOURS,
        "strict": {arm: material.strict(arm) for arm in arms},
        "references": {arm: numbers.references[arm] for arm in arms if arm in numbers.references},
        "versus_teacher": comparison_sentence(material.comparison(TEACHER)),
        "versus_teacher_by_people": label_difference_sentence(numbers.label_difference),
        "rules": [rule for rule in rules if rule.must or rule not in llm_checked],
        "logged": {arm: material.strict(arm) for arm in numbers.arms if arm.startswith("logged/")},
        "students": compare_settings([student.settings for student in ranked]),
        "trials": compare_settings([{"model": t.model, **t.settings} for t in trials]),
        "missing": missing_reasons(material),
        "examples": choose_examples(material),
        "serving": build_serving_guide(material),
        "manifest": list(flatten(material.manifest or {})),
    }
