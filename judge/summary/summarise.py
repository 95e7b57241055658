"""Measures what scores, calibration, labels and the hidden set say together.

Every command that changes one of them writes the summary anew, so that it is never older than its
sources. Asks no model.
"""

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import NamedTuple, TypeVar

from config.errors import DataError
from config.judging import GateSettings
from config.schema import Config
from data.answers import read_answers
from data.atomic_write import write_text
from data.jsonl import read_stored_record
from data.run_paths import RunPaths
from data.stored_file import is_stored
from judge.annotation.sheet import ArmLabels, stored_labels
from judge.calibration.record import (
    Calibration,
    calibration_flaw,
    calibration_of_scores,
    judge_fingerprint,
    load_calibration,
)
from judge.calibration.variants import CODE_ONLY
from judge.checks.applicability import must_rules_by_model
from judge.gate.thresholds import decide_gates, read_measurements
from judge.inputs import JudgedSplit
from judge.judge_note import JudgeNote
from judge.metrics.distribution_shift import AnsweredSplit, distribution_shifts
from judge.metrics.interval import Interval, Refusal
from judge.metrics.scores import rule_slices
from judge.metrics.verdict_table import BY_CODE_LABEL_FREE, LABEL_FREE, STRICT
from judge.records import BASE, TEACHER, EstimateOrReason, JudgeResult, RuleSlice, Scores
from judge.run import read_judged_split
from judge.summary.agreeing_arms import find_agreeing_arms
from judge.summary.records import (
    AttackTotals,
    CalibrationTotals,
    GateResult,
    HiddenArm,
    HiddenSummary,
    JudgeSummary,
    LabelledArm,
    MutationTotals,
    TokenSavings,
)
from judge.summary.true_rate import (
    correct_by_own_labels,
    correct_score,
    estimate_good_difference,
    estimate_good_rate,
    labelled_answers,
)
from prompts.prompt_file import Prompt, load_prompt
from prompts.rules import RuleFile, rules_sha256

_T = TypeVar("_T")


class _Split(NamedTuple):
    result: JudgeResult | None
    answered: AnsweredSplit | None  # None: not judged by the current rules
    calibration: Calibration | Refusal  # of the judge that judged, else of its code rules alone


def write_summary(config: Config) -> JudgeSummary:
    """Writes judge/summary.json. Raises DataError when a file of the run is broken."""
    summary = summarise(config)
    write_text(RunPaths.of(config).summary, summary.model_dump_json(indent=1) + "\n")
    return summary


def summarise(config: Config) -> JudgeSummary:
    """The summary of a run as far as it has got."""
    run = RunPaths.of(config)
    prompt, rules = load_prompt(config.prompt, Path())
    student = f"student/{run.best_student()}" if is_stored(run.choice) else None
    val, hidden = (_read_split(run, split, prompt, rules) for split in ("val", "hidden"))
    llm_must = must_rules_by_model(rules)
    labels = stored_labels(run).arms
    corrected = correct_score(val.calibration, val.answered, student)
    labelled = _labelled(labels, val.answered)
    if student in labelled and labelled[student].estimate is not None:
        corrected = Refusal(
            "people labelled some of its own answers, and the estimate from them assumes nothing "
            "of the judge"
        )
    calibration, refused = _or_reason(val.calibration)
    slices: tuple[RuleSlice, ...] = ()
    if val.answered is not None and student in val.answered.table.verdicts:
        slices = tuple(rule_slices(val.answered.table, val.answered.rows, student))
    hidden_summary, hidden_refused = _or_reason(_hidden(config, val, hidden, student, labels))
    return JudgeSummary(
        rules_sha256=rules_sha256(rules),
        prompt_sha256=prompt.sha256,
        student=student,
        judge=_note(val),
        llm_must=llm_must,
        calibration=calibration and _calibration_totals(calibration, corrected, llm_must),
        calibration_refused=refused,
        rule_slices=slices,
        gates=_gates(config),
        labelled=labelled,
        label_difference=estimate_good_difference(student, TEACHER, labels, val.answered),
        hidden=hidden_summary,
        hidden_refused=hidden_refused,
        agreeing=find_agreeing_arms(val.answered),
        tokens=_token_savings(*(_prompt_tokens(run, arm) for arm in (TEACHER, BASE))),
    )


def _or_reason(value: _T | Refusal) -> tuple[_T | None, str | None]:
    return (None, value.reason) if isinstance(value, Refusal) else (value, None)


def _read_split(run: RunPaths, split: JudgedSplit, prompt: Prompt, rules: RuleFile) -> _Split:
    path = run.hidden_scores if split == "hidden" else run.scores
    result = read_stored_record(path, JudgeResult)
    calibration = calibration_of_scores(run.calibration, rules, prompt, result)
    if isinstance(calibration, Refusal) and result is not None and result.judge is not None:
        by_code = load_calibration(run.calibration, judge_fingerprint(rules, prompt))
        calibration = calibration if isinstance(by_code, Refusal) else by_code
    return _Split(result, read_judged_split(run, split, rules), calibration)


def _calibration_totals(
    calibration: Calibration, corrected: Interval | Refusal, llm_must: tuple[str, ...]
) -> CalibrationTotals:
    """The totals under the run's strict score.

    Under code's strict score where a model decides must-rules (`llm_must`) but was not calibrated.
    """
    score = CODE_ONLY if llm_must and calibration.judge.model is None else STRICT
    useful = calibration.useful.get(calibration.stated)
    return CalibrationTotals(
        model=calibration.judge.model,
        score=score,
        useful=calibration.stated if useful else None,
        people=useful.whole if useful else None,
        people_left_out=useful.left_out if useful else None,
        corrected=EstimateOrReason.of(corrected),
        mutations=_mutations(calibration),
        attacks=_attacks(calibration, score),
        disagreement_count=calibration.disagreement_count,
    )


def _mutations(calibration: Calibration) -> MutationTotals:
    by_code = [score for score in calibration.mutations if score.check != "llm" and score.operators]
    by_operator = [
        (f"“{operator}” ({score.rule}, {kills.killed} of {kills.mutants})", kills)
        for score in by_code
        for operator, kills in score.operators.items()
    ]
    passed = sum(score.specificity.value * score.copies for score in by_code if score.specificity)
    return MutationTotals(
        rules=len(by_code),
        mutants=sum(kills.mutants for _, kills in by_operator),
        killed=sum(kills.killed for _, kills in by_operator),
        copies=sum(score.copies for score in by_code),
        passed=round(passed),
        missed=tuple(name for name, kills in by_operator if 2 * kills.killed < kills.mutants),
    )


def _attacks(calibration: Calibration, score: str) -> AttackTotals:
    report = calibration.attacks
    tallies = [attack.variants[score] for attack in report.attacks if score in attack.variants]
    return AttackTotals(
        texts=len(tallies),
        rows=len(report.rows),
        through=sum(tally.passed > 0 for tally in tallies),
        undecided=sum(tally.undecided > 0 and not tally.passed for tally in tallies),
        escapes=report.escapes,
        by_model=report.llm_row is not None,
    )


def _note(split: _Split) -> JudgeNote | None:
    """The model that judged a split; the calibration may be newer than the scores."""
    note = split.result.judge if split.result else None
    if note is None:
        return None
    flaw = calibration_flaw(split.calibration)
    if isinstance(split.calibration, Calibration) and split.calibration.judge.model is None:
        flaw = f"only code was calibrated, not {note.model}"
    return note.model_copy(update={"calibrated": flaw is None, "flaw": flaw})


def _hidden(
    config: Config,
    val: _Split,
    hidden: _Split,
    student: str | None,
    labels: Mapping[str, ArmLabels],
) -> HiddenSummary | Refusal:
    """The hidden set beside val, or why it cannot be compared."""
    if hidden.result is None and config.data.hidden is None:
        return Refusal("the run has no hidden set")
    if hidden.result is None:
        return Refusal("the hidden set has not been scored")
    val_scores, scores = val.result.scores if val.result else None, hidden.result.scores
    if val_scores is not None and scores.rules_sha256 != val_scores.rules_sha256:
        return Refusal("val and the hidden set were scored by different rules")
    name, shifts = _hidden_score(val_scores, scores), None
    if val.answered and hidden.answered:
        shifts = tuple(distribution_shifts(val.answered, hidden.answered, name))
    strict = {shift.arm: shift for shift in shifts or () if shift.what == name}
    on_val = val_scores.arms if val_scores else {}
    note = _note(hidden)
    return HiddenSummary(
        score=name,
        not_stated=scores.not_stated(name),
        calibrated=note.calibrated if note else None,
        arms={
            arm: HiddenArm(
                val=on_val[arm].of(name) if arm in on_val else None,
                hidden=scores.arms[arm].of(name),
                shift=strict.get(arm),
                corrected=EstimateOrReason.of(
                    _hidden_rate(arm, labels.get(arm), val, hidden, name)
                ),
            )
            for arm in (BASE, student)
            if arm is not None and arm in scores.arms
        },
        shifts=shifts and tuple(shift for shift in shifts if shift.what != name),
    )


def _hidden_rate(
    arm: str, labels: ArmLabels | None, val: _Split, hidden: _Split, score: str
) -> Interval | Refusal:
    """The arm's rate of good hidden answers, from labels of its own answers to val."""
    if labels and val.result and hidden.result and val.answered:
        same = val.result.fingerprint == hidden.result.fingerprint
        if must_rules_by_model(val.answered.table.rules) and not same:
            return Refusal("val and the hidden set were scored by different judges")
    return correct_by_own_labels(arm, labels, val.answered, hidden.answered, score)


def _hidden_score(val: Scores | None, hidden: Scores) -> str:
    """The strict score of the hidden set: by the rules in code where either split has no other."""
    names = {scores.headline_label_free for scores in (val, hidden) if scores is not None}
    return BY_CODE_LABEL_FREE if BY_CODE_LABEL_FREE in names else LABEL_FREE


def _gates(config: Config) -> tuple[GateResult, ...]:
    """Every threshold that is set, or none; undecided, with the reason, before scoring."""
    if config.judge.gate == GateSettings():
        return ()
    try:
        return tuple(decide_gates(config.judge, read_measurements(config)))
    except DataError as error:
        return (GateResult(name="judge.gate", outcome="undecided", message=str(error)),)


def _labelled(arms: Mapping[str, ArmLabels], val: AnsweredSplit | None) -> dict[str, LabelledArm]:
    """The estimate of each labelled arm, from its answers and scores as they are now."""
    if val is None:
        reason = "the current rules have not judged val"
        return dict.fromkeys(arms, LabelledArm(refused=reason))
    answers = labelled_answers(val)
    labelled = {}
    for arm, labels in arms.items():
        of_arm = [answer for answer in answers if answer.arm == arm]
        estimate, refused = _or_reason(estimate_good_rate(arm, labels, of_arm, val.table))
        labelled[arm] = LabelledArm(estimate=estimate, refused=refused)
    return labelled


def _prompt_tokens(run: RunPaths, arm: str) -> dict[str, int]:
    """Row → tokens of its request."""
    answers = read_answers(run.answers(arm))
    return {answer.row: answer.prompt_tokens for answer in answers if answer.finish != "too_long"}


def _token_savings(prompted: dict[str, int], unprompted: dict[str, int]) -> TokenSavings | None:
    """What the system prompt costs; None when no row was answered with and without it."""
    rows = [row for row in prompted if row in unprompted]
    if not rows:
        return None
    saved = [prompted[row] - unprompted[row] for row in rows]
    return TokenSavings(
        rows=len(rows),
        prompted=fmean(prompted[row] for row in rows),
        unprompted=fmean(unprompted[row] for row in rows),
        saved=fmean(saved),
        saved_least=min(saved),
        saved_most=max(saved),
    )
