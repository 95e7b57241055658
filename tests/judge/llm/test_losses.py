"""Verdicts that faults have cost: they read as missing, and move no rate."""

from pathlib import Path
from typing import Any

import pytest

from judge.metrics.scores import score
from judge.metrics.verdict_table import build_verdict_table
from tests.judge.factories import make_answer, make_row
from tests.judge.llm.runs import POLITE, after_probe, judged
from tests.judge.llm.server import Sent, error, user, verdict

ARMS = ("base", "teacher", "student/a", "student/b", "student/c")
ROWS = [make_row(f"r{number}") for number in range(2000)]
CUT = Sent('{"evidence": [], "reasoning": "", "verdict": "pass"}', finish="length")
FAULTS = (error(503), Sent(drop=True), Sent("pass, surely"), CUT, Sent(""))


def respond(body: dict[str, Any]) -> Sent:
    """One question in a hundred always fails; of the others every fourth answer breaks the rule."""
    number = int(user(body).split("Question r")[1].split("?")[0])
    if number % 100 == 7:
        return FAULTS[number // 100 % len(FAULTS)]
    return verdict("fail" if number % 4 == 0 else "pass")


def test_one_percent_of_ten_thousand_reads_as_one_percent_missing(tmp_path: Path) -> None:
    """Five arms with equal answers: 2,000 questions to the server, 10,000 verdicts."""
    pairs = [(row, make_answer("Да.", row.id, arm)) for arm in ARMS for row in ROWS]
    verdicts, _, _ = judged(after_probe(respond), tmp_path, pairs)
    assert len(verdicts) == 10_000
    assert sum(verdict.outcome == "missing" for verdict in verdicts) == 100
    board = build_verdict_table(POLITE, ROWS, verdicts)
    reasons = {"transport": 8, "malformed": 4, "truncated": 4, "empty": 4}
    scores = score(POLITE, ROWS, verdicts).arms
    for arm in ARMS:
        found = scores[arm].rules["polite"]
        assert (found.applicable, found.scored, found.missing) == (2000, 1980, reasons)
        assert found.passes == 1480 and found.rate == pytest.approx(1480 / 1980)
        assert (found.low_bound, found.high_bound) == (1480 / 2000, 1500 / 2000)
        assert scores[arm].strict.missing == 20 and scores[arm].strict.n == 1980
        lost = {row for (row, _), passed in board.strict[arm].items() if passed is None}
        assert lost == {f"r{number}" for number in range(7, 2000, 100)}
