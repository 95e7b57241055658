"""`python -m judge CONFIG calibrate`: how far the judge agrees with people, and can be fooled.

Scores the logged answers of train and val. Works by code alone; with a judging server the model is
calibrated too.
"""

import argparse
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

from config.judging import ServerSettings
from config.schema import Config
from data.answers import logged_answers
from data.atomic_write import write_text
from data.run_paths import RunPaths
from judge.calibration.attacks import AttackReport, attack_report, load_attacks
from judge.calibration.bias import BiasRate, Judging, probe
from judge.calibration.label_agreement import (
    GoldAgreement,
    GoldComparison,
    disagreements,
    rules_against,
    score_against,
)
from judge.calibration.mutation.code import MutationScore, mutation_scores
from judge.calibration.mutation.llm import llm_mutation_scores
from judge.calibration.record import Calibration, GoldCounts, judge_fingerprint
from judge.calibration.variants import boards
from judge.checks.check import code_verdicts
from judge.labels import GoldLabels, halves, read_labels
from judge.llm.judge import LlmJudge
from judge.metrics.agreement import agreements
from judge.metrics.interval import Interval
from judge.records import Agreement, Coverage
from judge.score import judging_server
from judge.verdict import Verdict
from prompts.prompt_file import load_prompt


def calibrate_command(config: Config, arguments: argparse.Namespace) -> int:
    """Writes judge/calibration.json and prints what it says.

    Returns 0, or 3 when too many of the model's verdicts are missing.
    """
    with nullcontext() if arguments.code else judging_server(config) as server:
        found = calibrate(config, server)
    path = RunPaths.of(config).calibration
    write_text(path, found.model_dump_json(indent=1) + "\n")
    print("\n".join(summary_lines(found)))
    print(f"calibration: {path}")
    gone, most = found.coverage.share_missing if found.coverage else 0.0, config.judge.max_missing
    if gone > most:
        print(
            f"inconclusive: {gone:.0%} of the model's verdicts on the logged answers are missing, "
            f"more than judge.max_missing = {most:g}"
        )
        return 3
    return 0


def calibrate(config: Config, server: ServerSettings | None) -> Calibration:
    """The calibration of a run's judge on its train and val rows.

    Raises DataError when the data have not been prepared, and as `LlmJudge.verdicts` does.
    """
    at = RunPaths.of(config)
    prompt, rules = load_prompt(config.prompt, Path())
    val = at.rows("val")
    # nobody labelled second turns
    rows = [*(row for row in at.rows("train") if not row.history), *val]
    pairs = [(row, answer) for row in rows for answer in logged_answers(row)]
    verdicts = [one for row, answer in pairs for one in code_verdicts(rules, prompt, row, answer)]
    judge, asked = None, list[Verdict]()
    if server is not None:
        settings = config.judge.model_copy(update={"arms": None})  # logged answers are no such arm
        judge = LlmJudge(server, settings, rules, prompt, at.judge_calls)
        asked = judge.verdicts(pairs)
        verdicts += asked
    labels = read_labels(rows)
    held = GoldComparison(
        labels.gold,
        boards(rules, rows, verdicts),
        halves(rows, config.seed),
        {row.id: row for row in rows},
        config.seed,
    )
    by_code = mutation_scores(rules, prompt, pairs)
    by_model = llm_mutation_scores(rules, pairs, verdicts, judge)
    attacks = attack_report(load_attacks(), rules, prompt, val, judge)
    judging = Judging(rules, pairs, verdicts, judge) if judge is not None else None
    probes = probe(labels.preferences, rows, judging)
    worst, disagreeing = disagreements(held)
    bound = judge_fingerprint(rules, prompt, None, None)
    if judge is not None:  # last: the judge knows its mode when it has been asked
        bound = judge_fingerprint(
            rules, prompt, judge.model, judge.mode, config.judge.rules_per_call
        )
    return Calibration(
        bound=bound,
        rows=len(rows),
        answers=len(pairs),
        coverage=Coverage.of(asked, judge.usage.unasked) if judge is not None else None,
        gold=_counts(labels),
        scores={name: score_against(held, name) for name in held.boards},
        rules=tuple(rules_against(held)),
        shadows=tuple(agreements(verdicts, rules, rows, config.seed)),
        mutations=(*by_code, *by_model),
        attacks=attacks,
        probes=probes,
        disagreeing=disagreeing,
        disagreements=tuple(worst),
    )


def _counts(labels: GoldLabels) -> GoldCounts:
    good = sum(one.good for one in labels.gold)
    return GoldCounts(
        good=good,
        bad=len(labels.gold) - good,
        preferences=len(labels.preferences),
        off_topic=len(labels.off_topic),
        unclear=len(labels.unclear),
        unlabelled=len(labels.unlabelled),
        comments=labels.comments,
    )


def summary_lines(found: Calibration) -> Iterator[str]:
    """The calibration in a few lines of text, the most telling first."""
    gold = found.gold
    if found.coverage is not None:
        yield f"judge {found.bound.model} ({found.bound.mode}): {found.coverage.said}"
    yield (
        f"gold: {gold.good} good and {gold.bad} bad of {found.answers} logged answers; "
        f"{gold.preferences} pairs with a winner, {gold.off_topic} rows off topic, "
        f"{gold.unclear} unclear, {gold.unlabelled} unlabelled"
    )
    for name, score in found.scores.items():
        yield f"{name} ({len(score.must_rules)} must-rules), report half: {_gold(score.report)}"
    yield from map(_shadow, found.shadows)
    yield from map(_mutation, found.mutations)
    attacks = found.attacks
    through = ", ".join(f"{name} {count}" for name, count in attacks.got_through.items())
    yield (
        f"attacks: {len(attacks.attacks)} on {len(attacks.rows)} rows; escapes {attacks.escapes}; "
        f"passed on some row: {through}{_by_model(attacks)}"
    )
    for name, value in found.probes:
        yield f"{name.replace('_', ' ')}: {_probe(value)}"
    yield f"disagreements: {found.disagreeing}, of which {len(found.disagreements)} are listed"


def _by_model(attacks: AttackReport) -> str:
    """How many texts the model passed by a rule of its own, which need not be a must-rule."""
    passed = sum(bool(one.model_passes) for one in attacks.attacks)
    return f"; the model passed {passed} by some rule, tried on one row" if passed else ""


def _share(share: Interval | None) -> str:
    if share is None:
        return "undefined"
    return f"{share.value:.2f} [{share.low:.2f}, {share.high:.2f}]"


def _gold(found: GoldAgreement) -> str:
    if not found.n:
        return f"nothing decided, {found.undecided} undecided"
    left = (
        f" ({found.undecided} undecided: no rule of theirs is broken, some have no verdict)"
        if found.undecided
        else ""
    )
    return (
        f"agreement {_share(found.accuracy)} on {found.n} answers{left}; κ {_share(found.kappa)}, "
        f"TPR {_share(found.tpr)}, TNR {_share(found.tnr)}"
    )


def _shadow(found: Agreement) -> str:
    """How the model does where code knows better."""
    rules = f"{found.llm_rule} against code ({found.code_rule})"
    if not found.n:
        return f"{rules}: nothing decided by both, {found.missing} undecided"
    kappa = "undefined"
    if found.tpr is None or found.tnr is None:  # chance alone decides it then
        kappa = f"says nothing, code {'fails' if found.tpr is None else 'passes'} all of them"
    elif found.kappa is not None and found.kappa_low is not None and found.kappa_high is not None:
        kappa = f"{found.kappa:.2f} [{found.kappa_low:.2f}, {found.kappa_high:.2f}]"
    return (
        f"{rules}: agreement {_share(found.accuracy)} on {found.n} answers, {found.missing} "
        f"undecided; κ {kappa}, TPR {_share(found.tpr)}, TNR {_share(found.tnr)}"
    )


def _mutation(found: MutationScore) -> str:
    if found.not_covered is not None:
        return f"broken on purpose, {found.rule}: not covered, {found.not_covered}"
    ways = ", ".join(f"{way} {one.caught}/{one.n}" for way, one in found.ways.items())
    return f"broken on purpose, {found.rule}: {ways}; copies that pass {_share(found.specificity)}"


def _probe(found: BiasRate) -> str:
    if found.not_run is not None:
        return f"not run: {found.not_run}"
    if not found.n:
        return f"nothing decided, {found.missing} undecided"
    return f"{found.count}/{found.n}, {_share(found.rate)}, {found.missing} undecided"
