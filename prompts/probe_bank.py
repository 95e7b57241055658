"""The bank of questions from which probes are made, and what a probe of each kind carries.

Knows the file; which kinds help which rule, and how many are made, is the teacher's business.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from config.load import read_yaml, validated
from config.settings import Settings
from prompts.rules import Language

SLOT = "{question}"  # stands for the question of a logged train row
_BANKS = Path(__file__).resolve().parent / "probes"


class ProbeKind(Settings):
    """One kind of probe."""

    questions: Annotated[tuple[str, ...], Field(min_length=1)]  # some with a slot
    contexts: Literal["own", "another"] = "another"  # the row's passages, or some other row's
    labels: tuple[str, ...] = ()  # that a probe carries, in the words of the logs
    comment: str | None = None  # likewise
    flip_tags: bool = False  # tags that the user turn shows are taken from another row
    asked: str | None = None  # regular expression in what a rule asks a model: the kind serves it
    every_rule: bool = False  # a trial of all rules, made up to the floor in any case
    about: str | None = None  # what the questions are, for the model that writes more; None: none

    @model_validator(mode="after")
    def _own_passages(self) -> "ProbeKind":
        bare = [text for text in self.questions if SLOT not in text]
        if self.contexts == "own" and bare:
            raise ValueError(f"contexts: own needs {SLOT} in every question; not in {bare[0]!r}")
        return self


class ProbeBank(Settings):
    """All kinds of one language."""

    write: str  # how the model is asked for one more question: {about} and {examples}
    kinds: Annotated[dict[str, ProbeKind], Field(min_length=1)]

    @property
    def marks(self) -> tuple[frozenset[str], frozenset[str]]:
        """The labels and the comments by which probes are known: a row with one is no plain row."""
        labels = {label for kind in self.kinds.values() for label in kind.labels}
        return frozenset(labels), frozenset(k.comment for k in self.kinds.values() if k.comment)


def bank_path(given: str | None, language: Language) -> Path:
    """The settings' bank, or that of the prompt's language."""
    return _BANKS / f"{language}.yaml" if given is None else Path(given)


def load_probe_bank(path: Path) -> ProbeBank:
    """The bank in a file. Raises ConfigError or DataError as every YAML file does."""
    return validated(ProbeBank, read_yaml(path), str(path))
