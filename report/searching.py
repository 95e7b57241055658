"""What a search has tried, ready to be written: the leaderboard, models × methods, and all trials.

Leaves the choice to the search itself, whose words are shown.
"""

from dataclasses import dataclass

from judge.metrics.interval import Interval
from report.gather import RunFiles
from report.tables import differing, flat, share
from student.records import LeaderboardCell, Trial


@dataclass(frozen=True)
class TrialRow:
    """One trial."""

    trial: Trial
    differs: tuple[str, ...]  # its values of the settings in which the trials differ
    interval: Interval | None  # of its strict share


@dataclass(frozen=True)
class Search:
    """A search."""

    best: str | None
    why: str
    methods: tuple[str, ...]
    board: tuple[tuple[str, tuple[LeaderboardCell | None, ...]], ...]  # model, its cells by method
    columns: tuple[str, ...]  # settings in which the trials differ
    rows: tuple[TrialRow, ...]


def search(material: RunFiles) -> Search | None:
    """None where nothing was searched."""
    found = material.search
    if found is None:
        return None
    cells = {(cell.model, cell.method): cell for cell in found.leaderboard}
    models = dict.fromkeys(cell.model for cell in found.leaderboard)
    methods = tuple(dict.fromkeys(cell.method for cell in found.leaderboard))
    settings = [{"model": one.model, **dict(flat(one.settings))} for one in found.trials]
    columns = differing(settings)
    return Search(
        best=found.best,
        why=found.why,
        methods=methods,
        board=tuple(
            (model, tuple(cells.get((model, method)) for method in methods)) for model in models
        ),
        columns=tuple(columns),
        rows=tuple(
            TrialRow(
                one,
                tuple(values.get(key, "") for key in columns),
                share(one.strict, one.val_rows),
            )
            for one, values in zip(found.trials, settings, strict=True)
        ),
    )
