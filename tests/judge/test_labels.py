"""Labels as gold: what they say of each answer, and what only of a pair."""

from typing import Any

import pytest

from data.readers.logs import read_logs
from data.rows import Row, question_key
from data.splits import held_out_questions
from judge.labels import GoldCounts, best_logged, halves, read_labels
from tests.data.hse_logs import HSE, LOGS, needs_hse
from tests.judge.factories import make_row

ANSWERS = {"production": "П.", "saiga": "С.", "giga": "Г."}


def labelled(*labels: str, row: str = "r1", **settings: Any) -> Row:
    return make_row(row, **{"answers": ANSWERS, "labels": labels, **settings})


def good(row: Row) -> dict[str, bool]:
    return {label.system: label.good for label in read_labels([row]).gold}


def winners(row: Row) -> list[tuple[str, str]]:
    return [(label.better, label.worse) for label in read_labels([row]).preferences]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (("Оба хорошо",), {"saiga": True, "giga": True}),
        (("Both good",), {"saiga": True, "giga": True}),
        (("Оба плохо",), {"saiga": False, "giga": False}),
        (("both bad",), {"saiga": False, "giga": False}),
        (("Оба плохо", "Вопрос не по теме"), {"saiga": False, "giga": False}),
        (("Saiga",), {}),
        (("Вопрос не по теме",), {}),
        (("Оба хорошо", "Оба плохо"), {}),
        (("Saiga", "Оба плохо"), {}),
        (("Saiga", "GigaChat"), {}),
    ],
)
def test_only_both_is_absolute(labels: tuple[str, ...], expected: dict[str, bool]) -> None:
    """The production answer was not compared: it has no gold under any label."""
    assert good(labelled(*labels)) == expected


def test_a_winner_is_relative() -> None:
    assert winners(labelled("GigaChat")) == [("giga", "saiga")]
    assert winners(labelled("Saiga")) == [("saiga", "giga")]
    for labels in (("Оба хорошо",), ("Оба плохо",), ("Saiga", "GigaChat"), ("Вопрос не по теме",)):
        assert winners(labelled(*labels)) == []


def test_an_answer_that_was_taken_out_has_neither() -> None:
    """Cleaning drops stubs: the label of the answer that is left still holds, the pair does not."""
    alone = {"saiga": "С."}
    assert good(labelled("Оба плохо", answers=alone)) == {"saiga": False}
    assert winners(labelled("Saiga", answers=alone)) == []
    assert good(labelled("Оба хорошо", answers={"saiga": " "})) == {}


def test_everything_is_counted_once() -> None:
    rows = [
        labelled("Оба хорошо", row="a", comment="x"),
        labelled("Saiga", row="b"),
        labelled("Вопрос не по теме", row="c"),
        labelled("Saiga", "Оба плохо", row="d"),
        make_row("e", answers=ANSWERS),
    ]
    labels = read_labels(rows)
    assert (len(labels.gold), len(labels.preferences)) == (2, 1)
    assert labels.counts == GoldCounts(
        good=2, bad=0, preferences=1, off_topic=1, unclear=1, unlabelled=1, comments=1
    )
    assert labels.gold[0].why == "Оба хорошо; x"


class TestHalves:
    rows = [make_row(f"r{n}", question=f"Вопрос {n // 2}?") for n in range(80)]

    def test_a_question_is_in_one_half(self) -> None:
        labels = halves(self.rows, 0)
        assert set(labels) == {row.id for row in self.rows}
        assert all(labels[f"r{n}"] == labels[f"r{n + 1}"] for n in range(0, 80, 2))
        assert list(labels.values()).count("report") == 40

    def test_seeded_and_without_regard_to_order(self) -> None:
        assert halves(self.rows, 0) == halves(self.rows[::-1], 0)
        assert halves(self.rows, 0) != halves(self.rows, 1)

    def test_val_is_in_both(self) -> None:
        """Under one seed the questions of val come first: half and val must not be the same cut."""
        val = held_out_questions(map(question_key, self.rows), 0.3, 0)
        labels = halves(self.rows, 0)
        assert {labels[row.id] for row in self.rows if question_key(row) in val} == {
            "tune",
            "report",
        }


@needs_hse
def test_campus_gold() -> None:
    """13 rows with both good, 37 with both bad, 31 + 21 winners; two answers each, uncleaned."""
    rows = read_logs(LOGS, HSE).rows
    labels = read_labels(rows)
    assert sum(label.good for label in labels.gold) == 2 * 13
    assert sum(not label.good for label in labels.gold) == 2 * 37
    assert len(labels.preferences) == 31 + 21
    counts = labels.counts
    assert (counts.off_topic, counts.unclear, counts.unlabelled) == (1, 0, 0)


LOGGED = {"production": "прод", "saiga": "сайга", "giga": "гига"}


@pytest.mark.parametrize(
    ("labels", "best"),
    [
        (("Saiga",), ["сайга"]),
        (("GigaChat",), ["гига"]),
        (("Оба хорошо",), ["сайга", "гига"]),
        (("Saiga", "GigaChat"), ["сайга", "гига"]),
        (("Оба плохо",), ["прод"]),
        (("Вопрос не по теме",), ["прод"]),
        (None, ["прод"]),
    ],
)
def test_best_by_label(labels: tuple[str, ...] | None, best: list[str]) -> None:
    assert best_logged(make_row(answers=LOGGED, labels=labels)) == best


def test_no_best_answer() -> None:
    assert best_logged(make_row(answers={"giga": "гига"}, labels=("Оба плохо",))) == []
