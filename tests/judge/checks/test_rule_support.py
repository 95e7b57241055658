"""Warnings of rules that nothing can teach, on the demo's own prompt and logs."""

from pathlib import Path

import pytest

from config.checkout import ROOT
from config.load import load_config
from data.prepare import prepare_splits
from data.rows import Row
from judge.checks.rule_support import due_warnings, example_warnings, examples_showing, rows_due
from prompts.prompt_file import Prompt, load_prompt
from prompts.rules import RuleFile
from tests.judge.factories import llm_check, make_rule, make_rules

CONFIG = load_config(ROOT / "config/demo.yaml", [])


@pytest.fixture(scope="module")
def lakeside() -> tuple[Prompt, RuleFile]:
    """The demo's prompt and rules."""
    return load_prompt(CONFIG.prompt, ROOT)


@pytest.fixture(scope="module")
def train() -> tuple[Row, ...]:
    """The demo's train rows."""
    return prepare_splits(CONFIG.data, ROOT, CONFIG.seed).train


def test_the_demo_has_rows_and_examples_for_every_rule(
    lakeside: tuple[Prompt, RuleFile], train: tuple[Row, ...]
) -> None:
    """60, 36 and 17 of 205 rows; of its 8 examples 2 refuse, 1 is partial, 1 asks back."""
    prompt, rules = lakeside
    refusal, partial, vague = rules.conditional_rules
    assert [rows_due(rule, train) for rule in (refusal, partial, vague)] == [60, 36, 17]
    shown = [examples_showing(rule, rules, prompt) for rule in (refusal, partial, vague)]
    assert shown == [2, 1, 1]
    assert not list(due_warnings(rules, train, probes=False))
    assert not list(example_warnings(rules, prompt))


def test_a_rule_without_its_example(lakeside: tuple[Prompt, RuleFile]) -> None:
    """One line, with the words that the missing example has to say."""
    prompt, rules = lakeside
    others = tuple(
        example for example in prompt.examples if "I could not find" not in example.answer
    )
    (line,) = example_warnings(rules, prompt.model_copy(update={"examples": others}))
    assert line == (
        "rule partial: no worked example shows it; add one to prompt.examples whose answer "
        "contains 'I could not find this on our pages.'"
    )
    without = prompt.model_copy(update={"examples": ()})
    assert len(list(example_warnings(rules, without))) == 3


def test_a_rule_without_its_rows(lakeside: tuple[Prompt, RuleFile], train: tuple[Row, ...]) -> None:
    """The rows of vague questions are gone, 17 of 205; probes change the fix."""
    _, rules = lakeside
    rest = [row for row in train if row.comment != "question too vague"]
    (line,) = due_warnings(rules, rest, probes=False)
    assert line == (
        "rule vague: due on none of 188 train rows, so nothing teaches it; add logged rows on "
        "which it is due, or set probes: {} for made-up ones"
    )
    (line,) = due_warnings(rules, rest, probes=True)
    assert line.endswith("or give probes.bank such questions")


def test_rows_without_labels_are_counted(
    lakeside: tuple[Prompt, RuleFile], train: tuple[Row, ...]
) -> None:
    """Whether a rule is due on them is unknown, which is not the same as never."""
    _, rules = lakeside
    unlabelled = [row.model_copy(update={"labels": None, "comment": None}) for row in train[:9]]
    lines = list(due_warnings(rules, unlabelled, probes=False))
    assert len(lines) == 3
    assert all("due on none of 9 train rows (9 have no label)" in line for line in lines)


def test_what_a_model_decides_is_said_and_not_counted() -> None:
    """When a rule is due, if a model decides that; whether an example shows it is then unknown."""
    rule = make_rule(llm_check(), id="kind", applies={"llm": "Off topic?"}, converse=True)
    rules = make_rules(rule)
    (line,) = due_warnings(rules, [], probes=False)
    assert line.startswith("rule kind: a language model decides when it is due")
    prompt, _ = load_prompt(CONFIG.prompt, Path(ROOT))
    assert examples_showing(rule, rules, prompt) is None
    assert not list(example_warnings(rules, prompt))
    bare = prompt.model_copy(update={"examples": ()})
    (line,) = example_warnings(rules, bare)
    assert line.endswith("whose answer obeys it")
