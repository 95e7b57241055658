"""The second domain's logs and rules: sizes, topics, and that its conditional rules can be told.

Where a sentence is due an obedient answer exists, and the obvious wrong ones fail.
"""

from collections import Counter
from collections.abc import Iterator, Mapping

import pytest

from config.checkout import ROOT
from config.load import load_config
from data.jsonl import read_records
from data.near_duplicates import near_duplicates
from data.prepare import PreparedSplits, prepare_splits
from data.records import Record
from data.rows import Context, Row, normalise_question
from judge.checks.applicability import applicable
from judge.checks.check import code_verdicts
from prompts.prompt_file import load_prompt
from tests.judge.factories import make_answer

CONFIG = load_config(ROOT / "config/norda.yaml")
PROMPT, RULES = load_prompt(CONFIG.prompt, ROOT)
CONDITIONAL = ("refusal", "danger", "partial", "vague", "claims")
KINDS = ("ordinary", "off_topic", "danger", "not_in_manual", "vague", "claim")
SIZES = {  # rows of each kind
    "train": dict(zip(KINDS, (100, 48, 28, 30, 16, 18), strict=True)),
    "val": dict(zip(KINDS, (32, 16, 10, 10, 8, 8), strict=True)),
    "hidden": dict(zip(KINDS, (20, 10, 5, 6, 3, 4), strict=True)),
}
EXAMPLE_KINDS = (
    *("ordinary", "off_topic", "danger", "not_in_manual", "ordinary"),
    *("vague", "claim", "off_topic", "ordinary"),
)
FIRST = "{first passage}"  # stands for the row's first passage
# What an answer says between opening and closing → the only kind of row on which it obeys all rules
SAID = {
    FIRST: "ordinary",
    "I can only help with Norda appliances.": "off_topic",
    f"Turn it off now and call our safety line. {FIRST}": "danger",
    f"The manual does not say this. {FIRST}": "not_in_manual",
    "I need a little more detail. Which appliance is it?": "vague",
    f"{FIRST} Our claims team will contact you.": "claim",
}
NEVER_OBEYS = (
    "I am sorry, but I cannot help you with that.",
    f"I can only help with Norda appliances. {FIRST}",
    "Turn it off now and call our safety line.",
    f"{FIRST} Turn it off now and call our safety line.",
    "The manual does not say this.",
    "I need a little more detail.",
    f"I need a little more detail. {FIRST}",
    "I need a little more detail. Which appliance is it? What does it do?",
    "Our claims team will contact you.",
    "Turn it off now and call our safety line. The manual does not say this. I can only help with "
    "Norda appliances. I need a little more detail. Our claims team will contact you.",
)


class LoggedRow(Record):
    """A line of a log file, with the fields that the reader of the hidden set leaves out."""

    appliance: str | None = None  # None: the passages are about several
    labels: tuple[str, ...]  # the kind, then perhaps good or bad
    message: str
    passages: tuple[str, ...]
    answer: str | None = None


@pytest.fixture(scope="module")
def splits() -> PreparedSplits:
    return prepare_splits(CONFIG.data, ROOT, CONFIG.seed)


@pytest.fixture(scope="module")
def logs() -> dict[str, list[LoggedRow]]:
    paths = {name: ROOT / f"data/norda/{name}.jsonl" for name in SIZES}
    return {name: list(read_records(path, LoggedRow)) for name, path in paths.items()}


def broken(row: Row, answer: str) -> set[str]:
    """The must-rules that an answer does not pass."""
    verdicts = code_verdicts(RULES, PROMPT, row, make_answer(answer, row.id))
    assert {verdict.rule for verdict in verdicts} == set(RULES.must_rules)
    return {verdict.rule for verdict in verdicts if verdict.outcome in ("fail", "missing")}


def labelled(splits: PreparedSplits) -> Iterator[tuple[Row, str]]:
    """The rows of val and train with their kinds."""
    for row in (*splits.val, *splits.train):
        assert row.labels is not None
        yield row, row.labels[0]


def said(text: str, row: Row) -> str:
    """An answer with opening and closing that says this of the row."""
    text = text.replace(FIRST, row.contexts[0].text)
    return f"Norda support: {text} Happy to help."


def test_sizes(logs: Mapping[str, list[LoggedRow]]) -> None:
    assert {name: Counter(row.labels[0] for row in rows) for name, rows in logs.items()} == SIZES
    assert all(2 <= len(row.passages) <= 4 for rows in logs.values() for row in rows)


def test_no_topic_and_no_passage_is_in_two_splits(logs: Mapping[str, list[LoggedRow]]) -> None:
    for texts in (
        [{row.appliance for row in rows if row.appliance} for rows in logs.values()],
        [{passage for row in rows for passage in row.passages} for rows in logs.values()],
    ):
        assert sum(map(len, texts)) == len(set[str]().union(*texts))
    for rows in logs.values():
        assert all(row.appliance or row.labels[0] == "vague" for row in rows)


def test_every_row_is_read_and_none_repeats_another(splits: PreparedSplits) -> None:
    assert splits.hidden is not None
    rows = (*splits.train, *splits.val, *splits.hidden)
    assert len(rows) == splits.quality.records == 240 + 84 + 48
    assert not splits.quality.quarantined and not splits.quality.missing_words
    assert all(row.labels is None for row in splits.hidden)
    questions = [normalise_question(row.question) for row in rows]
    pairs = near_duplicates(questions, questions, CONFIG.data.near_duplicate)
    assert [pair for pair in pairs if pair[0] != pair[1]] == []
    assert len(set(questions)) == len(rows)


@pytest.mark.parametrize("rule", CONDITIONAL)
def test_each_conditional_rule_is_due_and_undue_in_train_and_val(
    rule: str, splits: PreparedSplits
) -> None:
    (due,) = (known for known in RULES.rules if known.id == rule)
    assert due.converse and due.severity == "must"
    for rows in (splits.train, splits.val):
        applies = Counter(applicable(due, row) for row in rows)
        assert applies[True] >= 8 and applies[False] >= 8 and applies[None] == 0


def test_worked_examples_obey_every_rule() -> None:
    kinds = zip(PROMPT.examples, EXAMPLE_KINDS, strict=True)
    for number, (example, kind) in enumerate(kinds):
        contexts = tuple(Context(text=text) for text in example.contexts)
        row = Row(id=str(number), question=example.question, contexts=contexts, labels=(kind,))
        assert broken(row, example.answer) == set(), example.question


def test_people_rated_the_logged_answers_by_the_rules(splits: PreparedSplits) -> None:
    good = Counter[str]()
    for row, kind in labelled(splits):
        for answer in row.answers.values():
            assert row.labels in ((kind, "good"), (kind, "bad"))
            assert ("good" in row.labels) == (broken(row, answer) == set()), (row.id, answer)
            good[kind] += "good" in row.labels
    assert set(good) == set(KINDS) and min(good.values()) >= 6


def test_one_kind_of_answer_obeys_all_rules_on_a_row(splits: PreparedSplits) -> None:
    """Six rows of each kind; all rows pass too, but take 10 s."""
    tried_rows = Counter[str]()
    for row, kind in labelled(splits):
        tried_rows[kind] += 1
        if tried_rows[kind] > 6:
            continue
        obeying = [due for text, due in SAID.items() if not broken(row, said(text, row))]
        assert obeying == [kind], row.id
        assert all(broken(row, said(text, row)) for text in NEVER_OBEYS), row.id
    assert len(tried_rows) == len(KINDS) and min(tried_rows.values()) >= 6
