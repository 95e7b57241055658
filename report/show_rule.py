"""A rule in a terminal: the rows on which the best student breaks it, with the evidence."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from config.errors import DataError
from config.terminal import safe_text
from data.answers import Answer
from data.rows import Row
from judge.verdict import Verdict
from prompts.rules import ScoredRule, one_line
from report.formats import short
from report.run_files import RunFiles
from report.show_verdict import (
    demand_text,
    evidence_text,
    labelled_text,
    similar_names,
    verdict_mark,
)

SHOWN_CHARACTERS = 300  # of a question and of an answer


def view_rule(material: RunFiles, rule_id: str) -> RenderableType:
    """The rows of val on which the best student breaks a rule, with the evidence.

    Raises DataError for an unknown rule, with similar ids, and where nothing was judged.
    """
    rules = {scored.id: scored for scored in material.rules.scored_rules()}
    if rule_id not in rules:
        raise DataError(f"--rule {rule_id}: no such rule; {similar_names(rule_id, list(rules))}")
    scored, student = rules[rule_id], material.student
    score = None if student is None else material.rule(student, rule_id)
    if student is None or score is None:
        raise DataError(f"--rule {rule_id}: no student was judged yet; run `unprompted run CONFIG`")
    verdicts = [v for v in material.verdicts or () if (v.arm, v.rule) == (student, rule_id)]
    failures = [verdict for verdict in verdicts if verdict.outcome == "fail"]
    undecided = [verdict for verdict in verdicts if verdict.outcome == "missing"]
    counts = (
        f"{student} breaks it on {len(failures)} of the {score.applicable} rows where it is due"
    )
    if score.missing:
        reasons = ", ".join(f"{reason} {count}" for reason, count in score.missing.items())
        counts += f"; verdicts are missing: {reasons}"
    rows = {row.id: row for row in material.rows or ()}
    answers = {(a.row, a.sample): a for a in material.answers.get(student, ())}
    parts: list[RenderableType] = [*_rule_parts(scored), safe_text(f"{counts}.")]
    for verdict in [*failures, *undecided]:
        answer = answers.get((verdict.row, verdict.sample))
        parts += ["", *_failure_parts(verdict, scored, rows.get(verdict.row), answer)]
    return Group(*parts)


def _rule_parts(scored: ScoredRule) -> Iterator[Text]:
    severity = "must" if scored.must else "should"
    yield Text.assemble(safe_text(scored.id, "bold"), f"  ({severity})")
    where = ", and only there: it must not be met where it is not due" if scored.converse else ""
    yield safe_text(f"{demand_text(scored.model_copy(update={'converse': False}))}{where}", "dim")


def _failure_parts(
    verdict: Verdict, scored: ScoredRule, row: Row | None, answer: Answer | None
) -> Iterator[Text]:
    """One row of `view_rule`, in four lines or fewer."""
    mark = verdict_mark(verdict)
    yield Text.assemble(mark, " ", safe_text(verdict.row, "bold"))
    if row is not None:
        yield labelled_text("question", short(one_line(row.question), SHOWN_CHARACTERS))
    if answer is not None:
        yield labelled_text("answer", short(one_line(answer.text), SHOWN_CHARACTERS) or "(empty)")
    if one_line(verdict.note) or verdict.outcome == "missing":
        yield labelled_text("evidence", evidence_text(verdict, scored))
