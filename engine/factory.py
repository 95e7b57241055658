"""The engines that the settings configure. Backends are imported only when they are used."""

from functools import cache, partial
from pathlib import Path

from config.backends import (
    BatchBackend,
    OpenAiBackend,
    RayBackend,
    SeededBackend,
    TransformersBackend,
)
from config.console import print
from config.generation import ModelSettings
from config.schema import Config
from config.vllm_package import NO_VLLM, has_vllm, vllm_way_out
from data.run_paths import RunPaths
from engine.base import Engine
from engine.models import check_same_tokens, model_identity, resolve_base
from engine.openai_batch import BatchEngine, BatchFolder
from engine.openai_messages import ChatCodec
from engine.request_builder import make_renderer
from prompts.prompt_file import read_prompt


def teacher_engine(config: Config, root: Path = Path()) -> Engine:
    """The teacher's engine.

    Raises ConfigError when the teacher's tokenizer differs from the base's, and loading errors.
    """
    backend, max_length = config.teacher.engine, config.model.max_length
    if isinstance(backend, OpenAiBackend):
        from engine.openai_engine import OpenAiEngine

        return OpenAiEngine(backend, teacher_codec(config, root), max_length)
    if isinstance(backend, BatchBackend):
        return BatchEngine(batch_folder(config), teacher_codec(config, root), max_length)
    model = teacher_model(config)
    if isinstance(backend, RayBackend):
        from engine.ray_engine import RayEngine

        identity = model_identity(resolve_base(model), model.dtype)
        return RayEngine(backend, partial(_vllm_engine, config, model), identity, max_length)
    return local_engine(config, model)


def base_engine(config: Config, teacher: Engine) -> Engine | None:
    """The engine of the student's base; None if the teacher is the same model."""
    base = config.model
    if teacher.identity == model_identity(resolve_base(base), base.dtype):
        return None
    return local_engine(config, base)


def teacher_model(config: Config) -> ModelSettings:
    """The settings of a locally loaded teacher: the base's with its own name and revision.

    Raises ConfigError when its tokenizer differs from the base's.
    """
    base, teacher = config.model, config.teacher
    if teacher.model is None:
        return base
    names = {"name": teacher.model, "revision": teacher.revision}
    model = base.model_copy(update=names)
    if model != base:
        check_same_tokens(resolve_base(base), resolve_base(model), base.template_kwargs)
    return model


def teacher_codec(config: Config, root: Path = Path()) -> ChatCodec:
    """The codec of a remote teacher."""
    backend = config.teacher.engine
    if not isinstance(backend, OpenAiBackend | BatchBackend):
        raise ValueError(f"engine {backend.kind} is not remote")
    renderer = make_renderer(config, read_prompt(config.prompt, root))
    return ChatCodec(backend, renderer, renderer.template.kwargs)


def batch_folder(config: Config) -> BatchFolder:
    """The folder of the batch files."""
    backend = config.teacher.engine
    if not isinstance(backend, BatchBackend):
        raise ValueError(f"engine {backend.kind} has no batch files")
    default = RunPaths.of(config).root / "teacher" / "batch"
    return BatchFolder(Path(backend.folder) if backend.folder else default, backend.shard_rows)


def local_engine(config: Config, model: ModelSettings, max_lora_rank: int = 0) -> Engine:
    """The engine in this process that answers for a model: vLLM, or transformers where the settings
    ask for it or vLLM is not installed, which is printed once.

    Both give the model's own distribution, and requests have the same keys: a resumed run keeps the
    answers of either. `max_lora_rank`: of the adapters that vLLM serves beside the model; 0: it
    merges them, as transformers does.
    """
    is_chosen = isinstance(config.teacher.engine, TransformersBackend)
    if is_chosen or not has_vllm():
        if not is_chosen:
            _print_without_vllm()
        from engine.hf_engine import HfEngine

        return HfEngine(resolve_base(model), model.max_length, model.dtype)
    return _vllm_engine(config, model, max_lora_rank)


@cache
def _print_without_vllm() -> None:
    print(f"{NO_VLLM}: answers are generated with transformers, slower; {vllm_way_out()} for speed")


def _vllm_engine(config: Config, model: ModelSettings, max_lora_rank: int = 0) -> Engine:
    from engine.vllm_engine import VllmEngine  # heavy

    backend, name = config.teacher.engine, resolve_base(model)
    engine = VllmEngine(name, model.max_length, max_lora_rank, model.dtype, model.gpu_memory)
    if isinstance(backend, SeededBackend) and backend.seeded is not None:
        engine.seeded = backend.seeded
    return engine
