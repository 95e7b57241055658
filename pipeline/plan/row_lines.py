"""The rows of a run in lines: how many remain, why others went, how the splits overlap."""

from collections import Counter
from collections.abc import Sequence

from config.schema import Config
from data.data_quality import DataQuality, quality_notes
from data.overlap_lines import overlap_lines
from pipeline.plan.row_tokens import RowTokens, histogram, token_range

_SHOWN_REASONS = 3  # of quarantined records
_REASON = 70  # characters of a reason


def row_lines(config: Config, quality: DataQuality, tokens: Sequence[RowTokens]) -> list[str]:
    """The rows of each split with what was removed, the overlap, and the lengths."""
    counts = {name: split.rows for name, split in quality.splits.items()}
    gone = _removed(quality)
    lines = [
        "rows",
        f"  train {counts['train']:,} remain; " + (", ".join(gone) or "none is removed"),
        *(f"  {name} {counts[name]:,} remain" for name in ("val", "hidden") if name in counts),
    ]
    probes = sum(tokens.split == "train" and tokens.row.synthetic is not None for tokens in tokens)
    if config.probes is not None:
        lines.append(f"  {probes:,} train rows are made up by `probes`, beside the logged ones")
    lines += [f"  {line}" for line in _overlaps(config, quality)]
    lines += [f"  {note}" for note in quality_notes(quality)]
    return lines + [f"  {line}" for line in _length_lines(tokens)]


def _removed(quality: DataQuality) -> list[str]:
    reasons = Counter[str]()
    for reason, count in quality.quarantine_counts.items():
        reasons[reason[:_REASON]] += count
    parts = []
    if quality.leaks_removed:
        parts.append(f"{len(quality.leaks_removed)} removed: their question is in val or hidden")
    if quality.duplicates_removed:
        parts.append(f"{len(quality.duplicates_removed)} removed: duplicates of other train rows")
    if reasons:
        shown = "; ".join(f"{count} × {why}" for why, count in reasons.most_common(_SHOWN_REASONS))
        more = "; …" if len(reasons) > _SHOWN_REASONS else ""
        parts.append(f"{reasons.total()} records quarantined: {shown}{more}")
    return parts


def _overlaps(config: Config, quality: DataQuality) -> list[str]:
    """What train shares with val and hidden, or that it shares nothing."""
    lines = overlap_lines(quality)
    if config.data.val is None:
        share = config.data.val_fraction
        lines.insert(0, f"val is {share:.0%} of the questions of data.train, and train lacks them")
    elif not lines:
        lines.append("val and train share no question")
    for name in ("val", "hidden"):
        leakage = quality.leakage.get(f"train-{name}")
        if leakage and leakage.near:
            lines.append(
                f"{len(leakage.near)} train questions are nearly those of {name} and stay "
                f"(data.near_duplicate {config.data.near_duplicate:g})"
            )
    return lines


def _length_lines(tokens: Sequence[RowTokens]) -> list[str]:
    lines = [
        f"tokens of a request: with the prompt {token_range([row.prompted for row in tokens])}, "
        f"without it {token_range([row.unprompted for row in tokens])}"
    ]
    long = sum(not row.fits for row in tokens)
    cut = sum(row.fits and row.dropped > 0 for row in tokens)
    if long:
        lines.append(
            f"warning: {long} rows are too long even without passages and are skipped; raise "
            "model.max_length"
        )
    if cut:
        lines.append(f"{cut} rows lose passages that do not fit model.max_length")
    return lines


def every_row(quality: DataQuality, tokens: Sequence[RowTokens]) -> list[str]:
    """A line per row with its lengths, then the removed ones, then histograms."""
    lines = [f"{'row':<24} {'split':<7} {'prompted':>8} {'unprompted':>10}  tokens"]
    for row in tokens:
        lengths = f"{row.prompted:>8} {row.unprompted:>10}"
        lines.append(f"{row.row.id:<24} {row.split:<7} {lengths}  {row.note}".rstrip())
    lines += [
        f"{row:<24} train   removed: its question is in val or hidden"
        for row in quality.leaks_removed
    ]
    lines += [f"{row:<24} train   removed: duplicate" for row in quality.duplicates_removed]
    lines += [
        f"{record.file}:{record.line} quarantined: {record.reason}"
        for record in quality.quarantined
    ]
    more = quality.quarantine_counts.total() - len(quality.quarantined)
    lines += [
        f"{more} more records quarantined: data/quarantine.jsonl of the run lists them"
    ] * bool(more)
    views = {
        "prompted": [row.prompted for row in tokens],
        "unprompted": [row.unprompted for row in tokens],
    }
    for view, values in views.items():
        lines += ["", f"tokens of the {view} view", *histogram(values)]
    return lines
