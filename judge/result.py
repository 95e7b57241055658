"""What the judge leaves on disk: the scores, and what they rest on."""

from collections import Counter
from collections.abc import Iterable

from data.records import Record
from judge.agreement import Agreement
from judge.llm.client import Usage
from judge.records import ContextScore, Scores
from judge.verdict import Missing, Verdict


class Coverage(Record):
    """How far a language model got with the verdicts that it had to give."""

    due: int  # verdicts; where only a label could say so, none
    missing: dict[Missing, int]  # reason → of them, those that it did not give
    unasked: int  # questions of any kind that max_calls or max_cost left over, in this run

    @property
    def share_missing(self) -> float:
        """Of the due verdicts, 0 … 1."""
        return sum(self.missing.values()) / max(1, self.due)

    @property
    def said(self) -> str:
        """In a line for people."""
        reasons = ", ".join(f"{reason} {count}" for reason, count in self.missing.items())
        missing = f"{sum(self.missing.values())} missing{f' ({reasons})' if reasons else ''}"
        left = f"; the limit left {self.unasked} questions unasked: run it again to go on"
        return f"{self.due} verdicts due, {missing}{left if self.unasked else ''}"


def coverage_of(verdicts: Iterable[Verdict], spent: Usage) -> Coverage:
    """What became of a model's verdicts."""
    due = [v for v in verdicts if v.outcome != "not_applicable" and v.reason != "unlabelled"]
    reasons = Counter(verdict.reason for verdict in due if verdict.reason is not None)
    return Coverage(
        due=len(due),
        missing=dict(reasons.most_common()),
        unasked=spent.unasked,
    )


class JudgeNote(Record):
    """The language model that judged."""

    model: str
    mode: str  # how it was made to answer in a form: json_schema, …, plain
    rules_per_call: int = 1
    fell: dict[str, int] = {}  # looser mode → questions asked in it because a stricter one failed
    unfounded: int = 0  # questions whose reply quotes what is not in the data, even when re-asked
    calls: int  # asked in this run
    coverage: Coverage | None = None  # None: judged before this was noted
    prompt_tokens: int = 0  # of those calls
    completion_tokens: int = 0
    cost: float | None = None  # likewise; None: the server has no prices
    same_as_base: bool  # it judges itself: shown as a warning
    calibrated: bool  # against people's labels


class JudgeResult(Record):
    """judge/scores.json of val, and judge/hidden.json of the rows that nobody labelled."""

    scores: Scores
    agreements: list[Agreement]
    arms: list[str]  # judged by the language model
    judge: JudgeNote | None  # None: code rules only
    contexts: ContextScore | None = None  # of the rows; None: none has passages and a reference
