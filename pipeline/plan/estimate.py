"""Minutes of a run as ranges, from token counts and the device's rates; memory of its engine."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from config.backends import BatchBackend, OpenAiBackend
from config.judging import ServerSettings
from config.schema import Config
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


def engine_line(config: Config, device: DeviceRates, size: ModelSize) -> str:
    """The memory of vLLM: a share of the card, or weights and cache in the machine's."""
    if device.gpu:
        share = config.model.gpu_memory
        return f"vLLM {share * device.memory_gib:.0f} of {device.memory_gib:.0f} GiB of the card"
    gib = size.parameters * 2 / _GIB + _KV_CACHE_GIB + _ENGINE_GIB
    return f"vLLM up to {gib:.1f} GiB"
