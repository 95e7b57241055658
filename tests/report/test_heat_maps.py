"""The heat maps: the shown slices, their cells, and the contrast of their colours."""

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from config.schema import Config
from data.jsonl import write_records
from data.rows import Row
from data.run_paths import RunPaths
from judge.metrics.stats import wilson
from judge.run import judge_run
from judge.summary.summarise import write_summary
from report.heat_maps import build_heat_maps, shade
from report.numbers import build_numbers
from report.render import render_html, render_markdown
from report.run_files import RunFiles, read_run
from tests.report.run_fixture import make_rows, make_run


def _sliced(config: Config) -> RunFiles:
    """Judged anew by code, with 14 rows of one campus, 9 of another and one of none."""
    campus = ["north"] * 14 + ["south"] * 9
    rows: list[Row] = [
        row.model_copy(update={"tags": {"campus": campus[n]} if n < len(campus) else {}})
        for n, row in enumerate(make_rows())
    ]
    write_records(RunPaths.of(config).split("val"), rows)
    judge_run(config, None)
    write_summary(config)
    return read_run(config)


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> RunFiles:
    return _sliced(make_run(tmp_path_factory.mktemp("slices")))


def test_by_hand(material: RunFiles) -> None:
    """Base obeys on rows 0 and 1, the others on 18 or more; every third of the 14 is off topic."""
    maps = build_heat_maps(material)
    assert maps is not None
    (row,) = maps.rows
    assert (row.field, row.value, maps.not_shown) == ("tags.campus", "north", 1)
    rates = {arm: (score.rate, score.n) for arm, score in row.strict.items()}
    assert rates.pop("base") == (2 / 14, 14)
    assert set(rates.values()) == {(1.0, 14)} and set(rates) == set(material.arms[1:])
    assert {rule: rate.n for rule, rate in row.rules.items()} == {"opening": 14}
    whole = wilson(14, 14)
    assert whole is not None and row.rules["opening"].low == whole.low
    assert (maps.rules, maps.too_few) == (("opening",), ("refusal",))


def test_pages_say_what_the_numbers_say(material: RunFiles) -> None:
    numbers = build_numbers(material)
    html, text = render_html(material, numbers), render_markdown(material, numbers)
    for page in (html, text):
        assert "Exploratory" in page
        assert "1 slice with fewer than ten decided rows is not shown." in page
        assert "as in every slice of refusal" in page
        assert "south" not in page
    assert f'<td style="background:{shade(2 / 14)}">14.3 %<small>' in html
    assert "| north | 14.3 % \\[4.0, 39.9\\] n = 14 | 100.0 %" in text
    assert numbers.model_dump()["slices"]["rows"][0]["value"] == "north"


def test_no_field_no_map(material: RunFiles) -> None:
    rules = material.rules.model_copy(update={"slices": ()})
    for changed in (replace(material, rules=rules), replace(material, judged=None)):
        assert build_heat_maps(changed) is None
        assert 'id="slices"' not in render_html(changed, build_numbers(changed))


def test_without_a_student_the_arms_are_shown(tmp_path: Path) -> None:
    config = make_run(tmp_path)
    RunPaths.of(config).choice.unlink()
    write_summary(config)
    maps = build_heat_maps(read_run(config))
    assert maps is not None and set(maps.rows[0].strict) == {"base", "teacher"}
    assert (maps.rules, maps.rows[0].rules) == ((), {})


def _luminance(colour: str) -> float:
    """Relative luminance of an sRGB colour (WCAG 2.2)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_shade_is_read_and_told_apart() -> None:
    """Ink on every shade has more than WCAG's 4.5 : 1; the more obey, the darker; 0 is white."""
    style = (Path(__file__).parents[2] / "report/report.css.j2").read_text("utf-8")
    ink = re.search(r"--ink: (#[0-9a-f]{6})", style)
    assert ink is not None
    dark = _luminance(ink[1])
    levels = [_luminance(shade(step / 20)) for step in range(21)]
    assert all((level + 0.05) / (dark + 0.05) > 4.5 for level in levels)
    assert all(later < earlier for earlier, later in pairwise(levels))
    assert (shade(0), shade(1)) == ("#ffffff", "#66aad1")
    assert (levels[-1] + 0.05) / (dark + 0.05) == pytest.approx(6.2, abs=0.2)
