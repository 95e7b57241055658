"""Parts of a step on their own: the teacher's pass, and loss and backward from hidden states on."""

from collections.abc import Callable

import torch
from trl.experimental.gkd import GKDTrainer

from benchmarks.training.benchmark_rows import BenchmarkRows
from config.peft_methods import LoraMethod
from config.training import Distillation
from engine.precision import Precision
from engine.prefix_cache import compute_prefix
from student.collator import collate
from student.distiller import loss_function
from student.forward import base_only, base_states, causal_model
from student.head import Head
from student.losses import summed_loss
from student.model import load_student

TrainingStep = Callable[[], None]


class StepFactory:
    """Builds the parts, in the precision of the trainers."""

    def __init__(self, device: str, dtype: Precision, rows: BenchmarkRows) -> None:
        self._device = torch.device(device)
        self._dtype = dtype
        self._rows = rows
        self._model = load_student(rows.model, LoraMethod(), seed=0, dtype=dtype).to(self._device)

    def teacher(self, cached_prefix: bool) -> TrainingStep:
        """The base's pass over prompted rows, whole or behind the cached prefix.

        The row's tokens behind the prefix are `own`, its answer included.
        """
        lengths, system = self._rows.lengths, self._rows.system
        prefix = None
        if cached_prefix:
            with base_only(self._model), torch.no_grad(), self._autocast():
                prefix = compute_prefix(causal_model(self._model), system)
        skipped = len(system) if cached_prefix else 0
        size = lengths.prompted - lengths.answer
        rows = [
            row._replace(teacher_prompt_ids=row.teacher_prompt_ids[:size])
            for row in self._rows.examples(1)
        ]
        batch = collate([row.teacher_view(skipped) for row in rows], self._device)

        def step() -> None:
            with self._autocast():
                base_states(self._model, batch, prefix)

        return step

    def losses(self) -> tuple[TrainingStep, TrainingStep]:
        """Loss and backward pass from hidden states on: ours from stored probabilities, and TRL's
        from the logits of both models."""
        causal, lengths = causal_model(self._model), self._rows.lengths
        weight = causal.lm_head.weight  # [V, D]
        tokens, width = lengths.rows * lengths.answer, weight.shape[1]
        batch = collate(self._rows.examples(1), self._device)
        generator = torch.Generator().manual_seed(0)
        student, teacher = (
            torch.randn(tokens, width, generator=generator).to(weight) for _ in range(2)
        )  # [N, D]
        stored = loss_function(Distillation(direction="forward"), batch, None, Head(causal))

        def ours() -> None:
            hidden = student.clone().requires_grad_()
            with self._autocast():
                loss = summed_loss(hidden, Head(causal), stored)
            torch.autograd.backward(loss)

        def trl() -> None:
            hidden = student.clone().requires_grad_()
            shape = (lengths.rows, lengths.answer, -1)
            with self._autocast():
                logits, teacher_logits = (
                    torch.nn.functional.linear(states, weight).view(shape)
                    for states in (hidden, teacher)
                )
                loss = GKDTrainer.generalized_jsd_loss(logits, teacher_logits.detach(), beta=0.0)
            torch.autograd.backward(loss)

        return ours, trl

    def _autocast(self) -> torch.autocast:
        dtype = getattr(torch, self._dtype)
        return torch.autocast(self._device.type, dtype, enabled=self._dtype != "float32")
