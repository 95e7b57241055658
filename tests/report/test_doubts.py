"""A run from which nothing follows says so first: too few steps, or arms that all agree."""

from pathlib import Path

import pytest

from config.schema import Config
from data.jsonl import read_record, write_records
from data.run_paths import RunPaths
from judge.run import read_judged_split
from judge.summary.summarise import write_summary
from prompts.prompt_file import load_prompt
from report.__main__ import write_report
from report.numbers import build_numbers
from report.render import render_html, render_markdown
from report.run_files import read_run
from student.records import TrainingResult
from tests.report.judge_fixture import write_json
from tests.report.run_fixture import ARMS, ROWS, STUDENT, make_run

HEADING = "This run shows nothing yet"


def doubts(config: Config) -> tuple[str, ...]:
    """The doubts, which stand in front of the headline of page and Markdown."""
    material = read_run(config)
    numbers = build_numbers(material)
    for page in (render_html(material, numbers), render_markdown(material, numbers)):
        if not numbers.doubts:
            assert HEADING not in page
        else:
            assert page.index(HEADING) < page.index(numbers.headline.split(" closes")[0])
    return numbers.doubts


def take_steps(config: Config, steps: int) -> None:
    path = RunPaths.of(config).student(STUDENT) / "result.json"
    write_json(path, read_record(path, TrainingResult).model_copy(update={"steps": steps}))


def agree(config: Config, besides: int = 0) -> None:
    """Every arm's answers get the base's verdicts, but for those of the first rows."""
    run = RunPaths.of(config)
    _, rules = load_prompt(config.prompt, Path())
    judged = read_judged_split(run, "val", rules)
    assert judged is not None
    table = judged.table.verdicts
    same = [
        table["base"][key][rule].model_copy(update={"arm": arm})
        if number >= besides or arm == "base"
        else verdict
        for arm in table
        for number, (key, by_rule) in enumerate(table[arm].items())
        for rule, verdict in by_rule.items()
    ]
    write_records(run.verdicts, same)
    write_summary(config)


def test_a_sound_run_has_none(tmp_path: Path) -> None:
    """40 steps, and arms that differ."""
    assert doubts(make_run(tmp_path)) == ()


@pytest.mark.parametrize(("steps", "said"), [(2, True), (9, True), (10, False)])
def test_fewer_than_ten_steps(tmp_path: Path, steps: int, said: bool) -> None:
    config = make_run(tmp_path)
    take_steps(config, steps)
    sentence = (
        f"Student {STUDENT} took {steps} optimiser steps, fewer than 10, on 20 answers: it is "
        "hardly different from its base. Set a smaller batch_size or more epochs, or give "
        "data.train more rows"
    )
    assert doubts(config) == ((sentence,) if said else ())


def test_arms_that_all_agree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same verdicts on all rows are a doubt; one row that differs is none."""
    config = make_run(tmp_path)
    agree(config)
    (sentence,) = doubts(config)
    arms = (*ARMS, "arm ")  # the fixture's arm with a foreign name
    assert sentence == (
        f"All 6 arms ({', '.join(arms)}) have the same verdicts on all {ROWS} "
        "val rows: these rules and rows tell nothing apart. Look at the report's examples, and "
        "give the rules checks that fail on answers that you find bad"
    )
    write_report(config)
    assert f"warning: {sentence}" in capsys.readouterr().out.splitlines()


def test_one_row_that_differs_is_enough(tmp_path: Path) -> None:
    config = make_run(tmp_path)
    agree(config, besides=1)
    assert doubts(config) == ()
