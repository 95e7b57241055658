"""The content of search.json: every trial of a search, the leaderboard, and the winner."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from student.records import LeaderboardCell, SearchResult, Trial, TrialState

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
    """The completed trials, best first: by strict adherence, then by val loss."""
    infinite = float("inf")
    return sorted(
        (trial for trial in trials if trial.state == "complete"),
        key=lambda trial: (
            1.0 if trial.strict is None else -trial.strict,
            infinite if trial.val_loss is None else trial.val_loss,
        ),
    )


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
    loss = "none" if trial.val_loss is None else f"{trial.val_loss:.3f}"
    return f"{trial.name}: {strict}, val loss {loss}, {trial.seconds or 0:.0f} s"


def leaderboard_table(result: SearchResult) -> str:
    """The leaderboard, models × methods, as aligned lines of text."""
    rows = [("model", "method", "best trial", "strict", "val loss", "trials")]
    rows += [
        (
            Path(cell.model).name,
            cell.method,
            cell.best or "none",
            "–" if cell.strict is None else f"{cell.strict:.1%}",
            "–" if cell.val_loss is None else f"{cell.val_loss:.3f}",
            str(cell.n),
        )
        for cell in result.leaderboard
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _why(completed: Sequence[Trial], trials: Sequence[Trial]) -> str:
    counts = {state: sum(trial.state == state for trial in trials) for state in _NOT_COMPLETED}
    others = ", ".join(f"{n} {_NOT_COMPLETED[state]}" for state, n in counts.items() if n)
    suffix = f"; {others}" if others else ""
    if not completed:
        reasons = [trial.reason for trial in trials if trial.reason]
        return f"no trial completed{suffix}" + (f"; the last: {reasons[-1]}" if reasons else "")
    best = completed[0]
    rate = "no rule decided" if best.strict is None else f"strict adherence {best.strict:.1%}"
    why = f"{rate} on {best.val_rows} val rows by the code rules, the highest of {len(completed)}"
    ties = [trial.name for trial in completed[1:] if trial.strict == best.strict]
    if ties and best.val_loss is not None:
        why += f"; equal to {', '.join(ties)}, and the lowest val loss, {best.val_loss:.3f}"
    return why + suffix
