"""The judge's files of a small run: scores of val and hidden, a calibration, people's labels.

A given text stands in every place that outsiders can fill.
"""

from collections.abc import Sequence
from pathlib import Path

from data.answers import Answer
from data.atomic_write import write_text
from data.jsonl import write_records
from data.records import Record
from data.rows import Row
from data.run_paths import RunPaths
from judge.annotation.sheet import ArmLabels, Label, Labels, answer_id
from judge.calibration.attacks import AttackOutcome, AttackReport, AttackTally
from judge.calibration.bias import BiasRate, BiasReport
from judge.calibration.bias_causes import BiasCause
from judge.calibration.label_agreement import (
    Disagreement,
    RulePassCounts,
    UsefulAgreement,
)
from judge.calibration.mutation.code import MutationScore, OperatorKills
from judge.calibration.record import Calibration, judge_fingerprint
from judge.checks.check import code_verdicts
from judge.judge_note import JudgeFingerprint, JudgeNote
from judge.labels import GoldCounts
from judge.metrics.agreement import shadow_agreements
from judge.metrics.correct_choice import ChosenStudent
from judge.metrics.interval import Interval
from judge.metrics.scores import score
from judge.metrics.verdict_table import STRICT, USEFUL, build_verdict_table
from judge.records import JudgeResult, RaterAgreement, ShadowAgreement
from judge.reference.reference_scores import reference_scores
from judge.verdict import Verdict
from prompts.prompt_file import Prompt
from prompts.rules import RuleFile

SHARE = Interval(value=0.8, low=0.6, high=0.9)
CHOSEN = ChosenStudent(arm="student/lora", tried=("student/lora", "student/other"))


def write_json(path: Path, record: Record) -> None:
    """Writes one record."""
    write_text(path, record.model_dump_json())


def by_code(
    prompt: Prompt, rules: RuleFile, rows: Sequence[Row], answers: Sequence[Answer]
) -> list[Verdict]:
    """The verdicts of the code rules."""
    by_id = {row.id: row for row in rows}
    return [v for a in answers for v in code_verdicts(rules, prompt, by_id[a.row], a)]


def judge_val(
    run: RunPaths,
    rows: Sequence[Row],
    answers: Sequence[Answer],
    source: tuple[Prompt, RuleFile],
    text: str,
) -> None:
    """Scores val: code on all arms, a model on the teacher alone."""
    prompt, rules = source
    verdicts = by_code(prompt, rules, rows, answers)
    verdicts = [v.model_copy(update={"note": f"{v.note} {text}"}) for v in verdicts]
    for answer in answers:
        if answer.arm == "teacher":
            failed = Verdict(arm="teacher", row=answer.row, rule="kind", outcome="fail", by="llm")
            passes = {"outcome": "pass"} if "No help." in answer.text else {}
            verdicts.append(failed.model_copy(update={"note": text, **passes}))
    verdicts += _foreign(verdicts, "student/other", text)
    write_records(run.verdicts, verdicts)
    note = JudgeNote(
        model=f"judge {text}", mode="text", calls=24, same_as_base=True, calibrated=False
    )
    result = JudgeResult(
        scores=score(rules, rows, verdicts, reference_scores(answers, rows, {}), chosen=CHOSEN),
        agreements=shadow_agreements(build_verdict_table(rules, rows, verdicts)),
        arms=["teacher"],
        judge=note,
        fingerprint=model_fingerprint(prompt, rules, text),
    )
    write_json(run.scores, result)


def model_fingerprint(prompt: Prompt, rules: RuleFile, text: str = "") -> JudgeFingerprint:
    """The fingerprint of the model that judges val."""
    model = {"model": f"judge {text}", "mode": "text"}
    return judge_fingerprint(rules, prompt).model_copy(update=model)


def _foreign(verdicts: Sequence[Verdict], arm: str, text: str) -> list[Verdict]:
    """An arm's verdicts under a name that is the text, and a model's on the rule `kind`."""
    renamed = [v.model_copy(update={"arm": f"arm {text}"}) for v in verdicts if v.arm == arm]
    kind = {"rule": "kind", "outcome": "pass", "reason": None, "by": "llm"}
    return renamed + [v.model_copy(update=kind) for v in renamed if v.rule == "opening"]


def judge_hidden(
    run: RunPaths,
    rows: Sequence[Row],
    answers: Sequence[Answer],
    source: tuple[Prompt, RuleFile],
    text: str,
) -> None:
    """Scores the hidden set by code alone, with one arm whose name is the text."""
    prompt, rules = source
    verdicts = by_code(prompt, rules, rows, answers)
    verdicts += _foreign(verdicts, "base", text)
    write_records(run.hidden_verdicts, verdicts)
    result = JudgeResult(
        scores=score(rules, rows, verdicts),
        agreements=[],
        arms=[],
        judge=None,
        fingerprint=judge_fingerprint(rules, prompt),
    )
    write_json(run.hidden_scores, result)


def make_gold() -> RaterAgreement:
    """20 good and 20 bad answers: TPR 0.8, TNR 0.9, so J = 0.7 and κ = 0.7."""
    return RaterAgreement(
        n=40,
        missing=3,
        true_pass=16,
        false_pass=2,
        false_fail=4,
        true_fail=18,
        accuracy=Interval(value=0.85, low=0.71, high=0.93),
        balanced_accuracy=0.85,
        kappa=Interval(value=0.7, low=0.45, high=0.9),
        ac1=0.7,
        tpr=SHARE,
        tnr=Interval(value=0.9, low=0.7, high=0.97),
        j=0.7,
        j_low=0.42,  # 0.7 − √(0.2² + 0.2²), see youden_interval
        j_high=0.82,
    )


def make_useful(gold: RaterAgreement, rules: tuple[str, ...], text: str = "") -> UsefulAgreement:
    """A useful score that agrees with people like this wherever it is compared."""
    return UsefulAgreement(
        rules=rules, tune=gold, report=gold, whole=gold, left_out=gold, choices={f"all {text}": 40}
    )


def make_calibration(fingerprint: JudgeFingerprint, text: str = "") -> Calibration:
    """27 of 30 mutants killed, 19 of 20 copies passed, 1 of 2 attacks through."""
    gold = make_gold()
    return Calibration(
        judge=fingerprint,
        rows=25,
        answers=25,
        gold=GoldCounts(
            good=40, bad=40, preferences=3, off_topic=8, unclear=0, unlabelled=0, comments=1
        ),
        useful={USEFUL: make_useful(gold, ("opening",), text)},
        rules=(
            RulePassCounts(rule=f"r {text}", must=True, good=9, good_passes=8, bad=0, bad_passes=0),
        ),
        shadows=(_shadow(text),),
        mutations=_mutations(text),
        attacks=AttackReport(
            rows=("val-0001", "val-0002"),
            llm_row=None,
            escapes=0,
            passed_by_variant={STRICT: 1},
            attacks=(
                _attack(f"hit {text}", AttackTally(failed=1, undecided=0, passed=1), text),
                _attack("miss", AttackTally(failed=2, undecided=0, passed=0), text),
            ),
        ),
        biases=_probes(text),
        causes={
            "useful against people": (
                BiasCause(cause=f"opening “{text}”", effect=0.2, low=0.1, high=0.3, p_holm=0.01),
                BiasCause(cause="length", effect=0.01, low=-0.1, high=0.1, p_holm=0.9),
            )
        },
        disagreement_count=9,
        disagreements=(_disagreement(text, passes=True), _disagreement(text, passes=False)),
    )


def _shadow(text: str) -> ShadowAgreement:
    return ShadowAgreement(
        code_rule=f"code {text}",
        llm_rule=f"llm {text}",
        n=4,
        missing=1,
        true_pass=2,
        false_pass=1,
        false_fail=0,
        true_fail=1,
        accuracy=SHARE,
        tpr=SHARE,
        tnr=SHARE,
        kappa=Interval(0.5, -0.2, 1.0),
        balanced_accuracy=0.75,
        ac1=0.53,
        j=0.5,
    )


def _mutations(text: str) -> tuple[MutationScore, ...]:
    tested = MutationScore(
        rule=f"opening {text}",
        check="starts_with",
        must=True,
        phrase_inserted=True,
        operators={
            f"removed {text}": OperatorKills(mutants=28, killed=27, sensitivity=SHARE),
            f"replaced {text}": OperatorKills(mutants=2, killed=0, sensitivity=SHARE),
        },
        copies=20,
        specificity=Interval(value=0.95, low=0.76, high=0.99),
    )
    untested = MutationScore(rule="kind", check="llm", must=False, not_covered=f"no server {text}")
    return tested, untested


def _attack(name: str, tally: AttackTally, text: str) -> AttackOutcome:
    return AttackOutcome(
        id=name, kind="plea", variants={STRICT: tally}, llm_passes=(f"kind {text}",)
    )


def _probes(text: str) -> BiasReport:
    ran = BiasRate(n=10, count=6, rate=SHARE, missing=1)
    no = BiasRate(not_run=f"no server {text}")
    return BiasReport(
        people_prefer_longer=ran,
        judge_prefers_longer=no,
        judge_agrees_with_people=no,
        position_flips=no,
        padding_flips=no,
        padding_helps=no,
        repeat_flips=ran,
    )


def _disagreement(text: str, passes: bool) -> Disagreement:
    return Disagreement(
        row=f"val-0001 {text}",
        system=f"system {text}",
        half="report",
        good=not passes,
        why=f"both bad {text}",
        score=USEFUL,
        passes=passes,
        broken=() if passes else (f"opening {text}",),
        excerpt=f"Desk: {text}",
    )


def make_labels(answers: Sequence[Answer], text: str = "") -> Labels:
    """People labelled every second of these answers, the first four good; and an arm now gone."""
    labels = tuple(
        Label(
            answer=answer_id(answer),
            row=answer.row,
            sample=0,
            good=number < 4,
            comment=f"private {text}",
        )
        for number, answer in enumerate(answers[::2])
    )
    arm_labels = ArmLabels(labels=labels, blank=1)
    return Labels(arms={answers[0].arm: arm_labels, f"gone {text}": arm_labels})
