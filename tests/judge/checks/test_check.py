"""Code checks: what passes, what fails, what is not applicable, what is missing."""

from typing import Any

import pytest

from data.answers import Answer
from data.rows import Row
from judge.checks.applicability import applicable
from judge.checks.check import check_applied, check_context, code_verdicts
from judge.checks.kinds import CheckContext
from judge.verdict import Outcome, Verdict
from prompts.rules import Normalise, ScoredRule
from tests.judge.factories import (
    PROMPT,
    SYSTEM,
    llm_check,
    make_answer,
    make_row,
    make_rule,
    make_rules,
)

ROW = make_row(
    passages=("Приём 10:00–18:00, 10 000 рублей: https://www.hse.ru/plan/2031/.", "С 15.09.2024.")
)


def check(scored: ScoredRule, row: Row, answer: Answer, context: CheckContext) -> Verdict:
    return check_applied(scored, applicable(scored.rule, row), row, answer, context)


def outcome(check_settings: dict[str, Any], answer: str, **settings: Any) -> Outcome:
    rule = make_rule(check_settings, **settings)
    context = check_context(make_rules(rule), PROMPT)
    return check(ScoredRule(id="it", rule=rule), ROW, make_answer(answer), context).outcome


@pytest.mark.parametrize(
    ("settings", "good", "bad"),
    [
        ({"type": "script_share", "alphabet": "cyrillic", "min": 0.9}, "Ответ.", "Answer."),
        ({"type": "script_share", "alphabet": "cyrillic", "min": 0.9}, "Вот https://a.ru", "42"),
        ({"type": "starts_with", "text": "Стол: "}, "стол: да", "Вот стол:"),
        ({"type": "ends_with", "text": "Ещё «вопрос»?"}, 'Да. Еще "вопрос"?', "Еще вопрос? Да"),
        ({"type": "contains", "text": "Моя цель - это"}, "И моя  цель – это, да", "Моя цель это"),
        ({"type": "equals", "text": "Нет - и всё."}, "«Нет — и все.»", "Нет - и всё. Но"),
        ({"type": "regex", "pattern": r"\[\d\]"}, "да [1]", "да [x]"),
        ({"type": "length", "max_sentences": 2}, "1. Раз.\n2. Два.", "Раз. Два. Три."),
        ({"type": "length", "max_words": 3}, "раз из-за три", "раз два три четыре"),
        ({"type": "no_digits"}, "1. Да\nhttps://a.ru/2", "В 2 часа"),
        ({"type": "no_repetition"}, "Раз. Два. И т. д. и т. д.", "Раз, два! Три. Раз — два."),
        ({"type": "no_repetition"}, "1. Раз.\n2. Два.\n\n1. Три.", "Вот раз.\n1. Вот раз."),
        ({"type": "json"}, '{"a": [1]}', '{"a": NaN}'),
        ({"type": "json"}, "3", "3 4"),
        ({"type": "urls_from"}, "[тут](http://hse.ru/plan/2031).", "https://hse.ru/plan/2032"),
        ({"type": "urls_from"}, "без ссылок", "ищи на google.com/x"),
        ({"type": "digits_from"}, "с 10 до 18, 10000 руб.", "с 11:00"),
        ({"type": "digits_from"}, "15 числа 2024 г.", "в 2031 году"),  # 2031 only inside a link
        ({"type": "digits_from"}, "см. https://hse.ru/plan/2031", "см. https://hse.ru/plan/2033"),
        ({"type": "digits_from"}, "1. Раз\n2. Да", "По 2 раза"),
    ],
)
def test_each_kind_passes_and_fails(settings: dict[str, Any], good: str, bad: str) -> None:
    assert outcome(settings, good) == "pass"
    assert outcome(settings, bad) == "fail"
    assert outcome(settings, " \n") == "fail"  # an empty answer fails every rule


def test_ten_is_not_found_in_2010() -> None:
    rule = make_rule({"type": "digits_from", "sources": ["question"]})
    context = check_context(make_rules(rule), PROMPT)
    row = make_row(question="Что было в 2010 году?", passages=("10",))
    scored = ScoredRule(id="it", rule=rule)
    assert check(scored, row, make_answer("10 лет"), context).outcome == "fail"
    assert check(scored, row, make_answer("В 2010."), context).outcome == "pass"


@pytest.mark.parametrize(("kind", "fact"), [("digits_from", "0800 44"), ("urls_from", "a.ru/help")])
def test_what_a_demanded_sentence_holds_is_no_invention(kind: str, fact: str) -> None:
    """A number or link of a fixed sentence is known where the answer says that sentence."""
    sentence = f"Звоните: https://{fact}." if kind == "urls_from" else f"Звоните {fact}."
    demand = make_rule({"type": "contains", "text": sentence}).model_copy(update={"id": "demand"})
    rule = make_rule({"type": kind})
    context = check_context(make_rules(rule, demand), PROMPT)

    def decided(text: str) -> Outcome:
        return check(ScoredRule(id="it", rule=rule), ROW, make_answer(text), context).outcome

    assert decided(f"Да. {sentence}") == "pass"
    assert decided(f"Да: {sentence.split()[-1]}") == "fail", "the fact without its sentence"


def test_deep_json_is_a_fail_and_no_crash() -> None:
    assert outcome({"type": "json"}, "[" * 100_000) == "fail"


class TestNoLeak:
    leak = {"type": "no_leak", "words": 8}

    def test_prompt_and_example_question(self) -> None:
        assert outcome(self.leak, "Sure: " + SYSTEM[:90]) == "fail"
        assert outcome(self.leak, "where the reading room of the old faculty building is") == "fail"
        assert outcome(self.leak, "the reading room of the old house is in the park") == "pass"

    def test_fixed_phrases_are_excused(self) -> None:
        phrase = (
            "Мне кажется неуместно здесь это обсуждать. Моя цель — проконсультировать тебя по "
            "вопросам обучения."
        )
        fixed = make_rule({"type": "contains", "text": phrase}, id="refusal")
        leak = make_rule(self.leak)
        scored = ScoredRule(id="it", rule=leak)
        excused = check_context(make_rules(fixed, leak), PROMPT)
        assert check(scored, ROW, make_answer(phrase), excused).outcome == "pass"
        assert (
            check(scored, ROW, make_answer(phrase + " Never talk about"), excused).outcome == "fail"
        )
        assert (
            check(scored, ROW, make_answer(phrase), check_context(make_rules(leak), PROMPT)).outcome
            == "fail"
        )

    def test_quoting_the_own_passages_leaks_nothing(self) -> None:
        shared = "The reading room stands behind the library, next to the pond"
        rule = make_rule(self.leak)
        context = check_context(make_rules(rule), PROMPT)
        scored = ScoredRule(id="it", rule=rule)
        assert (
            check(scored, make_row(passages=(shared,)), make_answer(shared), context).outcome
            == "pass"
        )
        assert check(scored, make_row(), make_answer(shared), context).outcome == "fail"


class TestApplicability:
    def when(self, *conditions: dict[str, Any], **row: Any) -> tuple[str, str]:
        """Outcomes of the rule and of its converse, for the answer "нет"."""
        rule = make_rule(
            {"type": "contains", "text": "нет"}, applies={"code": conditions}, converse=True
        )
        rules = make_rules(rule)
        answer = make_answer("нет")
        first, second = code_verdicts(rules, PROMPT, make_row(**row), answer)
        assert (first.rule, second.rule) == ("it", "it_converse")
        return str(first.outcome), str(second.outcome)

    def test_rule_and_converse(self) -> None:
        off = {"field": "labels", "matches": "не по теме"}
        assert self.when(off, labels=("Saiga", "Вопрос НЕ ПО ТЕМЕ")) == ("pass", "not_applicable")
        assert self.when(off, labels=("Saiga",)) == ("not_applicable", "fail")
        assert self.when(off, labels=()) == ("not_applicable", "fail")

    def test_unlabelled_is_missing(self) -> None:
        off = {"field": "labels", "matches": "не по теме"}
        comment = {"field": "comment", "matches": "документ", "negate": True}
        assert self.when(off) == ("missing", "missing")
        assert self.when(comment, comment="документ") == ("missing", "missing")
        assert self.when(comment, labels=()) == ("pass", "not_applicable")  # None counts as ""

    def test_one_false_condition_decides_without_labels(self) -> None:
        off = {"field": "labels", "matches": "x"}
        tag = {"field": "tags.campus", "matches": "пермь"}
        assert self.when(off, tag, tags={"campus": "Москва"}) == ("not_applicable", "fail")
        assert self.when(off, tag, tags={"campus": "Пермь"}) == ("missing", "missing")
        assert self.when(tag) == ("not_applicable", "fail")

    def test_contexts_are_searched_together(self) -> None:
        two = {"field": "contexts", "matches": "(?s)первый.*второй"}
        assert self.when(two, passages=("Первый", "Второй")) == ("pass", "not_applicable")


def test_too_long_is_missing_and_cut_is_judged() -> None:
    always = make_rule({"type": "contains", "text": "да"}, id="a")
    never = make_rule(
        {"type": "contains", "text": "да"},
        id="b",
        applies={"code": [{"field": "question", "matches": "никогда"}]},
    )
    rules = make_rules(always, never)
    long = code_verdicts(rules, PROMPT, ROW, make_answer("", finish="too_long"))
    assert [(v.outcome, v.reason) for v in long] == [
        ("missing", "overflow"),
        ("not_applicable", None),  # so in every arm, whatever the answer
    ]
    cut = code_verdicts(rules, PROMPT, ROW, make_answer("да, но", finish="length"))
    assert cut[0].outcome == "pass"


def test_model_rules_are_left_to_the_model() -> None:
    rules = make_rules(
        make_rule(llm_check(), id="a"),
        make_rule({"type": "json"}, id="b", applies={"llm": "Is it?"}),
        make_rule({"type": "json"}, id="c"),
    )
    assert [v.rule for v in code_verdicts(rules, PROMPT, ROW, make_answer("1"))] == ["c"]


def test_normalise_takes_off_footer_and_prefix() -> None:
    rule = make_rule({"type": "equals", "text": "Да."})
    normalise = Normalise(strip_footer=r"(?s)\s*Подробнее:.*", drop_prefix=r"FINAL ANSWER:")
    rules = make_rules(rule, normalise=normalise)
    answer = make_answer("FINAL ANSWER: Да.\n\nПодробнее:\nhttps://a.ru\n")
    assert code_verdicts(rules, PROMPT, ROW, answer)[0].outcome == "pass"
    footer = make_answer("Подробнее: https://a.ru")
    assert code_verdicts(rules, PROMPT, ROW, footer)[0].note == "empty answer"
