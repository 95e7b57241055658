"""Judges a run: code checks, verdicts by the language model, scores; writes them to the run."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from config.judging import ServerSettings
from config.schema import Config
from data.answers import read_answers
from data.atomic_write import write_text
from data.jsonl import read_record, read_records, write_records
from data.rows import Row
from data.run_paths import RunPaths
from data.stored_file import is_stored
from judge.calibration.record import calibration_flaw, judge_fingerprint, load_calibration
from judge.checks.check import code_verdicts
from judge.chosen_student import read_chosen_student
from judge.inputs import JudgedSplit, JudgeInputs, answered_arms, read_arms, read_inputs
from judge.judge_note import Coverage, JudgeFingerprint, JudgeNote
from judge.labels import best_by_row
from judge.llm.dry_run import Plan
from judge.llm.judge import LlmJudge
from judge.llm.reply_source import AskPolicy
from judge.llm.request import OUTPUT_MODES
from judge.metrics.agreement import judges_agreement, shadow_agreements
from judge.metrics.distribution_shift import AnsweredSplit
from judge.metrics.scores import score
from judge.metrics.verdict_table import build_verdict_table
from judge.records import JudgeResult
from judge.reference.overlap import context_score
from judge.reference.reference_scores import reference_scores
from judge.summary.assess_student import assess
from judge.verdict import Verdict
from prompts.rules import RuleFile, rules_sha256


def judge_run(
    config: Config,
    server: ServerSettings | None,
    split: JudgedSplit = "val",
    asks: AskPolicy = "new",
) -> JudgeResult:
    """Writes the verdicts and scores of all arms that answered the split.

    For val judge/verdicts.jsonl, rules.json and scores.json; for the hidden set
    hidden_verdicts.jsonl and hidden.json. With `asks` = none the server need not run. Raises
    DataError when no arm has answered.
    """
    inputs = read_inputs(config, split)
    prompt, rules, rows = inputs.prompt, inputs.rules, inputs.rows
    verdicts = [
        verdict
        for row, answer in inputs.pairs
        for verdict in code_verdicts(rules, prompt, row, answer)
    ]
    note, fingerprint = None, judge_fingerprint(rules, prompt)
    if server is not None:
        judge = _llm_judge(config, server, inputs)
        llm_verdicts = judge.verdicts(inputs.llm_pairs, asks)
        verdicts += llm_verdicts
        fingerprint = judge_fingerprint(rules, prompt, judge)  # now that the mode is known
        note = _note(config, judge, fingerprint, llm_verdicts)
    run = RunPaths.of(config)
    arms = answered_arms(config, split) if split == "val" else ()  # hidden rows have no references
    logprobs = {arm: read_answers(run.answers(f"scored/{arm}")) for arm in arms}
    references = reference_scores(inputs.answers, rows, logprobs)
    chosen = read_chosen_student(config) if split == "val" else None
    scores = score(rules, rows, verdicts, references, config.seed, chosen)
    table = replace(build_verdict_table(rules, rows, verdicts), choice=scores.choice)
    assessment = assess(config, inputs, table, scores.headline, split)
    result = JudgeResult(
        scores=scores,
        agreements=shadow_agreements(table, config.seed),
        between_judges=judges_agreement(table, config.seed),
        arms=inputs.llm_arms if server is not None else [],
        judge=note,
        fingerprint=fingerprint,
        contexts=context_score(rows, best_by_row(rows)),
        conditional_rules=assessment.conditional_rules,
        serving=assessment.serving,
    )
    verdicts_path, scores_path = _result_paths(run, split)
    write_records(verdicts_path, verdicts)
    if split == "val":
        write_text(run.rules, rules.model_dump_json(by_alias=True, indent=1) + "\n")
    write_text(scores_path, result.model_dump_json(indent=1) + "\n")
    return result


def judge_plan(
    config: Config,
    server: ServerSettings,
    split: JudgedSplit = "val",
    asks: Literal["new", "missing"] = "new",
) -> Plan:
    """The calls that `judge_run` would make. Raises as it does, and writes nothing."""
    inputs = read_inputs(config, split)
    return _llm_judge(config, server, inputs).plan(inputs.llm_pairs, asks)


def read_judged_split(run: RunPaths, split: JudgedSplit, rules: RuleFile) -> AnsweredSplit | None:
    """A split's answers and verdicts; None when it was not judged, or by other rules, or when a row
    that was judged or answered no longer exists.

    Raises DataError when a file is broken.
    """
    verdicts, scores = _result_paths(run, split)
    if not all(is_stored(path) for path in (scores, verdicts, run.split(split))):
        return None
    stored = read_record(scores, JudgeResult).scores
    if stored.rules_sha256 != rules_sha256(rules):
        return None
    rows = list(read_records(run.split(split), Row))
    judged = list(read_records(verdicts, Verdict))
    answers = read_arms(run, split, dict.fromkeys(verdict.arm for verdict in judged))
    used = {verdict.row for verdict in judged} | {answer.row for answer in answers}
    if not used <= {row.id for row in rows}:
        return None
    table = replace(build_verdict_table(rules, rows, judged), choice=stored.choice)
    return AnsweredSplit(rows, answers, table)


def _llm_judge(config: Config, server: ServerSettings, inputs: JudgeInputs) -> LlmJudge:
    cache_path = RunPaths.of(config).judge_calls
    return LlmJudge(server, config.judge, inputs.rules, inputs.prompt, cache_path)


def _note(
    config: Config, judge: LlmJudge, fingerprint: JudgeFingerprint, verdicts: Sequence[Verdict]
) -> JudgeNote:
    flaw = calibration_flaw(load_calibration(RunPaths.of(config).calibration, fingerprint))
    usage = judge.usage
    return JudgeNote(
        model=judge.model,
        mode=judge.mode,
        rules_per_call=judge.rules_per_call,
        request_changes=judge.request_changes,
        second=judge.second,
        second_mode=judge.second_mode,
        fallbacks={mode: judge.fallbacks[mode] for mode in OUTPUT_MODES if judge.fallbacks[mode]},
        unfounded=judge.unfounded,
        calls=usage.calls,
        coverage=Coverage.of(verdicts, usage.unasked, judge.contradictory),
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        cost=usage.cost,
        same_as_base=config.model.name in (judge.model, judge.second),
        calibrated=flaw is None,
        flaw=flaw,
    )


def _result_paths(run: RunPaths, split: JudgedSplit) -> tuple[Path, Path]:
    """The files of a split's verdicts and scores."""
    if split == "hidden":
        return run.hidden_verdicts, run.hidden_scores
    return run.verdicts, run.scores
