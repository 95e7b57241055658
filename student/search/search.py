"""Hyper-parameter search: trains students around the first one of the list, and picks the best.

Optuna samples, prunes and keeps the study in an SQLite file, so a killed search can be resumed and
several processes can work on it at once. Val loss stops a trial early; strict adherence on val by
case decides. Half of val's questions are held out: no trial looks at them, and they score the
winner. The hidden set is never opened.
"""

import shutil
import sys
import time
import traceback
from functools import partial
from typing import IO

import optuna
import torch
import yaml
from optuna.trial import TrialState

from config.console import print
from config.errors import ConfigError, DataError, UnpromptedError, first_line
from config.schema import Config
from config.search_space import SearchSettings
from config.training import MEMORY_SETTINGS
from data.atomic_write import write_text
from data.file_lock import lock_file
from data.fingerprint import Fingerprint, check_fingerprint
from data.jsonl import read_appended
from data.records import digest
from data.run_paths import RunPaths
from engine.models import file_sha256
from engine.request_builder import RequestBuilder
from judge.evaluation_rows import held_out_rows
from student.preflight import preflight
from student.records import SearchResult, Step, Trial, chosen_by
from student.search.answer_rows import answer_rows
from student.search.corrected_rate import TrialRows
from student.search.results import outcome_line, search_result
from student.search.space import TrialSettings, sample_settings, trial_config
from student.search.study import (
    HEARTBEAT_S,
    PruneByValLoss,
    open_study,
    prepare_next,
    retry_trial,
    save_record,
    trial_records,
)
from student.train import train

UNDECIDED = -1.0  # value of a trial where no rule was decided: below every share


def run_search(config: Config, accept_changes: bool) -> SearchResult:
    """Runs trials until there are enough, alongside other processes of the same search.

    A trial whose process died continues from its last checkpoint. Writes search.json and, once a
    trial completed, best.yaml. Raises ConfigError without a `search` section, and DataError when no
    answers were selected, or when the search space or its inputs have changed (with
    `accept_changes` the search starts anew instead).
    """
    if config.search is None:
        raise ConfigError("search: the config has no search section; see README, Search")
    worker = _Worker(config, config.search, accept_changes)
    while worker.run_next():
        pass
    worker.score_winner()
    return worker.save_result()


class _Worker:
    """One process of a search."""

    def __init__(self, config: Config, search: SearchSettings, accept_changes: bool) -> None:
        self.config, self.search, self.run = config, search, RunPaths.of(config)
        self._folder = self.run.search.with_suffix("")
        self._builder = RequestBuilder(config)
        with lock_file(self.run.search, wait=True):
            fingerprint = _fingerprint(self._builder, search)
            self._val = self.run.rows("val")
            self._held_out = held_out_rows(self._builder.rules, self._val)
            if check_fingerprint(self._folder / "fingerprint.json", fingerprint, accept_changes):
                self._delete_trials()
            self.study = open_study(self._folder / "study.db", search)

    def _delete_trials(self) -> None:
        """Raises DataError while a process is training one of them."""
        for lock in self._folder.glob("trial-*.lock"):
            lock_file(lock.with_suffix("")).close()
            shutil.rmtree(self.run.student(lock.stem), ignore_errors=True)
        (self._folder / "study.db").unlink(missing_ok=True)

    def run_next(self) -> bool:
        """Runs a trial, or waits for those of other processes. False when all have ended."""
        with lock_file(self.run.search, wait=True) as lock:
            if prepare_next(self.study, self.search):
                objective = partial(self._objective, lock=lock)
                self.study.optimize(objective, n_trials=1, gc_after_trial=True)
                return True
        running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        if running:
            time.sleep(HEARTBEAT_S)
        return bool(running)

    def _objective(self, trial: optuna.Trial, lock: IO[str]) -> float:
        settings = sample_settings(trial, self.config, self.search)
        record = Trial(
            name=settings.name,
            state="running",
            model=settings.model,
            settings=settings.student,
            method=settings.student["method"]["kind"],
            objective=settings.student["objective"]["kind"],
        )
        save_record(trial, record)
        lock.close()  # other processes may start their next trial
        print(f"{record.name}: {settings}", flush=True)
        with lock_file(self._folder / record.name, wait=True):
            record = trial_records(self.study)[record.name]
            if record.state == "running":  # else equal settings were tried before
                record = self._train(trial, settings, record)
        save_record(trial, record)
        print(outcome_line(record), flush=True)
        self.save_result()
        torch.cuda.empty_cache()
        if record.state == "complete":
            value = chosen_by(record)
            return UNDECIDED if value is None else value
        if record.state == "failed":
            return float("nan")  # Optuna's failed state: the sampler ignores it
        raise optuna.TrialPruned(record.reason)

    def _train(self, trial: optuna.Trial, settings: TrialSettings, record: Trial) -> Trial:
        """Trains the student of a trial; returns the record of the outcome."""
        pruner = PruneByValLoss(trial, settings.student["epochs"])
        outcome: dict[str, object]
        try:
            config = trial_config(self.config, settings)
            preflight(config)
            result = train(config, config.students[0], True, [pruner], self._held_out)
            measured = {"strict", "strict_by_case", "val_rows", "val_loss", "best_epoch", "seconds"}
            outcome = {"state": "complete", **result.model_dump(include=measured)}
        except KeyboardInterrupt:
            retry_trial(self.study, self.study.get_trials(deepcopy=False)[trial.number])
            raise
        except UnpromptedError as error:
            outcome = {"state": "refused", "reason": str(error)}
        except optuna.TrialPruned as error:
            outcome = {"state": "pruned", "reason": str(error), **pruner.measured}
        except Exception as error:
            print(traceback.format_exc(), end="", file=sys.stderr)
            line = first_line(error, 300)
            reason = f"{type(error).__name__}: {line}"
            outcome = {"state": "failed", "reason": reason, **pruner.measured}
        shutil.rmtree(self.run.student(record.name) / "checkpoints", ignore_errors=True)
        return record.model_copy(update=outcome)

    def save_result(self) -> SearchResult:
        """Writes search.json and best.yaml; deletes the weights of all trials but the best."""
        with lock_file(self.run.search, wait=True):
            result = self._result()
            keep = {result.best, *(student.name for student in self.config.students)}
            for trial in result.trials:
                if trial.state == "complete" and trial.name not in keep:
                    folder = self.run.student(trial.name)
                    (folder / "result.json").unlink(missing_ok=True)
                    shutil.rmtree(folder / "adapter", ignore_errors=True)
            write_text(self.run.search, result.model_dump_json(indent=1) + "\n")
            for trial in result.trials:
                if trial.name == result.best:
                    self._write_best(trial)
            return result

    def _result(self) -> SearchResult:
        trials = list(trial_records(self.study).values())
        evaluations = {trial.name: self._evaluations(trial.name) for trial in trials}
        rows = TrialRows(self._builder.rules, self._val, evaluations)
        result = search_result(trials, rows, self._held_out, self.search.seed)
        passed = self.study.user_attrs.get(f"winner {result.best}")
        return result.model_copy(update={"winner": rows.rate(passed) if passed else None})

    def _evaluations(self, trial: str) -> list[Step]:
        metrics = self.run.student(trial) / "metrics.jsonl"
        steps = read_appended(metrics, Step)
        return [step for step in steps if step.val_rows is not None]

    def score_winner(self) -> None:
        """Has the best trial answer the rows that are held out, unless it has."""
        with lock_file(self.run.search, wait=True):
            result = self._result()
            best = next((trial for trial in result.trials if trial.name == result.best), None)
            if best is None or result.winner is not None or not self._held_out:
                return
            config = trial_config(self.config, TrialSettings(best.model, best.settings))
            rows = [row for row in self._val if row.id in self._held_out]
            self.study.set_user_attr(f"winner {best.name}", answer_rows(config, rows))

    def _write_best(self, best: Trial) -> None:
        """The experiment with the best trial as its student, which is trained already.

        On another base it is a run of its own, because its teacher is another one.
        """
        config = trial_config(self.config, TrialSettings(best.model, best.settings))
        values = config.model_dump(mode="json")
        if best.model != self.config.model.name:
            values["name"] += f"-{best.name}"
        students_first = {"students": values["students"], **values}
        text = yaml.safe_dump(students_first, allow_unicode=True, sort_keys=False)
        write_text(self.run.search.with_name("best.yaml"), text)


def _fingerprint(builder: RequestBuilder, search: SearchSettings) -> Fingerprint:
    """Everything that the trials have in common; `trials` may grow."""
    config = builder.config
    run = RunPaths.of(config)
    files = [run.split("train"), run.split("val"), run.selected, run.selected_val]
    for path in files:
        if not path.exists():
            raise DataError(
                f"{path}: does not exist; run `unprompted run CONFIG` first, as far as "
                "`teacher select`"
            )
    student = config.students[0].model_dump(mode="json", exclude={"name", *MEMORY_SETTINGS})
    return {
        **search.model_dump(mode="json", exclude={"trials"}),
        "student": student,
        "model": builder.identity,
        "template": builder.renderer.template.sha256,
        "prompt": builder.prompt.sha256,
        "predict": config.predict.model_dump(mode="json", include={"sampling", "eval_rows"}),
        "answers": digest([file_sha256(path) for path in files]),
        "held_out": digest(sorted(held_out_rows(builder.rules, run.rows("val")))),
    }
