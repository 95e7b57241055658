"""The steps to compare: ours, SFTTrainer's, and one with TRL's GKD loss, on the same ids."""

import tempfile
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from datasets import Dataset
from trl import SFTConfig, SFTTrainer
from trl.experimental.gkd import GKDTrainer

from config.peft_methods import LoraMethod
from config.training import CrossEntropy, Distillation
from data.top_logprobs import TopLogprobs
from engine.hf_generation import GenerationSettings
from engine.models import load_tokenizer, resolve_model
from engine.precision import has_bfloat16
from student.collator import NO_TOKENS, Example, TokenIds, collate
from student.distiller import Distiller, loss_function
from student.forward import base_only, base_states, causal_model
from student.head import Head
from student.losses import summed_loss
from student.model import load_student
from student.prefix_cache import compute_prefix

TrainingStep = Callable[[], None]  # a forward and a backward pass of one optimiser step


class RowLengths(NamedTuple):
    """Tokens of the parts of a row, and rows per step."""

    system: int
    own: int  # of the row's unprompted view
    answer: int
    rows: int

    @property
    def prompted(self) -> int:
        """Tokens of a row in the teacher's pass, its answer included."""
        return self.system + self.own


class StepFactory:
    """Builds the steps, on the embedded model with LoRA r 32 on every linear layer."""

    def __init__(self, device: str, lengths: RowLengths) -> None:
        resolved = resolve_model("embedded")
        self._device = torch.device(device)
        self._model = load_student(resolved, LoraMethod(), seed=0).to(self._device)
        self._tokenizer = load_tokenizer(resolved)
        self._lengths = lengths
        self._random = np.random.default_rng(0)
        self._system = self._ids(lengths.system)
        self._rows = [self._row(1) for _ in range(lengths.rows)]

    def ours(self, objective: CrossEntropy | Distillation, answers: int = 1) -> TrainingStep:
        """One of our objectives on all rows; with n answers each on an n-th of them."""
        model, rows = self._model, self._rows_of(answers)
        sampling = GenerationSettings((0,), 1)  # not used by these objectives
        distiller = Distiller(model, objective, NO_TOKENS, sampling, tokens_per_pass=1 << 20)
        tokens = sum(row.answer_tokens for row in rows)

        def step() -> None:
            model.train()
            with self._autocast():
                losses = list(distiller.losses(rows))
            for loss in losses:
                torch.autograd.backward(loss / tokens)
            model.zero_grad()

        return step

    def teacher(self, cached_prefix: bool) -> TrainingStep:
        """The base's pass over prompted rows, whole or behind the cached prefix.

        The row's tokens behind the prefix are `own`, its answer included.
        """
        prefix = None
        if cached_prefix:
            with base_only(self._model), torch.no_grad(), self._autocast():
                prefix = compute_prefix(causal_model(self._model), self._system)
        skipped = len(self._system) if cached_prefix else 0
        size = self._lengths.prompted - self._lengths.answer
        rows = [
            row._replace(teacher_prompt_ids=row.teacher_prompt_ids[:size]) for row in self._rows
        ]
        batch = collate([row.teacher_view(skipped) for row in rows], self._device)

        def step() -> None:
            with self._autocast():
                base_states(self._model, batch, prefix)

        return step

    def gkd(self) -> TrainingStep:
        """TRL's loss as its trainer computes it, from full logits; the teacher sees the prompt."""
        model, size = self._model, self._lengths.answer
        own = self._tensor([np.append(row.prompt_ids, row.answers[0]) for row in self._rows])
        prompted = self._tensor(
            [np.append(row.teacher_prompt_ids, row.answers[0]) for row in self._rows]
        )

        def step() -> None:
            with self._autocast():
                with base_only(model), torch.no_grad():
                    teacher = model(input_ids=prompted, use_cache=False).logits
                model.train()
                student = model(input_ids=own, use_cache=False).logits
                loss = GKDTrainer.generalized_jsd_loss(
                    student[:, -size - 1 : -1], teacher[:, -size - 1 : -1], beta=0.0
                )
            torch.autograd.backward(loss)
            model.zero_grad()

        return step

    def losses(self) -> tuple[TrainingStep, TrainingStep]:
        """Loss and backward pass from hidden states on: ours from stored probabilities, and TRL's
        from the logits of both models."""
        causal = causal_model(self._model)
        weight = causal.lm_head.weight  # [V, D]
        tokens, width = self._lengths.rows * self._lengths.answer, weight.shape[1]
        batch = collate(self._rows, self._device)
        generator = torch.Generator().manual_seed(0)
        student, teacher = (
            torch.randn(tokens, width, generator=generator).to(weight) for _ in range(2)
        )  # [N, D]
        stored = loss_function(Distillation(direction="forward"), batch, None, Head(causal))

        def ours() -> None:
            hidden = student.clone().requires_grad_()
            torch.autograd.backward(summed_loss(hidden, Head(causal), stored))

        def trl() -> None:
            hidden = student.clone().requires_grad_()
            shape = (self._lengths.rows, self._lengths.answer, -1)
            logits, teacher_logits = (
                torch.nn.functional.linear(states, weight).view(shape)
                for states in (hidden, teacher)
            )
            loss = GKDTrainer.generalized_jsd_loss(logits, teacher_logits.detach(), beta=0.0)
            torch.autograd.backward(loss)

        return ours, trl

    def sft(self, answers: int) -> TrainingStep:
        """SFTTrainer's own step: as many answers as ours, each a row of its own, unpadded."""
        rows = [
            row._replace(answers=(answer,))
            for row in self._rows_of(answers)
            for answer in row.answers
        ]
        ids = [np.append(row.prompt_ids, row.answers[0]) for row in rows]
        masks = [[0] * len(row.prompt_ids) + [1] * len(row.answers[0]) for row in rows]
        settings = SFTConfig(
            output_dir=tempfile.mkdtemp(),
            per_device_train_batch_size=len(rows),
            bf16=has_bfloat16(),
            use_cpu=self._device.type == "cpu",
            max_length=None,
            report_to="none",
            gradient_checkpointing=False,
            dataloader_pin_memory=False,
        )
        trainer = SFTTrainer(
            model=self._model,
            args=settings,
            train_dataset=Dataset.from_dict({"input_ids": ids, "completion_mask": masks}),
            processing_class=self._tokenizer,
        )
        batch = next(iter(trainer.get_train_dataloader()))
        trainer.current_gradient_accumulation_steps = 1  # as its loop sets it

        def step() -> None:
            trainer.training_step(self._model, dict(batch))
            self._model.zero_grad()

        return step

    def _rows_of(self, answers: int) -> list[Example]:
        if answers == 1:
            return self._rows
        return [self._row(answers) for _ in range(self._lengths.rows // answers)]

    def _row(self, answers: int) -> Example:
        own = self._ids(self._lengths.own)
        texts = tuple(self._ids(self._lengths.answer) for _ in range(answers))
        tops = tuple(self._top_logprobs(len(text)) for text in texts)
        return Example(own, texts, tops, np.append(self._system, own))

    def _top_logprobs(self, size: int) -> TopLogprobs:
        words = len(self._tokenizer)
        ids = np.stack([self._random.choice(words, 20, replace=False) for _ in range(size)])
        logprobs = np.tile(-np.arange(1, 21) / 2 - 1, (size, 1)).astype(np.float16)
        return TopLogprobs(ids.astype(np.int32), logprobs)

    def _ids(self, count: int) -> TokenIds:
        return self._random.integers(100, len(self._tokenizer), count).astype(np.int32)

    def _tensor(self, rows: list[TokenIds]) -> torch.Tensor:
        return torch.from_numpy(np.stack(rows)).to(self._device, torch.long)  # [B, T]

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device.type, torch.bfloat16, enabled=has_bfloat16())
