"""Judges a run: reads answers, decides code rules, asks the model for the rest, writes scores."""

from collections.abc import Sequence
from pathlib import Path

from config.errors import ConfigError, DataError
from config.schema import Config, ServerSettings
from data.answers import Answer, logged_answers, read_answers
from data.rows import Row
from data.run import Run
from data.store import write_records, write_text
from judge.agreement import agreements
from judge.calibration.bound import Bound, Calibration, bound_to, load_calibration
from judge.checks import code_verdicts
from judge.llm import LlmJudge
from judge.result import JudgeNote, JudgeResult
from judge.scores import score
from prompts.library import load_prompt


def judge_run(config: Config, server: ServerSettings | None) -> JudgeResult:
    """Writes judge/verdicts.jsonl and judge/scores.json for all arms that answered val.

    Raises DataError when no arm has.
    """
    run = Run.of(config)
    prompt, rules = load_prompt(config.prompt, Path())
    rows = run.rows("val")
    answers = _val_answers(config, run)
    pairs = _pairs(rows, answers)
    verdicts = [v for row, answer in pairs for v in code_verdicts(rules, prompt, row, answer)]
    note = None
    arms = _llm_arms(config, answers) if server is not None else []
    if server is not None:
        judge = LlmJudge(server, config.judge, rules, prompt, run.judge_calls)
        verdicts += judge.verdicts([pair for pair in pairs if pair[1].arm in arms])
        note = JudgeNote(
            model=server.model,
            mode=judge.mode,
            calls=judge.calls,
            same_as_base=server.model == config.model.name,
            calibrated=_calibrated(run, bound_to(rules, prompt, server.model, judge.mode)),
        )
    write_records(run.verdicts, verdicts)
    result = JudgeResult(
        scores=score(rules, rows, verdicts, answers, config.seed),
        agreements=agreements(verdicts, rules, rows, config.seed),
        arms=arms,
        judge=note,
    )
    write_text(run.scores, result.model_dump_json(indent=1) + "\n")
    return result


def _calibrated(run: Run, bound: Bound) -> bool:
    """Whether this very judge was held against people's labels."""
    found = load_calibration(run.calibration, bound)
    return isinstance(found, Calibration) and found.by_people


def asked_pairs(config: Config, run: Run) -> list[tuple[Row, Answer]]:
    """Every arm's answers to val that exist, each with its row as the answer's author saw it.

    An answer whose prompt did not fit does not. Raises DataError when no arm has answered.
    """
    pairs = _pairs(run.rows("val"), _val_answers(config, run))
    return [pair for pair in pairs if pair[1].finish != "too_long"]


def _val_answers(config: Config, run: Run) -> list[Answer]:
    """The answers of base, teacher and students on val; DataError when nobody was asked."""
    names = [student.name for student in config.students]
    arms = ["base", "teacher", *(f"student/{name}" for name in names)]
    arms += [f"student/{name}+prompt" for name in names]
    answers = [answer for arm in arms for answer in read_answers(run.answers(arm))]
    if not answers:
        raise DataError(
            f"{run.root / 'answers'}: no arm has answered; run the earlier stages first"
        )
    return answers


def _pairs(rows: Sequence[Row], answers: Sequence[Answer]) -> list[tuple[Row, Answer]]:
    """Every answer with its row as the answer's author saw it."""
    by_id = {row.id: row for row in rows}
    asked = [(answer.shown(by_id[answer.row]), answer) for answer in answers]
    return asked + [(row, answer) for row in rows for answer in logged_answers(row)]


def _llm_arms(config: Config, answers: Sequence[Answer]) -> list[str]:
    """The arms that the model judges: those of the settings, or all that were asked."""
    there = list(dict.fromkeys(answer.arm for answer in answers))
    wanted = config.judge.arms
    unknown = [arm for arm in wanted or () if arm not in there]
    if unknown:
        raise ConfigError(f"judge.arms: no answers of {unknown[0]!r}; there are {', '.join(there)}")
    return there if wanted is None else list(wanted)
