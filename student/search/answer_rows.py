"""The answers of a trained student to rows that its training did not look at."""

from collections.abc import Sequence

import torch

from config.schema import Config
from data.rows import Row
from data.run_paths import RunPaths
from engine.precision import precision
from engine.request_builder import RequestBuilder
from student.checkpoint import load_trained
from student.evaluate import evaluate
from student.model import load_student


def answer_rows(config: Config, rows: Sequence[Row]) -> dict[str, bool]:
    """Row id → whether the answer of the config's first student passes every must-rule in code.

    It answers greedily, as during training. A row is absent where that is not decided.
    """
    student, builder = config.students[0], RequestBuilder(config)
    seed, dtype = config.seed_of(student), config.model.dtype
    model = load_student(builder.model, student.method, seed, builder.renderer.system_ids, dtype)
    load_trained(model, RunPaths.of(config).student(student.name))
    device, number = "cuda" if torch.cuda.is_available() else "cpu", precision(dtype)
    model.to(device).eval()
    mixed = torch.autocast(device, getattr(torch, number), enabled=number != "float32")
    with mixed, torch.no_grad():  # as the evaluations during training
        return evaluate(config, builder, rows, model).passed
