"""Models by their name in the settings: resolution, identity, weights, tokenizer."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from config.errors import ConfigError, SetupError, first_line
from config.generation import Dtype, ModelSettings
from data.records import digest
from engine.embedded import EMBEDDED, embedded_model
from engine.hub_snapshot import hub_commit, hub_snapshot
from engine.precision import precision
from prompts.chat_rendering import ChatRendering, Message, TemplateRefusal

TorchModel = Any  # a transformers model, or a peft model around one

# model types for which AutoTokenizer trusts a tokenizer_config.json that names TokenizersBackend
PLAIN_TOKENIZERS = ("llama", "smollm3", "granite", "olmo2")
_TEXT = "Is it 12.50 €, or 1 000?\n\n\tДа — «ещё» раз: naïve, 你好, 🙂 …  <b>x</b>"
_CHAT: tuple[Message, ...] = (
    {"role": "system", "content": f"Answer briefly. {_TEXT}"},
    {"role": "user", "content": _TEXT},
    {"role": "assistant", "content": f"{_TEXT} It is."},
    {"role": "user", "content": "And now?"},
)


def resolve_model(name: str, revision: str | None = None) -> str:
    """The folder that transformers and vLLM load; converts the embedded model, and downloads a hub
    id at its revision.

    Raises SetupError when the folder does not exist or has no safetensors, or the model cannot be
    downloaded; ConfigError when what is no hub id has a revision.
    """
    folder = Path(name).expanduser()
    if name == EMBEDDED or folder.is_dir():
        if revision is not None:
            raise ConfigError(
                f"model.revision = {revision}: model.name = {name} is no hub id and has no "
                "revisions; remove model.revision"
            )
        folder = embedded_model() if name == EMBEDDED else folder
    elif folder.is_file():
        raise SetupError(
            f"model.name = {name}: a file; name the folder that holds config.json, the tokenizer "
            "and *.safetensors (a GGUF file is for inference alone)"
        )
    elif name.startswith((".", "/", "~")):
        raise SetupError(f"model.name = {name}: no such folder; give a folder or a hub id")
    else:
        folder = hub_snapshot(name, revision)
    if not list(folder.glob("*.safetensors")):
        raise SetupError(
            f"model.name = {name}: no *.safetensors there; "
            "other weight files can run code when loaded and are refused"
        )
    return str(folder)


def resolve_base(model: ModelSettings) -> str:
    """`resolve_model` of the settings."""
    return resolve_model(model.name, model.revision)


@cache
def model_identity(resolved: str, dtype: Dtype = "auto") -> str:
    """Hash of a folder's weights and config, or of hub id and commit; and of a chosen dtype."""
    commit, folder = hub_commit(resolved), Path(resolved)
    if commit:
        identity = digest(["hub", *commit])
    else:
        files = sorted([*folder.glob("*.safetensors"), *folder.glob("config.json")])
        identity = digest([[file.name, file_sha256(file)] for file in files])
    return identity if dtype == "auto" else digest([identity, dtype])


def file_sha256(path: Path) -> str:
    """Hex hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_base(resolved: str, **options: Any) -> TorchModel:
    """The model in this machine's precision; `options` go to transformers and take precedence.

    Raises SetupError when transformers cannot load it.
    """
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # keeps it out of the log
    settings: dict[str, Any] = {"dtype": precision(), "trust_remote_code": False, **options}
    try:
        loaded = AutoModelForCausalLM.from_pretrained(resolved, use_safetensors=True, **settings)
    except (OSError, ValueError) as error:
        raise _load_error(f"{resolved}:", error) from None
    model = loaded[0] if isinstance(loaded, tuple) else loaded  # with `output_loading_info`
    if getattr(model.config.get_text_config(), "attn_logit_softcapping", None):
        model.set_attn_implementation("eager")  # torch's own attention leaves the soft cap out
    return loaded


def load_tokenizer(resolved: str) -> PreTrainedTokenizerBase:
    """The model's tokenizer, which is loaded once: copy it before you change it.

    Raises SetupError when it cannot be loaded.
    """
    files = [path for path in sorted(Path(resolved).glob("*")) if path.is_file()]
    return _loaded_tokenizer(resolved, tuple((path, path.stat().st_mtime_ns) for path in files))


@lru_cache(maxsize=4)
def _loaded_tokenizer(
    resolved: str, files: tuple[tuple[Path, int], ...]
) -> PreTrainedTokenizerBase:
    """`files` with their times: a folder that changes is read again."""
    try:
        return _tokenizer_class(resolved).from_pretrained(resolved, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise _load_error(f"{resolved}: tokenizer", error) from None


def _tokenizer_class(resolved: str) -> Any:
    """The class that reads the tokenizer: what AutoTokenizer chooses.

    Importing AutoTokenizer imports torch and takes seconds, so its choice is known here for folders
    that transformers saved with a plain tokenizer.json.
    """
    folder = Path(resolved)
    files = [folder / name for name in ("tokenizer_config.json", "config.json", "tokenizer.json")]
    if all(path.is_file() for path in files):
        tokenizer, model = (json.loads(path.read_bytes()) for path in files[:2])
        plain = tokenizer.get("tokenizer_class") == "TokenizersBackend"
        if plain and "auto_map" not in tokenizer and model.get("model_type") in PLAIN_TOKENIZERS:
            from transformers import PreTrainedTokenizerFast

            return PreTrainedTokenizerFast
    from transformers import AutoTokenizer

    return AutoTokenizer


def decode_answer(tokenizer: PreTrainedTokenizerBase, token_ids: Sequence[int]) -> str:
    """The text of an answer, without special tokens."""
    text = tokenizer.decode(token_ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return str(text)


def _load_error(subject: str, error: Exception) -> SetupError:
    line = first_line(error)
    return SetupError(f"model.name = {subject} cannot be loaded: {line}")


def check_same_tokens(base: str, teacher: str, template_kwargs: Mapping[str, bool | str]) -> None:
    """Compares the vocabularies, and the token ids of a test chat with and without system prompt.

    Takes resolved models. Raises ConfigError when they differ: a student learns token ids.
    """
    base_tokenizer, teacher_tokenizer = load_tokenizer(base), load_tokenizer(teacher)
    difference = None
    if base_tokenizer.get_vocab() != teacher_tokenizer.get_vocab():
        difference = "vocabulary"
    elif _chat_ids(base_tokenizer, template_kwargs) != _chat_ids(
        teacher_tokenizer, template_kwargs
    ):
        difference = "chat template"
    if difference:
        raise ConfigError(
            f"teacher.model = {teacher}: its {difference} differs from model.name = {base}; use a "
            "larger model of the same family, or serve it and set teacher.engine: {kind: openai}"
        )


def _chat_ids(
    tokenizer: PreTrainedTokenizerBase, template_kwargs: Mapping[str, bool | str]
) -> list[tuple[int, ...] | None]:
    """The ids of the test chats; None: the template refuses the chat."""
    if not tokenizer.chat_template:
        return []
    rendering = ChatRendering(tokenizer, template_kwargs, date.today())
    chats: list[tuple[int, ...] | None] = []
    for chat in (_CHAT, _CHAT[1:]):
        for generation in (True, False):
            try:
                text = rendering.text(chat, generation)
            except TemplateRefusal:
                chats.append(None)
            else:
                chats.append(tuple(tokenizer.encode(text, add_special_tokens=False)))
    return chats
