"""Who draws a student's answers while it trains: vLLM beside the training, or transformers."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from config.backends import TransformersBackend
from config.console import print
from config.peft_methods import LoraMethod
from config.schema import Config
from config.training import OnPolicy, StudentSettings
from config.vllm_package import NO_VLLM, has_vllm
from engine.hf_generation import AnswerSource, generate_answers
from engine.precision import has_gpu
from student.distributed import is_distributed, process_rank

# Answer tokens of all evaluations from which vLLM, which takes about a minute to start, is faster
# than transformers, which writes about a thousand tokens a second on a card.
_WORTH_STARTING = 100_000


@contextmanager
def answer_source(
    config: Config, student: StudentSettings, resolved: str, evaluated_rows: int
) -> Iterator[AnswerSource]:
    """Draws answers of the student in training; ends vLLM behind the block.

    `resolved`: the student's base; `evaluated_rows`: of an evaluation. On a card one line says who
    draws. Without one transformers always does, on the same cores.
    """
    if not has_gpu():
        yield generate_answers
        return
    obstacle = vllm_obstacle(config, student, evaluated_rows)
    if process_rank() == 0:
        drawn = f"by transformers: {obstacle}" if obstacle else "by vLLM, which sleeps in between"
        print(f"{student.name}: answers in training are drawn {drawn}")
    if obstacle or not isinstance(student.method, LoraMethod):
        yield generate_answers
        return
    from engine.vllm_answers import VllmAnswers

    model = config.model
    with closing(
        VllmAnswers(resolved, model.max_length, student.method.rank, model.dtype, model.gpu_memory)
    ) as answers:
        yield answers


def vllm_obstacle(config: Config, student: StudentSettings, evaluated_rows: int) -> str | None:
    """Why vLLM does not draw the answers of a training; None: it does."""
    method = student.method
    if isinstance(config.teacher.engine, TransformersBackend):
        return "teacher.engine is transformers"
    if not has_vllm():
        return NO_VLLM
    if is_distributed():
        return "the training has several processes"
    if not isinstance(method, LoraMethod) or method.served != "adapter":
        return f"vLLM serves no adapter of method {method.kind}"
    if method.kind == "qlora":
        return "vLLM has no base in 4 bits"
    tokens = evaluated_rows * student.epochs * config.predict.sampling.max_tokens
    if not isinstance(student.objective, OnPolicy) and tokens < _WORTH_STARTING:
        return "they are few, and vLLM takes a minute to start"
    return None
