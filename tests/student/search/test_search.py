"""A search: what it tries, what it goes on with, who wins, and what it never opens."""

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml

from config.errors import ConfigError, DataError
from config.load import load_config
from config.schema import Config
from config.search_space import SearchSettings
from data.file_lock import lock_file
from data.jsonl import read_records
from data.run_paths import RunPaths
from student.records import SearchResult, Step, Trial
from student.search.results import rank_trials
from student.search.search import run_search
from student.search.space import combinations
from student.search.study import PruneByValLoss
from student.train import read_result, train
from tests.student.forked_command import run_in_checkout, start_command, start_forked
from tests.student.run_factory import (
    ROOT,
    experiment,
    other_tokenizer_model,
    small_vocabulary_model,
    tiny_model,
)


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny base."""
    return small_vocabulary_model(tmp_path_factory.mktemp("model"))


RATES = {"low": 1e-4, "high": 1e-2}


def searching(folder: Path, model: Path, epochs: int = 1, **wanted: Any) -> Path:
    """A config that searches around `experiment`'s student, by default its learning rate."""
    path = experiment(folder, model)
    values = yaml.safe_load(path.read_text("utf-8"))
    values["students"][0]["epochs"] = epochs
    values["search"] = {"trials": 2, "learning_rate": RATES} | wanted
    path.write_text(yaml.safe_dump(values), "utf-8")
    return path


def rates(outcome: SearchResult) -> list[object]:
    """What was drawn for each trial."""
    return [trial.settings["learning_rate"] for trial in outcome.trials]


@pytest.mark.slow
def test_the_hidden_set_is_never_opened(tmp_path: Path, model: Path) -> None:
    """The interpreter tells of every file that is opened: a search opens val, and no hidden row."""
    path = searching(tmp_path, model, rank=[2, 4])
    run = RunPaths.of(load_config(path))
    run.split("hidden").write_text("poison: not a row\n", "utf-8")
    output = tmp_path / "output"
    process = start_forked(_search_and_name_files, str(path), output)
    process.join()
    lines = output.read_text("utf-8")
    assert process.exitcode == 0, lines
    opened = lines.split("opened:\n")[1].splitlines()
    assert str(run.split("val")) in opened
    assert not [name for name in opened if Path(name).name in ("hidden.jsonl", "hidden.json")]
    outcome = SearchResult.model_validate_json(run.search.read_bytes())
    assert f"best: {outcome.best}" in lines and "unprompted run" in lines


def _search_and_name_files(path: str, output: Path) -> None:
    opened: set[str] = set()
    sys.addaudithook(lambda event, of: opened.add(str(of[0])) if event == "open" else None)
    try:
        run_in_checkout([path, "search"], output)
    finally:
        with output.open("a") as file:
            file.write("\n".join(["opened:", *sorted(opened)]))


@pytest.mark.slow
def test_a_search_to_its_end(tmp_path: Path, model: Path) -> None:
    """Every method meets every objective; what cannot work together is named and not trained; the
    winner is there to be used, and its settings, as a student of the list, need no second
    training."""
    config = load_config(
        searching(
            tmp_path,
            model,
            trials=3,
            methods=[{"rank": 4, "alpha": 6}, {"kind": "full"}],
            rank=[2],
            objectives=[{}, {"kind": "kl", "teacher": "adapter_off"}],
        )
    )
    outcome = run_search(config, False)
    run = RunPaths.of(config)
    states = [trial.state for trial in outcome.trials]
    assert states.count("complete") == 3, [trial.reason for trial in outcome.trials]
    refused = [trial for trial in outcome.trials if trial.state == "refused"]
    assert len(refused) == 1, "full leaves no base"
    assert {trial.objective for trial in outcome.trials} == {"ce", "kl"}
    assert all("leaves no untouched base" in (trial.reason or "") for trial in refused)
    assert not any(run.student(trial.name).exists() for trial in refused)
    methods: list[Any] = [trial.settings["method"] for trial in outcome.trials]
    assert {method.get("alpha") for method in methods} == {3.0, None}, "alpha / rank stays 6 / 4"
    assert [(cell.method, cell.n) for cell in outcome.leaderboard] == [("lora", 2), ("full", 1)]
    assert outcome.best == rank_trials(outcome.trials)[0].name
    assert outcome.best in {cell.best for cell in outcome.leaderboard}
    assert outcome == SearchResult.model_validate_json(run.search.read_bytes())
    kept = [t.name for t in outcome.trials if (run.student(t.name) / "adapter").exists()]
    assert kept == [outcome.best], "weights of the others would fill the disk"

    chosen = load_config(run.search.with_name("best.yaml"))
    before = read_result(run.student(chosen.students[0].name))
    assert train(chosen, chosen.students[0], accept_changes=False) == before
    rest = chosen.model_copy(update={"students": config.students, "search": config.search})
    assert rest == config


def test_every_combination_comes_first() -> None:
    """Three methods, two objectives, two bases: all twelve, each method among the first three, and
    neither all of one objective nor all of one base there."""
    wanted = SearchSettings.model_validate(
        {"methods": [{"rank": 2}, {"kind": "ia3"}, {"kind": "full"}], "models": ["one", "two"]}
        | {"objectives": [{"kind": "ce"}, {"kind": "kl"}]}
    )
    outcome = combinations(wanted)
    assert len({tuple(each.values()) for each in outcome}) == len(outcome) == 12
    for name, count in {"method": 3, "objective": 2, "model": 2}.items():
        assert len({each[name] for each in outcome[:3]}) == count, name
    assert combinations(SearchSettings()) == []


@pytest.mark.slow
def test_a_killed_search_goes_on(tmp_path: Path, model: Path) -> None:
    """SIGKILL in the second trial, after its first checkpoint: the
    same trials with the same values as without; the first is not trained again, the second goes on
    from its checkpoint."""
    whole = run_search(load_config(searching(tmp_path / "whole", model, epochs=3, trials=3)), False)
    path = searching(tmp_path / "killed", model, epochs=3, trials=3)
    config = load_config(path)
    run = RunPaths.of(config)
    process = start_command([str(path), "search"], tmp_path / "output")
    second = run.student(whole.trials[1].name)
    while not list(second.glob("checkpoints/*/COMPLETE")):
        assert process.is_alive()
        time.sleep(0.01)
    process.kill()
    process.join()
    assert not (second / "result.json").exists(), "it ended before it was killed"
    first_metrics = run.student(whole.trials[0].name) / "metrics.jsonl"
    first = first_metrics.read_bytes()
    begun = (second / "metrics.jsonl").read_bytes().splitlines()

    outcome = run_search(config, False)
    assert _measured(outcome) == _measured(whole)
    assert first_metrics.read_bytes() == first
    ended = (second / "metrics.jsonl").read_bytes().splitlines()
    assert ended[:7] == begun[:7], "six steps and an evaluation are kept, with their seconds"
    assert len(ended) == 21
    assert run_search(config, False) == outcome, "nothing is left to try"

    more = load_config(path, ["search.trials=4"])
    assert rates(run_search(more, False))[:3] == rates(outcome)
    with pytest.raises(DataError, match="learning_rate"):
        run_search(load_config(path, ["search.learning_rate.high=0.5"]), False)


def _measured(outcome: SearchResult) -> list[Trial]:
    """All but the clock, which no resumed training shares with another, and the folder."""
    return [trial.model_copy(update={"seconds": None}) for trial in outcome.trials]


@pytest.mark.slow
def test_two_processes_share_the_work(tmp_path: Path, model: Path) -> None:
    """As on two GPUs: each trial is trained by one of them, and there is none too many."""
    path = searching(tmp_path, model, trials=4, rank=[2, 4])
    run = RunPaths.of(load_config(path))
    outputs = [tmp_path / name for name in "ab"]
    with lock_file(run.search):  # both wait here, so that neither is done before the other begins
        workers = [start_command([str(path), "search"], output) for output in outputs]
        for worker in workers:
            while worker.is_alive() and f"{run.search}.lock" not in _opened(worker.pid):
                time.sleep(0.05)
    for worker in workers:
        worker.join()
    output = [path.read_text("utf-8") for path in outputs]
    assert [worker.exitcode for worker in workers] == [0, 0], output
    outcome = SearchResult.model_validate_json(run.search.read_bytes())
    assert [trial.state for trial in outcome.trials] == ["complete"] * 4
    names = [trial.name for trial in outcome.trials]
    started = [[name for name in names if f"{name}: lora of rank" in lines] for lines in output]
    assert all(started) and sorted(started[0] + started[1]) == sorted(names)
    for name in names:
        steps = list(read_records(run.student(name) / "metrics.jsonl", Step))
        assert [step.step for step in steps if step.loss is not None] == [1, 2, 3, 4, 5, 6]


def _opened(pid: int | None) -> set[str]:
    outcome = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            outcome.add(os.readlink(link))
    return outcome


def _evaluation(epoch: float, val_loss: float) -> Step:
    return Step(
        step=round(2 * epoch), epoch=epoch, seconds=0, val_loss=val_loss, strict=0.5, val_rows=4
    )


def test_val_loss_stops_a_trial_but_not_at_its_end() -> None:
    """Five trials at 1.0: one at 2.0 is stopped after an epoch, one at 0.5 is not; and after the
    last epoch adherence decides, whatever the loss."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.MedianPruner())
    for _ in range(5):
        trial = study.ask()
        PruneByValLoss(trial, epochs=2)(_evaluation(1, 1.0))
        PruneByValLoss(trial, epochs=2)(_evaluation(2, 1.0))
        study.tell(trial, 0.5)
    with pytest.raises(optuna.TrialPruned, match=r"val loss 2.000 after epoch 1"):
        PruneByValLoss(study.ask(), epochs=2)(_evaluation(1, 2.0))
    PruneByValLoss(study.ask(), epochs=2)(_evaluation(0.5, 2.0))  # within an epoch: not compared
    good = study.ask()
    PruneByValLoss(good, epochs=2)(_evaluation(1, 0.5))
    PruneByValLoss(good, epochs=2)(_evaluation(2, 2.0))
    PruneByValLoss(good, epochs=2)(_evaluation(1, 9.0))  # replayed after a resume
    assert study.trials[-1].intermediate_values == {1: -0.5, 2: -2.0}


def _trial(name: str, strict: float | None, val_loss: float, state: str = "complete") -> Trial:
    return Trial.model_validate(
        {"name": name, "state": state, "model": "m", "settings": {}, "method": "lora"}
        | {"objective": "ce", "strict": strict, "val_loss": val_loss}
    )


def test_adherence_decides_and_val_loss_between_equals() -> None:
    """The lowest loss of all does not win; a trial without a decided rule comes last."""
    trials = [
        _trial("low loss", 0.5, 0.1),
        _trial("undecided", None, 0.1),
        _trial("best", 0.75, 0.8),
        _trial("equal", 0.75, 0.9),
        _trial("stopped", None, 0.0, "pruned"),
    ]
    assert [one.name for one in rank_trials(trials)] == ["best", "equal", "low loss", "undecided"]


def test_what_cannot_be_searched_is_refused(tmp_path: Path, model: Path) -> None:
    """One line each: nothing to try, no answers to learn, a range that belongs to nothing."""
    path = searching(tmp_path, model)
    config: Config = load_config(path)
    with pytest.raises(ConfigError, match="has no search section"):
        run_search(config.model_copy(update={"search": None}), False)
    RunPaths.of(config).selected_val.unlink()
    with pytest.raises(DataError, match=r"selected_val.jsonl: does not exist; run"):
        run_search(config, False)
    with pytest.raises(ConfigError, match="'dora' is no kind in methods; their kinds are none"):
        load_config(path, ["search.learning_rate_of={dora: {low: 1e-4, high: 1e-3}}"])
    with pytest.raises(ConfigError, match=r"low 0\.1 is above high 0\.01"):
        load_config(path, ["search.learning_rate={low: 0.1, high: 0.01}"])


@pytest.mark.slow
def test_a_search_among_bases(tmp_path: Path) -> None:
    """Each base is trained once, as there is nothing else to try; the leaderboard has a line for
    each; a winner on another base is a run of its own."""
    same, other = tiny_model(tmp_path / "same"), other_tokenizer_model(tmp_path / "other")
    path = experiment(tmp_path / "run", same)
    values = yaml.safe_load(path.read_text("utf-8"))
    values["students"][0]["epochs"] = 2
    values["search"] = {"trials": 6, "models": [str(same), str(other)]}
    values["model"]["max_length"] = 8192  # the prompt has four times as many tokens in the other
    path.write_text(yaml.safe_dump(values), "utf-8")
    config = load_config(path)
    result = run_search(config, False)
    assert {cell.model for cell in result.leaderboard} == {str(same), str(other)}
    assert [trial.state for trial in result.trials] == ["complete"] * 2, "the rest was repeated"
    losses = {cell.model: cell.val_loss or 0 for cell in result.leaderboard}
    assert losses[str(other)] < losses[str(same)] - 3, "300 words are easier than 49,152: ln"
    best = load_config(RunPaths.of(config).search.with_name("best.yaml"))
    assert best.model.name == str(other)
    assert best.name == f"t-{result.best}"
