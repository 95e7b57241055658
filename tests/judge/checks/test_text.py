"""How texts are read: each case is a spelling that people or models really use."""

import pytest

from judge.checks.text import (
    canonical_url,
    fold,
    numbers,
    script_share,
    urls,
    without_list_markers,
    words,
)


def test_fold_forgets_case_yo_quotes_dashes_spaces() -> None:
    assert fold("«Ёлка» —  и\u00a0“мёд” – ‘да’") == '"елка" - и "мед" - "да"'
    assert fold("и\u0306") == fold("й")  # passages from PDF files come decomposed
    assert fold("сло\u00adво") == "слово"


def test_hyphenated_word_is_one() -> None:
    assert words("Что-то из-за COVID-19, да!") == ["что-то", "из-за", "covid-19", "да"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("См. https://a.ru/x.", ["https://a.ru/x"]),
        ("[тут](https://a.ru/x), и", ["https://a.ru/x"]),
        ("[тут]( https://a.ru/x )", ["https://a.ru/x"]),
        ("[https://a.ru](https://a.ru/x)", ["https://a.ru", "https://a.ru/x"]),
        ("**https://a.ru/x**", ["https://a.ru/x"]),
        ("(https://a.ru/x_(y))", ["https://a.ru/x_(y)"]),
        ("«https://a.ru/x»;", ["https://a.ru/x"]),
        ("https://a.ru/x,https://b.ru", ["https://a.ru/x", "https://b.ru"]),
        ("https://a.ru/x\\nПодробнее", ["https://a.ru/x"]),
        (r"[тут](https://a.ru/aid\_x\_1)", ["https://a.ru/aid_x_1"]),
        ("https://a.ruhttp://b.ru/sw .", ["https://a.ru", "http://b.ru/sw"]),
        ("на hse.ru/plan. Там", ["hse.ru/plan"]),
        ("на www.hse.ru!", ["www.hse.ru"]),
        ("пишите на a.b@hse.ru", []),
        ("и т.д. и т.п.", []),
    ],
)
def test_urls(text: str, expected: list[str]) -> None:
    assert urls(text) == expected


def test_one_link_in_many_spellings() -> None:
    spellings = [
        "https://www.HSE.ru/Plan/",
        "http://hse.ru/Plan",
        "hse.ru/Plan/",
        "HTTPS://HSE.RU/%50lan",
    ]
    assert {canonical_url(url) for url in spellings} == {"hse.ru/Plan"}
    assert canonical_url("hse.ru/plan") != canonical_url("hse.ru/Plan")  # a path has case
    assert canonical_url("a.ru/?x=1&amp;y=2") == canonical_url("a.ru/?x=1&y=2")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2010", {"2010"}),
        ("10 000, 10\u00a0000, 10,000 и 10.000", {"10000"}),
        ("1 234 567 рублей", {"1234567"}),
        ("3,5 или 3.50", {"3.5"}),
        ("0,125", {"0.125"}),
        ("в 18:00 или 18.00, 18", {"18"}),
        ("09:05", {"9.05"}),
        ("9.05", {"9.05"}),
        ("15.09.2024", {"15", "9", "2024"}),
        ("с 10:00–18:30", {"10", "18.3"}),
        ("5-го, 10%, №7", {"5", "10", "7"}),
        ("8-800-250-04-33", {"8002500433"}),
        ("8 800 250 04 33", {"8002500433"}),
        ("+7 (800) 250-04-33", {"8002500433"}),
        ("комната B12", {"12"}),
        ("без чисел", set()),
    ],
)
def test_numbers(text: str, expected: set[str]) -> None:
    assert numbers(text) == expected


def test_list_markers_are_no_numbers() -> None:
    text = "Шаги:\n1. Открыть\n2) Войти\n **3.** Выйти\n2024. Год"
    assert numbers(without_list_markers(text)) == {"2024"}


def test_script_share_leaves_links_aside() -> None:
    assert script_share("Ответ: https://hse.ru/plan, pr@hse.ru", "cyrillic") == 1.0
    assert script_share("да yes", "cyrillic") == pytest.approx(2 / 5)
    assert script_share("да yes", "latin") == pytest.approx(3 / 5)
    assert script_share("12 + 3", "cyrillic") == 0.0
