"""What a run would do, without doing it: rows, lengths, cuts, calls and tokens."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

import yaml

from config.judging import ServerSettings
from config.schema import Config
from data.answers import Answer
from data.prepare import DataQuality, PreparedSplits, prepare_splits
from data.rows import Row
from data.run_paths import RunPaths, Split
from engine.request_builder import RequestBuilder, View
from judge.checks.applicability import by_model
from judge.labels import best_by_row
from judge.llm.dry_run import Plan
from judge.llm.judge import LlmJudge
from judge.llm.request import BYTES_PER_TOKEN
from judge.run import JudgedSplit
from judge.score import stated_server
from prompts.prompt_file import load_prompt
from teacher.probes.build import make_probes
from teacher.probes.candidates import given_of

_BINS = 8
_BAR = 40  # characters of the longest bar


def dry_run(config: Config) -> str:
    """The resolved config, every row with its lengths, histograms, and what would be spent."""
    rows = prepare_splits(config.data, Path(), config.seed)
    builder = RequestBuilder(config)
    splits: dict[Split, Sequence[Row]] = {
        "train": (*rows.train, *_probes(config, builder, rows)),
        "val": rows.val,
        "hidden": rows.hidden or (),
    }
    lines = [yaml.safe_dump(config.model_dump(mode="json"), allow_unicode=True, sort_keys=False)]
    lengths: dict[str, list[int]] = {"prompted": [], "unprompted": []}
    lines.append(f"{'row':<24} {'split':<7} {'prompted':>8} {'unprompted':>10}  tokens")
    for split, members in splits.items():
        for row in members:
            prompted = len(builder.view_ids(row, View(prompted=True)))
            unprompted = len(builder.view_ids(row, View(prompted=False)))
            lengths["prompted"].append(prompted)
            lengths["unprompted"].append(unprompted)
            note = _note(builder, row)
            lines.append(f"{row.id:<24} {split:<7} {prompted:>8} {unprompted:>10}  {note}".rstrip())
    lines += _removed(rows.quality)
    for view, values in lengths.items():
        lines += ["", f"tokens of the {view} view", *_histogram(values)]
    lines += ["", *_spending(config, builder, splits)]
    return "\n".join(lines)


def _probes(config: Config, builder: RequestBuilder, rows: PreparedSplits) -> Sequence[Row]:
    """Those of the bank, where probes are asked for; no model writes questions here."""
    if config.probes is None:
        return ()
    held_out = [*rows.val, *(rows.hidden or ())]
    given = given_of(config, builder.prompt, rows.train, held_out)
    return make_probes(given, builder.rules, {}).rows


def _note(builder: RequestBuilder, row: Row) -> str:
    kept = builder.kept(row)
    if not kept.fits:
        return f"TOO LONG for {builder.budget} tokens even without passages: would not be asked"
    lost = f"{kept.dropped} of {len(row.contexts)} passages would be dropped" * bool(kept.dropped)
    earlier = kept.dropped_before(row)
    return lost + f" {earlier} passages of earlier turns would be dropped" * bool(earlier)


def _histogram(values: Sequence[int]) -> list[str]:
    low, high = min(values), max(values)
    width = max(1, -(-(high - low + 1) // _BINS))
    counts = [0] * _BINS
    for value in values:
        counts[(value - low) // width] += 1
    most = max(counts)
    return [
        f"{low + index * width:>7}–{low + (index + 1) * width - 1:<7} {count:>5} "
        + "█" * round(_BAR * count / most)
        for index, count in enumerate(counts)
        if low + index * width <= high
    ]


def _removed(quality: DataQuality) -> list[str]:
    """One line per row that was read and will not be used, and why."""
    lines = [f"{row:<24} train   removed: val or hidden asks it" for row in quality.leaks_removed]
    lines += [f"{row:<24} train   removed: asked before" for row in quality.duplicates_removed]
    lines += [f"{bad.file}:{bad.line} quarantined: {bad.reason}" for bad in quality.quarantined]
    return lines


def _spending(
    config: Config, builder: RequestBuilder, splits: Mapping[Split, Sequence[Row]]
) -> list[str]:
    train, val, hidden = (len(splits[name]) for name in get_args(Split))
    looked = min(val, config.predict.eval_rows)
    teacher = config.teacher
    drawn = (teacher.candidates + teacher.repair) * (train + looked)
    on_val = val * (3 + len(config.students))  # base, teacher, best+prompt, students
    greedy = on_val + 2 * hidden + train  # base, best; base
    logged = sum(map(len, best_by_row(splits["val"]).values()))
    scoring = 2 + len(config.students) + teacher.engine.scores  # base, best+prompt; the teacher
    prompted = [
        len(builder.view_ids(row, View(prompted=True)))
        for row in (*splits["train"], *splits["val"][:looked])
    ]
    read = (teacher.candidates + teacher.repair) * sum(prompted)
    most = drawn * teacher.sampling.max_tokens + greedy * config.predict.sampling.max_tokens
    return [
        f"candidates: {drawn} calls at most, {read} prompt tokens before prefix caching",
        f"arms on val and hidden, the base on train: {greedy} calls",
        f"likelihood of val's best logged answers: {logged * scoring} calls, no answer tokens",
        f"answer tokens: {most} at most",
        *_judging_candidates(builder, drawn + train),
        f"training: {len(config.students)} students on at most {teacher.keep * train} answers each",
        *_judging(config, builder, splits),
    ]


def _judging_candidates(builder: RequestBuilder, answers: int) -> list[str]:
    if not builder.config.teacher.judged:
        return []
    by_rule = sum(by_model(due) for due in builder.rules.scored_rules())
    return [f"judge, of candidates: {answers * by_rule} verdicts at most"]


def _judging(
    config: Config, builder: RequestBuilder, splits: Mapping[Split, Sequence[Row]]
) -> list[str]:
    server = stated_server(config)
    if server is None:
        return ["judge: 0 calls"]
    shown: dict[JudgedSplit, list[Row]] = {
        split: [builder.kept(row).shown(row) for row in splits[split]]
        for split in get_args(JudgedSplit)
    }
    return plan_ahead(config, server, shown).summary(server.price_per_million)


def plan_ahead(
    config: Config, server: ServerSettings, shown: Mapping[JudgedSplit, Sequence[Row]]
) -> Plan:
    """The most calls that judging every arm of these splits can make. Asks and writes nothing.

    `shown` holds the rows with the passages that fit. Placeholder answers stand in for the arms'.
    Fewer calls are made where a rule does not apply, where an answer is empty or its prompt does
    not fit, and where two arms give the same answer.
    """
    prompt, rules = load_prompt(config.prompt, Path())
    length = config.predict.sampling.max_tokens * BYTES_PER_TOKEN
    pairs = [
        (row, _placeholder_answer(arm, row, length))
        for split, rows in shown.items()
        for row in rows
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


def _placeholder_answer(arm: str, row: Row, length: int) -> Answer:
    """A unique answer of the maximum length, in characters."""
    return Answer(
        key="",
        arm=arm,
        row=row.id,
        sample=0,
        text=f"{arm} {row.id} ".ljust(length, "x"),
        finish="stop",
        seed=0,
        prompt_tokens=0,
    )
