"""Reads the judge's inputs: the answers of each arm to a split, with the rows as answered.

The split is a parameter: the hidden set is judged like val.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from config.errors import ConfigError, DataError
from config.schema import Config
from data.answers import Answer, logged_answers, read_answers
from data.rows import Row
from data.run_paths import RunPaths
from data.stale_answers import refuse_stale, refuse_unknown_rows
from data.stored_file import is_stored
from prompts.prompt_file import Prompt, load_prompt
from prompts.rules import RuleFile

JudgedSplit = Literal["val", "hidden"]  # splits that arms answer


class JudgeInputs(NamedTuple):
    """Everything that a run of the judge reads."""

    prompt: Prompt
    rules: RuleFile
    rows: list[Row]
    answers: list[Answer]  # of the arms
    pairs: list[tuple[Row, Answer]]  # of the arms, then the logged answers
    llm_arms: list[str]  # arms that the language model judges

    @property
    def llm_pairs(self) -> list[tuple[Row, Answer]]:
        """The answers that the language model judges."""
        return [pair for pair in self.pairs if pair[1].arm in self.llm_arms]


def read_inputs(config: Config, split: JudgedSplit) -> JudgeInputs:
    """The inputs of a split.

    Raises as `answered_arms` and `llm_arms` do, and DataError for answers to other rows, another
    prompt or another adapter than today's.
    """
    run = RunPaths.of(config)
    prompt, rules = load_prompt(config.prompt, Path())
    rows = run.rows(split)
    answers = _current_answers(config, split, rows, prompt)
    return JudgeInputs(prompt, rules, rows, answers, _pairs(rows, answers), llm_arms(config, split))


def answered_arms(config: Config, split: JudgedSplit) -> list[str]:
    """The arms that have answered a split.

    Raises ConfigError when no hidden set is configured, DataError when no arm has answered, or when
    the best student is not chosen yet (hidden).
    """
    run = RunPaths.of(config)
    run.check_prepared()
    names = [student.name for student in config.students]
    if split == "hidden" and config.data.hidden is None:
        raise ConfigError("--split hidden: there is no hidden set; set data.hidden")
    if split == "hidden":
        arms = ["base", f"student/{run.best_student()}"]
    else:
        arms = ["base", "teacher", *(f"student/{name}" for name in names)]
        prompted = [run.best_student()] if is_stored(run.choice) else names
        arms += [f"student/{name}+prompt" for name in prompted]  # others are of an earlier choice
    answered = [arm for arm in arms if is_stored(_answers_path(run, split, arm))]
    if not answered:
        raise DataError(
            f"{run.root / 'answers'}: no arm has answered {split}; "
            "run `unprompted student CONFIG predict` first"
        )
    return answered


def llm_arms(config: Config, split: JudgedSplit) -> list[str]:
    """The arms that the language model judges: `judge.arms`, or all that have answered.

    Raises ConfigError when `judge.arms` names an arm that has not answered val.
    """
    answered = answered_arms(config, split)
    wanted = answered if config.judge.arms is None else config.judge.arms
    unknown = [arm for arm in wanted if arm not in answered]
    if unknown and split == "val":
        raise ConfigError(
            f"judge.arms: no answers of {unknown[0]!r}; there are {', '.join(answered)}"
        )
    return [arm for arm in wanted if arm in answered]


def answered_pairs(config: Config) -> list[tuple[Row, Answer]]:
    """All answers to val, each with its row as the answer's author saw it.

    Leaves out answers whose prompt did not fit. Raises as `read_inputs` does.
    """
    rows = RunPaths.of(config).rows("val")
    answers = _current_answers(config, "val", rows, load_prompt(config.prompt, Path())[0])
    return [pair for pair in _pairs(rows, answers) if pair[1].finish != "too_long"]


def read_arms(run: RunPaths, split: JudgedSplit, arms: Iterable[str]) -> list[Answer]:
    """The answers of these arms to a split, under the arms' full names."""
    return [
        answer.model_copy(update={"arm": arm})
        for arm in arms
        for answer in read_answers(_answers_path(run, split, arm))
    ]


def _current_answers(
    config: Config, split: JudgedSplit, rows: Sequence[Row], prompt: Prompt
) -> list[Answer]:
    """The answers of all arms to these rows. Raises DataError for those that are out of date."""
    run, by_id, answers = RunPaths.of(config), {row.id: row for row in rows}, list[Answer]()
    for arm in answered_arms(config, split):
        path = _answers_path(run, split, arm)
        prompted = arm == "teacher" or arm.endswith("+prompt")
        expected: dict[str, object] = {"prompt": prompt.of_view(prompted)}
        command = "unprompted teacher CONFIG generate"
        if arm != "teacher":
            command = "unprompted student CONFIG predict"
            student = arm.removeprefix("student/").removesuffix("+prompt")
            expected["adapter"] = None if arm == "base" else run.adapter_sha256(student)
        of_arm = read_arms(run, split, [arm])
        refuse_unknown_rows(path, of_arm, by_id, command)
        refuse_stale(path, expected, rows, command)
        answers += of_arm
    return answers


def _answers_path(run: RunPaths, split: JudgedSplit, arm: str) -> Path:
    """The file of an arm's answers; students answer the hidden set under their bare names."""
    return run.answers(f"hidden/{arm.removeprefix('student/')}" if split == "hidden" else arm)


def _pairs(rows: Sequence[Row], answers: Sequence[Answer]) -> list[tuple[Row, Answer]]:
    by_id = {row.id: row for row in rows}
    pairs = [(answer.shown(by_id[answer.row]), answer) for answer in answers]
    return pairs + [(row, answer) for row in rows for answer in logged_answers(row)]
