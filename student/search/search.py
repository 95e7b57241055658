"""Tries students around the first one of the list, and says which is best and why.

Optuna proposes and prunes; its journal is what a search is: a killed one goes on, and any number of
processes work on it at once. Val loss stops a trial early, adherence on val decides; the hidden set
is never opened.
"""

import gc
import shutil
import traceback
from typing import IO, NamedTuple

import optuna
import torch
import yaml
from optuna.trial import TrialState

from config.errors import ConfigError, DataError, UnpromptedError
from config.schema import Config
from config.search_space import SearchSettings
from data.atomic_write import write_text
from data.file_lock import lock_file
from data.fingerprint import check_fingerprint
from data.records import digest
from data.run_paths import RunPaths
from engine.models import file_sha256
from engine.request_builder import RequestBuilder
from student.records import SearchResult
from student.search.results import REFUSED, outcome, searched
from student.search.space import DrawnTrial, drawn, drawn_before, experiment, note, said, trial_name
from student.search.study import Watch, begun, opened_study, sampler
from student.train import train

NO_RULE = -1.0  # the value where no rule could be decided: below every share


def search(config: Config, accept_changes: bool) -> SearchResult:
    """Tries until there are enough trials, beside other processes that do the same.

    A trial whose process has ended goes on from its last checkpoint. Leaves search.json and, once a
    trial has ended well, best.yaml. Raises ConfigError without a `search` section, and DataError
    when no answers were selected, or when what is searched has changed (unless `accept_changes`:
    then all is tried anew).
    """
    if config.search is None:
        raise ConfigError("search: nothing says what to try; see README, Search")
    worker = _Worker(config, config.search, accept_changes)
    while (taken := worker.next_trial()) is not None:
        name = trial_name(taken.trial.number)
        print(f"{name}: {said(taken.made)}", flush=True)
        with taken.lock:
            worker.try_out(taken)
        print(*(outcome(one) for one in worker.conclude().trials if one.name == name), flush=True)
    return worker.conclude()


class _Taken(NamedTuple):
    trial: optuna.Trial
    made: DrawnTrial
    lock: IO[str]  # held while it is trained


class _Worker:
    """One process of a search."""

    def __init__(self, config: Config, wanted: SearchSettings, accept_changes: bool) -> None:
        self.config, self.wanted, self.run = config, wanted, RunPaths.of(config)
        self._folder = self.run.search.with_suffix("")
        with lock_file(self.run.search, wait=True):
            meaning = _meaning(config, wanted)
            if check_fingerprint(self._folder / "fingerprint.json", meaning, accept_changes):
                self._forget()
            self.study = opened_study(self._folder / "journal.log", wanted)

    def _forget(self) -> None:
        """Removes the trials of other settings. Raises DataError while one of them is trained."""
        for lock in self._folder.glob("trial-*.lock"):
            lock_file(lock.with_suffix("")).close()
        for path in self.run.search.parent.glob("trial-[0-9][0-9][0-9]"):
            shutil.rmtree(path)
        (self._folder / "journal.log").unlink(missing_ok=True)

    def next_trial(self) -> _Taken | None:
        """One that a process has left, else a new one; None when there are enough."""
        with lock_file(self.run.search, wait=True):
            for left in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
                try:
                    lock = lock_file(self._folder / trial_name(left.number))
                except DataError:
                    continue  # its process lives
                self.study.sampler = sampler(self.wanted, left.number)
                # not `ask`: it is this very trial that goes on, with what it had reported
                return self._taken(optuna.Trial(self.study, left._trial_id), lock)
            trials = begun(self.study)
            refused = sum(REFUSED in trial.user_attrs for trial in trials)
            if max(len(trials) - refused, refused) >= self.wanted.trials:
                return None
            self.study.sampler = sampler(self.wanted, len(trials))
            trial = self.study.ask()
            return self._taken(trial, lock_file(self._folder / trial_name(trial.number)))

    def _taken(self, trial: optuna.Trial, lock: IO[str]) -> _Taken:
        made = drawn(trial, self.config, self.wanted)
        note(trial, made)
        return _Taken(trial, made, lock)

    def try_out(self, taken: _Taken) -> None:
        """Trains one trial and tells the study how it ended, whatever that is."""
        trial, epochs = taken.trial, taken.made.student["epochs"]
        before = self._tried_before(taken)
        if before is not None:  # as failed: the sampler must not learn that it was bad
            self._end(trial, TrialState.FAIL, REFUSED, f"tried before, as {before}")
            return
        try:
            config = experiment(self.config, taken.made)
            result = train(config, config.students[0], True, [Watch(trial, epochs)])
        except optuna.TrialPruned as pruned:
            self._end(trial, TrialState.PRUNED, "reason", str(pruned))
        except UnpromptedError as error:
            self._end(trial, TrialState.PRUNED, REFUSED, str(error))
        except Exception as error:
            traceback.print_exc()
            line = (str(error).splitlines() or [""])[0][:300]
            self._end(trial, TrialState.FAIL, "reason", f"{type(error).__name__}: {line}")
        else:
            trial.set_user_attr("result", result.model_dump(mode="json"))
            self.study.tell(trial, NO_RULE if result.strict is None else result.strict)
        folder = self.run.student(trial_name(trial.number))
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        gc.collect()  # a trainer and its model refer to each other
        torch.cuda.empty_cache()

    def _tried_before(self, taken: _Taken) -> str | None:
        """The name of an earlier trial with the same settings."""
        for other in self.study.get_trials(deepcopy=False)[: taken.trial.number]:
            made = drawn_before(other)
            if (
                made is not None
                and REFUSED not in other.user_attrs
                and made.tried == taken.made.tried
            ):
                return trial_name(other.number)
        return None

    def _end(self, trial: optuna.Trial, state: TrialState, key: str, why: str) -> None:
        trial.set_user_attr(key, why)
        self.study.tell(trial, state=state)

    def conclude(self) -> SearchResult:
        """Writes what is known so far; the weights of trials that are not the best go."""
        with lock_file(self.run.search, wait=True):
            found = searched(self.run, self.study.get_trials(deepcopy=False))
            kept = {found.best, *(student.name for student in self.config.students)}
            for trial in found.trials:
                if trial.state == "complete" and trial.name not in kept:
                    folder = self.run.student(trial.name)
                    (folder / "result.json").unlink(missing_ok=True)
                    shutil.rmtree(folder / "adapter", ignore_errors=True)
            write_text(self.run.search, found.model_dump_json(indent=1) + "\n")
            if found.best is not None:
                self._write_best(found)
            return found

    def _write_best(self, found: SearchResult) -> None:
        """The experiment with the best trial as its student; on the same base it is trained."""
        best = next(trial for trial in found.trials if trial.name == found.best)
        made = DrawnTrial(best.model, {"name": best.name, **best.settings})
        values = experiment(self.config, made).model_dump(mode="json")
        if best.model != self.config.model.name:
            values["name"] += f"-{best.name}"  # another base has another teacher: a run of its own
        students = {"students": values["students"]}  # first, to be copied from there
        text = yaml.safe_dump({**students, **values}, allow_unicode=True, sort_keys=False)
        write_text(self.run.search.with_name("best.yaml"), text)


def _meaning(config: Config, wanted: SearchSettings) -> dict[str, object]:
    """What the trials have in common, by name; there may always be more of them."""
    run, builder = RunPaths.of(config), RequestBuilder(config)
    files = [run.split("train"), run.split("val"), run.selected, run.selected_val]
    for path in files:
        if not path.exists():
            raise DataError(
                f"{path}: not there; run `python -m pipeline CONFIG` first, as far as "
                "`teacher select`"
            )
    return {
        **wanted.model_dump(mode="json", exclude={"trials"}),
        "student": config.students[0].model_dump(mode="json", exclude={"name", "tokens_per_pass"}),
        "model": builder.identity,
        "template": builder.renderer.template_sha256,
        "prompt": builder.prompt.sha256,
        "predict": config.predict.model_dump(mode="json", include={"sampling", "eval_rows"}),
        "answers": digest([file_sha256(path) for path in files]),
    }
