"""The real trainer on the tiny model, for tests of its steps."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from trl import SFTConfig

from config.training import Objective
from engine.models import load_tokenizer, resolve_model
from engine.token_sampler import GenerationSettings
from student.collator import Example
from student.distiller import Distiller
from student.evaluate import Evaluation
from student.trainer import AnswerTrainer, TrainingTask
from tests.student.tiny_model import ROWS, SYSTEM, tiny

_tokenizer = cache(lambda: load_tokenizer(resolve_model("embedded")))


def learner(objective: Objective, tokens_per_pass: int, adapter: Any = None) -> Distiller:
    """The objective on a new model."""
    sampling = GenerationSettings((2,), 5, temperature=1.0)
    return Distiller(tiny(adapter=adapter), objective, SYSTEM, sampling, tokens_per_pass)


def new_trainer(
    folder: Path,
    distiller: Distiller,
    batch_size: int,
    epochs: int = 1,
    rows: Sequence[Example] = ROWS,
    **settings: Any,
) -> AnswerTrainer:
    """`settings` are those of transformers."""
    arguments = SFTConfig(
        **{
            "output_dir": str(folder),
            "use_cpu": True,
            "per_device_train_batch_size": batch_size,
            "num_train_epochs": epochs,
            "logging_steps": 1,
            "logging_nan_inf_filter": False,
            "save_strategy": "no",
            "report_to": "none",
            "remove_unused_columns": False,
            "dataset_kwargs": {"skip_prepare_dataset": True},
            "dataloader_pin_memory": False,
            "disable_tqdm": True,
            "bf16": False,
            **settings,
        }
    )
    task = TrainingTask(distiller, rows, [], batch_size)
    no_answers = Evaluation(None, None, {}, {}, 0, [])
    return AnswerTrainer(distiller.model, arguments, task, _tokenizer(), lambda _: no_answers)
