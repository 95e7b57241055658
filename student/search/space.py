"""The settings of one trial, sampled from the search space."""

import json
from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple, TypeVar

from optuna import Trial

from config.load import validated
from config.schema import Config
from config.search_space import SearchSettings
from data.records import digest

_T = TypeVar("_T", int, str)


class TrialSettings(NamedTuple):
    """The base and the student of one trial, as plain values."""

    model: str  # base, as in model.name
    student: dict[str, Any]  # StudentSettings without a name, not validated: see `trial_config`

    @property
    def name(self) -> str:
        """Name of the trial, its student and its folder. Equal settings have equal names."""
        return f"trial-{digest([self.model, self.student])[:8]}"

    def __str__(self) -> str:
        """One line for the console."""
        student = self.student
        rank, epochs = student["method"].get("rank"), student["epochs"]
        return (
            f"{student['method']['kind']}{f' of rank {rank}' if rank else ''}, "
            f"objective {student['objective']['kind']}, "
            f"learning rate {student['learning_rate']:.2g}, {student['batch_size']} rows a step, "
            f"{epochs} epoch{'' if epochs == 1 else 's'}, on {self.model}"
        )


def combinations(search: SearchSettings) -> list[dict[str, str]]:
    """Every method with every objective on every base, as parameters of a trial.

    Objectives and bases rotate through the methods, so that the first trials cover all methods.
    """
    choices = {name: values for name, values in _choices(search).items() if values}
    if not choices:
        return []
    sizes = [len(values) for values in choices.values()]

    def rotation(indices: tuple[int, ...]) -> tuple[list[int], int]:
        first = indices[0]
        return [(i - first) % size for i, size in zip(indices, sizes, strict=True)], first

    return [
        {name: values[i] for (name, values), i in zip(choices.items(), indices, strict=True)}
        for indices in sorted(product(*map(range, sizes)), key=rotation)
    ]


def _choices(search: SearchSettings) -> dict[str, list[str]]:
    return {
        "method": [method.model_dump_json() for method in search.methods],
        "objective": [objective.model_dump_json() for objective in search.objectives],
        "model": list(search.models),
    }


def sample_settings(trial: Trial, config: Config, search: SearchSettings) -> TrialSettings:
    """The settings of this trial. A retried trial gets its earlier values again."""
    base, choices = config.students[0], _choices(search)
    method = _choice(trial, "method", choices["method"], base.method.model_dump_json())
    objective = _choice(trial, "objective", choices["objective"], base.objective.model_dump_json())
    ranked_method = _with_rank(trial, search, json.loads(method))
    student = {
        "method": ranked_method,
        "objective": json.loads(objective),
        "learning_rate": _learning_rate(trial, search, ranked_method["kind"], base.learning_rate),
        "batch_size": _choice(trial, "batch_size", search.batch_size, base.batch_size),
        "epochs": _choice(trial, "epochs", search.epochs, base.epochs),
    }
    model = _choice(trial, "model", choices["model"], config.model.name)
    return TrialSettings(model, base.model_dump(mode="json", exclude={"name"}) | student)


def trial_config(config: Config, settings: TrialSettings) -> Config:
    """The experiment with this trial as its only student.

    Raises ConfigError for settings that cannot work together.
    """
    values = config.model_dump(mode="json")
    if settings.model != config.model.name:
        values["model"] |= {"name": settings.model, "revision": None}
    student = {"name": settings.name, **settings.student}
    return validated(Config, values | {"students": [student], "search": None}, settings.name)


def _with_rank(trial: Trial, search: SearchSettings, method: dict[str, Any]) -> dict[str, Any]:
    if not search.rank or "rank" not in method:
        return method
    rank = _choice(trial, "rank", search.rank, method["rank"])
    return method | {"rank": rank, "alpha": method["alpha"] * rank / method["rank"]}


def _learning_rate(trial: Trial, search: SearchSettings, kind: str, default: float) -> float:
    method_range = search.learning_rate_of.get(kind)
    interval = method_range or search.learning_rate
    if interval is None:
        return default
    name = f"learning_rate of {kind}" if method_range else "learning_rate"
    return trial.suggest_float(name, interval.low, interval.high, log=True)


def _choice(trial: Trial, name: str, choices: Sequence[_T], default: _T) -> _T:
    return trial.suggest_categorical(name, list(choices)) if choices else default
