"""Whether the number can be believed: each verdict against numbers that can be counted by hand."""

from dataclasses import replace
from pathlib import Path

import pytest

from data.run_paths import RunPaths
from judge.metrics.interval import Interval
from judge.records import EstimateOrReason
from judge.summary.records import CalibrationTotals, JudgeSummary
from judge.summary.summarise import write_summary
from prompts.rules import Rule, ScoredRule
from report.numbers import build_numbers
from report.render import render_html, render_markdown
from report.run_files import RunFiles, read_run
from report.trust import TrustFact, judge_shift, list_trust_facts
from tests.report.judge_fixture import make_gold
from tests.report.run_fixture import make_run


def facts(material: RunFiles) -> dict[str, TrustFact]:
    """The facts by a word of their question."""
    names = ("code", "missing", "mutations", "attacks", "people", "hidden")
    return dict(zip(names, list_trust_facts(material), strict=True))


def totals(material: RunFiles) -> CalibrationTotals:
    """The calibration in short."""
    assert material.summary.calibration is not None
    return material.summary.calibration


def with_summary(material: RunFiles, **update: object) -> RunFiles:
    """The run with other values in its summary."""
    values = {name: getattr(material.summary, name) for name in JudgeSummary.model_fields}
    return replace(material, summary=JudgeSummary(**values | update))


def test_whole_run(material: RunFiles) -> None:
    """27 of 30 caught, 1 of 2 attacks through, κ above 0.4, hidden 20 and val 18 of 24."""
    by_name = facts(material)
    assert {name: fact.marker for name, fact in by_name.items()} == {
        "code": "yes",
        "missing": "yes",
        "mutations": "with care",
        "attacks": "no",
        "people": "yes",
        "hidden": "with care",
    }
    assert by_name["code"].answer.startswith("All 3 must-rules are decided by code")
    assert "not calibrated and decides none" in by_name["code"].answer
    assert "None of the 96 strict scores" in by_name["missing"].answer
    assert "caught 27 of 30 mutants (90.0 %) and passed 19 of 20" in by_name["mutations"].answer
    assert "0 of 2)" in by_name["mutations"].answer  # names the operator that kills no mutant
    assert "1 of 2 hostile texts got through the rules in code" in by_name["attacks"].answer
    assert "κ 0.70 [0.45, 0.90]" in by_name["people"].answer
    assert "on 40 logged answers" in by_name["people"].answer
    assert "83.3 % (n = 24) of hidden and 75.0 % (n = 24) of val" in by_name["hidden"].answer
    assert by_name["hidden"].answer.endswith("Both are raw, not corrected by people's labels.")
    assert all(fact.run is None for fact in by_name.values())


def test_box_stands_under_the_cards_on_every_page(material: RunFiles) -> None:
    numbers = build_numbers(material)
    page = render_html(material, numbers)
    places = [page.index(mark) for mark in ('class="cards"', 'class="trust"', 'id="rules"')]
    assert places == sorted(places)
    for marker in ("✓ yes", "! with care", "✗ no"):  # words beside the sign, not colour alone
        assert marker in page
    assert "| ! with care | Breaches caught? |" in render_markdown(material, numbers)
    assert numbers.trust == list_trust_facts(material)


def test_what_was_not_run_names_its_command(tmp_path: Path) -> None:
    config = make_run(tmp_path)
    run = RunPaths.of(config)
    for path in (run.calibration, run.hidden_scores):
        path.unlink()
    config = config.model_copy(
        update={"data": config.data.model_copy(update={"hidden": config.data.train})}
    )
    write_summary(config)
    material = read_run(config)
    by_name = facts(material)
    for name in ("mutations", "attacks", "people"):
        assert (by_name[name].marker, by_name[name].answer) == ("not known", "Not run.")
        assert by_name[name].run == "unprompted judge CONFIG calibrate"
    assert by_name["hidden"].run == "unprompted judge CONFIG score --split hidden"
    numbers = build_numbers(material)
    assert numbers.calibration is None and numbers.hidden is None
    assert "not been calibrated" in (numbers.calibration_refused or "")
    page = render_html(material, numbers)
    assert "Find out: <code>unprompted judge CONFIG calibrate</code>" in page


def _with_model_rule(material: RunFiles, calibrated: bool | None) -> RunFiles:
    """The run with one more must-rule, which a language model decides."""
    rule = material.rules.rules[-1]
    polite = Rule.model_validate(
        {**rule.model_dump(by_alias=True), "id": "polite", "severity": "must"}
    )
    assert ScoredRule(id="polite", rule=polite).must
    rules = material.rules.model_copy(update={"rules": (*material.rules.rules, polite)})
    judged = material.judged
    assert judged is not None and judged.judge is not None
    note = None
    if calibrated is not None:
        note = judged.judge.model_copy(update={"calibrated": calibrated})
    changed = with_summary(material, llm_must=("polite",))
    return replace(changed, rules=rules, judged=judged.model_copy(update={"judge": note}))


@pytest.mark.parametrize(
    ("judge", "marker", "words"),
    [
        (True, "with care", "calibrated against people"),
        (False, "no", "not calibrated"),
        (None, "not known", "which was not run"),
    ],
)
def test_must_rules_of_a_model(
    material: RunFiles, judge: bool | None, marker: str, words: str
) -> None:
    fact = facts(_with_model_rule(material, judge))["code"]
    assert fact.marker == marker
    assert "3 of 4 must-rules are decided by code" in fact.answer
    assert "polite" in fact.answer and words in fact.answer


def test_a_calibrated_model_that_decides_no_must_rule_is_not_praised(material: RunFiles) -> None:
    """People's labels were compared with a score in which it has no part."""
    judged = material.judged
    assert judged is not None and judged.judge is not None
    note = judged.judge.model_copy(update={"calibrated": True})
    changed = replace(material, judged=judged.model_copy(update={"judge": note}))
    answer = facts(changed)["code"].answer
    assert answer.endswith(f"The LLM judge ({note.model}) decides none of them.")


@pytest.mark.parametrize(("missing", "marker"), [(1, "with care"), (12, "no")])
def test_missing_scores_are_bounded(material: RunFiles, missing: int, marker: str) -> None:
    judged = material.judged
    assert judged is not None
    base = judged.scores.arms["base"]
    strict = base.strict.model_copy(
        update={"n": 24 - missing, "missing": missing, "low_bound": 0.25, "high_bound": 0.75}
    )
    arms = {**judged.scores.arms, "base": base.model_copy(update={"strict": strict})}
    scores = judged.scores.model_copy(update={"arms": arms})
    changed = replace(material, judged=judged.model_copy(update={"scores": scores}))
    fact = facts(changed)["missing"]
    assert fact.marker == marker
    assert f"{missing} of 24 strict scores of base are missing" in fact.answer
    assert "between 25.0 % (all fail) and 75.0 % (all pass)" in fact.answer


@pytest.mark.parametrize(
    ("low", "high", "marker"),
    [(0.45, 0.9, "yes"), (0.1, 0.9, "with care"), (-0.1, 0.2, "no"), (-0.5, 0.9, "not known")],
)
def test_kappa_in_words(material: RunFiles, low: float, high: float, marker: str) -> None:
    """κ surely above 0.4, above 0, below 0.4, or too uncertain to say."""
    kappa = Interval(value=(low + high) / 2, low=low, high=high)
    people = make_gold().model_copy(update={"kappa": kappa})
    calibration = totals(material).model_copy(update={"people": people, "people_left_out": people})
    fact = facts(with_summary(material, calibration=calibration))["people"]
    assert fact.marker == marker
    assert "Strict adherence is no usefulness" in fact.answer


@pytest.mark.parametrize(
    ("low", "high", "marker"),
    [(-0.05, 0.05, "yes"), (-0.3, 0.1, "with care"), (-0.3, -0.1, "no"), (0.1, 0.3, "with care")],
)
def test_hidden_in_words(material: RunFiles, low: float, high: float, marker: str) -> None:
    """Worse on hidden rows speaks against the number; better ones are unlike val all the same."""
    assert material.summary.hidden is not None
    arm = material.summary.hidden.arms["student/lora"]
    assert arm.shift is not None
    shift = arm.shift.model_copy(update={"low": low, "high": high})
    assert judge_shift(arm, shift)[0] == marker


def with_corrected(material: RunFiles, corrected: EstimateOrReason) -> RunFiles:
    """The material with this rate of good answers of each hidden arm."""
    hidden = material.summary.hidden
    assert hidden is not None
    arms = {
        name: arm.model_copy(update={"corrected": corrected}) for name, arm in hidden.arms.items()
    }
    return with_summary(material, hidden=hidden.model_copy(update={"arms": arms}))


def test_raw_hidden_rates_say_why(material: RunFiles) -> None:
    """The reason stands on every page, once for all arms that share it."""
    refused = EstimateOrReason(refused="made with another prompt")
    changed = with_corrected(material, refused)
    numbers = build_numbers(changed)
    for page in (render_html(changed, numbers), render_markdown(changed, numbers)):
        assert "Raw, uncorrected (base and student/lora): made with another prompt" in page
    assert "Both are raw, not corrected" in facts(changed)["hidden"].answer
    stated = with_corrected(material, EstimateOrReason(value=0.8, low=0.7, high=0.9))
    assert "Raw, uncorrected" not in render_html(stated, build_numbers(stated))
    answer = facts(stated)["hidden"].answer
    assert "if the score errs on hidden rows alike, 80.0 % [70.0, 90.0] of the hidden" in answer


def test_a_summary_of_another_best_student_is_not_shown(tmp_path: Path) -> None:
    """The choice is newer than the summary: nothing measured on the old student is shown."""
    config = make_run(tmp_path)
    run = RunPaths.of(config)
    run.choice.write_text(run.choice.read_text().replace('"best":"lora"', '"best":"other"'))
    material = read_run(config)
    assert material.student == "student/other"
    assert material.summary == JudgeSummary()
    assert "has not summarised this run" in render_html(material, build_numbers(material))


class TestThresholds:
    """The values on both sides of each threshold: a threshold that moves turns one of them."""

    def marker(self, material: RunFiles, name: str, **update: object) -> str:
        """The marker with these totals of the calibration."""
        calibration = totals(material).model_copy(update=update)
        return facts(with_summary(material, calibration=calibration))[name].marker

    def test_mutants_and_copies(self, material: RunFiles) -> None:
        """Of 100 each: 95 are enough of both, below 50 speaks against the rules."""
        tested = totals(material).mutations.model_copy(
            update={"mutants": 100, "copies": 100, "missed": ()}
        )
        markers = {(95, 95): "yes", (94, 100): "with care", (100, 94): "with care"}
        markers |= {(50, 100): "with care", (49, 100): "no", (100, 49): "no"}
        for (killed, passed), marker in markers.items():
            mutations = tested.model_copy(update={"killed": killed, "passed": passed})
            assert self.marker(material, "mutations", mutations=mutations) == marker
        missed = tested.model_copy(update={"killed": 100, "passed": 100, "missed": ("“x”",)})
        assert self.marker(material, "mutations", mutations=missed) == "with care"

    def test_hostile_texts(self, material: RunFiles) -> None:
        """Of 100: none may get through or be undecided, 5 are some, 6 too many."""
        tried = totals(material).attacks.model_copy(
            update={"texts": 100, "rows": 5, "through": 0, "undecided": 0, "escapes": 0}
        )
        cases: list[tuple[dict[str, int], str]] = [
            ({}, "yes"),
            ({"through": 1}, "with care"),
            ({"through": 5}, "with care"),
            ({"through": 6}, "no"),
            ({"undecided": 1}, "with care"),
            ({"escapes": 1}, "no"),
        ]
        for update, marker in cases:
            attacks = tried.model_copy(update=update)
            assert self.marker(material, "attacks", attacks=attacks) == marker

    def test_people(self, material: RunFiles) -> None:
        """κ by rules that are chosen without the tested question: surely above 0.4, or surely below
        where it may be nothing."""
        ends = {(0.41, 0.9): "yes", (0.39, 0.9): "with care", (0.01, 0.3): "with care"}
        ends |= {(-0.01, 0.39): "no", (-0.01, 0.41): "not known"}
        for (low, high), marker in ends.items():
            kappa = Interval(value=(low + high) / 2, low=low, high=high)
            people = make_gold().model_copy(update={"kappa": kappa})
            assert self.marker(material, "people", people_left_out=people) == marker

    def test_hidden(self, material: RunFiles) -> None:
        """A difference that is surely below ten points either way is harmless."""
        assert material.summary.hidden is not None
        arm = material.summary.hidden.arms["student/lora"]
        assert arm.shift is not None
        ends = {(-0.09, 0.09): "yes", (-0.11, 0.05): "with care", (-0.05, 0.11): "with care"}
        ends |= {(-0.3, -0.01): "no", (0.01, 0.3): "with care"}
        for (low, high), marker in ends.items():
            shift = arm.shift.model_copy(update={"low": low, "high": high})
            assert judge_shift(arm, shift)[0] == marker
