"""The questions that train shares with the held-out splits, in lines for people."""

from data.data_quality import DataQuality


def overlap_lines(quality: DataQuality) -> list[str]:
    """A line per held-out split whose questions train asks too: what was removed for it."""
    removed, lines = set(quality.leaks_removed), []
    for name in ("val", "hidden"):
        leakage = quality.leakage.get(f"train-{name}")
        shared = {pair.train for pair in leakage.exact} if leakage else set()
        if not shared:
            continue
        gone = len(shared & removed)
        rest = f", {len(shared) - gone} stay" if gone < len(shared) else ""
        lines.append(
            f"{name} overlaps train: {len(shared)} train rows ask a question of {name}; {gone} of "
            f"them are removed from train{rest}, and {name} keeps all its "
            f"{quality.splits[name].rows} rows"
        )
    return lines
