"""Numbers: each case is a spelling that people or models really use."""

import pytest

from judge.checks.number_mentions import known_numbers, numbers, unknown_numbers


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
        ("15.09.2024", {"15/9", "2024"}),
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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("двадцать пять тысяч триста сорок один", {"25341"}),
        ("one hundred and five", {"105"}),
        ("two or three", {"2", "3"}),
        ("2,5 млн, 10 тыс., 3 thousand", {"2500000", "10000", "3000"}),
        ("тысячи студентов, a hundred", {"100"}),  # thousands alone are no number
        ("на третьем курсе, the second floor, wait a second", {"3", "2"}),
        ("one of them, first, один, первый", set()),
        ("XXI век, глава V, I agree, plan X", {"21", "5"}),
        ("½ и ¼", {"0.5", "0.25"}),
        ("6 pm, 6:30 p.m., 9 a.m., 7 вечера, 3 дня", {"18", "18.3", "9", "19", "3"}),
        ("15 декабря, Dec. 15, 2024-12-15", {"15/12", "2024"}),
        ("с 3 по 5 мая", {"3/5", "5/5"}),
        ("in year 2 may apply", {"2"}),  # no month in small letters
        ("10 000,00 и 1,234.5", {"10000", "1234.5"}),
    ],
)
def test_numbers_in_words_dates_and_times(text: str, expected: set[str]) -> None:
    assert numbers(text) == expected


def test_a_source_says_more_than_its_numbers() -> None:
    """The day of a date, the courses of a range, the local part of a telephone number, ordinals."""
    source = "До 15.12.2024, 2–4 курс, 8 (915) 260-06-20, первый этаж"
    known = known_numbers(source)
    assert unknown_numbers("15 декабря, 15, 2024, 3 курс, 260-06-20, 1 этаж", known) == []
    assert unknown_numbers("15 ноября, 5 курс, 260-06-21", known) == ["15 ноября", "260-06-21", "5"]
