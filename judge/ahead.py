"""What judging a run will take before any arm has answered: made-up answers stand in for theirs.

The walk over the questions is the real judge's, so all that it knows of them counts here too.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from config.judging import ServerSettings
from config.schema import Config
from data.answers import Answer
from data.rows import Row
from data.run_paths import RunPaths
from judge.llm.client import BYTES
from judge.llm.dry_run import Plan
from judge.llm.judge import LlmJudge
from judge.run import JudgedSplit
from prompts.prompt_file import load_prompt


def plan_ahead(
    config: Config, server: ServerSettings, shown: Mapping[JudgedSplit, Sequence[Row]]
) -> Plan:
    """The calls that judging every arm of these splits would make at most; asks and writes nothing.

    `shown` holds the rows with the passages that fit. Fewer calls are made where the model finds a
    rule not due, where an answer is empty or was too long to be asked for, and where two arms
    answer a question alike.
    """
    prompt, rules = load_prompt(config.prompt, Path())
    room = config.predict.sampling.max_tokens * BYTES
    pairs = [
        (row, _made_up(arm, row, room))
        for split, rows in shown.items()
        for row in rows
        for arm in expected_arms(config, split)
    ]
    return LlmJudge(server, config.judge, rules, prompt, RunPaths.of(config).judge_calls).plan(
        pairs
    )


def expected_arms(config: Config, split: JudgedSplit) -> list[str]:
    """The arms that will answer a split and that the settings let the model judge.

    Which student will be the best is not known yet: the first that the model may judge stands in.
    """
    wanted = config.judge.arms
    students = [f"student/{student.name}" for student in config.students]

    def judged(*arms: str) -> list[str]:
        return [arm for arm in arms if wanted is None or arm in wanted]

    if split == "hidden":
        return judged("base") + judged(*students)[:1]
    prompted = judged(*(f"{arm}+prompt" for arm in students))[:1]
    return judged("base", "teacher", *students) + prompted


def _made_up(arm: str, row: Row, room: int) -> Answer:
    """An answer like no other, as long as an answer may be."""
    return Answer(
        key="",
        arm=arm,
        row=row.id,
        sample=0,
        text=f"{arm} {row.id} ".ljust(room, "x"),
        finish="stop",
        seed=0,
        prompt_tokens=0,
    )
