"""The tables of a search: the leaderboard (models × methods) and all trials."""

from dataclasses import dataclass

from report.run_files import RunFiles
from report.student_table import differing_keys, flatten
from student.records import LeaderboardCell, Trial


@dataclass(frozen=True)
class TrialRow:
    """One trial."""

    trial: Trial
    differs: tuple[str, ...]  # its values of the settings in which the trials differ


@dataclass(frozen=True)
class SearchTable:
    """A search."""

    best: str | None
    why: str
    methods: tuple[str, ...]
    board: tuple[tuple[str, tuple[LeaderboardCell | None, ...]], ...]  # model, cells by method
    columns: tuple[str, ...]  # settings in which the trials differ
    rows: tuple[TrialRow, ...]


def build_search_table(material: RunFiles) -> SearchTable | None:
    """None where nothing was searched."""
    search = material.search
    if search is None:
        return None
    cells = {(cell.model, cell.method): cell for cell in search.leaderboard}
    models = dict.fromkeys(cell.model for cell in search.leaderboard)
    methods = tuple(dict.fromkeys(cell.method for cell in search.leaderboard))
    settings = [{"model": trial.model, **dict(flatten(trial.settings))} for trial in search.trials]
    columns = tuple(differing_keys(settings))
    return SearchTable(
        best=search.best,
        why=search.why,
        methods=methods,
        board=tuple(
            (model, tuple(cells.get((model, method)) for method in methods)) for model in models
        ),
        columns=columns,
        rows=tuple(
            TrialRow(trial, tuple(values.get(key, "") for key in columns))
            for trial, values in zip(search.trials, settings, strict=True)
        ),
    )
