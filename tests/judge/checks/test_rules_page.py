"""The examples of docs/rules.md do what the page says, and the page is current and complete."""

import re

import pytest
import yaml
from pydantic import TypeAdapter

from data.rows import Context, Row
from judge.checks.check_examples import CHECK_EXAMPLES, EXAMPLE_PROMPT, CheckExample
from judge.checks.kinds import CheckContext, run_check
from judge.checks.rules_page import CHECK_MODELS, RULES_PAGE, check_types, updated_page
from judge.checks.text import language_of
from prompts.check_settings import Check, LlmCheck
from prompts.prompt_file import Prompt
from prompts.rules import Condition, Conflict, Normalise, Rule, RuleFile, When

PAGE = RULES_PAGE.read_text("utf-8")
CONTEXT = CheckContext(Prompt(system=EXAMPLE_PROMPT, user_template=""), Normalise())
WITHOUT_LANGUAGE = {"json", "urls_from", "llm"}  # of links, of data, and decided by a model


@pytest.mark.parametrize("example", CHECK_EXAMPLES, ids=lambda example: str(example.check))
def test_one_answer_passes_and_one_fails(example: CheckExample) -> None:
    check = TypeAdapter[Check](Check).validate_python(example.check)
    if isinstance(check, LlmCheck):
        return  # a model decides it; it is valid
    passages = tuple(Context(text=text) for text in example.passages)
    row = Row(id="r", question=example.question, contexts=passages)
    assert run_check(check, row, example.passes, CONTEXT).passed
    assert not run_check(check, row, example.fails, CONTEXT).passed


def test_every_kind_has_an_example_in_both_languages() -> None:
    kinds = {name for model in CHECK_MODELS for name in check_types(model)}
    languages = {(case.check["type"], language_of(case.passes)) for case in CHECK_EXAMPLES}
    assert {kind for kind, _ in languages} == kinds
    russian = {kind for kind, language in languages if language == "ru"}
    assert russian == kinds - WITHOUT_LANGUAGE


def test_the_page_is_current() -> None:
    """`python -m judge.checks.rules_page` writes it."""
    assert updated_page(PAGE) == PAGE


def test_a_page_without_marks() -> None:
    with pytest.raises(ValueError, match="lacks the marks"):
        updated_page("# Writing rules")


@pytest.mark.parametrize("model", [Rule, When, Condition, RuleFile, Normalise, Conflict])
def test_every_field_is_explained(model: type[Rule]) -> None:
    for name in model.model_fields:
        assert re.search(rf"`{name}\b|\b{name}: ", PAGE), f"docs/rules.md lacks {name}"


def test_every_block_of_yaml_is_valid() -> None:
    """The first is a whole file; the others are parts of a rule."""
    first, *parts = map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
    assert len(RuleFile.model_validate(first).rules) == 3
    base = {"id": "a", "source": "A.", "check": {"type": "json"}}
    assert len(parts) >= 3
    for part in parts:
        Rule.model_validate({**base, **part})
