"""The teacher's engine as the settings name it. What a backend needs is imported where it is used.

An engine holds no model until the first request comes.
"""

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
    """The engine that answers for the teacher.

    Raises ConfigError when the teacher's tokenizer is not the base's, and what loading raises.
    """
    backend, length = config.teacher.engine, config.model.max_length
    if isinstance(backend, OpenAiBackend):
        from engine.openai_engine import OpenAiEngine

        return OpenAiEngine(backend, teacher_codec(config, root), length)
    if isinstance(backend, BatchBackend):
        return BatchEngine(batch_folder(config), teacher_codec(config, root), length)
    name = teacher_model(config)
    if isinstance(backend, RayBackend):
        from engine.ray_engine import RayEngine, Workers

        identity = model_identity(resolve_model(name))
        return RayEngine(Workers.of(backend), partial(_vllm, name, length), identity, length)
    return _vllm(name, length)


def base_engine(config: Config, teacher: Engine) -> Engine | None:
    """The engine of the student's base; None where the teacher's is the same model."""
    base = config.model.name
    if teacher.identity == model_identity(resolve_model(base)):
        return None
    return _vllm(base, config.model.max_length)


def teacher_model(config: Config) -> str:
    """The name of a teacher that is loaded here.

    Raises ConfigError when it has another tokenizer than the base.
    """
    base, name = config.model.name, config.teacher.model
    if name is None or name == base:
        return base
    check_same_tokens(resolve_model(base), resolve_model(name), config.model.template_kwargs)
    return name


def teacher_codec(config: Config, root: Path = Path()) -> ChatCodec:
    """How a teacher that is elsewhere is spoken to."""
    remote = config.teacher.engine
    if not isinstance(remote, OpenAiBackend | BatchBackend):
        raise ValueError(f"engine {remote.kind} is no server")
    kwargs = config.model.template_kwargs
    tokenizer = load_tokenizer(resolve_model(config.model.name))
    return ChatCodec(remote, Renderer(tokenizer, read_prompt(config.prompt, root), kwargs), kwargs)


def batch_folder(config: Config) -> BatchFolder:
    """Where the batch files lie."""
    backend = config.teacher.engine
    if not isinstance(backend, BatchBackend):
        raise ValueError(f"engine {backend.kind} has no files")
    own = RunPaths.of(config).root / "teacher" / "batch"
    return BatchFolder(Path(backend.folder) if backend.folder else own, backend.shard_rows)


def _vllm(name: str, max_length: int) -> Engine:
    from engine.vllm_engine import VllmEngine  # heavy: only where it is used

    return VllmEngine(name, max_length)
