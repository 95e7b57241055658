"""Sentences: where they end, and where a full stop belongs to an abbreviation."""

import pytest

from data.sentences import sentences


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Be brief. Be kind! Why? Because…", ["Be brief.", "Be kind!", "Why?", "Because…"]),
        ("Будь краток. Не повторяй! Ясно?", ["Будь краток.", "Не повторяй!", "Ясно?"]),
        ("Первая строка\n\nвторая строка", ["Первая строка", "вторая строка"]),  # no full stop
        ("См. www.hse.ru, версия 2.0", ["См. www.hse.ru, версия 2.0"]),  # not inside a link
        ("Скажи «Нет.» Потом молчи.", ["Скажи «Нет.»", "Потом молчи."]),
        ("  \n ", []),
    ],
)
def test_sentences_in_either_script(text: str, parts: list[str]) -> None:
    """Length, repetition and coverage count sentences, in Russian as in English."""
    assert sentences(text) == parts


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Ask Dr. J. R. Hale, e.g. at 9 a.m. on Mon. or Tue. in room 5.", 1),
        ("See p. 5, Sec. IV and Fig. 2 of vol. 3. It is short.", 2),
        ("No. It is closed.", 2),  # "No." is short for a number only in front of one
        ("Desk B. It is open.", 2),  # a thing, not an initial
        ("It opens at 9 a.m. The desk closes at ten.", 2),
        ("Приём: ул. Мира, д. 5, корп. 2, ауд. 301, тел. 8. Ждём.", 2),
        ("Доц. А. В. Петров и проф. И. О. Иванов, т. е. двое.", 1),
        ("Стоит 5 тыс. руб. в год и т. д. Оплата картой.", 2),
        ("Принят в 2023 г. Действует.", 2),  # a year; a town: г. Пермь
        ("Офис в г. Пермь. Вход свободный.", 2),
        ("Открыто 😊 Вход свободный 😊", 2),
        ("it is open. it closes at ten.", 2),  # small letters throughout
        ("It is open (from ten. or so). Come in.", 2),
    ],
)
def test_full_stops_of_abbreviations_end_nothing(text: str, count: int) -> None:
    assert len(sentences(text)) == count
