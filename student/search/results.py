"""What a search has tried, as search.json keeps it: every trial, the leaderboard, the winner."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from optuna.trial import FrozenTrial
from optuna.trial import TrialState as Optuna

from data.jsonl import read_records
from data.run_paths import RunPaths
from student.records import LeaderboardCell, SearchResult, Step, TrainingResult, Trial, TrialState
from student.search.space import DrawnTrial, drawn_before, trial_name

REFUSED = "refused"  # attribute of a trial that was not trained: why

_STATES: dict[Optuna, TrialState] = {
    Optuna.COMPLETE: "complete",
    Optuna.PRUNED: "pruned",
    Optuna.FAIL: "failed",
}


def searched(run: RunPaths, found: Iterable[FrozenTrial]) -> SearchResult:
    """The state of a search."""
    trials = tuple(
        _trial(run, one, made) for one in found if (made := drawn_before(one)) is not None
    )
    ended = ranked(trials)
    best = ended[0] if ended else None
    return SearchResult(
        trials=trials,
        leaderboard=_leaderboard(trials),
        best=best.name if best else None,
        why=_why(ended, trials),
    )


def ranked(trials: Iterable[Trial]) -> list[Trial]:
    """Those that ended well, best first: by strict adherence, then by val loss."""
    ended = [trial for trial in trials if trial.state == "complete"]
    infinite = float("inf")
    return sorted(
        ended,
        key=lambda one: (
            1.0 if one.strict is None else -one.strict,
            infinite if one.val_loss is None else one.val_loss,
        ),
    )


def _trial(run: RunPaths, found: FrozenTrial, drawn: DrawnTrial) -> Trial:
    name, notes, student = trial_name(found.number), found.user_attrs, drawn.student
    state: TrialState = "refused" if REFUSED in notes else _STATES.get(found.state, "running")
    made = Trial(
        name=name,
        state=state,
        model=drawn.model,
        settings={key: value for key, value in student.items() if key != "name"},
        method=student["method"]["kind"],
        objective=student["objective"]["kind"],
        reason=notes.get(REFUSED) or notes.get("reason"),
    )
    if state == "refused":
        return made
    metrics = run.student(name) / "metrics.jsonl"
    steps = list(read_records(metrics, Step)) if metrics.exists() else []
    result = TrainingResult.model_validate(notes["result"]) if "result" in notes else None
    return made.model_copy(update=_measured(steps, result))


def _measured(
    steps: Sequence[Step], result: TrainingResult | None
) -> dict[str, float | int | None]:
    looks = [step for step in steps if step.val_rows is not None]
    seconds = steps[-1].seconds if steps else None
    rows = looks[-1].val_rows if looks else None
    if result is None:  # what is said of it is no value: it did not reach its end
        return {"seconds": seconds, "val_loss": looks[-1].val_loss if looks else None}
    return {
        "strict": result.strict,
        "val_rows": rows,
        "val_loss": result.val_loss,
        "best_epoch": result.best_epoch,
        "seconds": result.seconds,
    }


def _leaderboard(trials: Sequence[Trial]) -> tuple[LeaderboardCell, ...]:
    trained = [trial for trial in trials if trial.state not in ("refused", "running")]
    cells = []
    for model, method in dict.fromkeys((trial.model, trial.method) for trial in trained):
        members = [one for one in trained if (one.model, one.method) == (model, method)]
        best = next(iter(ranked(members)), None)
        cells.append(
            LeaderboardCell(
                model=model,
                method=method,
                best=best.name if best else None,
                strict=best.strict if best else None,
                val_loss=best.val_loss if best else None,
                n=len(members),
            )
        )
    return tuple(cells)


def outcome(trial: Trial) -> str:
    """How a trial ended, in a line."""
    if trial.state != "complete":
        return f"{trial.name}: {trial.state}: {trial.reason}"
    strict = "no rule decided" if trial.strict is None else f"strict {trial.strict:.1%}"
    loss = "none" if trial.val_loss is None else f"{trial.val_loss:.3f}"
    return f"{trial.name}: {strict}, val loss {loss}, {trial.seconds or 0:.0f} s"


def table(found: SearchResult) -> str:
    """The leaderboard, models × methods, as lines of text."""
    lines = [("model", "method", "best trial", "strict", "val loss", "trials")]
    lines += [
        (
            Path(cell.model).name,
            cell.method,
            cell.best or "none",
            "–" if cell.strict is None else f"{cell.strict:.1%}",
            "–" if cell.val_loss is None else f"{cell.val_loss:.3f}",
            str(cell.n),
        )
        for cell in found.leaderboard
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = [
        [cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines
    ]
    return "\n".join("  ".join(line).rstrip() for line in padded)


def _why(ended: Sequence[Trial], trials: Sequence[Trial]) -> str:
    counts = {state: sum(one.state == state for one in trials) for state in _SAID}
    rest = ", ".join(f"{count} {_SAID[state]}" for state, count in counts.items() if count)
    behind = f"; {rest}" if rest else ""
    if not ended:
        reasons = [one.reason for one in trials if one.reason]
        return f"no trial ended well{behind}" + (f"; the last: {reasons[-1]}" if reasons else "")
    best = ended[0]
    rate = "no rule decided" if best.strict is None else f"strict adherence {best.strict:.1%}"
    why = f"{rate} on {best.val_rows} val rows by the code rules, the highest of {len(ended)}"
    equal = [one.name for one in ended[1:] if one.strict == best.strict]
    if equal and best.val_loss is not None:
        why += f"; equal to {', '.join(equal)}, and the lowest val loss, {best.val_loss:.3f}"
    return why + behind


_SAID: dict[TrialState, str] = {
    "pruned": "stopped early by val loss",
    "refused": "not trained, as they cannot work or were tried before",
    "failed": "failed",
    "running": "still running",
}
