"""The model that answers a chat: a trained student, the base or the teacher, by transformers.

A teacher behind a server is asked there.
"""

import difflib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from transformers import PreTrainedTokenizerBase, TextStreamer

from config.backends import BatchBackend, RemoteBackend
from config.errors import ConfigError, DataError
from config.schema import Config
from data.run_paths import RunPaths
from engine.answer_tokens import without_reasoning
from engine.base import Completion, Engine, Request
from engine.factory import teacher_engine, teacher_model
from engine.hf_engine import own_stop_ids
from engine.merge_adapter import ADAPTER_CONFIG
from engine.models import TorchModel, decode_answer, load_base, load_tokenizer, resolve_base
from engine.precision import local_device, precision
from student.checkpoint import check_weights

OnText = Callable[[str], None]  # takes the next part of an answer


class ChatModel(Protocol):
    """Answers one request at a time."""

    @property
    def place(self) -> str:
        """Where the model runs, in words."""

    def answer(self, request: Request, on_text: OnText) -> Completion:
        """The answer; `on_text` gets its parts as they are generated."""


def open_chat_model(config: Config, arm: str) -> ChatModel:
    """The model of an arm: `base`, `teacher`, or `student/NAME`.

    Raises ConfigError for another arm, DataError where the student is not trained, and loading
    errors.
    """
    backend = config.teacher.engine
    if arm == "teacher" and isinstance(backend, BatchBackend):
        raise ConfigError(
            "--arm teacher: teacher.engine = batch answers in files; use base or a student"
        )
    if arm == "teacher" and isinstance(backend, RemoteBackend):
        return _ServedTeacher(teacher_engine(config), backend.model)
    settings = teacher_model(config) if arm == "teacher" else config.model
    folder = None if arm in ("base", "teacher") else student_folder(config, arm)
    resolved = resolve_base(settings)
    whole = folder is not None and not (folder / ADAPTER_CONFIG).exists()
    device = local_device()
    dtype = precision(settings.dtype, device)
    model = load_base(str(folder) if whole else resolved, dtype=dtype).to(device)
    if folder is not None and not whole:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, str(folder))
    return _LoadedModel(model.eval(), load_tokenizer(resolved))


def student_folder(config: Config, arm: str) -> Path:
    """The weights of `student/NAME`, undamaged. Raises as `open_chat_model` does."""
    names = [student.name for student in config.students]
    arms = ["base", "teacher", *(f"student/{name}" for name in names)]
    if arm not in arms:
        whole = f"student/{arm}"
        similar = [whole] if whole in arms else difflib.get_close_matches(arm, arms, n=1)
        hint = f"did you mean {similar[0]}? It is" if similar else "it is"
        raise ConfigError(f"--arm {arm}: no such arm; {hint} one of {', '.join(arms)}")
    name, run = arm.removeprefix("student/"), RunPaths.of(config)
    sha256 = run.adapter_sha256(name)
    if sha256 is None:
        raise DataError(f"{run.student(name)}: not trained yet; run `unprompted run CONFIG` first")
    folder = run.student(name) / "adapter"
    check_weights(folder, sha256)
    return folder


class _LoadedModel:
    """A model in this process."""

    def __init__(self, model: TorchModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._stop_ids = own_stop_ids(model, tokenizer)

    @property
    def place(self) -> str:
        """Device and number type."""
        weight = next(self._model.parameters())
        return f"{weight.device.type}, {str(weight.dtype).removeprefix('torch.')}"

    @torch.no_grad()
    def answer(self, request: Request, on_text: OnText) -> Completion:
        """As in `ChatModel`. There is one prompt and no padding, so peft's virtual tokens stand
        directly before the text."""
        sampling = request.sampling
        device = next(self._model.parameters()).device
        ids = torch.tensor([request.prompt_ids], device=device)  # [1, T]
        stop_ids = tuple(dict.fromkeys((*request.stop_ids, *self._stop_ids)))
        samples = sampling.temperature > 0
        torch.manual_seed(request.seed)
        recorder = _Recorder(self._tokenizer, on_text)
        # peft says that it numbers the positions behind virtual tokens itself
        warnings.filterwarnings("ignore", "Position ids are not supported")
        # every setting that a model's generation_config.json could change is passed explicitly
        self._model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=sampling.max_tokens,
            do_sample=samples,
            temperature=sampling.temperature if samples else 1.0,
            top_p=sampling.top_p if samples else 1.0,
            top_k=0 if samples else 50,  # greedy: the default, or transformers warns
            repetition_penalty=1.0,
            no_repeat_ngram_size=0,
            eos_token_id=list(stop_ids),
            pad_token_id=stop_ids[0],
            streamer=recorder,
        )
        answer = tuple(recorder.token_ids)
        finish: Literal["stop", "length"] = "stop" if answer[-1] in stop_ids else "length"
        text = decode_answer(self._tokenizer, answer[:-1] if finish == "stop" else answer)
        return without_reasoning(Completion(request.key, text, answer, finish), self._tokenizer)


class _Recorder(TextStreamer):  # type: ignore[misc]
    """Passes on the answer's text word by word, and remembers its tokens."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, on_text: OnText) -> None:
        options = {"skip_special_tokens": True, "clean_up_tokenization_spaces": False}
        super().__init__(tokenizer, skip_prompt=True, **options)
        self._on_text = on_text
        self.token_ids: list[int] = []

    def put(self, value: Any) -> None:
        """transformers calls this with the prompt, then with each token."""
        if not self.next_tokens_are_prompt:
            self.token_ids += value.flatten().tolist()
        super().put(value)

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        """transformers calls this with each word."""
        if text:
            self._on_text(text)


class _ServedTeacher:
    """A teacher behind a server; its answers come whole."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self.place = f"{name} on its server"

    def answer(self, request: Request, on_text: OnText) -> Completion:
        """As in `ChatModel`. Raises SetupError where no server answers."""
        completion = next(iter(self._engine.run([request])))
        on_text(completion.text)
        return completion
