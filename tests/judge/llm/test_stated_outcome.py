"""What a judge's reasoning says in words; a negation turns it around."""

import pytest

from judge.llm.stated_outcome import states_fail

FAIL = [
    "The answer fails to greet.",
    "It violates the rule.",
    "So the verdict is fail.",
    "It does not really follow the rule.",
    "It can’t pass.",
    "Правило нарушено.",
    "Ответ не соответствует правилу.",
    "Это несоблюдение правила.",
    "Требование не было выполнено.",
]
NO_FAIL = [
    "",
    "The hour is named.",
    "It does not fail.",
    "There are no rule violations.",
    "It never breaks the rule.",
    "It fails on tone but passes the rule.",
    "The passage is quoted; the bypass is named.",
    "Ответ ничего не нарушает.",
    "Нарушений нет.",
    "Без нарушений.",
    "Правило соблюдено, хотя тон нарушает приличия.",
]


@pytest.mark.parametrize("reasoning", FAIL)
def test_says_fail(reasoning: str) -> None:
    assert states_fail(reasoning)


@pytest.mark.parametrize("reasoning", NO_FAIL)
def test_does_not_say_fail(reasoning: str) -> None:
    assert not states_fail(reasoning)
