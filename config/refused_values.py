"""The errors of pydantic with their places in the settings, and what those accept.

pydantic's own locations also hold labels of branches; of a place with several forms it lists the
errors of each.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from config.expected import Option, child_options, narrowed
from config.key_lines import KeyPath


class RefusedValue(NamedTuple):
    """An error of pydantic with the place that it is about."""

    kind: str
    path: KeyPath
    options: list[Option]  # what the place accepts
    owner: list[Option]  # what the section around it accepts
    message: str
    value: Any


def located(
    model: type[BaseModel], values: Any, errors: Sequence[ErrorDetails]
) -> Iterator[RefusedValue]:
    """The problems of `values`, each once, without those of forms that are not meant."""
    refused: set[KeyPath] = set()  # places whose forms are told in one line
    for error in errors:
        place = _locate(model, error["loc"])
        is_key = error["loc"][-1:] == ("[key]",)
        kind = "key" if is_key else error["type"]
        if place.forms is not None and not _is_meant(place.forms, values):
            path, options, _ = place.forms
            value = value_at(values, path)
            if path not in refused and not _has_settings(options, value):
                refused.add(path)
                yield RefusedValue("form", path, options, options, "", value)
        elif kind not in ("too_short", "too_long") or not _has_more(place.path, errors, error):
            path, options, owner, _ = place
            # of the checks between sections, a line each
            messages = [error["msg"]] if path else error["msg"].split("\n")
            for message in messages:
                yield RefusedValue(kind, path, options, owner, message, error["input"])


class _Forms(NamedTuple):
    """A place that accepts settings or another type, and the branch that an error is of."""

    path: KeyPath
    options: list[Option]
    branch: Option


class _Location(NamedTuple):
    path: KeyPath
    options: list[Option]
    owner: list[Option]
    forms: _Forms | None


def _locate(model: type[BaseModel], location: Sequence[str | int]) -> _Location:
    """The place in the settings of pydantic's location, which has labels of branches too."""
    options, owner = [Option(model)], [Option(model)]
    path: KeyPath = ()
    forms: _Forms | None = None
    for part in location:
        if len(options) > 1:
            branch = narrowed(options, part)
            if forms is None and any(option.model is None for option in options):
                forms = _Forms(path, options, branch[0])
            options = branch
        elif part != "[key]":
            owner, path = options, (*path, part)
            options = child_options(options, part)
    return _Location(path, options, owner, forms)


def _is_meant(forms: _Forms, values: Any) -> bool:
    """Whether the branch has the form of the value: the others say nothing of the mistake."""
    value = value_at(values, forms.path)
    if _has_settings(forms.options, value):
        return forms.branch.model is not None
    return isinstance(value, list) and get_origin(forms.branch.kind) in (tuple, list)


def _has_settings(options: Sequence[Option], value: Any) -> bool:
    return isinstance(value, dict) and any(option.model is not None for option in options)


def _has_more(path: KeyPath, errors: Sequence[ErrorDetails], own: ErrorDetails) -> bool:
    """Whether elements of the list are mistaken: it is only too short without them."""
    return any(other is not own and other["loc"][: len(path)] == path for other in errors)


def value_at(values: Any, path: KeyPath) -> Any:
    """The value at a path; None where there is none."""
    for part in path:
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            return None
    return values
