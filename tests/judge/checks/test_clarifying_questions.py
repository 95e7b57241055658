"""A clarifying question is told from a closing offer in the same words."""

import pytest

from judge.checks.phrases import says
from prompts.check_settings import Phrase

RUSSIAN = Phrase(type="asks", text="Пожалуйста, уточните")
ENGLISH = Phrase(type="asks", text="please specify")


@pytest.mark.parametrize(
    ("answer", "asks"),
    [
        ("Пожалуйста, уточните, что именно вас интересует?", True),
        ("Понимаю. Для начала, пожалуйста, уточните, какой у вас курс.", True),
        ("Если речь об общежитии, пожалуйста, уточните его адрес.", True),
        ("Если вы имели в виду другое, пожалуйста, уточните название темы.", True),
        ("**Пожалуйста, уточните** ваш вопрос.", True),
        ("Справку даёт деканат. Если у вас есть вопросы, пожалуйста, уточните их.", False),
        ("Если нужна помощь, пожалуйста, уточните!", False),
        ("Если остались вопросы по визе, пожалуйста, уточните, пожалуйста.", False),
        ("Пожалуйста, уточните, если что-то осталось неясным.", False),
        ("Вот адрес. Пожалуйста, уточните их, если появятся вопросы.", False),
        ("Справку даёт деканат.", False),
        ("Какой курс? Если есть вопросы, пожалуйста, уточните.", False),  # not in these words
        ("Пожалуйста, уточните курс. Если есть вопросы, пожалуйста, уточните.", True),
    ],
)
def test_russian(answer: str, asks: bool) -> None:
    assert says(RUSSIAN, answer) is asks
    assert says(RUSSIAN.model_copy(update={"type": "contains"}), answer) or not asks


@pytest.mark.parametrize(
    ("answer", "asks"),
    [
        ("Could you please specify your campus?", True),
        ("If you mean the library, please specify which one.", True),
        ("Please specify if you are a student or a guest.", True),  # whether
        ("The desk opens at nine. If you have more questions, please specify them.", False),
        ("Please specify if you have any other questions.", False),
    ],
)
def test_english(answer: str, asks: bool) -> None:
    assert says(ENGLISH, answer) is asks
