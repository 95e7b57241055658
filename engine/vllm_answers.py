"""Answers of a LoRA student while it trains, drawn by vLLM in the same process.

The adapter's weights are handed over at every call. Between calls vLLM sleeps: its weights wait in
the machine's memory, and the card's memory is the training's. Where vLLM does not start beside the
training, or its log-probabilities are not the student's, one line says so and transformers answers
from then on.
"""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from config.console import print
from config.errors import first_line
from config.generation import GPU_MEMORY, Dtype
from engine.hf_generation import answer_logprobs, generate_answers
from engine.load_vllm import load_llm, shut_down
from engine.models import TorchModel
from engine.precision import has_gpu
from engine.token_sampler import GeneratedAnswer, GenerationSettings

# mean difference in nats of a token's log-probability from the student's own: 0.02 to 0.06 between
# two orders of summation in bfloat16, about 3 between a trained adapter and none
_TOLERANCE = 0.3
_FREE_SHARE = 0.9  # of the card's free memory; the rest is for what grows beside vLLM
_OPTIMISER_BYTES = 12  # per trained parameter: a gradient and two moments, in float32


class VllmAnswers:
    """Called as `generate_answers`; vLLM starts with the first call."""

    def __init__(
        self,
        resolved: str,
        max_length: int,
        rank: int,
        dtype: Dtype = "auto",
        gpu_memory: float = GPU_MEMORY,
    ) -> None:
        """`resolved`: the student's base; `max_length` of prompt and answer; `rank` of the adapter;
        `gpu_memory`: the largest share of the card's memory, of which vLLM takes what is free."""
        self._resolved = resolved
        self._max_length = max_length
        self._rank = rank
        self._dtype = dtype
        self._gpu_memory = gpu_memory
        self._calls = 0  # each has an adapter with a name of its own, so no cache is read again
        self._llm: Any = None
        self._gave_up = False

    def __call__(
        self, model: TorchModel, prompts: Sequence[tuple[int, ...]], settings: GenerationSettings
    ) -> Iterator[GeneratedAnswer]:
        """One answer per prompt; random numbers come from torch's global state."""
        if prompts and not self._gave_up and settings.logprobs is None:
            try:
                return iter(self._draw(model, prompts, settings))
            except Exception as error:  # of vLLM or CUDA: the training goes on without vLLM
                self._give_up(error)
        return generate_answers(model, prompts, settings)

    def close(self) -> None:
        """Ends vLLM and frees its memory."""
        if self._llm is not None:
            llm, self._llm = self._llm, None
            shut_down(llm)

    def _draw(
        self, model: TorchModel, prompts: Sequence[tuple[int, ...]], settings: GenerationSettings
    ) -> list[GeneratedAnswer]:
        from vllm import SamplingParams

        params = SamplingParams(  # of all requests: seeds of their own would slow vLLM's sampler
            temperature=settings.temperature,
            top_p=settings.top_p,
            max_tokens=settings.max_tokens,
            ignore_eos=True,  # only the stop ids end an answer
            stop_token_ids=list(settings.stop_ids),
            logprobs=0,  # of the sampled token
            flat_logprobs=True,
            detokenize=False,
        )
        inputs = [{"prompt_token_ids": list(prompt)} for prompt in prompts]
        device = next(model.parameters()).device.type
        with torch.no_grad(), torch.autocast(device, enabled=False):
            llm = self._awake_llm(model)
            adapter = self._hand_over(model)
            outputs = llm.generate(inputs, params, use_tqdm=False, lora_request=adapter)
            llm.llm_engine.remove_lora(adapter.lora_int_id)
            if has_gpu():
                llm.sleep(level=1)
        completions = [output.outputs[0] for output in outputs]
        answers = [
            GeneratedAnswer(index, tuple(completion.token_ids), None)
            for index, completion in enumerate(completions)
        ]
        _check_same(model, prompts[0], answers[0].token_ids, completions[0].logprobs.logprobs)
        return answers

    def _awake_llm(self, model: TorchModel) -> Any:
        torch.cuda.empty_cache()  # no effect without CUDA
        if self._llm is not None:
            if has_gpu():
                self._llm.wake_up()
            return self._llm
        devices = range(torch.cuda.device_count())
        with torch.random.fork_rng(devices):  # vLLM sets the seed of the whole process
            self._llm = load_llm(
                self._resolved,
                self._max_length,
                self._rank,
                dtype=self._dtype,
                gpu_memory=self._memory_share(model),
                enable_sleep_mode=has_gpu(),
            )
        return self._llm

    def _memory_share(self, model: TorchModel) -> float:
        """What is free beside the student and its optimiser, as a share of the card's memory."""
        if not has_gpu():
            return self._gpu_memory
        free, total = torch.cuda.mem_get_info()
        trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
        share: float = _FREE_SHARE * (free - _OPTIMISER_BYTES * trained) / total
        return min(self._gpu_memory, max(share, 0.01))

    def _hand_over(self, model: TorchModel) -> Any:
        """Makes vLLM read the adapter as it is now; returns vLLM's request for it."""
        from vllm.lora.request import LoRARequest

        self._calls += 1
        with tempfile.TemporaryDirectory() as name:
            model.save_pretrained(name, save_embedding_layers=False)
            adapter = LoRARequest(f"{Path(name).name}-{self._calls}", self._calls, name)
            if not self._llm.llm_engine.add_lora(adapter):
                raise RuntimeError("vLLM did not load the adapter")
        return adapter

    def _give_up(self, error: Exception) -> None:
        line = first_line(error)
        print(f"vLLM does not answer beside the training ({line}); transformers does")
        self._gave_up = True
        self.close()


def _check_same(
    model: TorchModel,
    prompt: tuple[int, ...],
    answer: tuple[int, ...],
    logprobs: Sequence[float],
) -> None:
    """Raises RuntimeError where vLLM's log-probabilities of an answer are not the student's."""
    own = answer_logprobs(model, prompt, answer)
    difference = fmean(abs(a - b) for a, b in zip(own, logprobs, strict=True))
    if not difference <= _TOLERANCE:  # NaN is no equality
        raise RuntimeError(f"its log-probabilities are {difference:.2f} nats from the student's")
