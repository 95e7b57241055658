"""The campus rules against the prompt that they were cut from, where that prompt lies."""

import re
from collections import Counter
from pathlib import Path

import pytest

from config.errors import DataError
from config.load import validated
from config.schema import PromptSettings
from config.yaml_file import read_yaml
from judge.calibration.mutation.case import insert_sentence
from judge.checks.applicability import asks_model, needs_label
from judge.checks.check import code_verdicts
from judge.metrics.verdict_table import USEFUL_BY_CODE, useful_rules
from prompts.check_settings import LlmCheck, Phrase
from prompts.prompt_file import Prompt, load_prompt
from prompts.rules import RuleFile, load_rules
from prompts.uncovered import uncovered
from tests.data.hse_logs import needs_hse
from tests.judge.calibration.logged_data import load_logged_data

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "prompts/hse/rules.yaml"
CAMPUS = ROOT.parent / "shared/hse/system_prompt.yaml"

_EXAMPLE = re.compile(r"(?:ПРИМЕР: )?QUESTION: .*?(?=Если вопрос|Если в отрывках)")


def _spaced(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture(scope="module")
def loaded() -> tuple[Prompt, RuleFile]:
    """The campus prompt and its rules, loaded as a run loads them."""
    if not CAMPUS.is_file():
        pytest.skip(f"the campus prompt has no licence to be copied and is not at {CAMPUS}")
    return load_prompt(PromptSettings(system=str(CAMPUS), rules=str(RULES)), ROOT)


def test_rules_are_cut_from_this_prompt(loaded: tuple[Prompt, RuleFile]) -> None:
    """Loading checks hash and quotes; twelve rules are what a useful judge needs at least."""
    prompt, rules = loaded
    assert len(rules.rules) >= 12
    assert all(_spaced(rule.source) in _spaced(prompt.system) for rule in rules.rules)


def test_changed_campus_prompt_is_refused(loaded: tuple[Prompt, RuleFile]) -> None:
    """The owners may edit their prompt: rules cut from the old text must not score the new one."""
    with pytest.raises(DataError, match="prompt_sha256"):
        load_rules(RULES, loaded[0].system + " Отвечай стихами.")


def test_every_demand_is_covered(loaded: tuple[Prompt, RuleFile]) -> None:
    """The worked examples and the two sentences about the model's role are no demands."""
    prompt, rules = loaded
    assert uncovered(rules, prompt.system) == []


def test_every_demand_would_be_missed(loaded: tuple[Prompt, RuleFile]) -> None:
    """With one rule alone, the list holds each sentence that another rule quotes a demand from."""
    prompt, rules = loaded
    alone = rules.model_copy(update={"rules": rules.rules[:1]})
    missed = uncovered(alone, prompt.system)
    assert len(missed) == 13
    for beginning in (
        *(
            "Создай краткий",
            "Ты должна",
            "Используй",
            "Не повторяй",
            "Не пытайся",
            "Если в контексте",
        ),
        *("Создай окончательный", "Если вопрос остался", "Проявляй", "Если в отрывках", "Избегай"),
        *("Напиши:", "Если вопрос пользователя"),
    ):
        assert sum(sentence.startswith(beginning) for sentence in missed) == 1, beginning


def test_no_demand_hides_in_the_examples(loaded: tuple[Prompt, RuleFile]) -> None:
    """An excused example contains no instruction: those are all outside of it."""
    outside = _EXAMPLE.sub("\n", _spaced(loaded[0].system))
    for demand in ("Не повторяй", "Если вопрос остался", "эмпатию", "Избегай", "ответь следующим"):
        assert demand in outside


def test_conflicts_quote_the_prompt_and_await_its_owners(loaded: tuple[Prompt, RuleFile]) -> None:
    """A contradiction is only one if both places exist; its decision is not ours to make final."""
    prompt, rules = loaded
    assert len(rules.conflicts) >= 3
    for conflict in rules.conflicts:
        assert len(conflict.quotes) >= 2
        assert all(_spaced(quote) in _spaced(prompt.system) for quote in conflict.quotes)
        assert conflict.decision
        assert conflict.by == "rule author; to be confirmed by the prompt's owners"


def test_fixed_sentences_are_the_prompts_own(loaded: tuple[Prompt, RuleFile]) -> None:
    """A slip of the pen in a demanded sentence would fail every answer that says it rightly."""
    prompt, rules = loaded
    demanded = {rule.check.text for rule in rules.rules if isinstance(rule.check, Phrase)}
    assert len(demanded) == 4
    assert all(text in _spaced(prompt.system) for text in demanded)


def test_definitions_are_russian() -> None:
    """The judge reads them beside Russian answers, and so do the prompt's owners."""
    rules = validated(RuleFile, read_yaml(RULES), str(RULES))
    judged = [rule.check for rule in rules.rules if isinstance(rule.check, LlmCheck)]
    assert judged
    for check in judged:
        assert re.search("[а-я]{5}", check.passes)
        assert re.search("[а-я]{5}", check.fails)


def test_partial_answers_are_due_by_comment_and_by_model() -> None:
    """On rows that nobody commented the judge says whether the passages lack the answer."""
    rules = validated(RuleFile, read_yaml(RULES), str(RULES))
    by_id = {rule.id: rule for rule in rules.rules}
    partial = [
        name for name in by_id if name.startswith("partial_") and f"{name}_by_model" in by_id
    ]
    assert partial == ["partial_opening", "partial_closing", "partial_no_numbers"]
    for name in partial:
        rule, twin = by_id[name], by_id[f"{name}_by_model"]
        assert needs_label(rule) and not asks_model(rule)
        assert asks_model(twin) and not needs_label(twin)
        assert (rule.check, rule.source, rule.severity) == (twin.check, twin.source, twin.severity)


def test_useful_answers_are_informative_faithful_and_grounded() -> None:
    rules = validated(RuleFile, read_yaml(RULES), str(RULES))
    assert rules.useful == ("informative", "faithful", "grounded")
    assert useful_rules(rules, USEFUL_BY_CODE) == ("grounded",)
    grounded = next(rule for rule in rules.rules if rule.id == "grounded")
    assert grounded.severity == "should"


@needs_hse
def test_logged_answers_invent_contacts() -> None:
    """In 13 of 220 answers a contact is not in the row, in none of production."""
    logged = load_logged_data("hse")
    verdicts = [
        verdict
        for row, answer in logged.pairs
        if not row.history
        for verdict in code_verdicts(logged.rules, logged.prompt, row, answer)
        if verdict.rule == "contacts_sourced"
    ]
    failed = [verdict for verdict in verdicts if verdict.outcome == "fail"]
    assert len(verdicts) == 220
    assert {verdict.arm for verdict in failed} == {"logged/saiga", "logged/giga"}
    assert len(failed) == 13


@needs_hse
def test_no_logged_answer_passes_with_an_english_sentence() -> None:
    """The rule `russian` looks at each sentence: all answers pass it, none with one inserted."""
    logged = load_logged_data("hse")
    (rule,) = (rule for rule in logged.rules.rules if rule.id == "russian")
    alone = logged.rules.model_copy(update={"rules": (rule,)})
    english = "Please contact the study office for more information about this."
    outcomes = Counter(
        (text != answer.text, verdict.outcome)
        for row, answer in logged.pairs
        for text in (answer.text, insert_sentence(answer.text, english))
        for verdict in code_verdicts(
            alone, logged.prompt, row, answer.model_copy(update={"text": text})
        )
    )
    assert set(outcomes) == {(False, "pass"), (True, "fail")}
