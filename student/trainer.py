"""TRL's SFTTrainer with this project's losses: answer tokens only, and adherence on val.

TRL brings optimiser, learning rate and checkpoints. This module defines an optimiser step, the
evaluation, and the content of a checkpoint.
"""

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch.utils.data import DataLoader

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when TRL is imported
from trl import SFTConfig, SFTTrainer

from config.console import print
from config.errors import DataError, SetupError
from config.training import CrossEntropy
from engine.models import TorchModel
from student.checkpoint import load_trained, save_trained, trained_bytes, writing
from student.checkpointing import possible_levels, set_checkpointing
from student.collator import Example
from student.distiller import Distiller, retention_losses
from student.distributed import (
    SHARDED_OPTIMIZER,
    all_gather,
    all_reduce_gradients,
    all_reduce_sum,
    is_distributed,
    is_sharded,
    load_sharded_optimizer,
    save_sharded_optimizer,
    shard_for_rank,
    unsharded,
)
from student.evaluate import Evaluation
from student.head import unchanged_weights
from student.memory_plan import PassPlan, plan_words, smaller_plan
from student.out_of_memory import repeat_until_it_fits
from student.step_sampler import StepSampler
from student.weight_average import WeightAverage


@dataclass(frozen=True)
class TrainingTask:
    """The objective and its examples."""

    distiller: Distiller
    train: Sequence[Example]
    val: Sequence[Example]
    batch_size: int  # rows per optimiser step
    retention: Sequence[Example] = ()  # unrelated questions with the base's own answers
    retention_weight: float = 0.0
    averaging: float | None = None  # half-life of the average of the weights; None: none

    def retention_batch(self, step: int) -> list[Example]:
        """The retention examples of one optimiser step: `batch_size` of them in rotation."""
        start, count = step * self.batch_size, len(self.retention)
        size = min(self.batch_size, count)
        return [self.retention[(start + offset) % count] for offset in range(size)]


class AnswerTrainer(SFTTrainer):  # type: ignore[misc]
    """Learns answer tokens only, averaged over all of them in an optimiser step.

    A batch of the trainer holds all rows of an optimiser step; the distiller splits it into forward
    passes by tokens.
    """

    def __init__(
        self,
        model: TorchModel,
        settings: SFTConfig,
        task: TrainingTask,
        tokenizer: Any,
        evaluate_answers: Callable[[TorchModel], Evaluation],
    ) -> None:
        """`evaluate_answers` generates val answers and scores them."""
        self.task = task
        self.evaluate_answers = evaluate_answers
        rows = Dataset.from_dict({"row": range(len(task.train))})
        super().__init__(
            model=model,
            args=settings,
            train_dataset=rows,
            eval_dataset=rows,  # never read: `evaluate` uses `task.val`
            processing_class=tokenizer,
            data_collator=lambda rows: {"rows": torch.tensor([row["row"] for row in rows])},
        )
        self.levels = possible_levels(self.model)
        self.plan = PassPlan("off", task.distiller.tokens_per_pass)
        self.average = WeightAverage(self.model, task.averaging) if task.averaging else None
        if self.average:
            self.add_callback(self.average)

    def compute_loss_context_manager(self) -> AbstractContextManager[None]:
        """Mixed precision, the same for any number of processes.

        transformers leaves it to the forward that accelerate wraps; the student's pass bypasses it.
        """
        context: AbstractContextManager[None] = self.accelerator.autocast()
        return context

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Every process loads the whole step and takes its shard, so steps do not depend on the
        number of processes."""
        return DataLoader(
            self.train_dataset,
            batch_sampler=StepSampler(
                [example.length for example in self.task.train],
                self.task.batch_size,
                self.args.seed,
                epoch=lambda: int((self.state.epoch or 0.0) + 1e-6),
            ),
            collate_fn=self.data_collator,
        )

    def training_step(
        self,
        model: TorchModel,
        inputs: dict[str, torch.Tensor],
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        """The step's loss in nats per answer token, weighted by row; leaves gradients in the
        parameters."""
        model.train()
        self._step_start = time.monotonic()
        task = self.task
        examples = shard_for_rank([task.train[row] for row in inputs["rows"].tolist()])
        if examples:
            with self.compute_loss_context_manager():
                examples = task.distiller.with_answers(examples)
        retained = shard_for_rank(task.retention_batch(self.state.global_step))
        self._step_tokens = self._sum_over_processes(sum(example.length for example in examples))
        self._step_answer_tokens = self._answer_tokens(examples)
        retained_tokens = self._answer_tokens(retained)

        def passes() -> torch.Tensor:
            with unchanged_weights():
                loss = self._backward(self._losses(examples), self._step_answer_tokens)
                if task.retention:
                    distiller = task.distiller
                    losses = retention_losses(
                        self.model, retained, distiller.tokens_per_pass, distiller.packed
                    )
                    self._backward(losses, retained_tokens, task.retention_weight)
            return loss

        loss = repeat_until_it_fits(passes, self._use_smaller_plan)
        all_reduce_gradients(self.model.parameters())
        return loss

    def set_plan(self, plan: PassPlan) -> None:
        """What is recomputed and the tokens of a pass, from the next step on."""
        self.plan = plan
        self.task.distiller.tokens_per_pass = plan.tokens_per_pass
        set_checkpointing(self.model, plan.checkpointing)

    def _use_smaller_plan(self) -> None:
        """After a pass that ran out of memory. Raises SetupError where nothing smaller is left.

        The other processes wait in an exchange for the passes of this one, so none can go back.
        """
        longest = max(map(self.task.distiller.pass_length, self.task.train))
        plan = None if is_distributed() else smaller_plan(self.plan, longest, self.levels)
        step = f"step {self.state.global_step + 1}: out of memory with {plan_words(self.plan)}"
        if plan is None:
            raise SetupError(
                f"{step}; set a smaller tokens_per_pass or checkpointing: full, else use method "
                "qlora or a smaller base; the training goes on from its last checkpoint"
            )
        print(f"{step}; the step is repeated with {plan_words(plan)}", flush=True)
        self.model.zero_grad(set_to_none=True)
        self.set_plan(plan)

    def _losses(self, examples: Sequence[Example]) -> Iterator[torch.Tensor]:
        """The loss of each forward pass.

        Under FSDP every rank must run the same number of forward passes; ranks with fewer of them
        run dummy ones with zero loss.
        """
        distiller = self.task.distiller
        yield from distiller.losses(examples)
        if is_sharded(self.model):
            passes = distiller.count_passes(examples)
            shortest = min(self.task.train, key=lambda example: example.length)
            for _ in range(max(all_gather(passes)) - passes):
                yield from (loss * 0 for loss in distiller.losses([shortest]))

    def _backward(
        self, losses: Iterator[torch.Tensor], tokens: torch.Tensor, weight: float = 1.0
    ) -> torch.Tensor:
        """Backward through one forward pass after another; the mean loss over all processes."""
        summed = torch.zeros((), device=self.args.device)
        while True:
            with self.compute_loss_context_manager():  # mixed precision, forward passes only
                loss = next(losses, None)
            if loss is None:
                return all_reduce_sum(summed) / tokens
            torch.autograd.backward(self._scaled(loss * (weight / tokens)))
            summed += loss.detach()

    def _scaled(self, loss: torch.Tensor) -> torch.Tensor:
        """In float16 a gradient would round to zero; the optimiser divides the factor out again."""
        scaler = self.accelerator.scaler  # on a GPU in float16
        return loss if scaler is None else scaler.scale(loss)

    def _answer_tokens(self, examples: Sequence[Example]) -> torch.Tensor:
        """Of all processes."""
        return self._sum_over_processes(sum(example.answer_tokens for example in examples))

    def _sum_over_processes(self, count: int) -> torch.Tensor:
        """On the device, filled there: a copy of a number to a card waits for the card."""
        return all_reduce_sum(torch.full((), float(count), device=self.args.device))

    # -- checkpoints -----------------------------------------------------------------------------

    def _save_checkpoint(self, model: TorchModel, trial: Any) -> None:
        """Raises DataError when the disk is full; the checkpoint is then incomplete."""
        size = 3 * trained_bytes(self.model)  # AdamW keeps two numbers per parameter
        with writing(Path(self.args.output_dir), size):
            super()._save_checkpoint(model, trial)
            if is_sharded(self.model):
                folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
                save_sharded_optimizer(self.model, self.optimizer, self.lr_scheduler, folder)
                self._save_rng_state(str(folder))

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Saves the trained parameters and their average, the same way for every method."""
        folder = Path(output_dir or self.args.output_dir)
        save_trained(self.model, folder)
        if self.average:
            self.average.save(folder)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: TorchModel = None) -> None:
        if self.average:
            self.average.load(Path(resume_from_checkpoint))
        load_trained(self.model, Path(resume_from_checkpoint))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        sharded = is_sharded(self.model)
        if checkpoint is not None and (Path(checkpoint) / SHARDED_OPTIMIZER).exists() != sharded:
            raise DataError(
                f"{checkpoint}: was saved by {'one process' if sharded else 'several processes'}; "
                "start as many again, or remove the folder to train anew"
            )
        if checkpoint is not None and sharded:
            load_sharded_optimizer(self.model, self.optimizer, self.lr_scheduler, Path(checkpoint))
        else:
            super()._load_optimizer_and_scheduler(checkpoint)

    # -- metrics ---------------------------------------------------------------------------------

    def log(self, logs: dict[str, Any], start_time: float | None = None) -> None:
        """Adds the throughput of an optimiser step, its update included."""
        if "loss" in logs:
            seconds = time.monotonic() - self._step_start
            logs["tokens_per_s"] = round(float(self._step_tokens) / seconds, 1)
            logs["answer_tokens_per_s"] = round(float(self._step_answer_tokens) / seconds, 1)
            if not math.isfinite(logs["loss"]):
                self._tr_loss.zero_()  # transformers subtracts it from itself: NaN would stay
        super().log(logs, start_time)

    def evaluate(self, *arguments: Any, **keywords: Any) -> dict[str, float]:
        """Val loss in nats per answer token, and adherence of generated val answers.

        Of the averaged weights, where the training averages.
        """
        self.model.eval()
        metrics: dict[str, Any] = {}
        with (
            self.average.in_place() if self.average else nullcontext(),
            self.compute_loss_context_manager(),  # in mixed precision, as the adapter is served
            torch.no_grad(),
            unsharded(self.model),
        ):
            if self.task.val:
                metrics["val_loss"] = self._val_loss()
            metrics |= self.evaluate_answers(self.model)._asdict()
        self.model.train()
        self.log(metrics)
        handler = self.callback_handler
        self.control: Any = handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _val_loss(self) -> float:
        """Cross-entropy of the selected val answers, whatever the objective is."""
        val = shard_for_rank(list(self.task.val))
        distiller = replace(self.task.distiller, objective=CrossEntropy())
        summed = torch.zeros((), device=self.args.device)
        for loss in distiller.losses(val):
            summed += loss
        return float(all_reduce_sum(summed) / self._answer_tokens(val))
