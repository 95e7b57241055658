"""Starts and ends vLLM in this process, with this project's settings."""

import os
from typing import Any

from config.errors import SetupError, first_line
from config.generation import GPU_MEMORY, Dtype
from config.peft_methods import vllm_rank
from config.vllm_package import vllm_way_out
from engine.precision import has_gpu, precision


def load_llm(
    resolved: str,
    max_length: int,
    lora_rank: int = 0,
    prefix_caching: bool = True,
    dtype: Dtype = "auto",
    gpu_memory: float = GPU_MEMORY,
    **more: Any,
) -> Any:
    """vLLM's `LLM` with our settings; `more` go to it besides, in place of ours.

    Raises SetupError when it is missing or cannot load.
    """
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")  # no child process
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "4")  # GiB
    try:
        from vllm import LLM
    except ImportError as error:
        raise SetupError(
            f"vLLM cannot be imported ({error}); {vllm_way_out()}, or set teacher.engine: "
            "{kind: transformers}"
        ) from None
    options: dict[str, Any] = {}
    if lora_rank:
        options |= {"enable_lora": True, "max_lora_rank": vllm_rank(lora_rank)}
    if not has_gpu():
        # Compiling takes longer than it saves on CPU (90 s against 14 s to start, same speed);
        # chunked prefill with seeded requests ends in `CPU Generator does not use offset`.
        options |= {
            "enforce_eager": True,
            "enable_chunked_prefill": False,
            "max_num_batched_tokens": max(8192, max_length),
        }
    try:
        return LLM(
            model=resolved,
            max_model_len=max_length,
            enable_prefix_caching=prefix_caching,
            max_logprobs=-1,  # no limit on `sampling.logprobs`
            disable_log_stats=True,
            use_tqdm_on_load=False,  # keeps its bar out of the log
            trust_remote_code=False,
            dtype=precision(dtype),
            gpu_memory_utilization=gpu_memory,
            **({"seed": 0} | options | more),
        )
    except (OSError, ValueError, RuntimeError) as error:
        line = first_line(error, 300)
        raise SetupError(f"model {resolved}: vLLM cannot load it: {line}") from error


def shut_down(llm: Any) -> None:
    """Ends an `LLM` of this process and frees its memory."""
    from vllm.distributed.parallel_state import cleanup_dist_env_and_memory

    llm.llm_engine.engine_core.shutdown()
    del llm
    cleanup_dist_env_and_memory()
