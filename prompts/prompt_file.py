"""The prompt file (YAML or plain text), its worked examples, and the text of a user turn.

Text is inserted as data: braces in a question or a passage stay as they are.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from config.errors import DataError
from config.expected import nearest
from config.key_lines import Sources
from config.load import read_settings, validated
from config.schema import PromptSettings
from config.settings import Settings
from config.yaml_file import read_document, read_text_file
from data.records import digest
from data.rows import Row
from prompts.rules import RuleFile, load_rules

_SLOT = re.compile(r"\{(question|summaries)\}")
_PASSAGES = re.compile(r"\{contexts?\}")  # other words for {summaries}
_ANY_SLOT = re.compile(r"\{(\w+)\}")
_SLOTS = ("{question}", "{summaries}")
_YAML = (".yaml", ".yml", ".json")  # suffixes; every other file is the text of the system prompt
DEFAULT_TEMPLATE = "{summaries}\n{question}"  # the question alone where a row has no passages


class PromptFile(Settings):
    system: Annotated[
        str,
        Field(alias="system_template", description="the text of the system prompt"),
        AfterValidator(str.strip),
    ]
    user_template: str = DEFAULT_TEMPLATE


class WorkedExample(Settings):
    """A user turn with the answer that the prompt's owners want."""

    question: str
    contexts: tuple[str, ...] = ()
    answer: str


class Prompt(Settings):
    """Everything that a request to the prompted model contains beside the row."""

    system: str
    user_template: str
    examples: tuple[WorkedExample, ...] = ()
    tags: tuple[str, ...] = ()  # row tags that are written into the user turn

    @property
    def sha256(self) -> str:
        """Hash of the prompt with its examples and template: whatever may change an answer."""
        return digest(self.model_dump(mode="json"))

    def of_view(self, prompted: bool) -> str:
        """The part of a fingerprint that names this prompt in a view of a row."""
        return self.sha256 if prompted else self.user_template


def load_prompt(settings: PromptSettings, root: Path) -> tuple[Prompt, RuleFile]:
    """The prompt that the settings name (paths relative to `root`), and its rules.

    Raises what `read_prompt` and `load_rules` raise.
    """
    prompt = read_prompt(settings, root)
    return prompt, load_rules(root / settings.rules, prompt.system)


def read_prompt(settings: PromptSettings, root: Path) -> Prompt:
    """The prompt alone, without its rules.

    Raises DataError when the prompt is empty or the user template lacks a slot.
    """
    path = root / settings.system
    file = _read_file(path)
    if not file.system:
        raise DataError(f"{path}: the system prompt is empty; write its text there")
    template = _PASSAGES.sub("{summaries}", file.user_template)
    if problems := list(_missing_slots(path, template)):
        raise DataError(*problems)
    values = {"system": file.system, "user_template": template, "tags": settings.tags}
    if settings.examples is None:
        return validated(Prompt, values, str(path))
    path = root / settings.examples
    document = read_document(path)
    values["examples"] = document.values
    return validated(Prompt, values, Sources([(path, document)], prefix=("examples",)))


def _read_file(path: Path) -> PromptFile:
    if path.suffix.lower() in _YAML:
        return read_settings(PromptFile, path)
    text = read_text_file(path).strip()
    if text.startswith(("system_template:", "user_template:")):
        raise DataError(f"{path}: holds YAML; name the file {path.with_suffix('.yaml').name}")
    return validated(PromptFile, {"system_template": text}, str(path))


def _missing_slots(path: Path, template: str) -> Iterator[str]:
    others = [f"{{{name}}}" for name in _ANY_SLOT.findall(template)]
    for slot in _SLOTS:
        if slot in template:
            continue
        written = nearest(slot, [other for other in others if other not in _SLOTS])
        place = f"in place of {written}" if written else "where the text belongs"
        yield f"{path}: user_template lacks {slot}; write it {place}"


def user_text(prompt: Prompt, row: Row) -> str:
    """The user turn of a row with its passages."""
    tags = "".join(f"{tag}: {row.tags[tag]}\n" for tag in prompt.tags if tag in row.tags)
    texts = [context.text for context in row.contexts]
    return tags + _fill(prompt.user_template, row.question, texts)


def row_turns(prompt: Prompt, row: Row) -> list[dict[str, str]]:
    """The chat messages of a row without the prompt: its earlier turns, and its user turn last."""
    turns = []
    for turn in row.history:
        texts = {"question": turn.question, "contexts": turn.contexts}
        user = user_text(prompt, row.model_copy(update=texts))
        turns += [
            {"role": "user", "content": user},
            {"role": "assistant", "content": turn.answer},
        ]
    return [*turns, {"role": "user", "content": user_text(prompt, row)}]


def example_text(prompt: Prompt, example: WorkedExample) -> str:
    """The user turn of a worked example."""
    return _fill(prompt.user_template, example.question, example.contexts)


def _fill(template: str, question: str, passages: Sequence[str]) -> str:
    if template == DEFAULT_TEMPLATE and not passages:
        return question
    summaries = "\n".join(f"Content {number}: {text}" for number, text in enumerate(passages, 1))
    values = {"question": question, "summaries": summaries}
    return _SLOT.sub(lambda slot: values[slot.group(1)], template)
