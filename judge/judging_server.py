"""The server that judges: the one in the settings, or the embedded model's."""

from collections.abc import Iterator
from contextlib import contextmanager

from config.errors import SetupError
from config.judging import EMBEDDED_GPU_MEMORY, ServerSettings
from config.schema import Config
from config.vllm_package import NO_VLLM, has_vllm, vllm_way_out
from data.run_paths import RunPaths

EMBEDDED_LENGTH = 8192  # context of the embedded model: prompt and verdict, in tokens


def configured_server(config: Config) -> ServerSettings | None:
    """The server that the settings name, whether it runs or not; None: no model judges."""
    llm = config.judge.llm
    if llm == "none":
        return None
    if llm == "embedded":
        # on a CPU, a long prompt behind seven others takes minutes
        return ServerSettings(
            base_url="http://embedded.invalid/v1",  # until it runs
            model="embedded",
            api_key_env="",
            timeout_s=600.0,
        )
    return llm


def lacks_embedded_judge(config: Config) -> bool:
    """Whether the embedded model is to judge and vLLM, which serves it, is not installed."""
    return config.judge.llm == "embedded" and not has_vllm()


@contextmanager
def judging_server(config: Config) -> Iterator[ServerSettings | None]:
    """The configured server, running; starts the embedded model when it is configured.

    Raises SetupError where the embedded model cannot be served.
    """
    if lacks_embedded_judge(config):
        raise SetupError(
            f"judge.llm = embedded: {NO_VLLM}; {vllm_way_out()}, name a server in judge.llm, or "
            "set judge.llm: none and teacher.score_with_llm: false"
        )
    server = configured_server(config)
    if server is None or config.judge.llm != "embedded":
        yield server
        return
    from engine.vllm_server import vllm_server  # the judge uses nothing else of engine

    log = RunPaths.of(config).root / "judge" / "server.log"
    with vllm_server("embedded", EMBEDDED_LENGTH, log, EMBEDDED_GPU_MEMORY) as url:
        yield server.model_copy(update={"base_url": url})
