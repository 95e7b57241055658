"""The record of the language model that judged: which it was, and what became of its verdicts."""

from collections import Counter
from collections.abc import Iterable

from pydantic import JsonValue

from data.records import Record
from judge.verdict import Missing, Verdict


class Coverage(Record):
    """How many of its verdicts a language model gave."""

    expected: int  # verdicts, without those that need a label which the row lacks
    missing: dict[Missing, int]  # reason → expected verdicts that are missing
    unasked: int  # questions of any kind not asked in this run, by max_calls or max_cost
    contradictory: int = 0  # rulings of pass whose reasoning says fail, in this command
    example: str = ""  # the note of the first verdict that is missing for the most frequent reason

    @classmethod
    def of(cls, verdicts: Iterable[Verdict], unasked: int, contradictory: int = 0) -> "Coverage":
        """The coverage of a model's verdicts; the other counts are of its session."""
        expected = [
            verdict
            for verdict in verdicts
            if verdict.outcome != "not_applicable" and verdict.reason != "unlabelled"
        ]
        reasons = Counter(verdict.reason for verdict in expected if verdict.reason is not None)
        missing = dict(reasons.most_common())
        most_frequent = next(iter(missing), None)
        notes = (verdict.note for verdict in expected if verdict.reason == most_frequent)
        example = next(notes, "") if most_frequent else ""
        return cls(
            expected=len(expected),
            missing=missing,
            unasked=unasked,
            contradictory=contradictory,
            example=example,
        )

    @property
    def is_lost(self) -> bool:
        """Whether the model was asked, and not one verdict came."""
        unasked = self.missing.get("budget", 0) + self.missing.get("not_run", 0)
        return unasked < self.expected == sum(self.missing.values())

    @property
    def share_missing(self) -> float:
        """Of the expected verdicts, 0 … 1."""
        return sum(self.missing.values()) / max(1, self.expected)

    @property
    def summary(self) -> str:
        """One line for people."""
        reasons = ", ".join(f"{reason} {count}" for reason, count in self.missing.items())
        missing = f"{sum(self.missing.values())} missing{f' ({reasons})' if reasons else ''}"
        summary = f"{self.expected} verdicts expected, {missing}"
        if self.contradictory:
            summary += f"; passes whose reasoning says fail: {self.contradictory}"
        if self.unasked:
            summary += f"; the limit left {self.unasked} questions unasked: run it again to go on"
        return summary


class JudgeFingerprint(Record):
    """A change of any field makes a different judge."""

    model: str | None  # None: code alone
    mode: str | None  # output mode of the replies
    rules_per_call: int = 1  # 1 for code alone
    request_changes: str = ""  # hash of judge.llm.extra_body and max_tokens_field; "": none
    temperature: float | None = None  # None for code alone, as the next two
    samples: str = ""  # votes per verdict on must-rules and on others
    max_tokens: int | None = None
    second: str = ""  # the second model, its output mode and the hash of its changes; "": none
    token_probabilities: bool = False  # verdicts are read from the tokens' probabilities
    rules: str  # hash of the rule file
    prompt: str  # hash of the prompt with its examples
    templates: str  # hash of the judging templates, prompts/judge/*/*.j2
    code: str = ""  # hash of the checks and of what reads the replies

    def differing(self, other: "JudgeFingerprint") -> list[str]:
        """The fields in which two judges differ."""
        mine, others = self.model_dump(), other.model_dump()
        return [name for name in mine if mine[name] != others[name]]


class JudgeNote(Record):
    """The language model that judged."""

    model: str
    mode: str  # output mode: json_schema, …, plain
    rules_per_call: int = 1
    request_changes: dict[str, JsonValue] = {}  # judge.llm.extra_body and max_tokens_field
    second: str = ""  # the second model; a verdict needs both. "": there is one
    second_mode: str = ""
    # output mode → questions asked in it because a stricter mode failed
    fallbacks: dict[str, int] = {}
    unfounded: int = 0  # questions whose reply quotes text that is not in the data, after re-asking
    calls: int  # made in this run, of both models
    coverage: Coverage | None = None  # absent in files written before this field existed
    prompt_tokens: int = 0  # of those calls
    completion_tokens: int = 0
    cost: float | None = None  # likewise; None: the server has no prices
    same_as_base: bool  # the model judges itself: the report warns
    calibrated: bool  # people's labels vouch for its strict score
    flaw: str | None = None  # why it is not calibrated
