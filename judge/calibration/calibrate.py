"""`python -m judge CONFIG calibrate`: how far the judge agrees with people, and can be fooled.

Scores the logged answers of train and val. Works by code alone; with a judging server the model is
calibrated too.
"""

import argparse
from contextlib import nullcontext
from pathlib import Path

from config.schema import Config, ServerSettings
from data.answers import logged_answers
from data.atomic_write import write_text
from data.run_paths import RunPaths
from judge.calibration.attacks import attack_report, load_attacks
from judge.calibration.bias import Judging, probe
from judge.calibration.label_agreement import (
    GoldComparison,
    disagreements,
    rules_against,
    score_against,
)
from judge.calibration.mutation.code import mutation_scores
from judge.calibration.mutation.llm import llm_mutation_scores
from judge.calibration.record import Calibration, GoldCounts, judge_fingerprint
from judge.calibration.summary import lines
from judge.calibration.variants import boards
from judge.checks.check import code_verdicts
from judge.labels import GoldLabels, halves, read_labels
from judge.llm.judge import LlmJudge
from judge.metrics.agreement import agreements
from judge.records import Coverage
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
    print("\n".join(lines(found)))
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
        coverage=Coverage.of(asked, judge.spent.unasked) if judge is not None else None,
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
