"""TRL's SFTTrainer with our loss and our look at val: answer tokens only, adherence every epoch.

TRL brings optimiser, schedule, accumulation and checkpoints; this file brings the loss (only answer
positions are projected to the vocabulary), the metrics file and the completeness marker.
"""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when TRL is imported
from trl import SFTConfig, SFTTrainer

from data.store import read_records, write_records, write_text
from student.batches import answers_of, collate
from student.losses import cross_entropy
from student.model import answer_logits
from student.records import Step

COMPLETE = "COMPLETE"  # in a checkpoint's folder once every file of it is on the disk


class Adherence(NamedTuple):
    """What the code rules say of generated val answers."""

    strict: float | None
    rules: dict[str, float]
    rows: int


class AnswerTrainer(SFTTrainer):  # type: ignore[misc]
    """Cross-entropy on answer tokens, averaged over all of them in an optimiser step."""

    loss_is_scaled_for_ga = True

    def __init__(
        self,
        model: Any,
        settings: SFTConfig,
        train: Any,
        val: Sequence[dict[str, list[int]]],
        tokenizer: Any,
        adherence: Callable[[Any], Adherence],
    ) -> None:
        """`train`, `val`: features of `batches.Example`; `adherence` answers val and judges it."""
        self.pad = tokenizer.eos_token_id
        self.val = val
        self.adherence = adherence
        super().__init__(
            model=model,
            args=settings,
            train_dataset=train,
            eval_dataset=train,  # never read: `evaluate` looks at `val`
            processing_class=tokenizer,
            data_collator=lambda features: collate(features, self.pad),
        )
        self.model_accepts_loss_kwargs = True  # so that answer tokens are counted per step

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        """Summed cross-entropy over the answer tokens of the whole optimiser step."""
        answers = answers_of(inputs["labels"])
        logits = answer_logits(self.accelerator.unwrap_model(model), inputs, answers.positions)
        losses = cross_entropy(logits, answers.targets)  # [N]
        return losses.sum() / (num_items_in_batch or len(losses))

    def evaluate(self, *arguments: Any, **keywords: Any) -> dict[str, float]:
        """Val loss in nats per answer token, and adherence of generated val answers."""
        self.model.eval()
        metrics: dict[str, Any] = {}
        if self.val:
            metrics["eval_loss"] = self._val_loss()
        with self.compute_loss_context_manager():  # bfloat16, as the adapter will be served
            seen = self.adherence(self.model)
        if seen.strict is not None:
            metrics["eval_strict"] = seen.strict
        metrics["eval_rows"] = seen.rows
        metrics |= {f"eval_rule/{rule}": rate for rule, rate in seen.rules.items()}
        self.model.train()
        self.log(metrics)
        handler = self.callback_handler
        self.control: Any = handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    @torch.no_grad()
    def _val_loss(self) -> float:
        total, count = 0.0, 0
        size = self.args.per_device_train_batch_size
        for start in range(0, len(self.val), size):
            batch = collate(self.val[start : start + size], self.pad)
            inputs = {key: value.to(self.args.device) for key, value in batch.items()}
            answers = answers_of(inputs["labels"])
            with self.compute_loss_context_manager():
                logits = answer_logits(self.model, inputs, answers.positions)
            losses = cross_entropy(logits, answers.targets)
            total, count = total + float(losses.sum()), count + len(losses)
        return total / count


class Metrics(TrainerCallback):  # type: ignore[misc]
    """Writes metrics.jsonl, and marks checkpoints that are complete."""

    def __init__(self, path: Path, resumed_at: int) -> None:
        """Drops what a killed run logged after the checkpoint at step `resumed_at`."""
        self._path = path
        found = list(read_records(path, Step)) if path.exists() else []
        self.steps = [step for step in found if step.step <= resumed_at]
        self._before = self.steps[-1].seconds if self.steps else 0.0
        self._start = time.monotonic()
        write_records(path, self.steps)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **rest: Any,
    ) -> None:
        """One line per log of the trainer."""
        if logs is None or "train_runtime" in logs:
            return
        rules = {
            key.removeprefix("eval_rule/"): value
            for key, value in logs.items()
            if key.startswith("eval_rule/")
        }
        step = Step(
            step=state.global_step,
            epoch=round(float(state.epoch or 0), 4),
            seconds=round(self._before + time.monotonic() - self._start, 1),
            loss=logs.get("loss"),
            learning_rate=logs.get("learning_rate"),
            grad_norm=logs.get("grad_norm"),
            val_loss=logs.get("eval_loss"),
            strict=logs.get("eval_strict"),
            rules=rules or None,
            val_rows=logs.get("eval_rows"),
        )
        self.steps.append(step)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(step.model_dump_json() + "\n")

    def on_save(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **rest: Any,
    ) -> None:
        """The marker comes last, so a checkpoint without one is a torn one."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        for path in folder.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        write_text(folder / COMPLETE, "")
