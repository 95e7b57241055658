"""The prompt file as its owners write it, its worked examples, and the text of a user turn.

Text goes in as data: braces in a question or a passage stay as they are.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from config.errors import DataError
from config.load import read_yaml, validated
from config.schema import PromptSettings
from config.settings import Settings
from data.records import digest
from data.rows import Context, Row
from prompts.rules import RuleFile, load_rules

_SLOT = re.compile(r"\{(question|summaries)\}")


class _PromptFile(Settings):
    system_template: str
    user_template: str


class WorkedExample(Settings):
    """A worked example: a user's turn and the answer that the prompt's owners want to it."""

    question: str
    contexts: tuple[str, ...] = ()
    answer: str


class Prompt(Settings):
    """Everything that one request of the prompted model carries beside the row."""

    system: str
    user_template: str
    examples: tuple[WorkedExample, ...] = ()
    tags: tuple[str, ...] = ()  # row tags written into the user turn

    @property
    def sha256(self) -> str:
        """Hash of the prompt with its examples and template: changes when any answer may."""
        return digest(self.model_dump(mode="json"))


def load_prompt(settings: PromptSettings, root: Path) -> tuple[Prompt, RuleFile]:
    """The prompt that the settings name (paths relative to `root`), and its rules.

    Raises what `read_prompt` and `load_rules` raise.
    """
    prompt = read_prompt(settings, root)
    return prompt, load_rules(root / settings.rules, prompt.system)


def read_prompt(settings: PromptSettings, root: Path) -> Prompt:
    """The prompt alone, before there are rules for it.

    Raises DataError when the user template lacks a slot.
    """
    path = root / settings.system
    file = validated(_PromptFile, read_yaml(path), str(path))
    for slot in ("{question}", "{summaries}"):
        if slot not in file.user_template:
            raise DataError(f"{path}: user_template lacks {slot}; write where it goes")
    examples: tuple[WorkedExample, ...] = ()
    if settings.examples is not None:
        examples_path = root / settings.examples
        listed = read_yaml(examples_path)
        if not isinstance(listed, list):
            raise DataError(f"{examples_path}: expected a list of worked examples")
        examples = tuple(
            validated(WorkedExample, value, f"{examples_path}: example {number}")
            for number, value in enumerate(listed, 1)
        )
    return Prompt(
        system=file.system_template.strip(),
        user_template=file.user_template,
        examples=examples,
        tags=settings.tags,
    )


def summaries(contexts: Sequence[str]) -> str:
    """The passages as the assistant's application writes them: `Content i: …`, one a line."""
    return "\n".join(f"Content {number}: {text}" for number, text in enumerate(contexts, 1))


def user_text(prompt: Prompt, row: Row, contexts: Sequence[Context]) -> str:
    """The user turn of a row with these of its passages."""
    texts = [context.text for context in contexts]
    tags = "".join(f"{tag}: {row.tags[tag]}\n" for tag in prompt.tags if tag in row.tags)
    return tags + _filled(prompt.user_template, row.question, summaries(texts))


def example_text(prompt: Prompt, example: WorkedExample) -> str:
    """The user turn of a worked example."""
    return _filled(prompt.user_template, example.question, summaries(example.contexts))


def _filled(template: str, question: str, passages: str) -> str:
    values = {"question": question, "summaries": passages}
    return _SLOT.sub(lambda slot: values[slot.group(1)], template)
