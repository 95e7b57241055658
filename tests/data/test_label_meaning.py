"""Labels of one's own: what a label map makes of them, and which ones nobody understood."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from config.errors import ConfigError
from config.log_formats import DataSettings, FieldMap, LabelMap, TableLogs
from data.label_meaning import (
    label_key,
    named_systems,
    row_meanings,
    unknown_labels,
    unknown_labels_line,
)
from data.prepare import prepare_splits
from data.readers.logs import read_logs
from data.rows import Row
from judge.labels import best_logged, read_labels

THUMBS = LabelMap(good=("good", 5, True, "👍"), bad=("bad", 1, False, "👎", "-1"))


def _rows(
    tmp_path: Path, labels: list[Any], label_map: LabelMap | None, *systems: str
) -> tuple[Row, ...]:
    systems = systems or ("production",)
    records = [
        {"q": f"Q{n}", "l": label, **{name: f"{name} {n}" for name in systems}}
        for n, label in enumerate(labels)
    ]
    (tmp_path / "l.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    answers = {name: name for name in systems}
    fields = FieldMap(question="q", labels="l", answers=answers, label_map=label_map)
    return read_logs(TableLogs(path="l.jsonl", fields=fields), tmp_path).rows


@pytest.mark.parametrize(
    ("label", "meaning"),
    [
        ("good", "good"), ("Good!", "good"), (" GOOD ", "good"), (["good"], "good"),
        ("['good']", "good"), (5, "good"), ("5", "good"), ("5.0", "good"), (5.0, "good"),
        ("5.5", None), (55, None), (True, "good"), ("True", "good"), ("yes", "good"),
        ("👍", "good"), ("👍🏽", "good"), ("👍\ufe0f", "good"),
        ("bad", "bad"), (1, "bad"), (1.0, "bad"), ("+1", "bad"), (-1, "bad"), (False, "bad"),
        ("no", "bad"), ("👎", "bad"), ("👎🏿", "bad"),
        ("not good", None), ("goodish", None), ("a badge", None), ("very bad", None), (3, None),
        ("1e999", None),
        ("both good", "good"), ("Off-topic", "off_topic"), (None, None), ("nan", None),
    ],
)  # fmt: skip
def test_a_label_counts_as_a_whole(tmp_path: Path, label: object, meaning: str | None) -> None:
    (row,) = _rows(tmp_path, [label], THUMBS)
    assert row_meanings(row) == ({meaning} if meaning else frozenset())


def test_own_labels_are_gold_of_the_only_answer(tmp_path: Path) -> None:
    """Today's commonest log: one system, users' thumbs; what nobody understood is counted."""
    label_map = LabelMap(good=("good",), bad=("bad",), off_topic=("spam",))
    words = ["good", "bad", "good, helpful", "spam", "meh", "meh", "good, bad", None]
    rows = _rows(tmp_path, words, label_map)
    labels = read_labels(rows)
    assert [(gold.row[-1], gold.good) for gold in labels.gold] == [
        ("1", True), ("2", False), ("3", True),
    ]  # fmt: skip
    counts = labels.counts
    assert (counts.off_topic, counts.unclear, counts.unlabelled) == (1, 1, 1)
    assert counts.unknown == {"meh": 2, "helpful": 1}
    assert best_logged(rows[0]) == ["production 0"]
    assert best_logged(rows[1]) == [], "people called it bad"


def test_without_a_map_own_labels_are_listed_with_the_setting(tmp_path: Path) -> None:
    rows = _rows(tmp_path, ["good"] * 3 + ["bad"] * 2 + ["both good"], None)
    assert read_labels(rows).counts.unknown == {"good": 3, "bad": 2}
    line = unknown_labels_line(unknown_labels(rows))
    assert "'good' 3, 'bad' 2;" in line and "fields.label_map" in line and "\n" not in line
    many = unknown_labels_line({f"label {n} {'x' * 100}": 1 for n in range(1000)})
    assert len(many) < 1500 and ", …;" in many


def test_of_several_systems_the_map_speaks_of_the_rivals(tmp_path: Path) -> None:
    label_map = LabelMap(good=("fine",), bad=("poor",))
    rows = _rows(
        tmp_path, ["fine", "poor", "a", "B wins", "a, poor"], label_map, "production", "a", "b"
    )
    labels = read_labels(rows)
    assert [(gold.row[-1], gold.system, gold.good) for gold in labels.gold] == [
        ("1", "a", True), ("1", "b", True), ("2", "a", False), ("2", "b", False),
    ]  # fmt: skip
    assert [(pair.better, pair.worse) for pair in labels.preferences] == [("a", "b"), ("b", "a")]
    assert labels.counts.unclear == 1 and not labels.counts.unknown


def test_cleaning_does_not_turn_a_label_of_rivals_into_one_of_production(tmp_path: Path) -> None:
    (row,) = _rows(tmp_path, ["fine"], LabelMap(good=("fine",)), "production", "a")
    without = row.model_copy(update={"answers": {"production": "p"}})
    assert not read_labels([without]).gold
    named = row.model_copy(update={"labels": ("a",), "answers": {"production": "p"}})
    assert unknown_labels([named, row]) == {}, "another row shows that a is a system"


@pytest.mark.parametrize(
    ("label", "systems", "named"),
    [
        ("GigaChat", ["giga", "saiga"], ["giga"]),
        ("gigantic", ["giga"], []),
        ("model-b is better", ["model", "model-b"], ["model-b"]),
        ("Answer A", ["a", "b"], ["a"]),
        ("Bad answer", ["a", "b"], []),
        ("gpt4", ["gpt", "gpt4"], ["gpt4"]),
        ("सही", ["सह"], []),
    ],
)
def test_a_system_is_named_by_whole_words(label: str, systems: list[str], named: list[str]) -> None:
    assert named_systems(label, systems) == named


def test_numbers_keep_their_sign_and_size() -> None:
    keys = {label_key(label) for label in ("-1", "1", "+", "-", "1234567", "1234568", "0.5")}
    assert len(keys) == 7


def test_a_label_with_two_meanings_is_refused(tmp_path: Path) -> None:
    for good, bad in (("Good", "good!"), (5, "5.0"), (True, "yes")):
        with pytest.raises(
            ConfigError, match=r"fields\.label_map: .* is good and bad; give it once"
        ):
            _rows(tmp_path, ["x"], LabelMap(good=(good,), bad=(bad,)))
    with pytest.raises(ValidationError, match="give `labels`"):
        FieldMap(question="q", label_map=LabelMap(good=("x",)))


def test_true_and_1_are_two_labels(tmp_path: Path) -> None:
    """They are equal in Python, and so are the maps that hold them."""
    for label_map, label in ((LabelMap(good=(True,)), True), (LabelMap(good=(1,)), 1)):
        first, second = _rows(tmp_path, [True, 1], label_map)
        assert row_meanings(first if label is True else second) == {"good"}
        assert row_meanings(second if label is True else first) == frozenset()


def test_the_quality_report_counts_them(tmp_path: Path) -> None:
    _rows(tmp_path, ["good", "bad", "dunno", "dunno"], None)
    fields = {"question": "q", "labels": "l", "label_map": {"good": ["good"], "bad": ["bad"]}}
    train = {"kind": "table", "path": "l.jsonl", "fields": fields}
    quality = prepare_splits(DataSettings.model_validate({"train": train}), tmp_path, 0).quality
    assert quality.unknown_labels == {"dunno": 2}


def test_a_cell_with_a_comma_may_be_one_label(tmp_path: Path) -> None:
    label_map = LabelMap(good=("Yes, it helped",))
    rows = _rows(tmp_path, ["yes, it helped", "yes, it did"], label_map)
    assert rows[0].labels == ("yes, it helped",) and rows[1].labels == ("yes", "it did")
    assert [row_meanings(row) for row in rows] == [{"good"}, set()]
