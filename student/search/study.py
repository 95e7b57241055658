"""The Optuna study of a search: storage, sampler, pruning, and retries of lost trials.

Optuna's heartbeat finds trials whose process has died. Its retry callback enqueues them again with
the same parameters and user attributes.
"""

import sqlite3
import warnings
from contextlib import closing
from pathlib import Path

import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.pruners import MedianPruner, NopPruner
from optuna.samplers import TPESampler
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback, fail_stale_trials
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from config.errors import DataError
from config.search_space import SearchSettings
from data.records import digest
from data.stored_file import is_stored
from student.records import Step, Trial
from student.search.space import combinations

HEARTBEAT_S = 5
GRACE_S = 20  # a trial without a heartbeat for so long is lost

# RuntimeError: tables of another version; LookupError, ValueError: rows with other content
_DAMAGED = (
    *(sqlite3.Error, SQLAlchemyError, StorageInternalError),
    *(RuntimeError, LookupError, ValueError),
)
_RECORD = "trial"  # user attribute: the Trial record


def open_study(path: Path, search: SearchSettings) -> optuna.Study:
    """The study in an SQLite file, created if missing. Its value is maximised.

    With several bases nothing is pruned: losses per token are not comparable between tokenizers.
    Raises DataError when the file is no study.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        _check_database(path)
        with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):  # heartbeats
            storage = RDBStorage(
                f"sqlite:///{path.absolute()}",
                heartbeat_interval=HEARTBEAT_S,
                grace_period=GRACE_S,
                heartbeat_stale_trial_callback=retry_trial,
            )
        return optuna.create_study(
            storage=storage,
            study_name="search",
            direction="maximize",
            pruner=NopPruner() if len(search.models) > 1 else MedianPruner(),
            load_if_exists=True,
        )
    except _DAMAGED as error:
        line = " ".join(str(error).split())[:200]
        raise DataError(f"{path}: {line}; remove the file to search anew") from error


def _check_database(path: Path) -> None:
    """Raises sqlite3.DatabaseError for a damaged file."""
    if not is_stored(path):
        return
    with closing(sqlite3.connect(path)) as database:
        findings = [row[0] for row in database.execute("PRAGMA quick_check(1)")]
    if findings != ["ok"]:
        raise sqlite3.DatabaseError(findings[0])


def retry_trial(study: optuna.Study, trial: FrozenTrial) -> None:
    """Enqueues a lost trial again."""
    with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
        retry = RetryHeartbeatStaleTrialCallback(inherit_intermediate_values=True)
    retry(study, trial)


def prepare_next(study: optuna.Study, search: SearchSettings) -> bool:
    """Prepares the study for its next trial; False when enough trials were started.

    Lost trials are retried first. Then every method is tried once with every objective on every
    base: after its first good trial the sampler alone would stay with that trial's method. The
    sampler's seed depends on the number of trials before, so a resumed search samples the same.
    """
    with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
        fail_stale_trials(study)
    trials = study.get_trials(deepcopy=False)
    histories = [trial.system_attrs.get("retry_history", []) for trial in trials]
    waiting = any(trial.state == TrialState.WAITING for trial in trials)
    started = sum(
        trial.state != TrialState.WAITING or bool(history)
        for trial, history in zip(trials, histories, strict=True)
    ) - len({number for history in histories for number in history})
    if not waiting:
        records = trial_records(study).values()
        trained = sum(record.state != "refused" for record in records)
        if max(trained, started - trained) >= search.trials:  # the rest was refused or repeated
            return False
        if started < len(planned := combinations(search)):
            study.enqueue_trial(planned[started])
    seed = int(digest([search.seed, started])[:8], 16)
    study.sampler = TPESampler(seed=seed, constant_liar=True)
    return True


def save_record(trial: optuna.Trial, record: Trial) -> None:
    """Stores the record with the trial."""
    trial.set_user_attr(_RECORD, record.model_dump(mode="json"))


def trial_records(study: optuna.Study) -> dict[str, Trial]:
    """The records by name, in the order in which the trials began; of equal settings only one."""
    records: dict[str, Trial] = {}
    for trial in study.get_trials(deepcopy=False):
        if _RECORD in trial.user_attrs:
            record = Trial.model_validate(trial.user_attrs[_RECORD])
            if record.name not in records or record.state != "running":
                records[record.name] = record
    return records


class PruneByValLoss:
    """Reports the evaluation after each epoch to Optuna, and stops a trial whose val loss is above
    the median. Evaluations within an epoch are left out: trials have them at other steps."""

    def __init__(self, trial: optuna.Trial, epochs: int) -> None:
        self._trial, self._epochs = trial, epochs
        self.measured: dict[str, float] = {}  # of the last evaluation

    def __call__(self, step: Step) -> None:
        """Raises TrialPruned to stop the training."""
        if step.val_rows is None or step.val_loss is None:
            return
        self.measured = {"val_loss": step.val_loss, "seconds": step.seconds}
        epoch = round(step.epoch)
        if epoch != step.epoch:
            return
        trials = self._trial.study.get_trials(deepcopy=False)
        if epoch in trials[self._trial.number].intermediate_values:
            return  # reported before the process was killed
        self._trial.report(-step.val_loss, epoch)  # the study maximises
        # after the last epoch there is nothing to save, and adherence decides
        if epoch < self._epochs and self._trial.should_prune():
            raise optuna.TrialPruned(
                f"val loss {step.val_loss:.3f} after epoch {epoch}, above the trials' median"
            )
