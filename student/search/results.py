"""The content of search.json: every trial of a search, the leaderboard, and the winner."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from judge.metrics.interval import format_share
from student.records import LeaderboardCell, SearchResult, Trial, TrialState, best_first, reason
from student.search.corrected_rate import TrialRows

_NOT_COMPLETED: dict[TrialState, str] = {
    "pruned": "stopped early by val loss",
    "refused": "not trained, as their settings cannot work together",
    "failed": "failed",
    "running": "still running",
}


def search_result(
    trials: Sequence[Trial], rows: TrialRows, held_out: Collection[str] = (), seed: int = 0
) -> SearchResult:
    """The leaderboard and the winner of these trials; `held_out` are ids of val rows.

    `seed` is of the resamples that correct the leaderboard.
    """
    completed = rank_trials(trials)
    return SearchResult(
        trials=tuple(trials),
        leaderboard=_leaderboard(trials, rows, seed),
        best=completed[0].name if completed else None,
        why=_why(completed, trials),
        held_out=tuple(sorted(held_out)),
    )


def rank_trials(trials: Iterable[Trial]) -> list[Trial]:
    """The completed trials, best first."""
    return best_first(trial for trial in trials if trial.state == "complete")


def _leaderboard(
    trials: Sequence[Trial], rows: TrialRows, seed: int
) -> tuple[LeaderboardCell, ...]:
    groups: dict[tuple[str, str], list[Trial]] = {}
    for trial in trials:
        if trial.state not in ("refused", "running"):
            groups.setdefault((trial.model, trial.method), []).append(trial)
    cells = []
    for (model, method), group in groups.items():
        ranked = rank_trials(group)
        best = ranked[0] if ranked else None
        cells.append(
            LeaderboardCell(
                model=model,
                method=method,
                best=best.name if best else None,
                strict=best.strict if best else None,
                val_loss=best.val_loss if best else None,
                n=len(group),
                corrected=rows.best_rate(ranked, seed) if ranked else None,
            )
        )
    return tuple(cells)


def outcome_line(trial: Trial) -> str:
    """How a trial ended, in one line."""
    if trial.state != "complete":
        return f"{trial.name}: {trial.state}: {trial.reason}"
    strict = "no rule decided" if trial.strict is None else f"strict {trial.strict:.1%}"
    if trial.strict_by_case is not None:
        strict += f" ({trial.strict_by_case:.1%} by case)"
    loss = "none" if trial.val_loss is None else f"{trial.val_loss:.3f}"
    return f"{trial.name}: {strict}, val loss {loss}, {trial.seconds or 0:.0f} s"


def leaderboard_lines(result: SearchResult) -> list[str]:
    """One line per model and method: the number of trials, and the best one."""
    return [
        f"{Path(cell.model).name}, {cell.method}: {cell.n} trials; best {_best_text(cell)}"
        for cell in result.leaderboard
    ]


def _best_text(cell: LeaderboardCell) -> str:
    rate = cell.corrected
    if cell.best is None or rate is None:
        return cell.best or "none"
    strict, off = format_share(rate.value, rate.low, rate.high), 100 * rate.optimism
    return f"{cell.best}: strict {strict}, {off:.1f} points taken off for the choice"


def _why(completed: Sequence[Trial], trials: Sequence[Trial]) -> str:
    counts = {state: sum(trial.state == state for trial in trials) for state in _NOT_COMPLETED}
    others = [f"{count} {_NOT_COMPLETED[state]}" for state, count in counts.items() if count]
    if completed:
        return "; ".join([reason(completed, completed[0].val_rows), *others])
    reasons = [f"the last: {trial.reason}" for trial in trials if trial.reason][-1:]
    return "; ".join(["no trial completed", *others, *reasons])
