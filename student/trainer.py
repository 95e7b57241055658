"""TRL's SFTTrainer with our losses and our look at val: answer tokens only, adherence every epoch.

TRL brings optimiser, schedule and checkpoints; this file brings what a step learns, and what stands
in a checkpoint.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from datasets import Dataset
from torch.utils.data import DataLoader, Sampler
from transformers.trainer_pt_utils import get_length_grouped_indices

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when TRL is imported
from trl import SFTConfig, SFTTrainer

from config.errors import DataError
from config.objectives import CrossEntropy
from student.checkpoint import load_trained, save_trained, size_of, writing
from student.collator import Example
from student.distiller import Distiller, retention_losses
from student.distributed import (
    PROGRESS,
    in_shares,
    load_progress,
    most,
    put_together,
    save_progress,
    share,
    sum_gradients,
    total,
)
from student.records import Sample


class Adherence(NamedTuple):
    """What the code rules say of generated val answers."""

    strict: float | None
    rules: dict[str, float]
    rows: int
    samples: tuple[Sample, ...] = ()


@dataclass(frozen=True)
class TrainingTask:
    """What there is to learn, and how."""

    teaching: Distiller
    train: Sequence[Example]
    val: Sequence[Example]
    batch_size: int  # rows per optimiser step
    retained: Sequence[Example] = ()  # unrelated questions with the base's own answers
    retention_weight: float = 0.0

    def retained_at(self, step: int) -> list[Example]:
        """Those of one optimiser step: as many as it has rows, in turns."""
        start = step * self.batch_size
        count = len(self.retained)
        return [self.retained[(start + n) % count] for n in range(min(self.batch_size, count))]


class AnswerTrainer(SFTTrainer):  # type: ignore[misc]
    """Learns answer tokens only, averaged over all of them in an optimiser step.

    A batch of the trainer is a whole optimiser step of rows; forward passes are filled by tokens.
    """

    def __init__(
        self,
        model: Any,
        settings: SFTConfig,
        lessons: TrainingTask,
        tokenizer: Any,
        adherence: Callable[[Any], Adherence],
    ) -> None:
        """`adherence` answers val and judges it."""
        self.lessons = lessons
        self.adherence = adherence
        rows = Dataset.from_dict({"row": range(len(lessons.train))})
        super().__init__(
            model=model,
            args=settings,
            train_dataset=rows,
            eval_dataset=rows,  # never read: `evaluate` looks at `lessons.val`
            processing_class=tokenizer,
            data_collator=lambda rows: {"rows": torch.tensor([row["row"] for row in rows])},
        )

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Every process gets the whole step and takes its share: all steps are those of one."""
        sampler = StepSampler(self)
        size = self.lessons.batch_size
        return DataLoader(
            self.train_dataset, batch_size=size, sampler=sampler, collate_fn=self.data_collator
        )

    def training_step(
        self,
        model: Any,
        inputs: dict[str, torch.Tensor],
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        """The step's loss in nats per answer token; gradients are left in the parameters."""
        model.train()
        self._began = time.monotonic()
        lessons = self.lessons
        rows = share([lessons.train[row] for row in inputs["rows"].tolist()])
        with self.compute_loss_context_manager():
            examples = lessons.teaching.prepared(rows) if rows else []
        read = torch.tensor(sum(example.length for example in examples), device=self.args.device)
        self._read, self._learnt = float(total(read)), float(total(self._count(examples)))
        mean = self._learn(self._together(examples), examples)
        if lessons.retained:
            chosen = share(lessons.retained_at(self.state.global_step))
            kept = retention_losses(self.model, chosen, lessons.teaching.room)
            self._learn(kept, chosen, lessons.retention_weight)
        sum_gradients(self.model.parameters())
        return mean

    def _together(self, examples: Sequence[Example]) -> Iterator[torch.Tensor]:
        """The losses; where weights are in shares, every process takes part in every pass, so one
        that has nothing left to learn reads a short row for nothing."""
        teaching = self.lessons.teaching
        yield from teaching.losses(examples)
        if in_shares(self.model):
            own = teaching.passes(examples)
            idle = min(self.lessons.train, key=lambda example: example.length)
            for _ in range(most(own) - own):
                yield from (loss * 0 for loss in teaching.losses([idle]))

    def _learn(
        self, losses: Iterator[torch.Tensor], examples: Sequence[Example], weight: float = 1.0
    ) -> torch.Tensor:
        """Backward through one forward pass after another; the mean loss over all processes."""
        tokens = total(self._count(examples))
        summed = torch.zeros((), device=self.args.device)
        while True:
            with self.compute_loss_context_manager():  # mixed precision, forward passes only
                loss = next(losses, None)
            if loss is None:
                return total(summed) / tokens
            torch.autograd.backward(loss * (weight / tokens))
            summed += loss.detach()

    def _count(self, examples: Sequence[Example]) -> torch.Tensor:
        count = sum(example.answer_tokens for example in examples)
        return torch.tensor(float(count), device=self.args.device)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Raises DataError when the disk is full; what was written then is a torn checkpoint."""
        size = 3 * size_of(self.model)  # AdamW keeps two numbers beside each
        with writing(Path(self.args.output_dir), size):
            super()._save_checkpoint(model, trial)
            if in_shares(self.model):
                folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
                save_progress(self.model, self.optimizer, self.lr_scheduler, folder)
                self._save_rng_state(str(folder))

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """What is trained, alike for every method; `train` makes of it what is served."""
        save_trained(self.model, Path(output_dir or self.args.output_dir))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        load_trained(self.model, Path(resume_from_checkpoint))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        shares = in_shares(self.model)
        if checkpoint is not None and (Path(checkpoint) / PROGRESS).exists() != shares:
            raise DataError(
                f"{checkpoint}: was saved by {'one process' if shares else 'several processes'}; "
                "start as many again, or remove the folder to train anew"
            )
        if checkpoint is not None and shares:
            load_progress(self.model, self.optimizer, self.lr_scheduler, Path(checkpoint))
        else:
            super()._load_optimizer_and_scheduler(checkpoint)

    def log(self, logs: dict[str, Any], start_time: float | None = None) -> None:
        """Says of an optimiser step how fast it was, its update included."""
        if "loss" in logs:
            seconds = time.monotonic() - self._began
            logs["tokens_per_s"] = round(self._read / seconds, 1)
            logs["answer_tokens_per_s"] = round(self._learnt / seconds, 1)
        super().log(logs, start_time)

    def evaluate(self, *arguments: Any, **keywords: Any) -> dict[str, float]:
        """Val loss in nats per answer token, and adherence of generated val answers."""
        self.model.eval()
        metrics: dict[str, Any] = {}
        # as the adapter is served
        with self.compute_loss_context_manager(), torch.no_grad(), put_together(self.model):
            if self.lessons.val:
                metrics["eval_loss"] = self._val_loss()
            seen = self.adherence(self.model)
        if seen.strict is not None:
            metrics["eval_strict"] = seen.strict
        metrics["eval_rows"] = seen.rows
        metrics |= {f"eval_rule/{rule}": rate for rule, rate in seen.rules.items()}
        if seen.samples:
            metrics["eval_samples"] = [sample.model_dump() for sample in seen.samples]
        self.model.train()
        self.log(metrics)
        handler = self.callback_handler
        self.control: Any = handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _val_loss(self) -> float:
        """Cross-entropy of the selected val answers, whatever the objective is."""
        val = share(list(self.lessons.val))
        text = replace(self.lessons.teaching, objective=CrossEntropy())
        summed = torch.zeros((), device=self.args.device)
        for loss in text.losses(val):
            summed += loss
        return float(total(summed) / total(self._count(val)))


class StepSampler(Sampler[int]):
    """Rows in random order, those of one optimiser step alike in length: little is padding.

    The order follows from seed and epoch alone: resumed or on many processes, it is the same.
    """

    def __init__(self, trainer: AnswerTrainer) -> None:
        self._trainer = trainer

    def __len__(self) -> int:
        return len(self._trainer.lessons.train)

    def __iter__(self) -> Iterator[int]:
        trainer, lessons = self._trainer, self._trainer.lessons
        epoch = int((trainer.state.epoch or 0.0) + 1e-6)
        order = torch.Generator().manual_seed(trainer.args.seed * 1_000_003 + epoch)
        lengths = [example.length for example in lessons.train]
        return iter(get_length_grouped_indices(lengths, lessons.batch_size, generator=order))
