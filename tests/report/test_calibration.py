"""What the section on the calibration says beside its numbers."""

from dataclasses import replace
from pathlib import Path

from data.run_paths import RunPaths
from judge.calibration.record import Calibration
from judge.records import Coverage
from prompts.rules import Rule
from report.gather import gather
from report.numbers import make_numbers
from report.render import render_html, render_markdown
from tests.report.made import gathered, make_run
from tests.report.made_judge import make_calibration, write_json


def test_why_texts_that_answer_nothing_pass_the_rules_in_code(tmp_path: Path) -> None:
    """One of two got through; with a rule that looks at the passages it is not for lack of one."""
    made = gathered(tmp_path)
    why = "No rule in code compares an answer’s words with its passages"
    grounded = Rule.model_validate(
        {"id": "grounded", "source": "It is.", "check": {"type": "words_from", "min": 0.5}}
    )
    rules = made.rules.model_copy(update={"rules": (*made.rules.rules, grounded)})
    held = replace(made, rules=rules)
    for render in (render_html, render_markdown):
        assert why in render(made, make_numbers(made))
        assert why not in render(held, make_numbers(held))


def test_a_calibration_says_what_the_model_left_open(tmp_path: Path) -> None:
    config = make_run(tmp_path)
    before = gather(config)
    assert isinstance(before.calibration, Calibration)
    assert before.judged is not None and before.judged.judge is not None
    note = before.judged.judge
    bound = before.calibration.judge.model_copy(update={"model": note.model, "mode": note.mode})
    coverage = Coverage(expected=9, missing={"budget": 3, "truncated": 1}, unasked=7)
    found = make_calibration(bound).model_copy(update={"coverage": coverage})
    write_json(RunPaths.of(config).calibration, found)
    material = gather(config)
    said = (
        "9 verdicts expected, 4 missing (budget 3, truncated 1); the limit left 7 questions "
        "unasked: run it again to go on."
    )
    for render in (render_html, render_markdown):
        assert said in render(material, make_numbers(material))
