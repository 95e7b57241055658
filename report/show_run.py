"""A finished run in a terminal: one table of all rules, what speaks against serving, time, paths.

The texts are those of the report's pages.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from config.terminal import safe_text
from data.stored_file import is_stored
from judge.records import BASE, TEACHER, BoundedRate, RuleScore, StrictScore
from report.formats import NONE, duration, interval, percent
from report.headline import (
    best_gap,
    comparison_sentence,
    headline_sentence,
    list_caveats,
    list_doubts,
)
from report.run_files import RunFiles

_HEADINGS = {BASE: "base", TEACHER: "teacher"}


def view_run(material: RunFiles) -> RenderableType:
    """What the judge found about the best student. The run must have been judged."""
    return Group(
        *(safe_text(f"! {doubt}.\n", "bold yellow") for doubt in list_doubts(material)),
        safe_text(headline_sentence(best_gap(material)), "bold"),
        "",
        _rule_table(material),
        "",
        Text("Share of the rows on which a rule is due and obeyed, and its 95 % interval.", "dim"),
        "",
        safe_text(comparison_sentence(material.comparison(TEACHER))),
        *(safe_text(f"· {caveat}") for caveat in list_caveats(material)),
        "",
        *_serving_lines(material),
        "",
        *_facts(material),
    )


def _rule_table(material: RunFiles) -> Table:
    """A line per score with a column per arm; strict adherence first."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("rule", overflow="fold")
    for arm in material.arms:
        heading = "student\n+ prompt" if arm.endswith("+prompt") else _HEADINGS.get(arm, "student")
        style = "bold" if arm == material.student else ""
        table.add_column(heading, justify="right", style=style)
    strict = {arm: material.strict(arm) for arm in material.arms}
    rows = [score.n + score.missing for score in strict.values() if score is not None]
    name = Text.assemble(
        safe_text(material.strict_name, "bold"), (f"\n  {max(rows, default=0)} rows", "dim")
    )
    table.add_row(name, *(_rate_cell(score) for score in strict.values()), end_section=True)
    for scored in material.rules.scored_rules():
        scores = {arm: material.rule(arm, scored.id) for arm in material.arms}
        due = {score.applicable for score in scores.values() if score is not None}
        severity = "must" if scored.must else "should"
        note = f"\n  {severity}, {_due_text(due)}"
        label = Text.assemble(safe_text(scored.id), (note, "dim"))
        table.add_row(label, *(_rate_cell(score) for score in scores.values()))
    return table


def _due_text(due: set[int]) -> str:
    """How many rows a rule is due on; arms that lack answers have fewer."""
    if not due or due == {0}:
        return "due on no row"
    low, high = min(due), max(due)
    return f"due on {high}" if low == high else f"due on {low} to {high}"


def _rate_cell(score: BoundedRate | None) -> Text:
    """A rate, its interval, and how many verdicts are missing."""
    if score is None:
        return Text("not judged", "dim")
    if score.rate is None and not _missing(score):
        return Text(NONE, "dim")
    lines = [Text(percent(score.rate)), Text(str(interval(score.low, score.high)), "dim")]
    if missing := _missing(score):
        lines.append(Text(f"{missing} missing", "yellow"))
    return Text("\n").join(line for line in lines if line.plain)


def _missing(score: BoundedRate) -> int:
    if isinstance(score, StrictScore):
        return score.missing
    return sum(score.missing.values()) if isinstance(score, RuleScore) else 0


def _serving_lines(material: RunFiles) -> Iterator[Text]:
    """The best student, why it is the best, and whether to serve it."""
    choice, judged = material.choice, material.judged
    if choice is None:
        yield Text("No best student is chosen yet.", "yellow")
        return
    yield Text.assemble(
        "best student: ", safe_text(choice.best, "bold"), safe_text(f" ({choice.why})")
    )
    for reason in material.reasons_not_to_serve:
        yield Text.assemble(
            ("do not serve this model: ", "bold red"),
            safe_text(f"{reason.finding}. What would help: {reason.remedy}."),
        )
    serving = judged.serving if judged else None
    if serving is None or serving.student != material.student:
        yield Text("Whether to serve it is not known: it has not been judged.", "yellow")
    elif not serving.reasons:
        yield Text("Nothing that was measured speaks against serving it.", "green")


def _facts(material: RunFiles) -> Iterator[RenderableType]:
    """Time per stage, and where the files are."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    if material.timings:
        grid.add_row("time", safe_text(time_text(material.timings.seconds)))
    for name, path in _paths(material).items():
        if is_stored(path) or path.is_dir():
            grid.add_row(name, safe_text(path))
    yield grid


def time_text(timings: Mapping[str, float]) -> str:
    """The sum of the stages' times, and those of at least a second."""
    parts = [f"{stage} {duration(spent)}" for stage, spent in timings.items() if spent >= 1]
    total = f"{duration(sum(timings.values()))} in total"
    return f"{total}: {', '.join(parts)}" if parts else total


def _paths(material: RunFiles) -> dict[str, Path]:
    run, saved = material.run, material.saved
    paths = {"report": run.report("html")}
    if saved is not None:
        paths["student"] = saved.path
    paths |= {"chat template": run.chat_template, "verdicts": run.verdicts}
    if material.hidden is not None:
        paths["hidden answers"] = material.hidden
    return paths | {"logs": run.root / "logs"}
