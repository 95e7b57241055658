"""From what a search may try to one trial's settings."""

from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple, TypeVar

from optuna import Trial
from optuna.trial import FrozenTrial
from pydantic import TypeAdapter

from config.load import validated
from config.objectives import Objective
from config.peft_methods import LowRank, Method
from config.schema import Config
from config.search_space import SearchSettings

_METHOD: TypeAdapter[Method] = TypeAdapter(Method)
_OBJECTIVE: TypeAdapter[Objective] = TypeAdapter(Objective)

_T = TypeVar("_T", int, str)


class DrawnTrial(NamedTuple):
    """What one trial is. Kept in the journal, so plain values."""

    model: str  # base, as in model.name
    student: dict[str, Any]  # StudentSettings, unchecked: see `experiment`

    @property
    def tried(self) -> dict[str, Any]:
        """All but its name: of two that are equal, both would end the same."""
        return {**self.student, "name": None, "model": self.model}


def trial_name(number: int) -> str:
    """The name of a trial and of its student."""
    return f"trial-{number:03d}"


def combinations(search: SearchSettings) -> list[dict[str, str]]:
    """Every method with every objective on every base, as parameters of a trial.

    Every method is among the first ones, with objectives and bases in turn, so that few trials
    leave no method out.
    """
    choices = {name: each for name, each in _choices(search).items() if each}
    if not choices:
        return []
    sizes = [len(each) for each in choices.values()]
    places = sorted(
        product(*map(range, sizes)),
        key=lambda at: ([(i - at[0]) % size for i, size in zip(at, sizes, strict=True)], at[0]),
    )
    return [
        {name: each[i] for (name, each), i in zip(choices.items(), at, strict=True)}
        for at in places
    ]


def _choices(search: SearchSettings) -> dict[str, list[str]]:
    return {
        "method": [method.model_dump_json() for method in search.methods],
        "objective": [objective.model_dump_json() for objective in search.objectives],
        "model": list(search.models),
    }


def drawn(trial: Trial, config: Config, search: SearchSettings) -> DrawnTrial:
    """What this trial tries; one that goes on draws what it had drawn."""
    base, choices = config.students[0], _choices(search)
    method = _choice(trial, "method", choices["method"], base.method.model_dump_json())
    objective = _choice(trial, "objective", choices["objective"], base.objective.model_dump_json())
    adapted = _ranked(trial, search, _METHOD.validate_json(method))
    student = {
        "name": trial_name(trial.number),
        "method": adapted,
        "objective": _OBJECTIVE.validate_json(objective).model_dump(mode="json"),
        "learning_rate": _rate(trial, search, adapted["kind"], base.learning_rate),
        "batch_size": _choice(trial, "batch_size", search.batch_size, base.batch_size),
        "epochs": _choice(trial, "epochs", search.epochs, base.epochs),
    }
    model = _choice(trial, "model", choices["model"], config.model.name)
    return DrawnTrial(model, base.model_dump(mode="json") | student)


def note(trial: Trial, made: DrawnTrial) -> None:
    """Keeps in the journal what a trial is."""
    for key, value in made._asdict().items():
        trial.set_user_attr(key, value)


def drawn_before(trial: FrozenTrial) -> DrawnTrial | None:
    """What a trial of the journal is; None where its process ended while it was drawn."""
    notes = trial.user_attrs
    return DrawnTrial(notes["model"], notes["student"]) if "student" in notes else None


def said(made: DrawnTrial) -> str:
    """A trial in words."""
    student = made.student
    rank, epochs = student["method"].get("rank"), student["epochs"]
    return (
        f"{student['method']['kind']}{f' of rank {rank}' if rank else ''}, "
        f"objective {student['objective']['kind']}, learning rate {student['learning_rate']:.2g}, "
        f"{student['batch_size']} rows a step, {epochs} epoch{'' if epochs == 1 else 's'}, "
        f"on {made.model}"
    )


def experiment(config: Config, made: DrawnTrial) -> Config:
    """The experiment with this trial as its only student. Raises ConfigError for what cannot work
    together."""
    values = config.model_dump(mode="json")
    values["model"]["name"] = made.model
    values |= {"students": [made.student], "search": None}
    return validated(Config, values, made.student["name"])


def _ranked(trial: Trial, search: SearchSettings, method: Method) -> dict[str, Any]:
    values = method.model_dump(mode="json")
    if search.rank and isinstance(method, LowRank):
        rank = _choice(trial, "rank", search.rank, method.rank)
        values |= {"rank": rank, "alpha": method.alpha * rank / method.rank}
    return values


def _rate(trial: Trial, search: SearchSettings, kind: str, otherwise: float) -> float:
    own = search.learning_rate_of.get(kind)
    span = own or search.learning_rate
    if span is None:
        return otherwise
    name = f"learning_rate of {kind}" if own else "learning_rate"
    return trial.suggest_float(name, span.low, span.high, log=True)


def _choice(trial: Trial, name: str, choices: Sequence[_T], otherwise: _T) -> _T:
    return trial.suggest_categorical(name, list(choices)) if choices else otherwise
