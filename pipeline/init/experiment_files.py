"""The files that `unprompted init` writes, as text: the prompt file and the settings."""

import math
import re
from typing import NamedTuple

from config.errors import UnpromptedError
from config.judging import ServerSettings
from config.yaml_file import parse_yaml

_CHARACTERS_PER_TOKEN = 2.5  # Russian in an English tokenizer; English has about 4


class LogSize(NamedTuple):
    """How many rows the logs hold, and how long they are."""

    rows: int
    question_characters: int  # of the longest question with its passages and earlier turns
    answer_characters: int  # of the longest logged answer; 0: none is logged


class ExperimentNames(NamedTuple):
    """The names and paths in the settings of an experiment."""

    name: str
    prompt: str
    rules: str
    logs: str
    model: str


def prompt_file_text(system: str, user_template: str) -> str:
    """A prompt file, in which the prompt stands line by line."""
    parts = {"system_template": system.strip(), "user_template": user_template}
    return "".join(f"{key}: {_block(text)}\n" for key, text in parts.items())


def _block(text: str) -> str:
    """A YAML scalar: a literal block where YAML reads the same text from it, else quoted."""
    lines = "".join(f"\n  {line}" if line else "\n" for line in text.split("\n"))
    block = f"|2-{lines}"
    try:
        is_same = parse_yaml(f"text: {block}\n", "prompt") == {"text": text}
    except UnpromptedError:  # a character that YAML does not take as it is
        is_same = False
    return block if is_same else _quoted(text)


def experiment_text(
    names: ExperimentNames, size: LogSize, prompt_characters: int, judge: ServerSettings | None
) -> str:
    """The settings of an experiment, a line per section."""
    answer_tokens = _power_of_two(size.answer_characters / _CHARACTERS_PER_TOKEN, 128, 1024)
    view = (prompt_characters + size.question_characters) / _CHARACTERS_PER_TOKEN
    max_length = _power_of_two(view + answer_tokens, 2048, 32768)
    batch_size = 4 if size.rows < 200 else 8 if size.rows < 1000 else 32
    name, prompt, rules, logs, model = map(_scalar, names)
    return (
        f"name: {name}\n"
        f"prompt: {{system: {prompt}, rules: {rules}}}\n"
        f"data: {{train: {logs}}}  # a fifth of the questions is held out as val\n"
        f"model: {{name: {model}, max_length: {max_length}}}\n"
        f"teacher: {{balance: logs, sampling: {{temperature: 0.8, max_tokens: {answer_tokens}}}}}\n"
        "students: [{name: lora, epochs: 4, first_token_weight: 8, "
        f"batch_size: {batch_size}}}]\n"
        f"predict: {{sampling: {{max_tokens: {answer_tokens}}}}}\n"
        f"judge: {{llm: {_server(judge)}}}\n"
    )


def _server(judge: ServerSettings | None) -> str:
    if judge is None:
        return "none"
    values = {"kind": "server", "base_url": judge.base_url, "model": judge.model}
    values["api_key_env"] = judge.api_key_env
    return "{" + ", ".join(f"{key}: {_scalar(value)}" for key, value in values.items()) + "}"


def _power_of_two(value: float, low: int, high: int) -> int:
    power: int = 2 ** math.ceil(math.log2(max(value, 1)))
    return min(max(low, power), high)


def _scalar(text: str) -> str:
    """A YAML scalar in a flow mapping, quoted where YAML would read something else."""
    is_word = re.fullmatch(r"[\w./][\w./-]*", text) and parse_yaml(text, "name") == text
    return text if is_word else _quoted(text)


def _quoted(text: str) -> str:
    """A double-quoted YAML scalar; what cannot be seen is escaped."""
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    code = ord(character)
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    return f"\\x{code:02x}" if code < 256 else f"\\U{code:08x}"
