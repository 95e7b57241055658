"""Fills the templates: the pages' one door for foreign text.

HTML is escaped by Jinja, Markdown by `formats.markdown` on every expression; a name that is not
there is an error, and templates can change nothing.
"""

from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from data.answers import Answer
from judge.metrics.interval import Refusal
from report import calibration, formats, headline, plots, searching, tables
from report.examples import choose_examples
from report.gather import TEACHER, RunFiles
from report.hidden import drift_rows, hidden_result, raw
from report.numbers import Numbers
from report.references import references
from report.serving import serving
from report.slices import shade

_FOLDER = Path(__file__).parent
_FILTERS = (
    formats.percent,
    formats.interval,
    formats.points,
    formats.decimal,
    formats.p_value,
    formats.number,
    formats.duration,
    formats.short,
    formats.fenced,
    tables.listed,
    calibration.reading,
    shade,
)


def render_html(material: RunFiles, numbers: Numbers) -> str:
    """The report as one self-contained page: no scripts, nothing fetched."""
    figures = {"forest": plots.forest(material), "curves": plots.curves(material)}
    page = _environment(html=True).get_template("report.html.j2")
    return page.render(**_shown(material, numbers), **figures, colours=plots.COLOURS) + "\n"


def render_markdown(material: RunFiles, numbers: Numbers) -> str:
    """The report as Markdown, without the figures."""
    page = _environment(html=False).get_template("report.md.j2")
    return page.render(**_shown(material, numbers)) + "\n"


def render_card(material: RunFiles, numbers: Numbers) -> str:
    """The model card of the best student as Markdown."""
    page = _environment(html=False).get_template("card.md.j2")
    return page.render(**_shown(material, numbers)) + "\n"


def _environment(html: bool) -> ImmutableSandboxedEnvironment:
    made = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(_FOLDER),
        undefined=StrictUndefined,
        autoescape=html,
        finalize=None if html else formats.markdown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {function.__name__: function for function in _FILTERS}
    return made


def _shown(material: RunFiles, numbers: Numbers) -> dict[str, Any]:
    """Everything that a template may name."""
    arms = material.arms
    return {
        "m": material,
        "numbers": numbers,
        "arms": arms,
        "strict": {arm: headline.strict_of(material, arm) for arm in arms},
        "references": references(material),
        "versus_teacher": headline.said(headline.compared(material, TEACHER)),
        "rule_rows": tables.rule_rows(material),
        "llm_rows": tables.llm_rows(material),
        "llm_must": [due.id for due in headline.llm_rules(material) if due.must],
        **_judged(material, numbers),
        "logged": tables.logged(material),
        "students": tables.students(material),
        "search": searching.search(material),
        "looks": tables.looks(material),
        "audit_rows": tables.audit_rows(material),
        "orders": tables.orders(material),
        "missing": tables.missing_reasons(material),
        "examples": choose_examples(material),
        "shown_contexts": shown_contexts,
        "serving": serving(material),
        "manifest": list(tables.flat(material.manifest or {})),
    }


def _judged(material: RunFiles, numbers: Numbers) -> dict[str, Any]:
    """What the sections on the judge and the hidden set may name."""
    found, unseen = material.calibration, hidden_result(material)
    return {
        "calibrated": None if isinstance(found, Refusal) else found,
        "uncalibrated": material.refused,
        "probes": calibration.probes(found),
        "hidden_refused": unseen.reason if isinstance(unseen, Refusal) else None,
        "drift_rows": list(drift_rows(numbers.hidden)),
        "raw": raw(numbers.hidden),
    }


def shown_contexts(row: Any, answers: tuple[Answer | None, ...]) -> list[tuple[str, bool]]:
    """The row's passages, each with whether every arm was shown it."""
    dropped = max((answer.dropped for answer in answers if answer), default=0)
    kept = len(row.contexts) - dropped
    return [(context.text, at < kept) for at, context in enumerate(row.contexts)]
