"""E-mail addresses, telephone numbers and full names: found in both languages, held to the row."""

import pytest

from data.rows import Turn
from judge.checks.check import check_context
from judge.checks.contacts import unknown_contacts
from judge.checks.full_names import full_names, unknown_names
from judge.checks.kinds import run_check
from prompts.check_settings import Sourced
from tests.judge.factories import PROMPT, make_row, make_rule, make_rules


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Обратитесь к Зориной Марфе Анатольевне.", ["Зориной Марфе Анатольевне"]),
        ("Директор Иван Петрович примет вас.", ["Иван Петрович"]),  # not "Директор Иван"
        ("Специалист Мария Зорина.", ["Мария Зорина"]),
        ("Полиной Югиной Александровной", ["Полиной Югиной Александровной"]),
        ("Зорин И.И. и И. И. Петров, каб. 5", ["Зорин И И", "И И Петров"]),
        ("[Зорин Алексей Игоревич](https://a.ru/x)", ["Зорин Алексей Игоревич"]),
        ("Ask Dr. Jane Roe or Prof. Xiang Wei.", ["Jane Roe", "Xiang Wei"]),
        ("John F. Roe's office, J. K. Roe.", ["John F Roe's", "J K Roe"]),
        ("Московской Духовной Академии", []),
        ("Республика Марий Эл, Нижний Новгород, Высшая Школа", []),
        ("Совет при Президенте России Владимире", []),
        ("МГТУ им. Н. Э. Баумана на улице Ивана Петрова", []),
        ("The John Roe Library, Elizabeth Street, New York, Student Centre", []),
        ("НИУ ВШЭ. Анна пишет в Telegram.", []),
    ],
)
def test_full_names(text: str, names: list[str]) -> None:
    """Patronymics, initials, titles and common first names; no places, no things."""
    assert [name.text for name in full_names(text)] == names


@pytest.mark.parametrize(
    ("answer", "source", "known"),
    [
        ("Зориной Марфе Анатольевне", "Зорина Марфа Анатольевна, психолог", True),
        ("Павлу Демченку", "Демченок Павел", True),
        ("Алексеем Зориным", "Зорин Алексей Игоревич", True),  # the patronymic stands between
        ("И. И. Зорин", "Зорин Иван Ильич", True),
        ("John Roe's", "John Roe", True),
        ("Марине Зориной", "Мария Зорина", False),
        ("Ольга Петрова", "Олег Петров", False),
        ("Иван Ильич Зорин", "Зорин И. И.", False),  # the name is invented from initials
        ("Анна Зорина", "Анна Петрова, Мария Зорина", False),  # two people of a list
    ],
)
def test_a_name_counts_in_all_its_forms(answer: str, source: str, known: bool) -> None:
    assert (unknown_names(answer, [source]) == []) == known


@pytest.mark.parametrize(
    ("answer", "source", "unknown"),
    [
        ("Пишите на Desk@Uni.example.", "desk@uni.example", []),
        ("Пишите на desk@uni.example.", "help@uni.example", ["desk@uni.example"]),
        ("8-800-555-01-98", "Звоните: +7 (800) 555 01 98", []),
        ("+7 (495) 555-01-98", "+7 (495) 555-01-99", ["+7 (495) 555-01-98"]),
        ("Call +44 20 7946 0958.", "Phone: +44 (20) 79460958", []),
        ("Приём с 10 до 18, 2031 год.", "", []),  # numbers are no telephones
    ],
)
def test_addresses_and_telephones(answer: str, source: str, unknown: list[str]) -> None:
    assert unknown_contacts(answer, [source]) == unknown


def test_each_source_counts_where_the_rule_names_it() -> None:
    """A passage, the question, an earlier turn, the prompt with its examples; else unknown."""
    earlier = Turn(question="Кто?", answer="Пишите на turn@uni.example.")
    row = make_row(
        passages=("Пишите на passage@uni.example.",),
        question="Я писал на question@uni.example. Что дальше?",
        history=(earlier,),
    )
    prompt = PROMPT.model_copy(update={"system": f"{PROMPT.system} prompt@uni.example"})
    context = check_context(make_rules(make_rule({"type": "json"})), prompt)
    places = {"contexts": "passage", "question": "question", "history": "turn", "prompt": "prompt"}
    for source in places:
        check = Sourced.model_validate({"type": "contacts_from", "sources": [source]})
        passing = {
            place
            for place, name in places.items()
            if run_check(check, row, f"Пишите на {name}@uni.example.", context).passed
        }
        assert passing == {source}
    note = run_check(check, row, "Спросите Зорину Марфу Ивановну.", context).note
    assert note == "not in the sources: Зорину Марфу Ивановну"
