"""When a training is evaluated and saved: after every epoch, and within long ones."""

from typing import Any

from transformers import TrainerCallback

from student.evaluation_steps import evaluation_steps


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
