"""Whether the number can be believed: each verdict against numbers that can be counted by hand."""

from dataclasses import replace
from pathlib import Path

import pytest

from data.run_paths import RunPaths
from judge.calibration.record import Calibration, judge_fingerprint
from judge.metrics.interval import Interval, Refusal
from judge.metrics.verdict_table import LABEL_FREE
from prompts.rules import Rule, ScoredRule
from report.calibration import summary
from report.gather import RunFiles, gather
from report.hidden import hidden, hidden_result
from report.numbers import make_numbers
from report.render import render_html, render_markdown
from report.trust import Fact, on_hidden, trust
from tests.report.made import make_run
from tests.report.made_judge import make_calibration, make_gold, write_json


def facts(material: RunFiles) -> dict[str, Fact]:
    """The facts by a word of their question."""
    names = ("code", "missing", "broken", "attacked", "people", "hidden")
    return dict(zip(names, trust(material), strict=True))


def calibrated(material: RunFiles) -> Calibration:
    """The calibration, which is there."""
    assert isinstance(material.calibration, Calibration)
    return material.calibration


def test_whole_run(made: RunFiles) -> None:
    """27 of 30 caught, 1 of 2 attacks through, κ above 0.4, hidden 20 and val 18 of 24."""
    found = facts(made)
    assert {name: fact.marker for name, fact in found.items()} == {
        "code": "yes",
        "missing": "yes",
        "broken": "with care",
        "attacked": "no",
        "people": "yes",
        "hidden": "with care",
    }
    assert found["code"].said.startswith("All 3 must-rules are decided by code")
    assert "not calibrated and decides none" in found["code"].said
    assert "None of the 96 strict scores" in found["missing"].said
    assert "caught 27 of 30 (90.0 %) and passed 19 of 20" in found["broken"].said
    assert "0 of 2)" in found["broken"].said  # the way that is never caught is named
    assert "1 of 2 hostile texts got through the rules in code" in found["attacked"].said
    assert "κ 0.70 [0.45, 0.90]" in found["people"].said
    assert "on 40 logged answers" in found["people"].said
    assert "83.3 % (n = 24) on hidden and 75.0 % (n = 24) on val" in found["hidden"].said
    assert all(fact.run is None for fact in found.values())


def test_box_stands_under_the_cards_on_every_page(made: RunFiles) -> None:
    numbers = make_numbers(made)
    page = render_html(made, numbers)
    places = [page.index(mark) for mark in ('class="cards"', 'class="trust"', 'id="rules"')]
    assert places == sorted(places)
    for marker in ("✓ yes", "! with care", "✗ no"):  # words beside the sign, not colour alone
        assert marker in page
    assert "| with care | Breaches caught? |" in render_markdown(made, numbers)
    assert [fact.marker for fact in numbers.trust] == [fact.marker for fact in trust(made)]


def test_what_was_not_run_names_its_command(tmp_path: Path) -> None:
    config = make_run(tmp_path)
    run = RunPaths.of(config)
    for path in (run.calibration, run.hidden_scores):
        path.unlink()
    config = config.model_copy(
        update={"data": config.data.model_copy(update={"hidden": config.data.train})}
    )
    material = gather(config)
    found = facts(material)
    for name in ("broken", "attacked", "people"):
        assert (found[name].marker, found[name].said) == ("not known", "Not run.")
        assert found[name].run == "python -m judge CONFIG calibrate"
    assert found["hidden"].run == "python -m judge CONFIG score --split hidden"
    numbers = make_numbers(material)
    assert numbers.calibration is None and numbers.hidden is None
    assert "not been calibrated" in (numbers.calibration_refused or "")
    assert "Find out: <code>python -m judge CONFIG calibrate</code>" in render_html(
        material, numbers
    )


@pytest.mark.parametrize("changed", ["rules", "prompt", "templates", "model", "mode"])
def test_calibration_of_another_judge_is_refused(tmp_path: Path, changed: str) -> None:
    """Not one of its numbers is shown, and what differs is named."""
    config = make_run(tmp_path)
    run = RunPaths.of(config)
    before = gather(config)
    bound = calibrated(before).judge.model_copy(update={changed: "another"})
    write_json(run.calibration, make_calibration(bound))
    material = gather(config)
    assert isinstance(material.calibration, Refusal)
    assert facts(material)["people"].marker == "not known"
    numbers = make_numbers(material)
    page = render_html(material, numbers)
    assert numbers.calibration is None
    assert "27 of 28" not in page
    assert "A calibration lies there but is not used" in page
    assert changed in page[page.index("A calibration lies there") :].split("</p>")[0]


def test_the_judge_that_judged_comes_before_code_alone(tmp_path: Path) -> None:
    """made: a judge's note and a code calibration; the judge's own is taken where it is there."""
    config = make_run(tmp_path)
    material = gather(config)
    assert calibrated(material).judge.model is None
    bound = judge_fingerprint(material.rules, material.prompt, "judge ", "text")
    write_json(RunPaths.of(config).calibration, make_calibration(bound))
    assert calibrated(gather(config)).judge.model == "judge "


def _with_model_rule(material: RunFiles, calibrated_judge: bool | None) -> RunFiles:
    """The run with one more must-rule, which a language model decides."""
    rule = material.rules.rules[-1]
    asked = Rule.model_validate(
        {**rule.model_dump(by_alias=True), "id": "polite", "severity": "must"}
    )
    assert ScoredRule(id="polite", rule=asked).must
    rules = material.rules.model_copy(update={"rules": (*material.rules.rules, asked)})
    judged = material.judged
    assert judged is not None and judged.judge is not None
    note = None
    if calibrated_judge is not None:
        note = judged.judge.model_copy(update={"calibrated": calibrated_judge})
    return replace(material, rules=rules, judged=judged.model_copy(update={"judge": note}))


@pytest.mark.parametrize(
    ("judge", "marker", "words"),
    [
        (True, "with care", "calibrated against people"),
        (False, "no", "not calibrated"),
        (None, "not known", "none was asked"),
    ],
)
def test_must_rules_of_a_model(made: RunFiles, judge: bool | None, marker: str, words: str) -> None:
    found = facts(_with_model_rule(made, judge))["code"]
    assert found.marker == marker
    assert "3 of 4 must-rules are decided by code" in found.said
    assert "polite" in found.said and words in found.said


def test_a_calibrated_model_that_decides_no_must_rule_is_not_praised(made: RunFiles) -> None:
    """People were held against a score in which it has no part."""
    judged = made.judged
    assert judged is not None and judged.judge is not None
    note = judged.judge.model_copy(update={"calibrated": True})
    said = facts(replace(made, judged=judged.model_copy(update={"judge": note})))["code"].said
    assert said.endswith(f"The LLM judge ({note.model}) decides none of them.")


def test_code_is_held_against_people_where_a_model_rules_uncalibrated(made: RunFiles) -> None:
    """A calibration by code alone leaves the strict score open: the score of code is shown."""
    found = summary(_with_model_rule(made, False))
    assert found is not None
    assert (found.score, found.people) == ("code_only", None)


@pytest.mark.parametrize(("missing", "marker"), [(1, "with care"), (12, "no")])
def test_missing_scores_are_bounded(made: RunFiles, missing: int, marker: str) -> None:
    judged = made.judged
    assert judged is not None
    base = judged.scores.arms["base"]
    strict = base.strict.model_copy(
        update={"n": 24 - missing, "missing": missing, "low_bound": 0.25, "high_bound": 0.75}
    )
    arms = {**judged.scores.arms, "base": base.model_copy(update={"strict": strict})}
    scores = judged.scores.model_copy(update={"arms": arms})
    found = facts(replace(made, judged=judged.model_copy(update={"scores": scores})))["missing"]
    assert found.marker == marker
    assert f"{missing} of 24 strict scores of base are missing" in found.said
    assert "between 25.0 % (all fail) and 75.0 % (all pass)" in found.said


@pytest.mark.parametrize(
    ("low", "high", "marker"),
    [(0.45, 0.9, "yes"), (0.1, 0.9, "with care"), (-0.1, 0.2, "no"), (-0.5, 0.9, "not known")],
)
def test_kappa_in_words(made: RunFiles, low: float, high: float, marker: str) -> None:
    """κ surely above 0.4, above 0, below 0.4, or too uncertain to say."""
    kappa = Interval(value=(low + high) / 2, low=low, high=high)
    gold = make_gold().model_copy(update={"kappa": kappa})
    found = calibrated(made)
    score = found.scores["strict"].model_copy(update={"report": gold})
    now = found.model_copy(update={"scores": {"strict": score}})
    fact = facts(replace(made, calibration=now))["people"]
    assert fact.marker == marker
    assert "Labels judge usefulness, rules judge form" in fact.said


@pytest.mark.parametrize(
    ("low", "high", "marker"),
    [(-0.05, 0.05, "yes"), (-0.3, 0.1, "with care"), (-0.3, -0.1, "no"), (0.1, 0.3, "with care")],
)
def test_hidden_in_words(made: RunFiles, low: float, high: float, marker: str) -> None:
    """Worse on hidden rows speaks against the number; better ones are unlike val all the same."""
    found = hidden(made)
    assert found is not None
    arm = found.arms["student/lora"]
    assert arm.drift is not None
    fact = on_hidden(arm, arm.drift.model_copy(update={"low": low, "high": high}))
    assert fact.marker == marker


def test_hidden_set_of_other_rules_stands_beside_nothing(made: RunFiles) -> None:
    result = made.hidden_judged
    assert result is not None
    scores = result.scores.model_copy(update={"rules_sha256": "0" * 64})
    now = replace(made, hidden_judged=result.model_copy(update={"scores": scores}))
    assert isinstance(hidden_result(now), Refusal)
    assert hidden(now) is None
    assert facts(now)["hidden"].marker == "not known"


def test_hidden_arms(made: RunFiles) -> None:
    """Of the made rules only the opening needs no label: base 2, student 20 of 24 keep it."""
    found = hidden(made)
    assert found is not None
    assert {arm: one.hidden.rate for arm, one in found.arms.items()} == {
        "base": 2 / 24,
        "student/lora": 20 / 24,
    }
    assert found.calibrated is None
    page = render_html(made, make_numbers(made))
    assert "Decided by code alone." in page
    # The foreign arm's opening, and the student's words: without labels no answer refuses.
    assert page.count("<td>differs</td>") == 2


def test_corrected_rates(made: RunFiles) -> None:
    """The student passes 18 of 24; J = 0.8 + 0.9 − 1: θ = (0.75 − 0.1) / 0.7.

    On hidden it passes 20 of 24, more than TPR = 0.8: cut at 1. The base passes 2 of 24, fewer than
    1 − TNR = 0.1: cut at 0.
    """
    numbers = make_numbers(made)
    assert numbers.calibration is not None and numbers.hidden is not None
    assert numbers.calibration.corrected.value == pytest.approx(0.65 / 0.7)
    hidden_rates = {arm: one.corrected for arm, one in numbers.hidden.arms.items()}
    assert {arm: one.value for arm, one in hidden_rates.items()} == {"base": 0, "student/lora": 1}
    low = hidden_rates["student/lora"].low
    assert low is not None and low < 1 == hidden_rates["student/lora"].high
    page = render_html(made, numbers)
    assert "<b>92.9 % [" in page
    assert "Raw, uncorrected" not in page
    assert "Corrected by people's labels, 100.0 % [" in facts(made)["hidden"].said


def _without(found: Calibration, *names: str) -> Calibration:
    scores = {name: one for name, one in found.scores.items() if name not in names}
    return found.model_copy(update={"scores": scores})


def test_raw_hidden_rates_say_why(made: RunFiles) -> None:
    """No calibration; none of this score; a judge that knows too little; a rule of a model."""
    found = calibrated(made)
    weak = make_gold().model_copy(update={"true_pass": 2, "false_fail": 18})  # J = 0.1 + 0.9 − 1
    score = found.scores[LABEL_FREE].model_copy(update={"report": weak})
    asked = found.scores[LABEL_FREE].model_copy(update={"must_rules": ("opening", "kind")})
    cases: dict[str, Calibration | Refusal] = {
        "made with another prompt": Refusal("made with another prompt"),
        "no logged answer that this score decides": _without(found, LABEL_FREE),
        "J = 0.00 (TPR + TNR − 1) on 20 good": _without(found).model_copy(
            update={"scores": {LABEL_FREE: score}}
        ),
        "a language model decides kind": found.model_copy(update={"scores": {LABEL_FREE: asked}}),
    }
    for why, calibration in cases.items():
        now = replace(made, hidden_calibration=calibration)
        numbers = make_numbers(now)
        assert numbers.hidden is not None
        assert all(why in (one.corrected.refused or "") for one in numbers.hidden.arms.values())
        for page in (render_html(now, numbers), render_markdown(now, numbers)):
            assert f"Raw, uncorrected (base and student/lora): {why}" in page
        assert "Both are raw, not corrected" in facts(now)["hidden"].said


def test_a_calibration_newer_than_the_scores_counts(tmp_path: Path) -> None:
    """The note in scores.json says "not calibrated"; the judge was calibrated afterwards."""
    config = make_run(tmp_path)
    before = gather(config)
    assert before.judged and before.judged.judge and not before.judged.judge.calibrated
    bound = judge_fingerprint(before.rules, before.prompt, "judge ", "text")
    write_json(RunPaths.of(config).calibration, make_calibration(bound))
    after = gather(config)
    assert after.judged and after.judged.judge and after.judged.judge.calibrated
    assert isinstance(after.hidden_calibration, Refusal)  # hidden: judged by code, not by it
