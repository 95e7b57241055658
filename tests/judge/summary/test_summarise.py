"""The summary of a run whose numbers can be counted by hand."""

from pathlib import Path

import pytest

from config.schema import Config
from data.answers import read_answers
from data.jsonl import read_record, write_records
from data.run_paths import RunPaths
from judge.annotation.sheet import ArmLabels, Label, Labels, answer_id
from judge.calibration.record import Calibration, judge_fingerprint
from judge.metrics.interval import Refusal
from judge.metrics.stats import wilson
from judge.metrics.verdict_table import LABEL_FREE, USEFUL
from judge.records import EstimateOrReason, JudgeResult
from judge.run import read_judged_split
from judge.summary.summarise import summarise
from judge.summary.true_rate import correct_score
from prompts.prompt_file import load_prompt
from report.numbers import build_numbers
from report.render import render_html
from report.run_files import read_run
from tests.report.judge_fixture import make_calibration, make_gold, model_fingerprint, write_json
from tests.report.run_fixture import make_run


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A judged run with a calibration of its code rules."""
    return make_run(tmp_path)


def calibration_of(config: Config) -> Calibration:
    """The calibration on disk."""
    return read_record(RunPaths.of(config).calibration, Calibration)


def calibrate_model(config: Config) -> None:
    """Replaces the calibration by one of the language model that judged val."""
    prompt, rules = load_prompt(config.prompt, Path())
    calibration = make_calibration(model_fingerprint(prompt, rules))
    write_json(RunPaths.of(config).calibration, calibration)


@pytest.mark.parametrize("changed", ["rules", "prompt", "templates", "model", "mode"])
def test_calibration_of_another_judge_is_refused(config: Config, changed: str) -> None:
    """None of its numbers is shown, and the part of the fingerprint that differs is named."""
    run = RunPaths.of(config)
    fingerprint = calibration_of(config).judge.model_copy(update={changed: "another"})
    write_json(run.calibration, make_calibration(fingerprint))
    summary = summarise(config)
    write_json(run.summary, summary)
    assert summary.calibration is None
    assert changed in (summary.calibration_refused or "")
    material = read_run(config)
    page = render_html(material, build_numbers(material))
    assert "27 of 28" not in page
    assert "A calibration exists but is not used" in page
    assert changed in page[page.index("A calibration exists") :].split("</p>")[0]


def test_the_judge_that_judged_comes_before_code_alone(config: Config) -> None:
    """A judge's note and a calibration of code; the judge's own is preferred where it exists."""
    totals = summarise(config).calibration
    assert totals is not None and totals.model is None
    calibrate_model(config)
    totals = summarise(config).calibration
    assert totals is not None and totals.model == "judge "


def test_a_calibration_newer_than_the_scores_counts(config: Config) -> None:
    """The note in scores.json says "not calibrated"; the judge was calibrated afterwards."""
    stored = read_record(RunPaths.of(config).scores, JudgeResult).judge
    assert stored is not None and not stored.calibrated
    calibrate_model(config)
    summary = summarise(config)
    assert summary.judge is not None and summary.judge.calibrated
    assert summary.judge.flaw is None


def test_code_is_compared_with_people_where_a_model_rules_uncalibrated(config: Config) -> None:
    """A calibration of code alone leaves the strict score open: attacks are shown by code's rules.

    People's labels are compared with the useful score in either case.
    """
    rules = Path(config.prompt.rules)
    rules.write_text(rules.read_text("utf-8").replace("severity: should", "severity: must"))
    prompt, changed = load_prompt(config.prompt, Path())
    fingerprint = judge_fingerprint(changed, prompt)
    write_json(RunPaths.of(config).calibration, make_calibration(fingerprint))
    summary = summarise(config)
    assert summary.llm_must == ("kind",)
    assert summary.calibration is not None
    assert summary.calibration.score == "code_only"
    assert (summary.calibration.useful, summary.calibration.people) == (USEFUL, make_gold())


def test_hidden_set_of_other_rules_is_not_compared(config: Config) -> None:
    run = RunPaths.of(config)
    result = read_record(run.hidden_scores, JudgeResult)
    scores = result.scores.model_copy(update={"rules_sha256": "0" * 64})
    write_json(run.hidden_scores, result.model_copy(update={"scores": scores}))
    summary = summarise(config)
    assert summary.hidden is None
    assert summary.hidden_refused == "val and the hidden set were scored by different rules"


def test_answers_to_rows_that_are_gone_are_not_measured(config: Config) -> None:
    """Scored, then prepared again with other rows: nothing says what the answers are about."""
    run = RunPaths.of(config)
    for path in (run.answers("base"), run.answers("hidden/base")):
        answers = read_answers(path)
        gone = answers[0].model_copy(update={"row": "gone"})
        write_records(path, [gone, *answers[1:]])
        summary = summarise(config)
        assert summary.hidden is None or summary.hidden.shifts is None
        write_records(path, answers)
    assert summarise(config).hidden is not None


def test_hidden_arms(config: Config) -> None:
    """Of the fixture's rules only `opening` needs no label: base 2, student 20 of 24 obey it."""
    hidden = summarise(config).hidden
    assert hidden is not None
    assert {name: arm.hidden.rate for name, arm in hidden.arms.items()} == {
        "base": 2 / 24,
        "student/lora": 20 / 24,
    }
    assert hidden.calibrated is None and hidden.shifts is not None
    assert not any(shift.what == LABEL_FREE for shift in hidden.shifts)
    material = read_run(config)
    page = render_html(material, build_numbers(material))
    assert "Decided by code alone." in page
    # The foreign arm's opening, and the student's words: without labels no answer refuses.
    assert page.count("<td>differs</td>") == 2


def test_corrected_rates(config: Config) -> None:
    """The student passes 18 of 24; J = 0.8 + 0.9 − 1: θ = (0.75 − 0.1) / 0.7.

    With labels of its own answers this is not stated: PPI++ assumes nothing of the judge.
    """
    run = RunPaths.of(config)
    assert "some of its own answers" in (corrected_on_val(config).refused or "")
    run.labels.unlink()
    assert corrected_on_val(config).value == pytest.approx(0.65 / 0.7)
    write_json(run.summary, summarise(config))
    material = read_run(config)
    page = render_html(material, build_numbers(material))
    assert "judge’s errors: <b>92.9 % [" in page
    assert "assumes that the judge errs on the student’s answers as on those" in page


def corrected_on_val(config: Config) -> EstimateOrReason:
    calibration = summarise(config).calibration
    assert calibration is not None
    return calibration.corrected


def label_student(config: Config, good: int) -> None:
    """People labelled all of the student's 24 answers to val, the first `good` of them good."""
    run = RunPaths.of(config)
    answers = read_answers(run.answers("student/lora"))
    labels = tuple(
        Label(answer=answer_id(a), row=a.row, sample=0, good=number < good, comment=None)
        for number, a in enumerate(answers)
    )
    write_json(run.labels, Labels(arms={"student/lora": ArmLabels(labels=labels, blank=0)}))


def test_hidden_rates_are_corrected_by_labels_of_the_arm_itself(config: Config) -> None:
    """On val the student passes 18 of 24; all 17 good ones and one of 7 bad ones.

    J = 1 + 6/7 − 1. On hidden it passes 20 of 24: θ = (20/24 + 6/7 − 1) / (6/7) = 0.8056. Nobody
    labelled the base, whose rate is not corrected by errors on other systems.
    """
    label_student(config, good=17)
    hidden = summarise(config).hidden
    assert hidden is not None
    rates = {name: arm.corrected for name, arm in hidden.arms.items()}
    assert rates["student/lora"].value == pytest.approx((20 / 24 - 1 / 7) / (6 / 7))
    assert "people labelled no answer of base" in (rates["base"].refused or "")
    (RunPaths.of(config).labels).unlink()
    hidden = summarise(config).hidden
    assert hidden is not None
    assert all(
        "people labelled no answer" in str(a.corrected.refused) for a in hidden.arms.values()
    )


def test_labels_that_say_too_little_correct_no_hidden_rate(config: Config) -> None:
    """No bad answer; 6 fails among 21 bad ones, so J = 6/21; and answers that changed since."""
    for good, reason in ((24, "both passing and failing"), (3, "J = 0.29")):
        label_student(config, good)
        hidden = summarise(config).hidden
        assert hidden is not None
        assert reason in (hidden.arms["student/lora"].corrected.refused or "")
    path = RunPaths.of(config).answers("student/lora")
    changed = [a.model_copy(update={"text": "Desk: Anew."}) for a in read_answers(path)]
    write_records(path, changed)
    hidden = summarise(config).hidden
    assert hidden is not None
    assert "generated anew" in (hidden.arms["student/lora"].corrected.refused or "")


def test_raw_rates_say_why(config: Config) -> None:
    """No useful score; a judge that knows too little; other rules of the score than now."""
    calibration, run = calibration_of(config), RunPaths.of(config)
    _, rules = load_prompt(config.prompt, Path())
    decidable = calibration.useful[USEFUL]
    few = {"true_pass": 4, "false_fail": 16, "tpr": wilson(4, 20)}  # J = 0.2 + 0.9 − 1
    weak = make_gold().model_copy(update=few)
    cases = {
        "this score decides no logged answer": None,
        "J = 0.10 (TPR + TNR − 1) on 20 good": decidable.model_copy(update={"report": weak}),
        "the rules in `useful` have changed": decidable.model_copy(update={"rules": ("kind",)}),
    }
    split = read_judged_split(run, "val", rules)
    for reason, score in cases.items():
        other = calibration.model_copy(update={"useful": {USEFUL: score} if score else {}})
        rate = correct_score(other, split, "student/lora")
        assert isinstance(rate, Refusal) and reason in rate.reason


def test_an_arm_without_verdicts_has_no_corrected_rate(config: Config) -> None:
    rate = correct_score(calibration_of(config), None, "base")
    assert rate == Refusal("the current rules have not judged the answers")
