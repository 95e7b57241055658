"""Rule files and answers with people's gold, for the tests of the calibration."""

from data.rows import Row
from judge.calibration.label_agreement import GoldComparison
from judge.calibration.variants import with_missing
from judge.checks.check import code_verdicts
from judge.labels import GoldLabel, halves
from judge.metrics.verdict_table import build_verdict_table
from prompts.rules import RuleFile
from tests.judge.factories import PROMPT, llm_check, make_answer, make_row, make_rule, make_rules

LABEL = {"code": [{"field": "labels", "matches": "плохо"}]}
MIXED = make_rules(
    make_rule({"type": "contains", "text": "да"}, id="blind"),
    make_rule({"type": "contains", "text": "нет"}, id="by_label", applies=LABEL, converse=True),
    make_rule(llm_check(), id="asked"),
    make_rule({"type": "json"}, id="asked_when", applies={"llm": "Is it?"}),
    make_rule({"type": "json"}, id="should", severity="should"),
    useful=("blind", "asked"),
)
YES = make_rules(make_rule({"type": "contains", "text": "да"}, id="yes"), useful=("yes",))


def gold_comparison(rules: RuleFile, texts: list[tuple[str, bool]]) -> GoldComparison:
    """Answers of one system to as many questions, each with whether people call it good."""
    rows: list[Row] = []
    pairs = []
    verdicts = []
    for n, (text, _) in enumerate(texts):
        rows.append(make_row(f"r{n}", answers={"saiga": text}, labels=("x",)))
        answer = make_answer(text, f"r{n}", "logged/saiga")
        pairs.append((rows[-1], answer))
        verdicts += code_verdicts(rules, PROMPT, rows[-1], answer)
    gold = [
        GoldLabel(row=f"r{n}", system="saiga", good=good, why="x")
        for n, (_, good) in enumerate(texts)
    ]
    verdicts = with_missing(rules, pairs, verdicts)
    by_id = {row.id: row for row in rows}
    table = build_verdict_table(rules, rows, verdicts)
    return GoldComparison(gold, table, halves(rows, 0), by_id, PROMPT, 0)
