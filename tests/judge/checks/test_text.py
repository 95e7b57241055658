"""How texts are read: each case is a spelling that people or models really use."""

import pytest

from judge.checks.number_mentions import numbers
from judge.checks.text import fold, script_share, without_list_markers, words


def test_fold_forgets_case_yo_quotes_dashes_spaces() -> None:
    assert fold("«Ёлка» —  и\u00a0“мёд” – ‘да’") == '"елка" - и "мед" - "да"'
    assert fold("и\u0306") == fold("й")  # passages from PDF files come decomposed
    assert fold("сло\u00adво") == "слово"


def test_hyphenated_word_is_one() -> None:
    assert words("Что-то из-за COVID-19, да!") == ["что-то", "из-за", "covid-19", "да"]


def test_list_markers_are_no_numbers() -> None:
    text = "Шаги:\n1. Открыть\n2) Войти\n **3.** Выйти\n2024. Год"
    assert numbers(without_list_markers(text)) == {"2024"}


def test_script_share_leaves_links_aside() -> None:
    assert script_share("Ответ: https://hse.ru/plan, pr@hse.ru", "cyrillic") == 1.0
    assert script_share("да yes", "cyrillic") == pytest.approx(2 / 5)
    assert script_share("да yes", "latin") == pytest.approx(3 / 5)
    assert script_share("12 + 3", "cyrillic") == 0.0
