"""The calls and tokens that a run will need at most, counted before any model has answered."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

from config.judging import ServerSettings
from config.schema import Config
from data.answers import Answer
from data.rows import Row
from data.run_paths import RunPaths, Split
from engine.request_builder import RequestBuilder, View
from judge.checks.applicability import by_model
from judge.inputs import JudgedSplit
from judge.judging_server import configured_server
from judge.labels import best_by_row
from judge.llm.dry_run import Plan
from judge.llm.judge import LlmJudge
from judge.llm.request import BYTES_PER_TOKEN
from prompts.prompt_file import load_prompt

Splits = Mapping[Split, Sequence[Row]]


def planned_calls(builder: RequestBuilder, splits: Splits) -> list[str]:
    """Lines on calls and tokens of teacher, students and judge, each an upper bound."""
    config = builder.config
    teacher, students = config.teacher, len(config.students)
    train, val, hidden = (len(splits[name]) for name in get_args(Split))
    val_sampled = min(val, config.predict.eval_rows)
    per_row = teacher.candidates + teacher.repair
    candidates = per_row * (train + val_sampled)
    prompt_tokens = per_row * sum(
        len(builder.view_ids(row, View(prompted=True)))
        for row in (*splits["train"], *splits["val"][:val_sampled])
    )
    # val: base, teacher, best student with the prompt, students · hidden: base, best · train: base
    greedy = val * (3 + students) + 2 * hidden + train
    # scored by base, best student with the prompt, students, and a teacher that can
    scored = (2 + students + teacher.engine.scores) * sum(
        map(len, best_by_row(splits["val"]).values())
    )
    answer_tokens = (
        candidates * teacher.sampling.max_tokens + greedy * config.predict.sampling.max_tokens
    )
    return [
        f"candidates: {candidates} calls at most, {prompt_tokens} prompt tokens before prefix "
        "caching",
        f"arms on val and hidden, the base on train: {greedy} calls",
        f"likelihood of val's best logged answers: {scored} calls, no answer tokens",
        f"answer tokens: {answer_tokens} at most",
        *_judging_of_candidates(builder, candidates + train),
        f"training: {students} students on at most {teacher.max_selected * train} answers each",
        *_judging_of_arms(builder, splits),
    ]


def _judging_of_candidates(builder: RequestBuilder, answers: int) -> list[str]:
    if not builder.config.teacher.score_with_llm:
        return []
    llm_rules = sum(by_model(scored) for scored in builder.rules.scored_rules())
    return [f"judge, of candidates: {answers * llm_rules} verdicts at most"]


def _judging_of_arms(builder: RequestBuilder, splits: Splits) -> list[str]:
    server = configured_server(builder.config)
    if server is None:
        return ["judge: 0 calls"]
    rows: dict[JudgedSplit, list[Row]] = {
        split: [builder.fit_contexts(row).apply(row) for row in splits[split]]
        for split in get_args(JudgedSplit)
    }
    return plan_judging(builder.config, server, rows).summary(server.price_per_million)


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
        (row, Answer(arm=arm, row=row.id, text=f"{arm} {row.id} ".ljust(length, "x")))
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
