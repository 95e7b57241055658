"""Whole trainings of prepared rows, timed by step: our AnswerTrainer and TRL's SFTTrainer.

Both run their own `train()`, optimiser included. A step is what the loop does between two batches.
"""

import gc
import math
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers.utils import (
    is_flash_attn_2_available,
    is_flash_attn_3_available,
    is_liger_kernel_available,
)
from trl import SFTConfig, SFTTrainer

from benchmarks.training.gpu_result import TrainingMeasure
from benchmarks.training.random_examples import token_count
from benchmarks.training.trainers import StepTimer, quiet, single_answers
from config.checkout import ROOT
from config.load import load_config
from config.training import StudentSettings
from engine.models import TorchModel, load_tokenizer
from engine.precision import has_gpu
from engine.token_sampler import GenerationSettings
from student.collator import NO_TOKENS, Example
from student.distiller import Distiller
from student.evaluate import Evaluation
from student.fast_passes import prepare_passes
from student.forward import causal_model
from student.memory_plan import USUAL_TOKENS, plan_words
from student.model import trainable
from student.train import trainer_arguments
from student.trainer import AnswerTrainer, TrainingTask

MAX_STEPS = 4  # the first one is not timed: it compiles and allocates


class _TimedSteps(StepTimer):
    """Ends the training when its time is used up and a step was timed."""

    def __init__(self, deadline: float) -> None:
        """`deadline`: of `time.perf_counter()`."""
        super().__init__()
        self._deadline = deadline
        self.loss = math.nan

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Stops the clock, and the training after the deadline."""
        super().on_step_end()
        if len(self.seconds) > 1 and time.perf_counter() + self.seconds[-1] > self._deadline:
            control.should_training_stop = True

    def on_log(self, args: Any, state: Any, control: Any, logs: Any, **_: Any) -> None:
        """Keeps the loss."""
        self.loss = logs.get("loss", self.loss)


def time_ours(
    model: TorchModel,
    folder: Path,
    student: StudentSettings,
    examples: Sequence[Example],
    deadline: float,
) -> TrainingMeasure:
    """Trains a student of `load_student` as the product does, on one step's rows again and again.

    `folder`: of the base, for its tokenizer.
    """
    config = load_config(ROOT / "config/demo.yaml")
    arguments = trainer_arguments(config, student, Path(tempfile.mkdtemp()))
    arguments.max_steps, arguments.disable_tqdm = MAX_STEPS, True
    sampling = GenerationSettings((0,), 1)  # these objectives sample nothing
    distiller = Distiller(model, student.objective, NO_TOKENS, sampling, USUAL_TOKENS)
    task = TrainingTask(distiller, examples, (), student.batch_size)
    no_answers = Evaluation(None, None, {}, {}, 0, [])
    tokenizer = load_tokenizer(str(folder))
    trainer = AnswerTrainer(model, arguments, task, tokenizer, lambda _: no_answers)
    for weight in trainable(model).values():
        weight.data = weight.data.float()  # as the product: TRL casts those on a 4-bit base
    prepare_passes(trainer, student)
    return _timed(trainer, f"ours, {plan_words(trainer.plan)}", examples, deadline)


def time_trl(
    model: TorchModel,
    folder: Path,
    examples: Sequence[Example],
    deadline: float,
    passes: Sequence[tuple[int, bool]] = ((8, False), (4, False), (2, False), (8, True)),
) -> TrainingMeasure:
    """SFTTrainer on the same rows with its best settings, each answer a row of its own.

    `passes`: rows of a forward pass and whether activations are recomputed; the first that fits the
    card's memory is timed. Liger's kernels and padding-free rows (which need FlashAttention) are
    used where they are importable; else rows of similar length are padded together.
    """
    rows, reasons = single_answers(examples), []
    if _flash_attention():
        causal_model(model).set_attn_implementation(_flash_attention())
    for size, checkpointing in passes:
        size = math.gcd(size, len(rows))
        settings = _trl_settings(len(rows), size, checkpointing)
        words = [f"TRL, {size} rows a pass", f"checkpointing {'on' if checkpointing else 'off'}"]
        words += ["Liger"] * settings.use_liger_kernel + ["padding-free"] * settings.padding_free
        trainer = SFTTrainer(
            model=model,
            args=settings,
            train_dataset=_labelled(rows),
            processing_class=load_tokenizer(str(folder)),
        )
        try:
            return _timed(trainer, ", ".join(words), examples, deadline)
        except torch.OutOfMemoryError:
            reasons.append(f"{size} rows do not fit")
        del trainer
        model.zero_grad()
        gc.collect()  # a trainer holds itself in circles
        torch.cuda.empty_cache()
    raise RuntimeError("; ".join(reasons))


def _trl_settings(rows: int, size: int, checkpointing: bool) -> SFTConfig:
    return SFTConfig(
        output_dir=tempfile.mkdtemp(),
        per_device_train_batch_size=size,
        gradient_accumulation_steps=rows // size,
        max_steps=MAX_STEPS,
        learning_rate=2e-4,
        bf16=has_gpu(),
        use_cpu=not has_gpu(),
        gradient_checkpointing=checkpointing,
        use_liger_kernel=has_gpu() and is_liger_kernel_available(),
        padding_free=bool(_flash_attention()),
        train_sampling_strategy="group_by_length",
        optim="adamw_torch_fused" if has_gpu() else "adamw_torch",
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
        save_strategy="no",
        logging_steps=1,
        report_to="none",
        disable_tqdm=True,
    )


def _flash_attention() -> str | None:
    """The attention that reads rows without padding, where a package brings it."""
    if has_gpu() and is_flash_attn_3_available():
        return "flash_attention_3"
    return "flash_attention_2" if has_gpu() and is_flash_attn_2_available() else None


def _labelled(rows: Sequence[Example]) -> Dataset:
    """Rows whose prompts are left out of the loss."""
    ids = [[*row.prompt_ids.tolist(), *row.answers[0].tolist()] for row in rows]
    labels = [[-100] * len(row.prompt_ids) + row.answers[0].tolist() for row in rows]
    return Dataset.from_dict({"input_ids": ids, "labels": labels})


def _timed(
    trainer: SFTTrainer, name: str, examples: Sequence[Example], deadline: float
) -> TrainingMeasure:
    steps = _TimedSteps(deadline)
    trainer.add_callback(steps)
    if has_gpu():
        torch.cuda.reset_peak_memory_stats()
    quiet(trainer).train()
    timed = steps.seconds[1:]
    seconds = statistics.median(timed)
    return TrainingMeasure(
        trainer=name,
        steps=len(timed),
        step_s=seconds,
        tokens_per_s=token_count(examples) / seconds,
        answers_per_s=sum(len(example.answers) for example in examples) / seconds,
        peak_gb=torch.cuda.max_memory_allocated() / 1e9 if has_gpu() else 0.0,
        loss=None if math.isnan(steps.loss) else steps.loss,
    )
