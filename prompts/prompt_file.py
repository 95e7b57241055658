"""The prompt file, its worked examples, and the text of a user turn.

Text is inserted as data: braces in a question or a passage stay as they are.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from config.errors import DataError
from config.load import validated
from config.schema import PromptSettings
from config.settings import Settings
from config.yaml_file import read_yaml
from data.records import digest
from data.rows import Row
from prompts.rules import RuleFile, load_rules

_SLOT = re.compile(r"\{(question|summaries)\}")


class _PromptFile(Settings):
    system: Annotated[str, Field(alias="system_template"), AfterValidator(str.strip)]
    user_template: str


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

    Raises DataError when the user template lacks a slot.
    """
    path = root / settings.system
    file = validated(_PromptFile, read_yaml(path), str(path))
    for slot in ("{question}", "{summaries}"):
        if slot not in file.user_template:
            raise DataError(f"{path}: user_template lacks {slot}; put it where the text belongs")
    values = file.model_dump() | {"tags": settings.tags}
    if settings.examples is not None:
        path = root / settings.examples
        values["examples"] = read_yaml(path)
    return validated(Prompt, values, str(path))


def user_text(prompt: Prompt, row: Row) -> str:
    """The user turn of a row with its passages."""
    tags = "".join(f"{tag}: {row.tags[tag]}\n" for tag in prompt.tags if tag in row.tags)
    texts = [context.text for context in row.contexts]
    return tags + _fill(prompt.user_template, row.question, texts)


def example_text(prompt: Prompt, example: WorkedExample) -> str:
    """The user turn of a worked example."""
    return _fill(prompt.user_template, example.question, example.contexts)


def _fill(template: str, question: str, passages: Sequence[str]) -> str:
    summaries = "\n".join(f"Content {number}: {text}" for number, text in enumerate(passages, 1))
    values = {"question": question, "summaries": summaries}
    return _SLOT.sub(lambda slot: values[slot.group(1)], template)
