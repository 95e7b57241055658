"""The settings of a run with one trained student, for tests of the chat."""

import json
import shutil
from pathlib import Path

from config.checkout import ROOT
from data.atomic_write import write_text
from data.run_paths import RunPaths
from engine.models import file_sha256
from student.records import StudentChoice, TrainingResult

LIMIT = 12  # tokens of an answer; ANSWER and its end have fewer


def chat_settings(folder: Path, model: str, weights: Path | None = None) -> Path:
    """The settings of a run with one trained student, or none."""
    settings = {
        "extends": str(ROOT / "config/demo.yaml"),
        "name": "c",
        "runs": str(folder),
        "model": {"name": model},
        "students": [{"name": "s"}],
        "predict": {"sampling": {"max_tokens": LIMIT}},
    }
    path = folder / "c.yaml"
    write_text(path, json.dumps(settings))
    if weights is not None:
        run = RunPaths(folder / "c")
        shutil.copytree(weights, run.student("s") / "adapter")
        result = TrainingResult(
            name="s",
            best_step=1,
            best_epoch=1,
            strict=None,
            val_loss=None,
            steps=1,
            train_answers=1,
            answer_tokens=1,
            seconds=1,
            trainable=1,
            adapter_sha256=file_sha256(next(weights.glob("*.safetensors"))),
        )
        write_text(run.student("s") / "result.json", result.model_dump_json())
        choice = StudentChoice(best="s", why="the only one", ranked=())
        write_text(run.choice, choice.model_dump_json())
    return path
