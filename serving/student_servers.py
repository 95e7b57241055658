"""Starts vLLM with the students of a run, and with their base where it is wanted."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from config.console import print
from config.errors import SetupError
from config.peft_methods import vllm_rank
from config.schema import Config
from config.training import StudentSettings
from data.run_paths import RunPaths
from engine.merge_adapter import save_merged
from engine.models import resolve_base
from engine.precision import has_gpu
from engine.vllm_server import vllm_server
from serving.routing import PROMPTED
from serving.serving_app import ServedModel
from student.chat_model import student_folder

# else vLLM adds what the base's generation_config.json names, such as a repetition penalty
_OWN_SAMPLING = ("--generation-config", "vllm")


class _Adapter(NamedTuple):
    name: str
    folder: Path
    rank: int


def served_students(config: Config) -> tuple[str, ...]:
    """The names of the students that one server can offer, the best one first.

    Only the best one where it is served as merged weights: always on a CPU, whose kernels for
    adapters are slow. Raises DataError when none has been chosen, SetupError where vLLM cannot
    serve the best one.
    """
    best = RunPaths.of(config).best_student()
    method = _settings(config, best).method
    if method.served == "live":
        raise SetupError(
            f"student {best}: vLLM cannot serve the virtual tokens of {method.kind}; use "
            "`unprompted chat`, or train a student with method lora"
        )
    if not _beside_the_base(config, best):
        return (best,)
    others = [
        student.name
        for student in config.students
        if student.name != best
        and student.method.served == "adapter"
        and RunPaths.of(config).adapter_sha256(student.name)
    ]
    return (best, *others)


@contextmanager
def student_servers(
    config: Config, names: tuple[str, ...], with_base: bool, kwargs: Mapping[str, Any]
) -> Iterator[dict[str, ServedModel]]:
    """The targets of these students, and of PROMPTED `with_base`, on servers that end afterwards.

    `kwargs`: the arguments of the chat template. Raises SetupError where vLLM does not start.
    """
    with ExitStack() as stack:
        if _beside_the_base(config, names[0]):
            adapters = [_adapter(config, name) for name in names]
            url = stack.enter_context(_server(config, None, adapters, 1.0))
            targets = {name: ServedModel(url, name, kwargs) for name in names}
            if with_base:
                targets[PROMPTED] = ServedModel(url, config.model.name, kwargs)
        else:
            share = 0.5 if with_base else 1.0
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="unprompted-")))
            print(f"merging {names[0]} into its base")
            save_merged(
                resolve_base(config.model),
                student_folder(config, f"student/{names[0]}"),
                folder / "merged",
                config.model.dtype,
            )
            merged = (names[0], folder / "merged")
            url = stack.enter_context(_server(config, merged, (), share))
            targets = {names[0]: ServedModel(url, names[0], kwargs)}
            if with_base:
                base_url = stack.enter_context(_server(config, None, (), share))
                targets[PROMPTED] = ServedModel(base_url, config.model.name, kwargs)
        yield targets


@contextmanager
def _server(
    config: Config,
    merged: tuple[str, Path] | None,
    adapters: "list[_Adapter] | tuple[()]",
    share: float,
) -> Iterator[str]:
    """The URL, without /v1, of a server of the base with adapters, or of a merged student."""
    served_as, folder = config.model.name, resolve_base(config.model)
    if merged is not None:
        served_as, folder = merged[0], str(merged[1])
    arguments = [*_OWN_SAMPLING]
    if adapters:
        rank = vllm_rank(max(adapter.rank for adapter in adapters))
        arguments += ["--enable-lora", "--max-lora-rank", str(rank), "--lora-modules"]
        arguments += [f"{adapter.name}={adapter.folder}" for adapter in adapters]
    log = RunPaths.of(config).root / "serving" / f"{served_as.replace('/', '_')}.log"
    print(f"starting vLLM with {served_as}; its log is {log}", flush=True)
    memory = config.model.gpu_memory * share
    with vllm_server(folder, config.model.max_length, log, memory, served_as, arguments) as url:
        yield url.removesuffix("/v1")


def _beside_the_base(config: Config, name: str) -> bool:
    """Whether vLLM serves a student as an adapter beside its base."""
    return has_gpu() and _settings(config, name).method.served == "adapter"


def _settings(config: Config, name: str) -> StudentSettings:
    return next(student for student in config.students if student.name == name)


def _adapter(config: Config, name: str) -> _Adapter:
    rank: int = getattr(_settings(config, name).method, "rank", 8)
    return _Adapter(name, student_folder(config, f"student/{name}").resolve(), rank)
