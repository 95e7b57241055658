"""Minutes and memory of a run, estimated as ranges from token counts and the device's rates."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from config.backends import BatchBackend, OpenAiBackend
from config.judging import ServerSettings
from config.peft_methods import FullMethod, LoraMethod
from config.schema import Config
from config.training import StudentSettings
from pipeline.plan.device_rates import DeviceRates, RateRange
from pipeline.plan.model_size import EMBEDDED_PARAMETERS, ModelSize
from pipeline.plan.workload import TrainingWork, Work

if TYPE_CHECKING:  # the HTTP client: heavy
    from judge.llm.dry_run import Plan

_CALL_S: RateRange = (1.0, 6.0)  # of a server, per call
_REPLY_TOKENS = 0.5  # share of the judge's token limit that a reply takes
_GIB = 2**30
_KV_CACHE_GIB = 4.0  # of vLLM on a CPU
_ENGINE_GIB = 1.5  # of vLLM's process on a CPU, beside weights and cache
_LIBRARIES_GIB = 1.2  # torch and transformers in a process
_MEMORY_SPREAD = (0.7, 1.5)
_LORA_WIDTH = 23  # sum of in- and outputs of a layer's linear maps, in hidden sizes
_LAYER_VALUES = 34  # bytes per position, layer and hidden unit in 16 bits (arXiv 2205.05198)
_ADAM_BYTES = 16  # per trained parameter: itself, its gradient and two moments in float32


class Estimator(NamedTuple):
    """Turns tokens into seconds. None: there are no figures to estimate from."""

    device: DeviceRates
    size: ModelSize | None

    def answering(self, work: Work) -> RateRange | None:
        """Seconds of a local engine."""
        device = self.device
        if self.size is None or device.read is None or device.written is None:
            return None
        parts = [(work.likely_read, device.read), (work.likely_written, device.written)]
        return _total(self.size.parameters, parts, device.start_s)

    def training(self, work: TrainingWork) -> RateRange | None:
        """Seconds of a student's training with its evaluations."""
        device = self.device
        if self.size is None or not (device.trained and device.read and device.plain):
            return None
        parts = [
            (work.read, device.trained),
            (work.taught, device.read),
            (work.written, device.plain),
        ]
        return _total(self.size.parameters, parts)

    def embedded_judge(self, plan: "Plan") -> RateRange | None:
        """Seconds of the embedded judge."""
        device = self.device
        if device.read is None or device.written is None:
            return None
        written = plan.completion_tokens * _REPLY_TOKENS
        parts = [(plan.prompt_tokens, device.read), (written, device.written)]
        return _total(EMBEDDED_PARAMETERS, parts, device.start_s)


def _total(
    parameters: float, parts: Sequence[tuple[float, RateRange]], start_s: RateRange = (0.0, 0.0)
) -> RateRange:
    """Fewest and most seconds: tokens × parameters ÷ rate, over the parts."""
    fast = sum(tokens * parameters / rate[1] for tokens, rate in parts)
    slow = sum(tokens * parameters / rate[0] for tokens, rate in parts)
    return fast + start_s[0], slow + start_s[1]


def teacher_seconds(config: Config, estimator: Estimator, work: Work) -> RateRange | None:
    """Seconds of the teacher; None for batch files, and where nothing is known."""
    engine = config.teacher.engine
    if isinstance(engine, OpenAiBackend):
        return _served(work.likely_calls, engine.concurrency * len(engine.base_urls))
    if isinstance(engine, BatchBackend) or config.teacher.model is not None:
        return None
    return estimator.answering(work)


def judge_seconds(config: Config, estimator: Estimator, plan: "Plan") -> RateRange | None:
    """Seconds of judging the arms."""
    server = config.judge.llm
    if isinstance(server, ServerSettings):
        return _served(plan.calls, server.concurrency)
    return estimator.embedded_judge(plan)


def _served(calls: float, in_flight: int) -> RateRange:
    return calls * _CALL_S[0] / in_flight, calls * _CALL_S[1] / in_flight


def duration_range(seconds: RateRange | None) -> str:
    """The range in words; empty where nothing is known."""
    if seconds is None:
        return ""
    low, high = seconds
    if high < 60:
        return "under 1 min"
    if high < 120 * 60:
        fewest, most = max(1, round(low / 60)), round(high / 60)
        return f"{fewest} to {most} min" if fewest < most else f"about {most} min"
    return f"{low / 3600:.1f} to {high / 3600:.1f} h"


def training_gib(
    config: Config, student: StudentSettings, size: ModelSize, longest: int, gpu: bool
) -> RateRange:
    """GiB that a training takes at its peak, without the cache of an engine."""
    value_bytes = 2  # of weights and activations in 16 bits
    trained = size.parameters
    weights = size.parameters * value_bytes
    method = student.method
    if not isinstance(method, FullMethod):
        rank = method.rank if isinstance(method, LoraMethod) else 1
        trained = rank * size.layers * size.hidden * _LORA_WIDTH
    if isinstance(method, LoraMethod) and method.kind == "qlora":
        weights //= 4
    positions = min(student.tokens_per_pass, student.batch_size * longest)
    layers = 1 if gpu else size.layers  # on a GPU activations are recomputed layer by layer
    stored = positions * size.hidden * (_LAYER_VALUES * layers + 2 * size.layers)
    total = (weights + trained * _ADAM_BYTES + stored) / _GIB + _LIBRARIES_GIB
    return total * _MEMORY_SPREAD[0], total * _MEMORY_SPREAD[1]


def engine_line(config: Config, device: DeviceRates, size: ModelSize) -> str:
    """The memory of vLLM: a share of the card, or weights and cache in the machine's."""
    if device.gpu:
        share = config.model.gpu_memory
        return f"vLLM {share * device.memory_gib:.0f} of {device.memory_gib:.0f} GiB of the card"
    gib = size.parameters * 2 / _GIB + _KV_CACHE_GIB + _ENGINE_GIB
    return f"vLLM up to {gib:.1f} GiB"
