"""The memory of a training, derived from the sizes of model and rows, before anything is loaded.

A training on a card measures its own passes (`student/dry_step.py`). Both decide by
`student/memory_plan.py` how it fits.
"""

from config.peft_methods import FullMethod, LoraMethod
from config.training import Checkpointing, StudentSettings
from pipeline.plan.device_rates import RateRange
from pipeline.plan.model_size import ModelSize
from student.memory_plan import (
    LEVELS,
    LOSS_BYTES,
    USUAL_TOKENS,
    MemoryUse,
    PassPlan,
    Rows,
    plan_pass,
)

_GIB = 2**30
_LIBRARIES = 1.2 * _GIB  # torch and transformers in a process; on a card CUDA's own memory
_SPREAD = (0.7, 1.5)
_LORA_WIDTH = 23  # sum of in- and outputs of a layer's linear maps, in hidden sizes
_LATER_BYTES = 12  # per trained parameter: its gradient and two moments in float32
# Activations in bytes per token, layer and hidden unit. On a card: 46 GB were measured (Qwen3-4B,
# LoRA r 32, passes of 8,192, nothing recomputed), less weights and optimiser. On a CPU: by
# arXiv 2205.05198.
_CARD_BYTES, _CPU_BYTES = 49, 34
_INPUT_BYTES = 2  # of a layer's input, which is kept where the layer is computed again


def weight_bytes(student: StudentSettings, size: ModelSize) -> float:
    """Of the loaded model with what it trains: the base in 16 or 4 bits, trained parameters in 32.

    `full` computes in 16 bits: autocast keeps a copy of every weight.
    """
    trained = 4.0 * _trained(student, size)
    if isinstance(student.method, LoraMethod) and student.method.kind == "qlora":
        return trained + (size.parameters - size.embeddings) / 2 + 2 * size.embeddings
    return trained + 2 * size.parameters


def derived_use(student: StudentSettings, size: ModelSize, gpu: bool) -> MemoryUse:
    """What the training adds to the weights. A CPU's chunk of the loss is too small to count."""
    unit = size.hidden * size.layers
    off = unit * (_CARD_BYTES if gpu else _CPU_BYTES + _INPUT_BYTES)
    full = size.hidden * (_CARD_BYTES if gpu else _CPU_BYTES) + unit * _INPUT_BYTES
    fixed = _LATER_BYTES * _trained(student, size) + LOSS_BYTES * gpu
    levels: dict[Checkpointing, float] = {"off": off, "selective": (off + full) / 2, "full": full}
    if student.method.kind == "prefix_tuning":
        levels = {"off": off}
    return MemoryUse(fixed, levels)


def card_plan(student: StudentSettings, size: ModelSize, rows: Rows, card_bytes: float) -> PassPlan:
    """How the training fits into an empty card."""
    free = max(0.0, card_bytes - weight_bytes(student, size) - _LIBRARIES)
    level = None if student.checkpointing == "auto" else student.checkpointing
    tokens = None if student.tokens_per_pass == "auto" else student.tokens_per_pass
    return plan_pass(derived_use(student, size, gpu=True), free, rows, level, tokens)


def training_gib(student: StudentSettings, size: ModelSize, longest: int, gpu: bool) -> RateRange:
    """GiB of a training without the cache of an engine.

    On a CPU its peak; on a card the least that it can do with, a pass of the longest row with every
    layer computed again.
    """
    use = derived_use(student, size, gpu)
    if gpu:
        per_token, positions = use.per_token[list(use.per_token)[-1]], longest
    else:
        level = student.checkpointing if student.checkpointing in LEVELS else "off"
        tokens = USUAL_TOKENS if student.tokens_per_pass == "auto" else student.tokens_per_pass
        per_token = use.per_token.get(level, use.per_token["off"])
        positions = min(tokens, student.batch_size * longest)
    total = weight_bytes(student, size) + use.fixed + positions * per_token + _LIBRARIES
    return _SPREAD[0] * total / _GIB, _SPREAD[1] * total / _GIB


def _trained(student: StudentSettings, size: ModelSize) -> int:
    """Trained parameters; methods without a rank train about as many as a rank of one."""
    method = student.method
    if isinstance(method, FullMethod):
        return size.parameters
    rank = method.rank if isinstance(method, LoraMethod) else 1
    return rank * size.layers * size.hidden * _LORA_WIDTH
