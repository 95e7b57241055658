"""`unprompted judge CONFIG calibrate`: the judge's agreement with people, and how it can be fooled.

Scores the logged answers of train and val. Works with the code rules alone; with a judging server
the model is calibrated too.
"""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

from config.console import print
from config.judging import ServerSettings
from config.schema import Config
from data.answers import logged_answers
from data.atomic_write import write_text
from data.jsonl import read_stored_record
from data.run_paths import RunPaths
from judge.calibration.attacks import AttackReport, attack_report, load_attacks
from judge.calibration.bias import BiasRate, bias_report, judge_pairs
from judge.calibration.bias_causes import (
    BiasCause,
    causes_against_code,
    causes_against_people,
    causes_of_choices,
)
from judge.calibration.label_agreement import (
    GoldComparison,
    UsefulAgreement,
    disagreements,
    rule_pass_counts,
    useful_agreements,
)
from judge.calibration.mutation.code import MutationScore, mutation_scores
from judge.calibration.mutation.llm import llm_mutation_scores
from judge.calibration.probability_errors import errors_against_code, errors_against_people
from judge.calibration.record import Calibration, judge_fingerprint
from judge.calibration.rule_labels import (
    RuleLabel,
    read_rule_labels,
    rule_label_agreements,
)
from judge.calibration.variants import with_missing
from judge.checks.check import code_verdicts
from judge.judge_note import Coverage
from judge.judging_server import judging_server
from judge.labels import halves, read_labels
from judge.llm.judge import LlmJudge
from judge.metrics.agreement import judges_agreement, shadow_agreements
from judge.metrics.interval import Interval, format_difference
from judge.metrics.verdict_table import VerdictTable, build_verdict_table
from judge.records import RaterAgreement
from judge.summary.summarise import write_summary
from judge.verdict import Verdict
from prompts.prompt_file import Prompt, load_prompt
from prompts.rules import RuleFile


def calibrate_command(config: Config, arguments: argparse.Namespace) -> int:
    """Writes judge/calibration.json and prints a summary; with `--code` never over one of a model.

    Returns 0, or 3 when too many of the model's verdicts are missing.
    """
    run = RunPaths.of(config)
    run.check_prepared()  # before a server is started
    stored = read_stored_record(run.calibration, Calibration) if arguments.code else None
    if stored is not None and stored.judge.model is not None:
        model = stored.judge.model
        print(f"kept: {run.calibration} is of {model}; move it away to calibrate code alone")
        return 0
    with nullcontext() if arguments.code else judging_server(config) as server:
        calibration = calibrate(config, server)
    path = run.calibration
    write_text(path, calibration.model_dump_json(indent=1) + "\n")
    write_summary(config)
    print("\n".join(summary_lines(calibration)))
    print(f"calibration: {path}")
    missing = calibration.coverage.share_missing if calibration.coverage else 0.0
    if missing > config.judge.max_missing:
        print(
            f"inconclusive: {missing:.0%} of the model's verdicts on the logged answers are "
            f"missing, more than judge.max_missing = {config.judge.max_missing:g}"
        )
        return 3
    return 0


def calibrate(config: Config, server: ServerSettings | None) -> Calibration:
    """The calibration of a run's judge on its train and val rows.

    Raises DataError when the data have not been prepared, and as `LlmJudge.verdicts` does.
    """
    run = RunPaths.of(config)
    prompt, rules = load_prompt(config.prompt, Path())
    val = run.rows("val")
    # Second turns have no labels.
    rows = [*(row for row in run.rows("train") if not row.history), *val]
    pairs = [(row, answer) for row in rows for answer in logged_answers(row)]
    verdicts = [
        verdict for row, answer in pairs for verdict in code_verdicts(rules, prompt, row, answer)
    ]
    judge, llm_verdicts = None, list[Verdict]()
    if server is not None:
        settings = config.judge.model_copy(update={"arms": None})  # logged answers are no arm
        judge = LlmJudge(server, settings, rules, prompt, run.judge_calls)
        llm_verdicts = judge.verdicts(pairs)
        verdicts += llm_verdicts
    verdicts = with_missing(rules, pairs, verdicts)
    table = build_verdict_table(rules, rows, verdicts)
    labels = read_labels(rows)
    comparison = GoldComparison(
        labels.gold,
        table,
        halves(rows, config.seed),
        {row.id: row for row in rows},
        prompt,
        config.seed,
    )
    code_mutations = mutation_scores(rules, prompt, pairs)
    llm_mutations = llm_mutation_scores(rules, pairs, verdicts, judge)
    rule_labels = read_rule_labels(config, rules)
    labelled_table = _judge_labelled(rule_labels, rules, prompt, judge)
    attacks = attack_report(load_attacks(), rules, prompt, val, judge)
    choices = judge_pairs(labels.preferences, rows, judge)
    biases = bias_report(choices, rules, pairs, verdicts, judge)
    worst, disagreement_count = disagreements(comparison)
    return Calibration(
        judge=judge_fingerprint(rules, prompt, judge),  # last: the mode is known after a request
        rows=len(rows),
        answers=len(pairs),
        coverage=Coverage.of(llm_verdicts, judge.usage.unasked, judge.contradictory)
        if judge is not None
        else None,
        gold=labels.counts,
        useful=useful_agreements(comparison),
        rules=tuple(rule_pass_counts(comparison)),
        shadows=tuple(shadow_agreements(table, config.seed)),
        rule_labels=tuple(rule_label_agreements(rule_labels, labelled_table, config.seed)),
        probability_errors={
            **errors_against_code(table, config.seed),
            **errors_against_people(rule_labels, labelled_table, config.seed),
        },
        between_judges=judges_agreement(table, config.seed),
        mutations=(*code_mutations, *llm_mutations),
        attacks=attacks,
        biases=biases,
        causes={
            "useful against people": causes_against_people(comparison),
            **causes_against_code(table, pairs),
            **({"choices against people": causes_of_choices(choices)} if judge else {}),
        },
        disagreement_count=disagreement_count,
        disagreements=tuple(worst),
    )


def _judge_labelled(
    labels: Sequence[RuleLabel], rules: RuleFile, prompt: Prompt, judge: LlmJudge | None
) -> VerdictTable:
    """All verdicts on the answers that people judged by a rule."""
    by_answer = {(label.answer.arm, label.answer.key): label for label in labels}
    pairs = [(label.row, label.answer) for label in by_answer.values()]
    verdicts = [
        verdict for row, answer in pairs for verdict in code_verdicts(rules, prompt, row, answer)
    ]
    if judge is not None:
        verdicts += judge.verdicts(pairs)
    rows = {row.id: row for row, _ in pairs}
    return build_verdict_table(rules, list(rows.values()), verdicts)


def summary_lines(calibration: Calibration) -> Iterator[str]:
    """The calibration in a few lines of text, the most important first."""
    gold, judge = calibration.gold, calibration.judge
    if calibration.coverage is not None:
        yield f"judge {judge.model} ({judge.mode}): {calibration.coverage.summary}"
    yield (
        f"gold: {gold.good} good and {gold.bad} bad of {calibration.answers} logged answers; "
        f"{gold.preferences} pairs with a winner, {gold.off_topic} rows off topic, "
        f"{gold.unclear} unclear, {gold.unlabelled} unlabelled"
    )
    if judge.model is not None:
        flaw = calibration.flaw
        yield f"{judge.model} is " + (f"not calibrated: {flaw}" if flaw else "calibrated")
    if not calibration.useful:
        yield "agreement with people: not measured, the rule file names no rule in `useful`"
    for name, score in calibration.useful.items():
        yield from _people_lines(name, score)
    yield from _rule_lines(calibration)
    yield from map(_mutation_line, calibration.mutations)
    yield _attack_line(calibration.attacks)
    yield from _bias_lines(calibration)
    yield (
        f"disagreements: {calibration.disagreement_count}, of which "
        f"{len(calibration.disagreements)} are listed"
    )


def _people_lines(name: str, score: UsefulAgreement) -> Iterator[str]:
    yield f"{name} ({', '.join(score.rules)}) against people: {_agreement_text(score.whole)}"
    if not score.whole.n:
        return
    yield f"  on the half of the questions for reporting: {_agreement_text(score.report)}"
    chosen = ", ".join(f"{choice} for {count}" for choice, count in score.choices.items())
    yield (
        "  with rules and threshold chosen without the question they are tested on: "
        f"{_agreement_text(score.left_out)}; chosen: {chosen}"
    )


def _rule_lines(calibration: Calibration) -> Iterator[str]:
    """How well the model or the two models decide single rules."""
    if calibration.between_judges is not None:
        judge = calibration.judge
        yield calibration.between_judges.of_models(str(judge.model), judge.second)
    for shadow in calibration.shadows:
        rules = f"{shadow.llm_rule} against code ({shadow.code_rule})"
        yield f"{rules}: {_agreement_text(shadow)}"
    for labelled in calibration.rule_labels:
        yield f"{labelled.rule} against people who judged it: {_agreement_text(labelled)}"
    for name, error in calibration.probability_errors.items():
        yield (
            f"calibration error of the probabilities, {name}: {error.ece:.3f} on {error.n} "
            f"verdicts, {error.by_chance:.3f} by chance alone"
        )


def _attack_line(report: AttackReport) -> str:
    if not report.rows:
        return "attacks: not tried, val has no rows"
    if not report.passed_by_variant:
        return "attacks: not tried, no rule is a must-rule"
    passed = ", ".join(f"{name} {count}" for name, count in report.passed_by_variant.items())
    # The model's rules need not be must-rules.
    by_model = sum(bool(attack.llm_passes) for attack in report.attacks)
    note = f"; the model passed {by_model} by some rule, tried on one row" if by_model else ""
    return (
        f"attacks: {len(report.attacks)} on {len(report.rows)} rows; escapes {report.escapes}; "
        f"passed on some row: {passed}{note}"
    )


def _bias_lines(calibration: Calibration) -> Iterator[str]:
    for name, bias in calibration.biases:
        yield f"{name.replace('_', ' ')}: {_bias_line(bias)}"
    for name, causes in calibration.causes.items():
        yield f"causes of bias, {name}: {_causes_text(causes)}"


def _causes_text(causes: Sequence[BiasCause]) -> str:
    if not causes:
        return "not measured, too few answers"
    shown = [cause for cause in causes if cause.significant]
    effects = (
        f"{cause.cause} {format_difference(cause.effect, cause.low, cause.high)}"
        f"{' per doubling' if cause.cause == 'length' else ''}"
        for cause in shown
    )
    return "; ".join(effects) or f"none of {', '.join(cause.cause for cause in causes)}"


def _interval(interval: Interval | None) -> str:
    if interval is None:
        return "undefined"
    return f"{interval.value:.2f} [{interval.low:.2f}, {interval.high:.2f}]"


def _agreement_text(agreement: RaterAgreement) -> str:
    if not agreement.n:
        return f"nothing decided by both, {agreement.missing} undecided"
    kappa = _interval(agreement.kappa)
    if agreement.tpr is None or agreement.tnr is None:
        kappa = f"not informative, the gold {'fails' if agreement.tpr is None else 'passes'} all"
    elif agreement.kappa is not None:
        kappa += f" ({agreement.kappa_words})"
    return (
        f"agreement {_interval(agreement.accuracy)} on {agreement.n} answers, "
        f"{agreement.missing} undecided; κ {kappa}, TPR {_interval(agreement.tpr)}, "
        f"TNR {_interval(agreement.tnr)}"
    )


def _mutation_line(score: MutationScore) -> str:
    if score.not_covered is not None:
        return f"mutants of {score.rule}: not covered, {score.not_covered}"
    kills = ", ".join(
        f"{name} {operator.killed}/{operator.mutants}" for name, operator in score.operators.items()
    )
    return f"mutants of {score.rule} killed: {kills}; copies pass {_interval(score.specificity)}"


def _bias_line(bias: BiasRate) -> str:
    if bias.not_run is not None:
        return f"not run: {bias.not_run}"
    if not bias.n:
        return f"nothing decided, {bias.missing} undecided"
    return f"{bias.count}/{bias.n}, {_interval(bias.rate)}, {bias.missing} undecided"
