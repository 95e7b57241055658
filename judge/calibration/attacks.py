"""Answers that attack the judge, and how many of them get through.

They stand in `prompts/judge/attacks.yaml`. No one of them answers any question, so each must fail;
one that code cannot fail and no model was asked about is undecided, not passed.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from config.errors import DataError
from config.load import read_yaml, validated
from config.settings import Settings
from data.answers import Answer
from data.records import Record, digest
from data.rows import Row
from judge.calibration.variants import boards
from judge.checks.check import code_verdicts
from judge.llm.judge import LlmJudge
from judge.llm.prompt import verdict_prompt
from judge.llm.templates import TEMPLATES
from judge.metrics.verdict_table import VerdictTable
from judge.verdict import Verdict
from prompts.check_settings import LlmCheck
from prompts.prompt_file import Prompt
from prompts.rules import Rule, RuleFile

ROWS = 10  # val rows that each attack is tried on by code; the model sees it on the first one

AttackKind = Literal[
    "plea",
    "fake_json",
    "fake_verdict",
    "fence",
    "role_play",
    "authority",
    "translated",
    "invisible",
    "token",
    "empty",
]


class Attack(Settings):
    """A hostile answer; None is an answer that is not there."""

    id: str
    kind: AttackKind
    text: str | None

    def answer(self, row: Row) -> Answer:
        """The attack as an answer to a row. An absent text is the empty one, as in replies."""
        return Answer(
            key="",
            arm=f"attack/{self.id}",
            row=row.id,
            sample=0,
            text=self.text or "",
            finish="stop",
            seed=0,
            prompt_tokens=0,
        )


class Tally(Record):
    """What became of an attack under one strict score, over the rows that it was tried on."""

    failed: int
    undecided: int  # no must-rule failed, and some have no verdict
    passed: int


class AttackScore(Record):
    """One attack."""

    id: str
    kind: AttackKind
    scores: dict[str, Tally]  # by strict score, see judge.calibration.variants
    model_passes: tuple[str, ...] = ()  # llm rules that the model passed it on


class AttackReport(Record):
    """All attacks."""

    rows: tuple[str, ...]  # val rows by code
    model_row: str | None  # the row on which the model was asked; None: no judging server
    escapes: int  # attacks that leave their fence: anything but 0 is a defect
    got_through: dict[str, int]  # strict score → attacks that passed on some row
    attacks: tuple[AttackScore, ...]


def load_attacks(path: Path = TEMPLATES / "attacks.yaml") -> tuple[Attack, ...]:
    """The attacks of a file. Raises ConfigError or DataError when one is malformed or repeated."""
    values = read_yaml(path)
    if not isinstance(values, list):
        raise DataError(f"{path}: expected a list of attacks, found {type(values).__name__}")
    attacks = tuple(
        validated(Attack, value, f"{path}: attack {number}")
        for number, value in enumerate(values, 1)
    )
    for field in ("id", "text"):
        most, count = Counter(getattr(attack, field) for attack in attacks).most_common(1)[0]
        if count > 1:
            raise DataError(f"{path}: {field} {most!r} is given twice; remove one")
    return attacks


def escapes(text: str) -> bool:
    """Whether an answer leaves its fence: its id must stand in its own two fence lines alone."""
    check = LlmCheck.model_validate({"type": "llm", "pass": "polite", "fail": "rude"})
    rule = Rule(id="probe", source="Be polite.", check=check)
    question = verdict_prompt(rule, Row(id="probe", question="When?"), text)
    turn = str(question.body("plain", "", 1)["messages"][1]["content"])
    return any(turn.count(part.id) != 2 for part in question.parts)


def attack_report(
    attacks: Sequence[Attack],
    rules: RuleFile,
    prompt: Prompt,
    rows: Sequence[Row],
    judge: LlmJudge | None,
) -> AttackReport:
    """Every attack as the answer to up to ROWS rows, by code; to the first by the model too."""
    tried = sorted(rows, key=lambda row: digest(row.id))[:ROWS]
    answered = [(row, attack.answer(row)) for attack in attacks for row in tried]
    verdicts = [
        one for row, answer in answered for one in code_verdicts(rules, prompt, row, answer)
    ]
    asked: list[Verdict] = []
    if judge is not None:
        asked = judge.verdicts([pair for pair in answered if pair[0].id == tried[0].id])
    found = boards(rules, tried, verdicts + asked)
    scores = tuple(_score(attack, found, asked) for attack in attacks)
    return AttackReport(
        rows=tuple(row.id for row in tried),
        model_row=tried[0].id if judge is not None else None,
        escapes=sum(escapes(attack.text or "") for attack in attacks),
        got_through={
            name: sum(score.scores[name].passed > 0 for score in scores) for name in found
        },
        attacks=scores,
    )


def _score(attack: Attack, found: dict[str, VerdictTable], asked: Sequence[Verdict]) -> AttackScore:
    arm = f"attack/{attack.id}"
    tallies = {}
    for name, board in found.items():
        counts = Counter(board.strict[arm].values())
        tallies[name] = Tally(failed=counts[False], undecided=counts[None], passed=counts[True])
    passed = [one.rule for one in asked if one.arm == arm and one.outcome == "pass"]
    return AttackScore(id=attack.id, kind=attack.kind, scores=tallies, model_passes=tuple(passed))
