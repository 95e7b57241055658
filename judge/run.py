"""Judges a run: reads answers, decides code rules, asks the model for the rest, writes scores.

The split is a parameter: the hidden set is judged as val is. What the two have in common is told
from both as they lie on disk, so that it is never older than either.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from config.errors import ConfigError, DataError
from config.judging import ServerSettings
from config.schema import Config
from data.answers import Answer, logged_answers, read_answers
from data.atomic_write import write_text
from data.jsonl import read_record, read_records, write_records
from data.rows import Row
from data.run_paths import RunPaths
from judge.calibration.record import (
    Calibration,
    JudgeFingerprint,
    judge_fingerprint,
    load_calibration,
)
from judge.checks.check import code_verdicts
from judge.labels import best_by_row
from judge.llm.dry_run import Plan
from judge.llm.judge import LlmJudge
from judge.llm.reply_source import AskPolicy
from judge.llm.request import OUTPUT_MODES
from judge.metrics.agreement import agreements
from judge.metrics.distribution_shift import AnsweredSplit
from judge.metrics.scores import score
from judge.metrics.verdict_table import build_verdict_table
from judge.records import Coverage, JudgeNote, JudgeResult
from judge.reference.overlap import context_score
from judge.reference.reference_scores import reference_scores
from judge.verdict import Verdict
from prompts.prompt_file import Prompt, load_prompt
from prompts.rules import RuleFile, rules_sha256

JudgedSplit = Literal["val", "hidden"]  # splits that arms answer


class _Material(NamedTuple):
    """What is judged."""

    prompt: Prompt
    rules: RuleFile
    rows: list[Row]
    answers: list[Answer]  # of the arms that were asked
    pairs: list[tuple[Row, Answer]]  # with the logged answers


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
    run = RunPaths.of(config)
    prompt, rules, rows, answers, pairs = _material(config, split)
    verdicts = [v for row, answer in pairs for v in code_verdicts(rules, prompt, row, answer)]
    note = None
    arms = llm_arms(config, split) if server is not None else []
    if server is not None:
        judge = LlmJudge(server, config.judge, rules, prompt, run.judge_calls)
        asked = judge.verdicts([pair for pair in pairs if pair[1].arm in arms], asks)
        verdicts += asked
        size = config.judge.rules_per_call
        bound = judge_fingerprint(rules, prompt, server.model, judge.mode, size)
        note = _note(
            judge, config, Coverage.of(asked, judge.usage.unasked), _calibrated(run, bound)
        )
    references = reference_scores(answers, rows, _scored(config, split))
    result = JudgeResult(
        scores=score(rules, rows, verdicts, references, config.seed),
        agreements=agreements(verdicts, rules, rows, config.seed),
        arms=arms,
        judge=note,
        contexts=context_score(rows, best_by_row(rows)),
    )
    _write(run, split, rules, verdicts, result)
    return result


def judge_plan(
    config: Config,
    server: ServerSettings,
    split: JudgedSplit = "val",
    asks: Literal["new", "missing"] = "new",
) -> Plan:
    """The calls that `judge_run` would make; raises what it raises, writes nothing."""
    prompt, rules, _, _, pairs = _material(config, split)
    arms = llm_arms(config, split)
    judge = LlmJudge(server, config.judge, rules, prompt, RunPaths.of(config).judge_calls)
    return judge.plan([pair for pair in pairs if pair[1].arm in arms], asks)


def _material(config: Config, split: JudgedSplit) -> _Material:
    prompt, rules = load_prompt(config.prompt, Path())
    rows = RunPaths.of(config).rows(split)
    answers = _answers(config, split)
    return _Material(prompt, rules, rows, answers, _pairs(rows, answers))


def _note(judge: LlmJudge, config: Config, coverage: Coverage, calibrated: bool) -> JudgeNote:
    return JudgeNote(
        model=judge.model,
        mode=judge.mode,
        rules_per_call=config.judge.rules_per_call,
        fallbacks={mode: judge.fallbacks[mode] for mode in OUTPUT_MODES if judge.fallbacks[mode]},
        unfounded=judge.unfounded,
        calls=judge.usage.calls,
        coverage=coverage,
        prompt_tokens=judge.usage.prompt_tokens,
        completion_tokens=judge.usage.completion_tokens,
        cost=judge.usage.cost,
        same_as_base=judge.model == config.model.name,
        calibrated=calibrated,
    )


def _calibrated(run: RunPaths, bound: JudgeFingerprint) -> bool:
    """Whether this very judge was held against people's labels."""
    found = load_calibration(run.calibration, bound)
    return isinstance(found, Calibration) and found.representative


def _write(
    run: RunPaths,
    split: JudgedSplit,
    rules: RuleFile,
    verdicts: Sequence[Verdict],
    result: JudgeResult,
) -> None:
    hidden = split == "hidden"
    write_records(run.hidden_verdicts if hidden else run.verdicts, verdicts)
    if not hidden:
        write_text(run.rules, rules.model_dump_json(by_alias=True, indent=1) + "\n")
    path = run.hidden_scores if hidden else run.scores
    write_text(path, result.model_dump_json(indent=1) + "\n")


def judged_side(run: RunPaths, split: JudgedSplit, rules: RuleFile) -> AnsweredSplit | None:
    """A split as it was answered and judged; None when it was not, or by other rules.

    Raises DataError when a file is broken, or a verdict is on a row that is no longer there.
    """
    hidden = split == "hidden"
    scores = run.hidden_scores if hidden else run.scores
    verdicts = run.hidden_verdicts if hidden else run.verdicts
    if not all(path.exists() for path in (scores, verdicts, run.split(split))):
        return None
    if read_record(scores, JudgeResult).scores.rules_sha256 != rules_sha256(rules):
        return None
    rows = list(read_records(run.split(split), Row))
    board = build_verdict_table(rules, rows, read_records(verdicts, Verdict))
    return AnsweredSplit(rows, _read(run, split, board.verdicts), board)


def answered_arms(config: Config, split: JudgedSplit) -> list[str]:
    """The arms that have answered a split.

    Raises DataError when nobody was asked, or nobody knows whose hidden answers count.
    """
    run = RunPaths.of(config)
    names = [student.name for student in config.students]
    if split == "hidden":
        arms = ["base", f"student/{run.best_student()}"]
    else:
        arms = ["base", "teacher", *(f"student/{name}" for name in names)]
        arms += [f"student/{name}+prompt" for name in names]
    there = [arm for arm in arms if _file(run, split, arm).exists()]
    if not there:
        raise DataError(
            f"{run.root / 'answers'}: no arm has answered {split}; run the earlier stages first"
        )
    return there


def asked_pairs(config: Config) -> list[tuple[Row, Answer]]:
    """Every arm's answers to val that exist, each with its row as the answer's author saw it.

    An answer whose prompt did not fit does not. Raises DataError when no arm has answered.
    """
    pairs = _pairs(RunPaths.of(config).rows("val"), _answers(config, "val"))
    return [pair for pair in pairs if pair[1].finish != "too_long"]


def _file(run: RunPaths, split: JudgedSplit, arm: str) -> Path:
    """Where an arm's answers to a split lie: to the hidden set, students under their bare names."""
    return run.answers(f"hidden/{arm.removeprefix('student/')}" if split == "hidden" else arm)


def _answers(config: Config, split: JudgedSplit) -> list[Answer]:
    return _read(RunPaths.of(config), split, answered_arms(config, split))


def _read(run: RunPaths, split: JudgedSplit, arms: Iterable[str]) -> list[Answer]:
    return [
        answer.model_copy(update={"arm": arm})
        for arm in arms
        for answer in read_answers(_file(run, split, arm))
    ]


def _scored(config: Config, split: JudgedSplit) -> dict[str, list[Answer]]:
    """The best logged answers with each arm's logprobs; hidden rows have none."""
    run = RunPaths.of(config)
    arms = answered_arms(config, split) if split == "val" else ()
    return {arm: read_answers(run.answers(f"scored/{arm}")) for arm in arms}


def _pairs(rows: Sequence[Row], answers: Sequence[Answer]) -> list[tuple[Row, Answer]]:
    """Every answer with its row as the answer's author saw it."""
    by_id = {row.id: row for row in rows}
    asked = [(answer.shown(by_id[answer.row]), answer) for answer in answers]
    return asked + [(row, answer) for row in rows for answer in logged_answers(row)]


def llm_arms(config: Config, split: JudgedSplit) -> list[str]:
    """The arms that the model judges: those of the settings, or all that were asked.

    Raises ConfigError when the settings name an arm that did not answer val.
    """
    there = answered_arms(config, split)
    wanted = there if config.judge.arms is None else config.judge.arms
    unknown = [arm for arm in wanted if arm not in there]
    if unknown and split == "val":
        raise ConfigError(f"judge.arms: no answers of {unknown[0]!r}; there are {', '.join(there)}")
    return [arm for arm in wanted if arm in there]
