"""Cleaning of logged answers: stubs, footers, empty and truncated answers, duplicate rows."""

from collections.abc import Iterable

import pytest

from config.errors import ConfigError
from config.log_formats import CampusLogs, DataSettings
from data.clean import CleanCounts, RowCleaner, looks_truncated, view_digest
from data.readers.logs import read_logs
from data.rows import Context, FollowUp, Row
from tests.data.hse_logs import HSE, LOGS, SETTINGS, needs_hse


def _settings(stubs: tuple[str, ...] = (), footer: str | None = None) -> DataSettings:
    return DataSettings(train=CampusLogs(path="unused"), stubs=stubs, footer=footer)


def clean_rows(rows: Iterable[Row], settings: DataSettings) -> tuple[list[Row], CleanCounts]:
    """The clean rows, and the counts."""
    cleaner = RowCleaner(settings)
    return [cleaner.clean_row(row) for row in rows], cleaner.counts(())


@needs_hse
def test_real_stubs_and_footers() -> None:
    rows = read_logs(LOGS, HSE).rows

    cleaned, counts = clean_rows(rows, SETTINGS)

    assert counts.stubs == {"production": 20, "saiga": 0, "giga": 3, "follow_up": 13}
    assert counts.footers == {"production": 103, "saiga": 103, "giga": 103, "follow_up": 62}
    assert (
        counts.empty == counts.truncated == {"production": 0, "saiga": 0, "giga": 0, "follow_up": 0}
    )
    assert len(cleaned) == 103
    assert sum("production" in row.answers for row in cleaned) == 83
    assert not any("Подробнее:" in text for row in cleaned for text in row.answers.values())
    assert [row.question for row in cleaned] == [row.question for row in rows]


def test_a_row_keeps_its_place_when_its_answers_go() -> None:
    row = Row(
        id="1",
        question="Где касса?",
        answers={"a": "Тут. -- см. сайт", "b": "-- см. сайт", "c": "Не скажу.", "d": "  "},
        follow_up=FollowUp(question="А когда?", answer="Не скажу. -- см. сайт"),
    )
    stubless = Row(id="2", question="x", follow_up=FollowUp(question=None, answer="Не скажу."))

    cleaned, counts = clean_rows([row, stubless], _settings(("^Не скажу",), r"-- см\. .*"))

    assert cleaned[0].answers == {"a": "Тут."}
    assert cleaned[0].follow_up == FollowUp(question="А когда?", answer=None)
    assert cleaned[1].follow_up is None  # nothing of it was left
    assert counts.footers == {"a": 1, "b": 1, "c": 0, "d": 0, "follow_up": 1}
    assert counts.empty == {"a": 0, "b": 1, "c": 0, "d": 1, "follow_up": 0}
    assert counts.stubs == {"a": 0, "b": 0, "c": 1, "d": 0, "follow_up": 2}


def test_without_patterns_answers_stay_byte_identical() -> None:
    row = Row(id="1", question="?", answers={"a": " Тут.\n\n"})
    assert clean_rows([row], _settings())[0] == [row]


def test_duplicates_need_the_same_question_and_the_same_passages() -> None:
    first, second = (Context(text="1"),), (Context(text="2"),)
    rows = [
        Row(id="first", question="Где ещё касса?", contexts=first),
        Row(id="other passage", question="Где ещё касса?", contexts=second),
        Row(id="same", question="где  еще касса", contexts=(Context(text="1", url="u"),)),
        Row(id="no word", question="👍"),
        Row(id="no word either", question="🦆"),
    ]
    views = [view_digest(row) for row in rows]
    assert views[2] == views[0] and len(set(views)) == 4


@pytest.mark.parametrize(
    "text",
    ["Да.", "Да!", "Так?", "Так…", "(да)", "«Да»", "**Да.**", "см. https://a.b/c", "Пишите a@b.ru",
     "список [1]", "Удачи 😊", "Удачи 👍🏽", "对。", "``` x ```."],
)  # fmt: skip
def test_finished_answers(text: str) -> None:
    assert not looks_truncated(text)


@pytest.mark.parametrize(
    "text", ["Касса откр", "потому,", "так:", "1. Первое\n2. Второе и", "до 18"]
)
def test_cut_answers(text: str) -> None:
    assert looks_truncated(text)


def test_a_broken_pattern_names_its_setting() -> None:
    with pytest.raises(ConfigError, match=r"data\.stubs\.1 = '\('"):
        clean_rows([], _settings(("ok", "(")))
