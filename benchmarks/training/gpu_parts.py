"""The parts of the benchmark on a card: what each measures, and how long it may take."""

import gc
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from benchmarks.stopwatch import extra_peak_mb, median_seconds
from benchmarks.training.gpu_result import TrainingMeasure, WorkloadMeasure
from benchmarks.training.model_shapes import (
    QWEN3_1_7B,
    QWEN3_4B,
    QWEN25_7B,
    SMOLLM2_135M,
    ModelShape,
    layer_parameters,
    save_random_model,
)
from benchmarks.training.random_examples import ExampleLengths, random_examples
from benchmarks.training.timed_training import time_ours, time_trl
from config.peft_methods import LoraMethod
from config.training import CrossEntropy, Distillation, StudentSettings
from engine.models import TorchModel, load_base
from engine.prefix_cache import compute_prefix
from student.collator import Example, collate
from student.distiller import loss_function
from student.forward import base_only, base_states, causal_model
from student.head import Head
from student.losses import summed_loss
from student.model import load_student


class GpuWorkloads(NamedTuple):
    """Shapes and rows; the tests take small ones."""

    embedded: ModelShape = SMOLLM2_135M
    small: ModelShape = QWEN3_1_7B
    middle: ModelShape = QWEN3_4B
    nemo: ModelShape = QWEN25_7B
    short: ExampleLengths = ExampleLengths(300, 64, rows=32, varied=True)  # on the embedded shape
    campus: ExampleLengths = ExampleLengths(1500, 200, rows=32)
    four: ExampleLengths = ExampleLengths(1500, 200, rows=8, answers=4)  # as many answers as campus
    # NeMo's mock data is learnt at every token
    mock: ExampleLengths = ExampleLengths(1, 4095, rows=32)
    # of a teacher's pass: the prompt that all rows share; a question and its answer behind it
    system: int = 7000
    behind: ExampleLengths = ExampleLengths(300, 200, rows=8)


class LoadedStudent(NamedTuple):
    """A student with random weights, and the folder of its base."""

    model: TorchModel
    folder: Path


class GpuParts:
    """Measures on one device; results gather in `measures`, `ratios` and `loss_gb`."""

    def __init__(self, device: str, workloads: GpuWorkloads) -> None:
        self._device = device
        self._workloads = workloads
        self._folder = Path(tempfile.mkdtemp(prefix="random-models-"))
        self._loaded: tuple[tuple[str, str], LoadedStudent] | None = None
        self.measures: list[WorkloadMeasure] = []
        self.prefix_reuse: float | None = None
        self.loss_gb: float | None = None

    def ours(
        self,
        shape: ModelShape,
        lengths: ExampleLengths,
        method: LoraMethod,
        objective: CrossEntropy | Distillation,
        deadline: float,
    ) -> None:
        """Our training of a workload."""
        loaded = self._student(shape, method)
        student = StudentSettings(
            name="benchmark", method=method, objective=objective, batch_size=lengths.rows
        )
        examples = self._examples(shape, lengths)
        measure = time_ours(loaded.model, loaded.folder, student, examples, deadline)
        title = workload_title(shape, lengths, method, objective)
        self._add(title, True, measure, loaded.model)

    def trl(self, shape: ModelShape, lengths: ExampleLengths, deadline: float) -> None:
        """TRL's training of a workload, on a model that our code never touched."""
        self.free()
        folder = self._base(shape)
        model = attach_peer_adapter(load_base(str(folder)), LoraMethod()).to(self._device)
        with _unpatched(causal_model(model)):
            measure = time_trl(model, folder, self._examples(shape, lengths), deadline)
        title = workload_title(shape, lengths, LoraMethod(), CrossEntropy())
        self._add(title, False, measure, model)

    def stored_loss_memory(self, shape: ModelShape, lengths: ExampleLengths) -> None:
        """Peak of the loss from stored probabilities and its backward pass, from hidden states on,
        for the answer tokens of a whole step."""
        causal = causal_model(self._student(shape, LoraMethod()).model)
        batch = collate(self._examples(shape, lengths), torch.device(self._device))
        width = causal.get_input_embeddings().weight.shape[1]
        dtype = causal.get_input_embeddings().weight.dtype
        states = torch.randn(len(batch.targets), width, device=self._device, dtype=dtype)  # [N, D]

        def step() -> None:
            hidden, head = states.clone().requires_grad_(), Head(causal)
            with self._autocast(dtype):
                stored = loss_function(Distillation(direction="forward"), batch, None, head)
                loss = summed_loss(hidden, head, stored)
            torch.autograd.backward(loss)

        self.loss_gb = extra_peak_mb(step) / 1e3

    def teacher_prefix(self, shape: ModelShape, system: int, behind: ExampleLengths) -> None:
        """Time of the base's pass over prompted rows, whole ÷ behind the cached prompt."""
        model = self._student(shape, LoraMethod()).model
        shared = random_examples(ExampleLengths(system, 1, rows=1), shape.fields["vocab_size"])
        ids = shared[0].prompt_ids
        rows = self._examples(shape, behind)
        whole = [Example(np.append(ids, row.prompt_ids), row.answers) for row in rows]
        device = torch.device(self._device)
        batches = collate(whole, device), collate(rows, device)
        dtype = causal_model(model).dtype
        with base_only(model), torch.no_grad(), self._autocast(dtype):
            prefix = compute_prefix(causal_model(model), ids)

        def whole_pass() -> None:
            with self._autocast(dtype):
                base_states(model, batches[0])

        def reused_pass() -> None:
            with self._autocast(dtype):
                base_states(model, batches[1], prefix)

        seconds = median_seconds([whole_pass, reused_pass], repeats=2)
        self.prefix_reuse = seconds[0] / seconds[1]

    def close(self) -> None:
        """Frees the card and removes the random models."""
        self.free()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _add(self, title: str, ours: bool, measure: TrainingMeasure, model: TorchModel) -> None:
        parameters = layer_parameters(causal_model(model))
        self.measures.append(
            WorkloadMeasure(workload=title, ours=ours, measure=measure, parameters=parameters)
        )

    def _student(self, shape: ModelShape, method: LoraMethod) -> LoadedStudent:
        """The student of the part before where it is the same one, which compiles it once."""
        key = (shape.name, method.model_dump_json())
        if self._loaded is None or self._loaded[0] != key:
            self.free()
            folder = self._base(shape)
            model = load_student(str(folder), method, seed=0)
            if method.kind != "qlora":
                model.to(self._device)
            self._loaded = key, LoadedStudent(model, folder)
        return self._loaded[1]

    def _base(self, shape: ModelShape) -> Path:
        folder = save_random_model(shape, self._folder / shape.name, self._device)
        self.free()
        return folder

    def free(self) -> None:
        """Frees the student that is loaded."""
        self._loaded = None
        gc.collect()
        torch.cuda.empty_cache()  # no effect without CUDA

    def _examples(self, shape: ModelShape, lengths: ExampleLengths) -> list[Example]:
        return random_examples(lengths, shape.fields["vocab_size"])

    def _autocast(self, dtype: torch.dtype) -> torch.autocast:
        return torch.autocast(self._device, torch.bfloat16, enabled=dtype != torch.float32)


def attach_peer_adapter(base: TorchModel, method: LoraMethod) -> TorchModel:
    """peft's own LoRA, whatever our students do in its place."""
    from peft import LoraConfig, get_peft_model

    rank, alpha = method.rank, method.alpha
    settings = LoraConfig(
        r=rank, lora_alpha=alpha, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    return get_peft_model(base, settings)


@contextmanager
def _unpatched(causal: TorchModel) -> Iterator[None]:
    """Takes back what Liger replaces in the model's module, for the models after it."""
    names = vars(sys.modules[type(causal).__module__])
    own = dict(names)
    try:
        yield
    finally:
        names.update(own)


def workload_title(
    shape: ModelShape,
    lengths: ExampleLengths,
    method: LoraMethod,
    objective: CrossEntropy | Distillation,
) -> str:
    """What is trained, in one line."""
    return f"{shape.name}, {method.kind} r {method.rank}, {objective.kind}, {lengths.title}"
