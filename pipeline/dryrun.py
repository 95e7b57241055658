"""The dry run: rows, token lengths, truncation, and the most calls and tokens that a run needs.

No teacher, student or judge is asked; the base is loaded once for the preflight.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

from config.judging import ServerSettings
from config.load import dump_config
from config.schema import Config
from data.answers import Answer
from data.data_quality import DataQuality, quality_notes
from data.prepare import PreparedSplits, prepare_splits
from data.rows import Row
from data.run_paths import RunPaths, Split
from engine.request_builder import RequestBuilder, View
from judge.checks.applicability import by_model
from judge.checks.rule_support import due_warnings, example_warnings
from judge.inputs import JudgedSplit
from judge.judging_server import configured_server
from judge.labels import best_by_row
from judge.llm.dry_run import Plan
from judge.llm.judge import LlmJudge
from judge.llm.request import BYTES_PER_TOKEN
from prompts.prompt_file import load_prompt
from student.preflight import check_base
from teacher.guided.guided_tasks import GUIDED_ROUNDS
from teacher.probes.build import build_probes
from teacher.probes.candidates import load_probe_sources

_BINS = 8
_BAR_WIDTH = 40  # characters of the longest bar


def dry_run(config: Config) -> str:
    """The resolved config, every row with its lengths, histograms, and the calls of a run."""
    prepared = prepare_splits(config.data, Path(), config.seed)
    builder = RequestBuilder(config)
    splits: dict[Split, Sequence[Row]] = {
        "train": (*prepared.train, *_probes(builder, prepared)),
        "val": prepared.val,
        "hidden": prepared.hidden or (),
    }
    lines = [dump_config(config)]
    lines += [*(f"preflight: {finding}" for finding in check_base(builder)), ""]
    lengths: dict[str, list[int]] = {"prompted": [], "unprompted": []}
    lines.append(f"{'row':<24} {'split':<7} {'prompted':>8} {'unprompted':>10}  tokens")
    for split, rows in splits.items():
        for row in rows:
            prompted = len(builder.view_ids(row, View(prompted=True)))
            unprompted = len(builder.view_ids(row, View(prompted=False)))
            lengths["prompted"].append(prompted)
            lengths["unprompted"].append(unprompted)
            note = _note(builder, row)
            lines.append(f"{row.id:<24} {split:<7} {prompted:>8} {unprompted:>10}  {note}".rstrip())
    lines += _removed(prepared.quality)
    for view, values in lengths.items():
        lines += ["", f"tokens of the {view} view", *_histogram(values)]
    warnings = [
        *due_warnings(builder.rules, splits["train"], probes=config.probes is not None),
        *example_warnings(builder.rules, builder.prompt),
    ]
    lines += [""] * bool(warnings) + [f"warning: {warning}" for warning in warnings]
    lines += ["", *_planned_calls(builder, splits)]
    return "\n".join(lines)


def _probes(builder: RequestBuilder, prepared: PreparedSplits) -> Sequence[Row]:
    """The probes from the bank, if configured; questions by the model are not counted."""
    config = builder.config
    if config.probes is None:
        return ()
    held_out = [*prepared.val, *(prepared.hidden or ())]
    sources = load_probe_sources(config, builder.prompt, prepared.train, held_out)
    return build_probes(sources, builder.rules, {}).rows


def _note(builder: RequestBuilder, row: Row) -> str:
    fitted = builder.fit_contexts(row)
    if not fitted.fits:
        return f"TOO LONG for {builder.budget} tokens even without passages: the row is skipped"
    notes = []
    if fitted.dropped:
        notes.append(f"{fitted.dropped} of {len(row.contexts)} passages dropped")
    if earlier := fitted.dropped_from_history(row):
        notes.append(f"{earlier} passages of earlier turns dropped")
    return ", ".join(notes)


def _histogram(values: Sequence[int]) -> list[str]:
    low, high = min(values), max(values)
    width = max(1, -(-(high - low + 1) // _BINS))
    counts = [0] * _BINS
    for value in values:
        counts[(value - low) // width] += 1
    highest = max(counts)
    return [
        f"{low + index * width:>7}–{low + (index + 1) * width - 1:<7} {count:>5} "
        + "█" * round(_BAR_WIDTH * count / highest)
        for index, count in enumerate(counts)
        if low + index * width <= high
    ]


def _removed(quality: DataQuality) -> list[str]:
    """One line per row that is not used, with the reason."""
    lines = [
        f"{row:<24} train   removed: its question is in val or hidden"
        for row in quality.leaks_removed
    ]
    lines += [f"{row:<24} train   removed: duplicate" for row in quality.duplicates_removed]
    lines += [
        f"{record.file}:{record.line} quarantined: {record.reason}"
        for record in quality.quarantined
    ]
    return lines + quality_notes(quality)


def _planned_calls(builder: RequestBuilder, splits: Mapping[Split, Sequence[Row]]) -> list[str]:
    """Lines on calls and tokens of teacher, students and judge, each an upper bound."""
    config = builder.config
    teacher, students = config.teacher, len(config.students)
    train, val, hidden = (len(splits[name]) for name in get_args(Split))
    val_sampled = min(val, config.predict.eval_rows)
    guided = [how for how in GUIDED_ROUNDS if how != "constructed"] if teacher.guided else []
    per_row = teacher.candidates + len(guided)
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
    judging_of_candidates, judging_of_arms = [], ["judge: 0 calls"]
    if teacher.score_with_llm:
        verdicts = (candidates + train) * sum(map(by_model, builder.rules.scored_rules()))
        judging_of_candidates = [f"judge, of candidates: {verdicts} verdicts at most"]
    server = configured_server(config)
    if server is not None:
        rows: dict[JudgedSplit, list[Row]] = {
            split: [builder.fit_contexts(row).apply(row) for row in splits[split]]
            for split in get_args(JudgedSplit)
        }
        plan = plan_judging(config, server, rows)
        judging_of_arms = plan.summary()
    return [
        f"candidates: {candidates} calls at most, {prompt_tokens} prompt tokens before prefix "
        "caching",
        f"arms on val and hidden, the base on train: {greedy} calls",
        f"likelihood of val's best logged answers: {scored} calls, no answer tokens",
        f"answer tokens: {answer_tokens} at most",
        *judging_of_candidates,
        f"training: {students} students on at most {teacher.max_selected * train} answers each",
        *judging_of_arms,
    ]


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
