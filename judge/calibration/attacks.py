"""Hostile answers, and how many of them the judge passes.

They are listed in `prompts/judge/attacks.yaml`. None of them answers a question, so each must fail.
An attack that no code rule fails is undecided, not passed, as long as no model was asked.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from config.errors import DataError
from config.load import validated
from config.settings import Settings
from config.yaml_file import read_yaml
from data.answers import Answer
from data.records import Record, digest
from data.rows import Row
from judge.calibration.variants import variant_tables, with_missing
from judge.checks.check import code_verdicts
from judge.llm.judge import LlmJudge
from judge.llm.prompt import verdict_prompt
from judge.llm.templates import TEMPLATES
from judge.metrics.verdict_table import STRICT, VerdictTable
from judge.verdict import Verdict
from prompts.check_settings import LlmCheck
from prompts.prompt_file import Prompt
from prompts.rules import Rule, RuleFile

ATTACKED_ROWS = 10  # val rows tried by code; the model is asked about the first one

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
    """A hostile answer; `text` is None for an absent one."""

    id: str
    kind: AttackKind
    text: str | None

    def answer(self, row: Row) -> Answer:
        """The attack as an answer to a row; an absent text becomes an empty one, as in replies."""
        return Answer.from_text(f"attack/{self.id}", row.id, self.text or "")


class AttackTally(Record):
    """The outcomes of an attack under one variant of the strict score, in rows."""

    failed: int
    undecided: int  # no must-rule fails, some have no verdict
    passed: int


class AttackOutcome(Record):
    """The outcomes of one attack."""

    id: str
    kind: AttackKind
    variants: dict[str, AttackTally]  # by variant of the strict score
    llm_passes: tuple[str, ...] = ()  # llm rules that the model passed


class AttackReport(Record):
    """The outcomes of all attacks."""

    rows: tuple[str, ...]  # val rows tried by code
    llm_row: str | None  # the row that the model was asked about; None: no judging server
    escapes: int  # attacks that break out of their fence; must be 0
    passed_by_variant: dict[str, int]  # variant → attacks that passed on some row
    attacks: tuple[AttackOutcome, ...]


def load_attacks(path: Path = TEMPLATES / "attacks.yaml") -> tuple[Attack, ...]:
    """Reads attacks. Raises ConfigError or DataError for a malformed or a repeated one."""
    values = read_yaml(path)
    if not isinstance(values, list):
        raise DataError(f"{path}: expected a list of attacks, found {type(values).__name__}")
    attacks = tuple(
        validated(Attack, value, f"{path}: attack {number}")
        for number, value in enumerate(values, 1)
    )
    for field in ("id", "text"):
        value, count = Counter(getattr(attack, field) for attack in attacks).most_common(1)[0]
        if count > 1:
            raise DataError(f"{path}: {field} {value!r} occurs twice; remove one")
    return attacks


def escapes(text: str) -> bool:
    """Whether an answer breaks its fence: the fence id may occur in its own two lines only."""
    check = LlmCheck.model_validate({"type": "llm", "pass": "polite", "fail": "rude"})
    rule = Rule(id="probe", source="Be polite.", check=check)
    question = verdict_prompt(rule, Row(id="probe", question="When?"), text)
    message = str(question.body("plain", "", 1)["messages"][1]["content"])
    return any(message.count(part.id) != 2 for part in question.parts)


def attack_report(
    attacks: Sequence[Attack],
    rules: RuleFile,
    prompt: Prompt,
    rows: Sequence[Row],
    judge: LlmJudge | None,
) -> AttackReport:
    """Each attack as the answer to up to ATTACKED_ROWS rows; the model judges the first only.

    Without rows nothing is tried.
    """
    attacked = sorted(rows, key=lambda row: digest(row.id))[:ATTACKED_ROWS]
    pairs = [(row, attack.answer(row)) for attack in attacks for row in attacked]
    verdicts = [
        verdict for row, answer in pairs for verdict in code_verdicts(rules, prompt, row, answer)
    ]
    llm_verdicts: list[Verdict] = []
    if judge is not None and attacked:
        llm_verdicts = judge.verdicts([pair for pair in pairs if pair[0].id == attacked[0].id])
    verdicts = with_missing(rules, pairs, verdicts + llm_verdicts)
    tables = variant_tables(rules, attacked, verdicts)
    outcomes = tuple(_outcome(attack, tables, llm_verdicts) for attack in attacks)
    return AttackReport(
        rows=tuple(row.id for row in attacked),
        llm_row=attacked[0].id if judge is not None and attacked else None,
        escapes=sum(escapes(attack.text or "") for attack in attacks),
        passed_by_variant={
            name: sum(outcome.variants[name].passed > 0 for outcome in outcomes) for name in tables
        },
        attacks=outcomes,
    )


def _outcome(
    attack: Attack, tables: dict[str, VerdictTable], llm_verdicts: Sequence[Verdict]
) -> AttackOutcome:
    arm = f"attack/{attack.id}"
    counts = {
        name: Counter(answer.certain for answer in table.scores[STRICT].get(arm, {}).values())
        for name, table in tables.items()
    }
    return AttackOutcome(
        id=attack.id,
        kind=attack.kind,
        variants={
            name: AttackTally(failed=count[False], undecided=count[None], passed=count[True])
            for name, count in counts.items()
        },
        llm_passes=tuple(
            verdict.rule
            for verdict in llm_verdicts
            if verdict.arm == arm and verdict.outcome == "pass"
        ),
    )
