"""The judge's calls in a run, counted before any arm has answered."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from config.judging import ServerSettings
from config.schema import Config
from data.answers import Answer
from data.rows import Row
from data.run_paths import RunPaths
from judge.inputs import JudgedSplit
from judge.llm.dry_run import Plan
from judge.llm.judge import LlmJudge
from judge.llm.request import BYTES_PER_TOKEN
from prompts.prompt_file import load_prompt


def plan_judging(
    config: Config, server: ServerSettings, rows: Mapping[JudgedSplit, Sequence[Row]]
) -> Plan:
    """The most calls that judging every arm of these splits can make. Asks and writes nothing.

    `rows` have only the passages that fit. Unique placeholders of the maximum length stand in for
    the arms' answers.
    Fewer calls are made where a rule does not apply, where an answer is empty or its prompt does
    not fit, and where two arms give the same answer.
    """
    prompt, rules = load_prompt(config.prompt, Path())
    length = config.predict.sampling.max_tokens * BYTES_PER_TOKEN
    pairs = [
        (row, Answer.from_text(arm, row.id, f"{arm} {row.id} ".ljust(length, "x")))
        for split in rows
        for row in rows[split]
        for arm in expected_arms(config, split)
    ]
    judge = LlmJudge(server, config.judge, rules, prompt, RunPaths.of(config).judge_calls)
    return judge.plan(pairs)


def expected_arms(config: Config, split: JudgedSplit) -> list[str]:
    """The arms that will answer a split and that the model judges by the settings.

    The best student is not known yet: the first that the model judges stands in.
    """
    judged_arms = config.judge.arms
    students = [f"student/{student.name}" for student in config.students]

    def judged(*arms: str) -> list[str]:
        return [arm for arm in arms if judged_arms is None or arm in judged_arms]

    if split == "hidden":
        return judged("base") + judged(*students)[:1]
    prompted = judged(*(f"{arm}+prompt" for arm in students))[:1]
    return judged("base", "teacher", *students) + prompted
