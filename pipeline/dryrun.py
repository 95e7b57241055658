"""The dry run: rows, token lengths, truncation, calls and tokens, without asking a model."""

from collections.abc import Sequence
from pathlib import Path

import yaml

from config.schema import Config
from data.prepare import DataQuality, PreparedSplits, prepare_splits
from data.rows import Row
from data.run_paths import Split
from engine.request_builder import RequestBuilder, View
from pipeline.planned_calls import planned_calls
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
    lines = [yaml.safe_dump(config.model_dump(mode="json"), allow_unicode=True, sort_keys=False)]
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
    lines += ["", *planned_calls(builder, splits)]
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
    return lines
