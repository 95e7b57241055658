"""Parts of the views of single rows: names that are not known, verdicts with their evidence."""

import difflib
from collections.abc import Sequence

from rich.text import Text

from config.terminal import safe_text
from judge.verdict import Verdict
from prompts.rules import ScoredRule, one_line
from report.formats import listed

_SUGGESTIONS = 3


def similar_names(name: str, known: Sequence[str]) -> str:
    """The way out for an unknown name: known ones like it, or the first known ones."""
    similar = difflib.get_close_matches(name, known, n=_SUGGESTIONS)
    if similar:
        return f"did you mean {' or '.join(similar)}?"
    return f"it has {listed(known)}" if known else "it has none"


def labelled_text(label: str, text: str) -> Text:
    """A text behind its label."""
    return Text.assemble(safe_text(f"{label}: ", "dim"), safe_text(text))


def verdict_mark(verdict: Verdict) -> Text:
    """The sign of a verdict that is no pass."""
    return Text("✗", "red") if verdict.outcome == "fail" else Text("?", "yellow")


def evidence_text(verdict: Verdict, scored: ScoredRule) -> str:
    """Why a verdict fails or is missing, in one line; the demand where the check notes nothing."""
    note = one_line(verdict.note)
    if verdict.outcome == "missing":
        return f"no verdict ({verdict.reason})" + (f": {note}" if note else "")
    return note or demand_text(scored)


def demand_text(scored: ScoredRule) -> str:
    """What the prompt demands, in its own words."""
    demand = f"the prompt says “{one_line(scored.rule.source)}”"
    return f"not due here, {demand}" if scored.converse else demand
