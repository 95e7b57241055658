"""The time that is left, from expected seconds and from the pace of the stages that are done."""

import pytest

from pipeline.time_left import TimeLeft, spoken_time

STAGES = ("data", "generate", "train")
EXPECTED = {"data": 60.0, "generate": 540.0, "train": 600.0}


def test_the_beginning_is_the_sum_of_what_is_expected() -> None:
    assert TimeLeft(STAGES, EXPECTED).seconds("data") == 1200
    assert TimeLeft(STAGES, EXPECTED).place("generate") == "2 of 3, about 19 min left"


def test_a_slow_machine_makes_the_rest_longer() -> None:
    """600 s were planned and took 1200: (1200 + 60) / (600 + 60) of the 600 s for training."""
    time_left = TimeLeft(STAGES, EXPECTED)
    time_left.record("data", 120)
    time_left.record("generate", 1080)
    assert time_left.seconds("train") == pytest.approx(600 * 1260 / 660)


def test_a_skipped_stage_says_nothing_about_the_pace() -> None:
    """It is not recorded, and the stages behind it take what was expected."""
    time_left = TimeLeft(STAGES, EXPECTED)
    assert time_left.seconds("train") == 600


def test_an_unknown_stage_leaves_only_its_place() -> None:
    time_left = TimeLeft(STAGES, {"data": 1.0, "train": 2.0})
    assert time_left.place("data") == "1 of 3"
    time_left.record("generate", 100.0)
    assert time_left.place("train") == "3 of 3, less than a minute left"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (59.9, "less than a minute"),
        (60, "about 1 min"),
        (725, "about 12 min"),
        (5399, "about 90 min"),
        (9000, "about 2.5 h"),
    ],
)
def test_a_duration_is_spoken_roughly(seconds: float, text: str) -> None:
    assert spoken_time(seconds) == text


def test_an_estimate_is_made_once_and_only_when_a_stage_is_unknown() -> None:
    """It reads all rows; a run in which nothing is to do needs none. Measured times stay."""
    calls = []

    def estimate() -> dict[str, float]:
        calls.append(1)
        return {"data": 1.0, "generate": 5.0, "train": 600.0}

    known = TimeLeft(STAGES, EXPECTED)
    known.estimate_with(estimate)
    assert known.seconds("data") == 1200 and not calls
    time_left = TimeLeft(STAGES, {"generate": 540.0})
    time_left.estimate_with(estimate)
    assert time_left.seconds("generate") == time_left.seconds("generate") == 1140
    assert len(calls) == 1
