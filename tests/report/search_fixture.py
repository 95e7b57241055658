"""A search as it may lie on disk: two bases, two methods, every way in which a trial may end."""

from typing import Any

from data.run_paths import RunPaths
from student.records import CorrectedRate, LeaderboardCell, SearchResult, Trial
from tests.report.judge_fixture import write_json

BEST = "trial-001"


def make_search(run: RunPaths, text: str) -> None:
    """Writes search.json; names of models, reasons and the choice come from outside."""
    other = f"other/base {text}"
    ends: list[dict[str, Any]] = [
        {"model": "some/base", "method": "lora", "state": "complete", "strict": 0.6},
        {"model": other, "method": "dora", "state": "complete", "strict": 0.75},
        {"model": "some/base", "method": "lora", "state": "pruned", "reason": f"above {text}"},
        {"model": other, "method": "lora", "state": "refused", "reason": f"no base {text}"},
        {"model": "some/base", "method": "dora", "state": "failed", "reason": f"Error: {text}"},
        {"model": "some/base", "method": "dora", "state": "running"},
    ]
    trials = []
    for number, end in enumerate(ends):
        complete = end["state"] == "complete"
        trials.append(
            Trial.model_validate(
                {
                    "name": f"trial-{number:03d}",
                    "objective": "ce",
                    "settings": {"learning_rate": 1e-4 * (number + 1), "epochs": 2},
                    "val_rows": 20 if complete else None,
                    "val_loss": 0.5 if end["state"] in ("complete", "pruned") else None,
                    "seconds": 8.0 if complete else None,
                    **end,
                }
            )
        )
    first, best = trials[:2]
    cells = (
        _cell(first, 2),
        _cell(best, 1),
        LeaderboardCell(
            model="some/base", method="dora", best=None, strict=None, val_loss=None, n=1
        ),
    )
    why = f"strict adherence 75.0% on 20 val rows, the highest of 2 {text}"
    result = SearchResult(
        trials=tuple(trials),
        leaderboard=cells,
        best=best.name,
        why=why,
        held_out=tuple(f"row-{number}" for number in range(12)),
        winner=CorrectedRate(value=0.5, low=0.254, high=0.746, rows=12),
    )
    write_json(run.search, result)


def _cell(trial: Trial, n: int) -> LeaderboardCell:
    return LeaderboardCell(
        model=trial.model,
        method=trial.method,
        best=trial.name,
        strict=trial.strict,
        val_loss=trial.val_loss,
        n=n,
        corrected=CorrectedRate(
            value=(trial.strict or 0) - 0.04, low=0.4, high=0.8, rows=20, optimism=0.04
        ),
    )
