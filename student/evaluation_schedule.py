"""When a training is evaluated and saved: after every epoch, and within long ones."""

from typing import Any

from transformers import TrainerCallback

_STEPS = 12  # between two evaluations within an epoch, at least
_PER_EPOCH = 4  # evaluations, at most
_PER_TRAINING = 12  # evaluations, at most, unless there are more epochs: each generates answers


def evaluation_steps(steps_per_epoch: int, epochs: int) -> set[int]:
    """The optimiser steps after which a training is evaluated and saved.

    The end of every epoch, and evenly spaced steps within: conditional rules come and go within an
    epoch, and the best weights are those of an evaluation.
    """
    most = min(_PER_EPOCH, _PER_TRAINING // epochs, steps_per_epoch // _STEPS)
    per_epoch = max(1, most)
    return {
        epoch * steps_per_epoch + round(part * steps_per_epoch / per_epoch)
        for epoch in range(epochs)
        for part in range(1, per_epoch + 1)
    }


class EvaluationSchedule(TrainerCallback):  # type: ignore[misc]
    """Has the trainer evaluate and save at these steps."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Plans the steps; a resumed training has the same ones."""
        epochs = int(args.num_train_epochs)
        self._steps = evaluation_steps(state.max_steps // epochs, epochs)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Asks for both after the step."""
        if state.global_step in self._steps:
            control.should_evaluate = control.should_save = True
