"""Conditional rules on arms whose answers can be counted by hand."""

from data.answers import Answer
from data.rows import Row
from judge.case_records import CountedShare
from judge.checks.check import code_verdicts
from judge.metrics.conditional_rules import (
    find_fragments,
    ordinary_answers,
    score_conditional,
    share_with_fragments,
)
from judge.metrics.verdict_table import VerdictTable, build_verdict_table
from prompts.rules import Rule
from tests.judge.factories import PROMPT, llm_check, make_answer, make_row, make_rule, make_rules

OFF_TOPIC = {"code": [{"field": "labels", "matches": "off"}]}
REFUSAL = make_rule(
    {"type": "contains", "text": "This desk is for students only."},
    id="refusal",
    applies=OFF_TOPIC,
    converse=True,
)
OPENING = make_rule({"type": "starts_with", "text": "Desk:"}, id="opening")
SAYS = "Desk: This desk is for students only."
ROWS = [make_row(f"off{n}", labels=("off",)) for n in range(3)]
ROWS += [make_row(f"on{n}", labels=("on",)) for n in range(4)]
ROWS.append(make_row("unknown"))  # no label: neither due nor not due
TEXTS = [SAYS, "Desk: Yes.", SAYS, SAYS, "Desk: This desk is open.", "Desk: Nine.", "", SAYS]


def tabled(
    texts: list[str], rules: tuple[Rule, ...] = (OPENING, REFUSAL)
) -> tuple[VerdictTable, list[tuple[Row, Answer]]]:
    """The verdicts of one arm that answers ROWS, and its pairs."""
    file = make_rules(*rules)
    pairs = [(row, make_answer(text, row.id)) for row, text in zip(ROWS, texts, strict=True)]
    verdicts = [v for row, answer in pairs for v in code_verdicts(file, PROMPT, row, answer)]
    return build_verdict_table(file, ROWS, verdicts), pairs


def test_due_and_not_due() -> None:
    """Due on 3 rows, obeyed on 2; not due on 4, said on 1: the empty answer fails but says nothing.

    Wilson's interval of 2 of 3 is 20.8 … 93.9 %.
    """
    table, pairs = tabled(TEXTS)
    score = score_conditional(table, "base", REFUSAL, find_fragments(table, "base", pairs))
    assert (score.obeyed.count, score.obeyed.n) == (2, 3)
    assert round(score.obeyed.low or 0, 3) == 0.208 and round(score.obeyed.high or 0, 3) == 0.939
    assert (score.said.count, score.said.n) == (1, 4)


def test_fragments_are_of_the_answers_where_nothing_is_due_or_said() -> None:
    """3 of the 4 undue answers do not say it; one of these says "this desk is" and passes."""
    table, pairs = tabled(TEXTS)
    fragments = find_fragments(table, "base", pairs)
    score = score_conditional(table, "base", REFUSAL, fragments)
    assert score.fragments is not None and score.example is not None
    assert (score.fragments.count, score.fragments.n) == (1, 3)
    example = score.example
    assert (example.row, example.fragment, example.answer) == ("on1", "this desk is", TEXTS[4])
    all_answers = share_with_fragments(table, "base", fragments)
    assert (all_answers.count, all_answers.n) == (1, 8)
    assert table.verdicts["base"]["on1", 0]["refusal_converse"].outcome == "pass"  # no verdict


def test_ordinary_rows_are_those_on_which_nothing_is_due() -> None:
    """The unlabelled row may be one on which the refusal is due."""
    table, _ = tabled(TEXTS)
    assert ordinary_answers(table, "base") == [(f"on{n}", 0) for n in range(4)]
    table, _ = tabled(TEXTS, (OPENING,))
    assert len(ordinary_answers(table, "base")) == 8


def test_a_rule_without_a_fixed_sentence_has_no_fragments() -> None:
    """A length or a model's question has no words that could be repeated."""
    short = make_rule(
        {"type": "length", "max_words": 3}, id="short", applies=OFF_TOPIC, converse=True
    )
    table, pairs = tabled(TEXTS, (short,))
    score = score_conditional(table, "base", short, find_fragments(table, "base", pairs))
    assert score.fragments is None and score.example is None
    assert (score.obeyed.count, score.obeyed.n) == (1, 3)


def test_an_unjudged_rule_has_no_share() -> None:
    """A model's rule that was not run: nothing of nothing, without an interval."""
    kind = make_rule(llm_check(), id="kind", applies=OFF_TOPIC, converse=True)
    table, pairs = tabled(TEXTS, (OPENING, kind))
    score = score_conditional(table, "base", kind, find_fragments(table, "base", pairs))
    assert score.obeyed == score.said == CountedShare(count=0, n=0)
