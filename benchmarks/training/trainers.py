"""The trainers to compare, each in its own loop on the same rows: ours, SFTTrainer, TRL's GKD.

All take one `SFTConfig`, so they have the same precision, optimiser and schedule. A step is what
the loop does between two batches: forward, backward, clipping and the update.
"""

import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch.utils.data import SequentialSampler
from transformers import PrinterCallback, TrainerCallback
from trl import SFTConfig, SFTTrainer
from trl.experimental.gkd import GKDTrainer

from benchmarks.training.benchmark_rows import BenchmarkRows
from config.peft_methods import LoraMethod
from config.training import CrossEntropy, Distillation
from engine.models import TorchModel
from engine.precision import Precision
from engine.token_sampler import GenerationSettings
from student.collator import NO_TOKENS, Example
from student.distiller import Distiller
from student.evaluate import Evaluation
from student.forward import base_only
from student.model import load_student
from student.trainer import AnswerTrainer, TrainingTask


class StepTimer(TrainerCallback):  # type: ignore[misc]
    """Seconds of each optimiser step."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._start = 0.0

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """Starts the clock."""
        self._start = _now()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Stops it, the update included."""
        self.seconds.append(_now() - self._start)


def median_step_seconds(trainers: Mapping[str, SFTTrainer], repeats: int) -> dict[str, float]:
    """Median seconds of a step. Each trainer runs one step untimed, then all in turns."""
    timers = {name: StepTimer() for name in trainers}
    for name, trainer in trainers.items():
        trainer.add_callback(timers[name])
    for _ in range(1 + repeats):
        for trainer in trainers.values():
            trainer.train()
    return {name: statistics.median(timer.seconds[1:]) for name, timer in timers.items()}


class TrainerFactory:
    """Builds the trainers, each with a model of its own: LoRA r 32 on every linear layer."""

    def __init__(self, device: str, dtype: Precision, rows: BenchmarkRows) -> None:
        self._device = torch.device(device)
        self._dtype = dtype
        self._rows = rows

    def ours(self, objective: CrossEntropy | Distillation, answers: int = 1) -> SFTTrainer:
        """One of our objectives on all rows; with n answers each on an n-th of them."""
        model, rows = self._model(), self._rows.examples(answers)
        sampling = GenerationSettings((0,), 1)  # not used by these objectives
        distiller = Distiller(model, objective, NO_TOKENS, sampling, tokens_per_pass=1 << 20)
        task = TrainingTask(distiller, rows, (), batch_size=len(rows))
        no_answers = Evaluation(None, None, {}, {}, 0, [])
        settings = self._settings(len(rows))
        settings.dataset_kwargs = {"skip_prepare_dataset": True}  # it reads `task` alone
        return quiet(
            AnswerTrainer(model, settings, task, self._rows.tokenizer, lambda _: no_answers)
        )

    def sft(self, answers: int) -> SFTTrainer:
        """SFTTrainer: as many answers as ours, each a row of its own, unpadded."""
        rows = single_answers(self._rows.examples(answers))
        model, settings = self._model(), self._settings(len(rows))
        return quiet(
            SFTTrainer(
                model=model,
                args=settings,
                train_dataset=_dataset(rows),
                processing_class=self._rows.tokenizer,
            )
        )

    def gkd(self) -> SFTTrainer:
        """TRL's GKD loss from full logits of both models; the teacher sees the prompt."""
        rows = self._rows.examples(1)
        prompted = [np.append(row.teacher_prompt_ids, row.answers[0]) for row in rows]
        teacher_ids = torch.from_numpy(np.stack(prompted)).to(self._device, torch.long)  # [B, T]
        model, settings = self._model(), self._settings(len(rows))
        trainer = _PromptedGkd(
            model=model,
            args=settings,
            train_dataset=_dataset(rows),
            processing_class=self._rows.tokenizer,
        )
        trainer.teacher_ids, trainer.answer_length = teacher_ids, len(rows[0].answers[0])
        return quiet(trainer)

    def _model(self) -> TorchModel:
        model = load_student(self._rows.model, LoraMethod(), seed=0, dtype=self._dtype)
        return model.to(self._device)

    def _settings(self, rows: int) -> SFTConfig:
        return SFTConfig(
            output_dir=tempfile.mkdtemp(),
            per_device_train_batch_size=rows,
            max_steps=1,
            bf16=self._dtype == "bfloat16",
            fp16=self._dtype == "float16",
            use_cpu=self._device.type == "cpu",
            gradient_checkpointing=self._device.type == "cuda",  # as a training of the product
            max_length=None,
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            remove_unused_columns=False,
            dataloader_pin_memory=False,
        )


class _PromptedGkd(SFTTrainer):  # type: ignore[misc]
    """GKDTrainer's step, whose teacher is the base behind the prompt in place of a second model."""

    teacher_ids: torch.Tensor  # [B, T]
    answer_length: int

    def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:
        return SequentialSampler(self.train_dataset)  # rows in the order of `teacher_ids`

    def compute_loss(self, model: TorchModel, inputs: dict[str, Any], *_: Any, **__: Any) -> Any:
        with base_only(model), torch.no_grad():
            teacher = model(input_ids=self.teacher_ids, use_cache=False).logits
        student = model(input_ids=inputs["input_ids"], use_cache=False).logits
        answer = slice(-self.answer_length - 1, -1)
        return GKDTrainer.generalized_jsd_loss(student[:, answer], teacher[:, answer], beta=0.0)


def single_answers(rows: Sequence[Example]) -> list[Example]:
    """Each answer as an example of its own."""
    return [row._replace(answers=(answer,)) for row in rows for answer in row.answers]


def _dataset(rows: Sequence[Example]) -> Dataset:
    ids = [np.append(row.prompt_ids, row.answers[0]) for row in rows]
    masks = [[0] * len(row.prompt_ids) + [1] * len(row.answers[0]) for row in rows]
    return Dataset.from_dict({"input_ids": ids, "completion_mask": masks})


def quiet(trainer: SFTTrainer) -> SFTTrainer:
    """The trainer, which prints no losses."""
    trainer.remove_callback(PrinterCallback)
    return trainer


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()
