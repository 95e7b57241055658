"""Judges a run: reads answers, decides code rules, asks the model for the rest, writes scores."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from config.errors import ConfigError, DataError
from config.schema import Config, ServerSettings
from data.answers import Answer, read_answers
from data.rows import Row
from data.run import Run
from data.store import write_records, write_text
from judge.agreement import agreements
from judge.asking import Asks
from judge.checks import code_verdicts
from judge.llm import LlmJudge
from judge.modes import LADDER
from judge.plan import Plan
from judge.result import JudgeNote, JudgeResult
from judge.scores import score
from prompts.library import Prompt, load_prompt
from prompts.rules import RuleFile


class _Material(NamedTuple):
    """What is judged."""

    prompt: Prompt
    rules: RuleFile
    rows: list[Row]
    answers: list[Answer]  # of the arms that were asked
    pairs: list[tuple[Row, Answer]]  # with the logged answers


def judge_run(config: Config, server: ServerSettings | None, asks: Asks = "new") -> JudgeResult:
    """Writes judge/verdicts.jsonl and judge/scores.json for all arms that answered val.

    With `asks` = none the server need not run. Raises DataError when no arm has answered.
    """
    run = Run.of(config)
    prompt, rules, rows, answers, pairs = _material(config, run)
    verdicts = [v for row, answer in pairs for v in code_verdicts(rules, prompt, row, answer)]
    note = None
    arms = _llm_arms(config, answers) if server is not None else []
    if server is not None:
        judge = LlmJudge(server, config.judge, rules, prompt, run.judge_calls)
        verdicts += judge.verdicts([pair for pair in pairs if pair[1].arm in arms], asks)
        note = _note(judge, server, config)
    write_records(run.verdicts, verdicts)
    result = JudgeResult(
        scores=score(rules, rows, verdicts, answers, config.seed),
        agreements=agreements(verdicts, rules),
        arms=arms,
        judge=note,
    )
    write_text(run.scores, result.model_dump_json(indent=1) + "\n")
    return result


def judge_plan(config: Config, server: ServerSettings, asks: Literal["new", "missing"]) -> Plan:
    """The calls that `judge_run` would make; raises what it raises, writes nothing."""
    run = Run.of(config)
    prompt, rules, _, answers, pairs = _material(config, run)
    arms = _llm_arms(config, answers)
    judge = LlmJudge(server, config.judge, rules, prompt, run.judge_calls)
    return judge.plan([pair for pair in pairs if pair[1].arm in arms], asks)


def _material(config: Config, run: Run) -> _Material:
    prompt, rules = load_prompt(config.prompt, Path())
    rows = run.rows("val")
    answers = _val_answers(config, run)
    return _Material(prompt, rules, rows, answers, _pairs(rows, answers))


def _note(judge: LlmJudge, server: ServerSettings, config: Config) -> JudgeNote:
    return JudgeNote(
        model=server.model,
        mode=judge.mode,
        fell={mode: judge.fell[mode] for mode in LADDER if judge.fell[mode]},
        unfounded=judge.unfounded,
        calls=judge.calls,
        prompt_tokens=judge.prompt_tokens,
        completion_tokens=judge.completion_tokens,
        cost=judge.cost,
        same_as_base=server.model == config.model.name,
        calibrated=False,
    )


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


def _logged(row: Row) -> list[Answer]:
    """The row's logged answers as arms of their own: what users get today."""
    return [
        Answer(
            key="",
            arm=f"logged/{system}",
            row=row.id,
            sample=0,
            text=text,
            finish="stop",
            seed=0,
            prompt_tokens=0,
        )
        for system, text in row.answers.items()
    ]


def _pairs(rows: Sequence[Row], answers: Sequence[Answer]) -> list[tuple[Row, Answer]]:
    """Every answer with its row as the answer's author saw it."""
    by_id = {row.id: row for row in rows}
    asked = [(answer.shown(by_id[answer.row]), answer) for answer in answers]
    return asked + [(row, answer) for row in rows for answer in _logged(row)]


def _llm_arms(config: Config, answers: Sequence[Answer]) -> list[str]:
    """The arms that the model judges: those of the settings, or all that were asked."""
    there = list(dict.fromkeys(answer.arm for answer in answers))
    wanted = config.judge.arms
    unknown = [arm for arm in wanted or () if arm not in there]
    if unknown:
        raise ConfigError(f"judge.arms: no answers of {unknown[0]!r}; there are {', '.join(there)}")
    return there if wanted is None else list(wanted)
