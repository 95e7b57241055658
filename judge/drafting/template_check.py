"""A check that a rule template proposes for a sentence of a prompt."""

from typing import Any, Literal, NamedTuple

Severity = Literal["must", "should"]


class TemplateCheck(NamedTuple):
    """The proposal: what a rule would check, and what a person must look at."""

    id: str
    check: dict[str, Any]  # as a rule file writes it
    severity: Severity = "must"
    note: str = ""  # what is a guess
    is_derived: bool = False  # gives way to another check of the same type
    gives_way: bool = False  # to every check in code of the same sentence
    plus_phrases: tuple[str, ...] = ()  # limits to which the fixed phrases are added
    converse: bool = False  # must not be met where the sentence's condition does not hold
