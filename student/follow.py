"""What shows a training while it runs: a progress bar, and the trackers that were asked for.

A tracker gets the lines of metrics.jsonl under the same names, in one run per training that ends
with it; transformers' own callbacks go on in the run of the student before. A resumed training is a
new run that begins with what the file has kept, so the newest run is always whole.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from transformers import ProgressCallback, TrainerControl, TrainerState, TrainingArguments

from config.errors import SetupError
from config.schema import Config
from config.tracking import TrackerSettings, WandbSettings
from config.training import StudentSettings
from data.run_paths import RunPaths
from student.callbacks import Follower
from student.distributed import rank
from student.records import Step


@contextmanager
def trackers(config: Config, student: StudentSettings) -> Iterator[list[Follower]]:
    """The settings' trackers, each with a run of this student; of several processes the first's.

    Raises SetupError where trackio is asked for and not installed.
    """
    with ExitStack() as stack:
        followers = []
        if config.wandb is not None and rank() == 0:
            followers.append(stack.enter_context(_wandb(config, config.wandb, student)))
        if config.trackio is not None and rank() == 0:
            followers.append(stack.enter_context(_trackio(config, config.trackio, student)))
        yield followers


@contextmanager
def _wandb(config: Config, wanted: WandbSettings, student: StudentSettings) -> Iterator[Follower]:
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # read when wandb is imported
    import wandb

    with wandb.init(
        project=wanted.project,
        name=_name(config, student),
        mode=wanted.mode,
        dir=str(RunPaths.of(config).root),
        config=_settings(config, student),
        reinit="create_new",
        settings=wandb.Settings(silent=True),
    ) as run:
        yield lambda step: run.log(_values(step, wanted, wandb.Table), step=step.step)


@contextmanager
def _trackio(
    config: Config, wanted: TrackerSettings, student: StudentSettings
) -> Iterator[Follower]:
    try:
        import trackio
    except ImportError:
        raise SetupError(
            "trackio: run `pip install '.[trackio]'` first, or trackio: null"
        ) from None
    run = trackio.init(
        project=wanted.project,
        name=_name(config, student),
        config=_settings(config, student),
        embed=False,
        auto_log_gpu=False,  # its rows have no step
        auto_log_cpu=False,
    )
    try:
        yield lambda step: run.log(_values(step, wanted, trackio.Table), step=step.step)
    finally:
        run.finish()


def _name(config: Config, student: StudentSettings) -> str:
    return f"{config.name}/{student.name}"


def _settings(config: Config, student: StudentSettings) -> dict[str, Any]:
    return {**student.model_dump(mode="json"), "model": config.model.name}


def _values(step: Step, wanted: TrackerSettings, table: Any) -> dict[str, Any]:
    """A line as a tracker takes it: what it holds, one name for each number."""
    plain = step.model_dump(exclude={"step", "rules", "samples"}, exclude_none=True)
    plain |= {f"rule/{rule}": rate for rule, rate in (step.rules or {}).items()}
    if wanted.samples and step.samples:
        rows = [list(sample.model_dump().values()) for sample in step.samples]
        plain["samples"] = table(columns=["row", "question", "answer"], data=rows)
    return plain


class Bar(ProgressCallback):  # type: ignore[misc]
    """One bar per training, with its name, the time left and the loss; a line for each look."""

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **rest: Any
    ) -> None:
        """As transformers does it, named."""
        super().on_train_begin(args, state, control, **rest)
        if self.training_bar is not None:
            self.training_bar.set_description(args.run_name)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **rest: Any,
    ) -> None:
        """The numbers that change the reader's mind; all of them are in metrics.jsonl."""
        if logs is None or self.training_bar is None:
            return
        if "loss" in logs:
            self.training_bar.set_postfix(loss=f"{logs['loss']:.3f}", refresh=False)
        elif "eval_rows" in logs:
            loss, strict = logs.get("eval_loss"), logs.get("eval_strict")
            self.training_bar.write(
                f"epoch {state.epoch:g}: "
                f"val loss {'none' if loss is None else format(loss, '.3f')}, "
                f"strict {'none' if strict is None else format(strict, '.1%')} "
                f"of {logs['eval_rows']} rows"
            )
