"""The file of questions from which probes are made, by kind, with the labels of each kind.

The teacher decides which kinds help which rule and how many probes it makes.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from config.load import read_settings
from config.settings import Settings
from prompts.check_settings import Regex
from prompts.rules import Language

SLOT = "{question}"  # stands for the question of a logged train row
_BANKS = Path(__file__).resolve().parent / "probes"


class ProbeKind(Settings):
    """One kind of probe."""

    questions: Annotated[tuple[str, ...], Field(min_length=1)]  # some with a slot
    # the row's passages; the rest without the one that seems to hold the answer; or another row's
    contexts: Literal["own", "rest", "another"] = "another"
    labels: tuple[str, ...] = ()  # of the probe, in the words of the logs
    comment: str | None = None  # likewise
    flip_tags: bool = False  # take the tags in the user turn from another row
    # serves a rule whose applicability a model decides if this regular expression occurs in the
    # question to the model
    llm_pattern: Regex | None = None
    always: bool = False  # tests every rule: made up to the floor in any case
    topic: str | None = None  # of the questions, for the model that writes more; None: no more

    @model_validator(mode="after")
    def _own_passages(self) -> "ProbeKind":
        without_slot = [text for text in self.questions if SLOT not in text]
        if self.contexts != "another" and without_slot:
            raise ValueError(
                f"contexts: {self.contexts} needs {SLOT} in every question; it is missing in "
                f"{without_slot[0]!r}"
            )
        return self


class ProbeBank(Settings):
    """All kinds of one language."""

    request: str  # to a model for one more question, with {topic} and {examples}
    kinds: Annotated[dict[str, ProbeKind], Field(min_length=1)]

    @property
    def marks(self) -> tuple[frozenset[str], frozenset[str]]:
        """The labels and the comments of all kinds: a row with one of them is no plain row."""
        labels = {label for kind in self.kinds.values() for label in kind.labels}
        comments = {kind.comment for kind in self.kinds.values() if kind.comment}
        return frozenset(labels), frozenset(comments)


def load_probe_bank(setting: str | None, language: Language) -> ProbeBank:
    """The bank that the settings name, or the built-in one of the prompt's language.

    Raises ConfigError or DataError when the file is missing or invalid.
    """
    path = _BANKS / f"{language}.yaml" if setting is None else Path(setting)
    return read_settings(ProbeBank, path)
