"""Sentences of the section on the calibration."""

import re
from dataclasses import replace
from pathlib import Path

from data.run_paths import RunPaths
from judge.calibration.rule_labels import RuleLabelAgreement
from judge.judge_note import Coverage
from judge.metrics.calibration_error import CalibrationError
from judge.summary.summarise import write_summary
from prompts.rules import Rule
from report.numbers import build_numbers
from report.render import render_html, render_markdown
from report.run_files import read_run
from tests.report.judge_fixture import make_calibration, make_gold, write_json
from tests.report.run_fixture import make_run, read_fixture


def test_why_texts_that_answer_nothing_pass_the_rules_in_code(tmp_path: Path) -> None:
    """One of two got through; with a rule that looks at the passages it is not for lack of one."""
    material = read_fixture(tmp_path)
    why = "No rule in code compares an answer’s words with its passages"
    grounded = Rule.model_validate(
        {"id": "grounded", "source": "It is.", "check": {"type": "words_from", "min": 0.5}}
    )
    rules = material.rules.model_copy(update={"rules": (*material.rules.rules, grounded)})
    changed = replace(material, rules=rules)
    for render in (render_html, render_markdown):
        assert why in render(material, build_numbers(material))
        assert why not in render(changed, build_numbers(changed))


def test_a_calibration_says_what_the_model_left_open(tmp_path: Path) -> None:
    config = make_run(tmp_path)
    before = read_run(config)
    assert before.calibration is not None
    assert before.judged is not None and before.judged.judge is not None
    note = before.judged.judge
    fingerprint = before.calibration.judge.model_copy(
        update={"model": note.model, "mode": note.mode}
    )
    coverage = Coverage(expected=9, missing={"budget": 3, "truncated": 1}, unasked=7)
    calibration = make_calibration(fingerprint).model_copy(update={"coverage": coverage})
    write_json(RunPaths.of(config).calibration, calibration)
    write_summary(config)
    material = read_run(config)
    summary = (
        "9 verdicts expected, 4 missing (budget 3, truncated 1); the limit left 7 questions "
        "unasked: run it again to go on."
    )
    for render in (render_html, render_markdown):
        assert summary in render(material, build_numbers(material))


def test_a_cause_of_bias_is_shown_with_its_effect(tmp_path: Path) -> None:
    material = read_fixture(tmp_path)
    for render in (render_html, render_markdown):
        page = render(material, build_numbers(material))
        section = page[page.index("Causes of bias") :]
        assert len(re.findall("(?<!un)biased", section)) == 1  # the opening; the length is not
        assert "+20.0" in section and "length, per doubling" in section


def test_rules_that_people_judged_and_the_error_of_probabilities(tmp_path: Path) -> None:
    material = read_fixture(tmp_path)
    assert material.calibration is not None
    labelled = RuleLabelAgreement(rule="kind", **dict(make_gold()))
    update = {
        "rule_labels": (labelled,),
        "probability_errors": {
            "kind against people": CalibrationError(n=40, ece=0.25, by_chance=0.08)
        },
        "between_judges": make_gold(),
        "judge": material.calibration.judge.model_copy(
            update={"model": "m", "second": "n (plain)"}
        ),
    }
    changed = replace(material, calibration=material.calibration.model_copy(update=update))
    for render in (render_html, render_markdown):
        page = render(changed, build_numbers(changed))
        assert "Judge against people who judged single rules" in page
        assert "m and n (plain): Cohen’s κ 0.70 " in page  # Markdown escapes the brackets
        assert " on 40 verdicts; 6 on which they disagree" in page
        section = page[page.index("Calibration error of the probabilities") :]
        assert "kind against people" in section and "0.25" in section and "0.08" in section
        before = render(material, build_numbers(material))
        assert "judged single rules" not in before and "error of the probabilities" not in before
