"""The content of search.json: every trial of a search, the leaderboard, and the winner."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from student.records import LeaderboardCell, SearchResult, Trial, TrialState, best_first, reason

_NOT_COMPLETED: dict[TrialState, str] = {
    "pruned": "stopped early by val loss",
    "refused": "not trained, as their settings cannot work together",
    "failed": "failed",
    "running": "still running",
}


def search_result(trials: Sequence[Trial]) -> SearchResult:
    """The leaderboard and the winner of these trials."""
    completed = rank_trials(trials)
    return SearchResult(
        trials=tuple(trials),
        leaderboard=_leaderboard(trials),
        best=completed[0].name if completed else None,
        why=_why(completed, trials),
    )


def rank_trials(trials: Iterable[Trial]) -> list[Trial]:
    """The completed trials, best first."""
    return best_first(trial for trial in trials if trial.state == "complete")


def _leaderboard(trials: Sequence[Trial]) -> tuple[LeaderboardCell, ...]:
    groups: dict[tuple[str, str], list[Trial]] = {}
    for trial in trials:
        if trial.state not in ("refused", "running"):
            groups.setdefault((trial.model, trial.method), []).append(trial)
    cells = []
    for (model, method), group in groups.items():
        best = next(iter(rank_trials(group)), None)
        cells.append(
            LeaderboardCell(
                model=model,
                method=method,
                best=best.name if best else None,
                strict=best.strict if best else None,
                val_loss=best.val_loss if best else None,
                n=len(group),
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
    trials = {trial.name: outcome_line(trial) for trial in result.trials}
    return [
        f"{Path(cell.model).name}, {cell.method}: {cell.n} trials; best "
        f"{trials[cell.best] if cell.best else 'none'}"
        for cell in result.leaderboard
    ]


def _why(completed: Sequence[Trial], trials: Sequence[Trial]) -> str:
    counts = {state: sum(trial.state == state for trial in trials) for state in _NOT_COMPLETED}
    others = [f"{count} {_NOT_COMPLETED[state]}" for state, count in counts.items() if count]
    if completed:
        return "; ".join([reason(completed, completed[0].val_rows), *others])
    reasons = [f"the last: {trial.reason}" for trial in trials if trial.reason][-1:]
    return "; ".join(["no trial completed", *others, *reasons])
