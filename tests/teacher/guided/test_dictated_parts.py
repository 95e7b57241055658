"""What the prompt dictates of an answer: only where rules and worked examples show it."""

from pathlib import Path

import pytest

from config.load import load_config
from prompts.prompt_file import Prompt, WorkedExample, load_prompt
from prompts.rules import RuleFile
from teacher.guided.dictated_parts import DictatedParts, dictated_parts
from teacher.guided.example_cases import ExampleCases
from teacher.guided.row_case import RowCase

ROOT = Path(__file__).resolve().parents[3]
OPENING, CLOSING = "Lakeside desk:", "Anything else?"
REFUSAL = "This desk only answers questions about studying at Lakeside."
PARTIAL = "I could not find this on our pages."
VAGUE = "Please tell me more."


def lakeside() -> tuple[Prompt, RuleFile]:
    return load_prompt(load_config(ROOT / "config/demo.yaml", []).prompt, ROOT)


def case(*due: str) -> RowCase:
    """A case of the demo's rules."""
    in_force = frozenset({"opening", "closing", *due})
    return RowCase(due, frozenset({"refusal", "partial", "vague"}), in_force)


@pytest.mark.parametrize(
    ("due", "parts"),
    [
        ((), (OPENING, (CLOSING,), None)),
        (("refusal",), (f"{OPENING} {REFUSAL}", (CLOSING,), f"{OPENING} {REFUSAL} {CLOSING}")),
        (("partial",), (f"{OPENING} {PARTIAL}", (CLOSING,), None)),
        (("vague",), (f"{OPENING} {VAGUE}", (CLOSING,), None)),
    ],
)
def test_the_demos_cases(due: tuple[str, ...], parts: DictatedParts) -> None:
    """A worked example is nothing but the refusal; the others go on behind their sentence."""
    prompt, rules = lakeside()
    assert dictated_parts(prompt, rules, case(*due)) == parts


@pytest.mark.parametrize(
    ("answers", "parts"),
    [
        ([], (f"{OPENING} {REFUSAL}", (CLOSING,), None)),
        ([f"{OPENING} {REFUSAL} Sorry. {CLOSING}"], (f"{OPENING} {REFUSAL}", (CLOSING,), None)),
        ([f"{OPENING} Sorry. {REFUSAL} {CLOSING}"], (OPENING, (REFUSAL, CLOSING), None)),
        ([f"{OPENING} Sorry. {REFUSAL} Bye. {CLOSING}"], (OPENING, (CLOSING,), None)),
        (
            [f"{OPENING} Sorry. {REFUSAL} {CLOSING}", f"{OPENING}  {REFUSAL}\n{CLOSING}"],
            (f"{OPENING} {REFUSAL}", (CLOSING,), f"{OPENING} {REFUSAL} {CLOSING}"),
        ),
    ],
)
def test_the_place_of_a_sentence_is_that_of_the_examples(
    answers: list[str], parts: DictatedParts
) -> None:
    """Without one it begins the answer; behind other words it does not; alone it is all of it."""
    prompt, rules = lakeside()
    examples = tuple(WorkedExample(question="q", answer=answer) for answer in answers)
    prompt = prompt.model_copy(update={"examples": examples})
    assert dictated_parts(prompt, rules, case("refusal")) == parts


def test_equals_is_the_whole_answer_where_it_is_due() -> None:
    """It needs no example; where it is not due, nothing is dictated."""
    rules = RuleFile.model_validate(
        {
            "version": 1,
            "prompt_sha256": "x",
            "rules": [
                {
                    "id": "no",
                    "source": "s",
                    "applies": {"code": [{"field": "comment", "matches": "x"}]},
                    "check": {"type": "equals", "text": "No."},
                    "converse": True,
                }
            ],
        }
    )
    prompt = Prompt(system="s", user_template="{question}{summaries}")
    due = RowCase(("no",), frozenset(), frozenset({"no"}))
    assert dictated_parts(prompt, rules, due) == ("", (), "No.")
    undue = RowCase((), frozenset({"no"}), frozenset())
    assert dictated_parts(prompt, rules, undue) == ("", (), None)


def test_the_examples_of_a_case() -> None:
    """The demo's: four ordinary answers, one partial, one vague and two refusals, in the order of
    the round. A case without an example shows those of a part of it."""
    prompt, rules = lakeside()
    examples = ExampleCases(prompt, rules)
    assert examples.order((), None) == (3, 5, 6, 7)
    assert examples.order(("partial",), None) == (0,)
    assert examples.order(("vague",), (7, 6, 5, 4, 3, 2, 1, 0)) == (1,)
    assert examples.order(("refusal",), (7, 6, 5, 4, 3, 2, 1, 0)) == (4, 2)
    assert examples.order(("refusal", "vague"), None) == (1, 2, 3, 4, 5, 6, 7)
