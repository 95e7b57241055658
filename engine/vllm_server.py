"""Runs a vLLM server on a free loopback port: of the embedded judge, or of a student."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from config.child_group import child_group
from config.errors import SetupError
from config.generation import GPU_MEMORY
from engine.models import resolve_model
from engine.precision import has_gpu, precision

ENVIRONMENT = {
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "2",  # GiB
    "HF_HUB_OFFLINE": "1",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "1",
}
START_TIMEOUT_S = 300
END_TIMEOUT_S = 20


@contextmanager
def vllm_server(
    name: str,
    max_length: int,
    log: Path,
    gpu_memory: float = GPU_MEMORY,
    served_as: str | None = None,
    arguments: Sequence[str] = (),
) -> Iterator[str]:
    """Starts a server of the model `name`, yields its base URL, and ends it with all its children.

    They end with this process too, however it ends. `gpu_memory`: a share of the card. `served_as`:
    the model's name in requests; None: `name`. `arguments`: further ones of `vllm serve`.

    `log` receives the server's output. Raises SetupError when it ends early or does not answer
    within START_TIMEOUT_S.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]  # a free one
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        command = _command(resolve_model(name), served_as or name, port, max_length)
        command += ["--gpu-memory-utilization", str(gpu_memory), *arguments]
        with child_group(command, output, os.environ | ENVIRONMENT, END_TIMEOUT_S) as process:
            _wait_for(process, f"http://127.0.0.1:{port}/health", log)
            yield f"http://127.0.0.1:{port}/v1"


def _command(resolved: str, name: str, port: int, max_length: int) -> list[str]:
    # `vllm serve` requires a package named vllm, and the CPU build has another name
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    # otherwise a small model may generate white space in a JSON schema without end
    outputs = {"backend": "xgrammar", "disable_any_whitespace": True}
    command += ["--structured-outputs-config", json.dumps(outputs)]
    return command + vllm_arguments(resolved, name, max_length)


def vllm_arguments(resolved: str, name: str, max_length: int) -> list[str]:
    """The command-line arguments with which any vLLM program serves a model as `name`."""
    arguments = ["--model", resolved, "--served-model-name", name]
    arguments += ["--max-model-len", str(max_length), "--dtype", precision()]
    if not has_gpu():  # see engine.vllm_engine
        arguments += ["--enforce-eager", "--no-enable-chunked-prefill"]
        arguments += ["--max-num-batched-tokens", str(max(8192, max_length))]
    return arguments


def _wait_for(process: subprocess.Popen[bytes], health_url: str, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SetupError(f"the server of vLLM ended with {process.returncode}; see {log}")
        try:
            with urllib.request.urlopen(health_url, timeout=2):
                return
        except OSError:
            time.sleep(0.5)
    raise SetupError(f"the server of vLLM did not answer within {START_TIMEOUT_S} s; see {log}")
