"""Fills the templates. All foreign text enters the pages here.

Jinja escapes HTML, and `formats.markdown` escapes every expression of the Markdown template. The
report's Markdown is converted from its page. An unknown name is an error, and templates cannot
change any value.
"""

from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from judge.records import TEACHER
from report import formats, plots
from report.agreement_note import explain_kappa
from report.audit_table import build_audit_rows
from report.examples import choose_examples
from report.headline import comparison_sentence
from report.heat_maps import shade
from report.hidden_table import build_shift_rows, uncorrected_reasons
from report.html_to_markdown import html_to_markdown
from report.numbers import Numbers
from report.reference_table import build_reference_table
from report.rule_table import build_llm_rows, build_rule_rows, logged_scores, missing_reasons
from report.run_files import RunFiles
from report.search_table import build_search_table
from report.serving import build_serving_guide
from report.student_table import build_student_table, flatten, list_evaluations

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


def render_card(material: RunFiles, numbers: Numbers) -> str:
    """The model card of the best student as Markdown."""
    return _render("card.md.j2", material, numbers)


def _render(name: str, material: RunFiles, numbers: Numbers, **figures: Markup | None) -> str:
    template = _environment(html=".html." in name).get_template(name)
    return template.render(**_values(material, numbers), **figures) + "\n"


def _environment(html: bool) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(_FOLDER),
        undefined=StrictUndefined,
        autoescape=html,
        finalize=None if html else formats.markdown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {function.__name__: function for function in _FILTERS}
    return environment


def _values(material: RunFiles, numbers: Numbers) -> dict[str, Any]:
    """The names that a template may use."""
    arms = material.arms
    return {
        "m": material,
        "numbers": numbers,
        "arms": arms,
        "colours": plots.COLOURS,
        "strict": {arm: material.strict(arm) for arm in arms},
        "references": build_reference_table(material),
        "versus_teacher": comparison_sentence(material.comparison(TEACHER)),
        "rule_rows": build_rule_rows(material),
        "llm_rows": build_llm_rows(material),
        "llm_must": [scored.id for scored in material.llm_checked if scored.must],
        "shift_rows": list(build_shift_rows(numbers.hidden)),
        "uncorrected": uncorrected_reasons(numbers.hidden),
        "logged": logged_scores(material),
        "students": build_student_table(material),
        "search": build_search_table(material),
        "evaluations": list_evaluations(material),
        "audit_rows": build_audit_rows(material),
        "missing": missing_reasons(material),
        "examples": choose_examples(material),
        "serving": build_serving_guide(material),
        "manifest": list(flatten(material.manifest or {})),
    }
