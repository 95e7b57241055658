"""Mutation tests of the code rules: every kind of check is tested, surviving mutants are known."""

from typing import Any, get_args

import pytest

from data.rows import Row
from judge.calibration.mutation.code import MutationScore, mutation_scores
from judge.calibration.mutation.operators import MUTATION_OPERATORS
from prompts.check_settings import CodeCheck, LlmCheck
from prompts.rules import RuleFile
from tests.data.hse_logs import needs_hse
from tests.judge.calibration.logged_data import load_logged_data
from tests.judge.factories import PROMPT, make_answer, make_row, make_rule, make_rules

PASSAGE = "Деканат открыт с 10 до 18. Справки выдаёт https://hse.example/desk в течение недели."


def scores(check: dict[str, Any], *answers: str, **settings: Any) -> MutationScore:
    """The score of the first due rule of one rule, on answers to as many rows."""
    pairs = [
        (make_row(f"r{n}", (PASSAGE,), **settings.get("row", {})), make_answer(text, f"r{n}"))
        for n, text in enumerate(answers)
    ]
    rule = make_rule(check, **{key: value for key, value in settings.items() if key != "row"})
    return mutation_scores(make_rules(rule), PROMPT, pairs)[0]


def kills(score: MutationScore) -> dict[str, tuple[int, int]]:
    return {operator: (kill.killed, kill.mutants) for operator, kill in score.operators.items()}


def test_every_kind_of_check_has_an_operator() -> None:
    """A new kind of check without one would be calibrated by nothing."""
    kinds = {
        kind
        for check in get_args(CodeCheck)
        for kind in get_args(check.model_fields["type"].annotation)
    }
    assert len(kinds) == 16
    assert kinds == set(MUTATION_OPERATORS)


TWO = ("Деканат открыт с 10 до 18. Справку дают через неделю.", "Да, в деканате. Он открыт с 10.")


@pytest.mark.parametrize(
    ("check", "answers", "operators"),
    [
        ({"type": "script_share", "alphabet": "cyrillic", "min": 0.9}, TWO, 2),
        ({"type": "script_share", "alphabet": "latin", "min": 0.9}, ("Yes. It is.", "No, sir."), 2),
        ({"type": "starts_with", "text": "Да, вот:"}, ("Да, вот: тут.", "«Да, вот: там. Ок."), 3),
        ({"type": "ends_with", "text": "Ещё вопрос?"}, ("Да. Еще вопрос?", "Нет. Ещё вопрос?"), 3),
        ({"type": "contains", "text": "в деканате"}, ("Да, в деканате.", "В деканате? Да."), 2),
        ({"type": "asks", "text": "Уточните"}, ("Уточните курс.", "Да. Уточните, какой?"), 2),
        ({"type": "equals", "text": "Нет, никогда."}, ("Нет, никогда.", "нет, никогда."), 2),
        (
            {"type": "regex", "pattern": r"https?://\S+"},
            ("См. https://a.ru/x.", "См. http://b.ru"),
            1,
        ),
        ({"type": "length", "max_words": 12, "max_sentences": 3}, TWO, 2),
        ({"type": "urls_from"}, ("https://hse.example/desk выдаёт.", "Да."), 3),
        ({"type": "contacts_from"}, ("Да, в деканате.", "Спросите секретаря."), 3),
        ({"type": "no_digits"}, ("Да, в деканате.", "Да."), 2),
        ({"type": "no_repetition"}, TWO, 2),
        ({"type": "json"}, ('{"a": 1}', "[1, 2]"), 2),
        ({"type": "no_leak", "words": 8}, TWO, 3),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else None,
)
def test_each_kind_is_broken(
    check: dict[str, Any], answers: tuple[str, ...], operators: int
) -> None:
    """The mutants of all operators are killed, and harmless copies pass."""
    score = scores(check, *answers)
    assert score.not_covered is None
    assert len(score.operators) == operators
    for operator, kill in score.operators.items():
        assert kill.mutants == 2
        assert kill.killed == 2, operator
    assert (score.copies, score.specificity and score.specificity.value) == (2, 1.0)


def test_numbers() -> None:
    score = scores({"type": "digits_from"}, *TWO)
    operators = ("a new number", "a number changed", "a new number in words")
    assert kills(score) == dict.fromkeys(operators, (2, 2))


def test_words_from_elsewhere() -> None:
    rule = make_rule({"type": "words_from", "min": 0.7})
    passages = ("Деканат открыт до шести вечера.", "Стипендию платят студентам ежемесячно.")
    pairs = [
        (make_row(f"r{n}", (text,)), make_answer(text, f"r{n}")) for n, text in enumerate(passages)
    ]
    score = mutation_scores(make_rules(rule), PROMPT, pairs)[0]
    assert kills(score) == {"another answer": (2, 2), "a foreign sentence": (2, 2)}


def test_a_lenient_check_has_no_sensitivity() -> None:
    """A check that lets one foreign sentence pass kills no mutant with one."""
    strict = scores({"type": "words_from", "min": 0.95}, PASSAGE)
    lenient = scores({"type": "words_from", "min": 0.3}, PASSAGE)
    operator = "a foreign sentence"
    assert (kills(strict)[operator], kills(lenient)[operator]) == ((1, 1), (0, 1))


def test_a_converse_is_broken_by_complying() -> None:
    rule = make_rule(
        {"type": "contains", "text": "Не знаю"},
        applies={"code": [{"field": "question", "matches": "никогда"}]},
        converse=True,
    )
    row = make_row(passages=(PASSAGE,))
    due, undue = mutation_scores(make_rules(rule), PROMPT, [(row, make_answer("Да."))])
    assert due.not_covered == "applies to no row"
    assert kills(undue) == {"phrase inserted": (1, 1)}


def test_phrase_is_inserted_where_no_answer_passes() -> None:
    score = scores({"type": "ends_with", "text": "Ещё вопрос?"}, *TWO)
    assert score.phrase_inserted
    assert all(kill.killed == kill.mutants == 2 for kill in score.operators.values())
    hopeless = scores({"type": "json"}, *TWO)
    assert hopeless.not_covered == "no logged answer passes"


def test_a_model_that_decides_when_is_taken_as_yes() -> None:
    """The check is code and can be tested without the model."""
    score = scores({"type": "contains", "text": "Да"}, "Да, так.", applies={"llm": "Is it?"})
    assert kills(score)["phrase removed"] == (1, 1)


class TestPatterns:
    def test_matches_are_removed_until_none_is_left(self) -> None:
        """ "aabbcab" without "ab" is "abc", which matches again."""
        score = scores({"type": "regex", "pattern": "ab"}, "aabbcab")
        assert kills(score) == {"matches removed": (1, 1)}

    def test_no_operator_writes_what_a_pattern_forbids(self) -> None:
        score = scores({"type": "regex", "pattern": r"(?i)\A(?![\s\S]*(?:увы|ах))"}, *TWO)
        assert score.not_covered == "no operator can break it"


def code_rules(rules: RuleFile) -> set[str]:
    return {due.id for due in rules.scored_rules() if not isinstance(due.rule.check, LlmCheck)}


def by_rule(name: Any) -> dict[str, MutationScore]:
    prompt, rules, *_ = data = load_logged_data(name)
    by_id = {score.rule: score for score in mutation_scores(rules, prompt, data.pairs)}
    assert set(by_id) == code_rules(rules)
    return by_id


def unseen(by_id: dict[str, MutationScore]) -> dict[tuple[str, str], tuple[int, int]]:
    """Operators with a surviving mutant."""
    return {
        (rule, operator): (kill.killed, kill.mutants)
        for rule, score in by_id.items()
        for operator, kill in score.operators.items()
        if kill.killed < kill.mutants
    }


def test_lakeside_rules() -> None:
    """Every code rule is covered; the weak place is the one that a check of words has."""
    by_id = by_rule("demo")
    assert [score.rule for score in by_id.values() if score.not_covered] == []
    assert set(unseen(by_id)) == {("grounded", "a foreign sentence")}
    assert all(score.specificity and score.specificity.value == 1 for score in by_id.values())


@needs_hse
def test_campus_rules() -> None:
    by_id = by_rule("hse")
    forbidding = ["no_marker", "feminine", "partial_undue"]  # patterns that forbid
    assert [score.rule for score in by_id.values() if score.not_covered] == forbidding
    assert set(unseen(by_id)) <= {
        ("grounded", "another answer"),
        ("grounded", "a foreign sentence"),
    }
    covered = [score for score in by_id.values() if not score.not_covered]
    assert all(score.specificity and score.specificity.value == 1 for score in covered)


def test_only_usable_answers_are_mutated() -> None:
    row: Row = make_row(passages=(PASSAGE,))
    pairs = [(row, make_answer("", finish="too_long")), (row, make_answer("Да", finish="length"))]
    rules = make_rules(make_rule({"type": "no_repetition"}))
    assert mutation_scores(rules, PROMPT, pairs)[0].not_covered == "applies to no row"
