"""The study behind a search, in Optuna: where it lies, what it proposes, what it stops early."""

from pathlib import Path
from typing import IO

import optuna
from optuna.pruners import MedianPruner, NopPruner
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState

from config.search_space import SearchSettings
from data.file_lock import lock_file
from data.jsonl import cut_unfinished_line
from data.records import digest
from student.records import Step
from student.search.space import combinations


def opened_study(journal: Path, wanted: SearchSettings) -> optuna.Study:
    """The study in a journal, or a new one; its value is maximised.

    Every method with every objective on every base waits to be tried once, before the sampler
    chooses: after the first good trial it goes back to that one's method, and never met the others.
    Among several bases nothing is stopped early: nats per token cannot be compared where tokens
    differ.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(journal), _Lock(journal))),
        study_name="search",
        direction="maximize",
        pruner=NopPruner() if len(wanted.models) > 1 else MedianPruner(),
        load_if_exists=True,
    )
    for parameters in combinations(wanted):
        study.enqueue_trial(parameters, skip_if_exists=True)
    return study


def begun(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that some process has begun."""
    return [one for one in study.get_trials(deepcopy=False) if one.state != TrialState.WAITING]


def sampler(wanted: SearchSettings, number: int) -> TPESampler:
    """One per trial, so that what is drawn depends on the trials before it and not on how often
    the search was started."""
    seed = int(digest([wanted.seed, number])[:8], 16)
    return TPESampler(seed=seed, constant_liar=True)


class _Lock(JournalFileOpenLock):
    """The journal's lock; the system releases it whatever ends its process.

    A line that the process before was killed in is removed.
    """

    def __init__(self, journal: Path) -> None:
        super().__init__(str(journal))
        self._journal = journal
        self._held: IO[str] | None = None

    def acquire(self) -> bool:
        self._held = lock_file(self._journal, wait=True)
        cut_unfinished_line(self._journal)
        return True

    def release(self) -> None:
        assert self._held is not None
        self._held.close()


class Watch:
    """Reports each look at val, and stops a trial whose val loss is above the median."""

    def __init__(self, trial: optuna.Trial, epochs: int) -> None:
        self._trial, self._epochs = trial, epochs

    def __call__(self, step: Step) -> None:
        epoch = round(step.epoch)
        if step.val_rows is None or step.val_loss is None:
            return
        known = self._trial.study.trials[self._trial.number].intermediate_values
        if epoch in known:
            return  # seen before the process was killed
        self._trial.report(-step.val_loss, epoch)  # the study maximises
        # after the last epoch nothing is saved by stopping, and adherence decides
        if epoch < self._epochs and self._trial.should_prune():
            raise optuna.TrialPruned(
                f"val loss {step.val_loss:.3f} after epoch {epoch}, above the trials' median"
            )
