"""The engines that the settings configure. Backends are imported only when they are used."""

from functools import partial
from pathlib import Path

from config.backends import BatchBackend, OpenAiBackend, RayBackend
from config.schema import Config
from data.run_paths import RunPaths
from engine.base import Engine
from engine.models import check_same_tokens, load_tokenizer, model_identity, resolve_model
from engine.openai_batch import BatchEngine, BatchFolder
from engine.openai_messages import ChatCodec
from prompts.prompt_file import read_prompt
from prompts.renderer import Renderer


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
    name = teacher_model(config)
    if isinstance(backend, RayBackend):
        from engine.ray_engine import RayEngine

        identity = model_identity(resolve_model(name))
        return RayEngine(backend, partial(_vllm_engine, name, max_length), identity, max_length)
    return _vllm_engine(name, max_length)


def base_engine(config: Config, teacher: Engine) -> Engine | None:
    """The engine of the student's base; None if the teacher is the same model."""
    base = config.model.name
    if teacher.identity == model_identity(resolve_model(base)):
        return None
    return _vllm_engine(base, config.model.max_length)


def teacher_model(config: Config) -> str:
    """The name of a locally loaded teacher.

    Raises ConfigError when its tokenizer differs from the base's.
    """
    base, name = config.model.name, config.teacher.model
    if name is None or name == base:
        return base
    check_same_tokens(resolve_model(base), resolve_model(name), config.model.template_kwargs)
    return name


def teacher_codec(config: Config, root: Path = Path()) -> ChatCodec:
    """The codec of a remote teacher."""
    backend = config.teacher.engine
    if not isinstance(backend, OpenAiBackend | BatchBackend):
        raise ValueError(f"engine {backend.kind} is not remote")
    template_kwargs = config.model.template_kwargs
    tokenizer = load_tokenizer(resolve_model(config.model.name))
    renderer = Renderer(tokenizer, read_prompt(config.prompt, root), template_kwargs)
    return ChatCodec(backend, renderer, template_kwargs)


def batch_folder(config: Config) -> BatchFolder:
    """The folder of the batch files."""
    backend = config.teacher.engine
    if not isinstance(backend, BatchBackend):
        raise ValueError(f"engine {backend.kind} has no batch files")
    default = RunPaths.of(config).root / "teacher" / "batch"
    return BatchFolder(Path(backend.folder) if backend.folder else default, backend.shard_rows)


def _vllm_engine(name: str, max_length: int) -> Engine:
    from engine.vllm_engine import VllmEngine  # heavy

    return VllmEngine(name, max_length)
