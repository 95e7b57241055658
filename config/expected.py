"""What the settings classes accept at a place: its type in words, its keys, its words.

Reads the annotations of the pydantic classes, so that no list of options is kept twice.
"""

import difflib
import types
from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple, TypeGuard, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

_MAX_NAMES = 20  # in a line
_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    dict: "a mapping `key: value`",
}
_MEANT = 0.6  # similarity of a misspelt word to the one that is suggested


class Option(NamedTuple):
    """One type that a place accepts, with its limits."""

    kind: Any  # without Annotated and None
    limits: tuple[Any, ...] = ()  # metadata of pydantic

    @property
    def model(self) -> type[BaseModel] | None:
        """The settings class; None for plain values."""
        return self.kind if is_model(self.kind) else None


def is_model(kind: Any) -> TypeGuard[type[BaseModel]]:
    """Whether a type is a settings class."""
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def options_of(annotation: Any, limits: Sequence[Any] = ()) -> list[Option]:
    """The types that an annotation accepts, without None."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *metadata = get_args(annotation)
        for part in metadata:
            limits = [*limits, *(part.metadata if isinstance(part, FieldInfo) else ()), part]
        return options_of(inner, limits)
    if origin in (Union, types.UnionType):
        return [option for part in get_args(annotation) for option in options_of(part, limits)]
    return [] if annotation in (None, types.NoneType) else [Option(annotation, tuple(limits))]


def keys_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The keys of a settings class as files write them."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def child_options(options: Sequence[Option], key: str | int) -> list[Option]:
    """What is accepted below a key or an index; empty where that is open."""
    for option in options:
        if option.model is not None:
            field = keys_of(option.model).get(str(key))
            return [] if field is None else options_of(field.annotation, [*field.metadata, field])
        arguments = get_args(option.kind)
        if get_origin(option.kind) in (tuple, list):
            return options_of(arguments[0])
        if get_origin(option.kind) is dict:
            return options_of(arguments[1])
    return []


def narrowed(options: Sequence[Option], label: str | int) -> list[Option]:
    """The options that pydantic's label of a branch means: a tag, or the name of a type."""
    chosen = [option for option in options if _is_labelled(option, str(label))]
    return chosen or list(options)


def _is_labelled(option: Option, label: str) -> bool:
    if option.model is not None:
        named = label == option.model.__name__ or label.endswith(f" {option.model.__name__}]")
        return named or label in tags_of([option])
    origin = get_origin(option.kind)
    if origin is Literal:
        return label.startswith("literal[")
    name = getattr(origin or option.kind, "__name__", "")
    return label == name or label.startswith(f"{name}[")


def tag_key(options: Sequence[Option]) -> str | None:
    """The key by which settings of several forms are told apart; None where there is none."""
    models = [option.model for option in options if option.model is not None]
    for key in ("kind", "type"):
        if models and all(key in model.model_fields for model in models):
            return key
    return None


def tags_of(options: Sequence[Option]) -> list[str]:
    """The values of that key."""
    key = tag_key(options)
    models = [option.model for option in options if option.model is not None]
    if key is None:
        return []
    return [str(tag) for model in models for tag in get_args(model.model_fields[key].annotation)]


def literals_of(options: Sequence[Option]) -> list[str]:
    """The words that a place accepts."""
    words = [option.kind for option in options if get_origin(option.kind) is Literal]
    return [str(word) for kind in words for word in get_args(kind)]


def words_of(options: Sequence[Option]) -> str:
    """What to write, in words: "a whole number greater than 0"."""
    parts: list[str] = []
    models = [option for option in options if option.model is not None]
    if literals := literals_of(options):
        parts.append(alternatives(literals))
    parts += [_plain(option) for option in options if not _is_named(option)]
    if len(models) > 1 or tags_of(models):
        parts.append(
            f"settings `key: value` with {tag_key(models)}: {alternatives(tags_of(models))}"
        )
    elif models and models[0].model is not None:
        parts.append(
            f"settings `key: value` with the keys {alternatives(keys_of(models[0].model), '…')}"
        )
    return ", or ".join(parts) or "another value"


def _is_named(option: Option) -> bool:
    return option.model is not None or get_origin(option.kind) is Literal


def _plain(option: Option) -> str:
    origin = get_origin(option.kind) or option.kind
    if origin in (tuple, list):
        return f"a list{_elements(options_of(get_args(option.kind)[0]))}{_size(option)}"
    form = next((part.description for part in option.limits if _is_described(part)), None)
    if origin is str and form is not None:
        return str(form)
    if origin is str and _limit(option, "min_length"):
        return "text that is not empty"
    return _WORDS.get(origin, "another value") + _bounds(option)


def _size(option: Option) -> str:
    shortest, longest = _limit(option, "min_length"), _limit(option, "max_length")
    return f", at least {shortest}" if shortest else f", at most {longest}" * bool(longest)


def _elements(options: Sequence[Option]) -> str:
    model = options[0].model if options else None
    if model is None:
        return f" [a, b], each {words_of(options)}"
    fields = keys_of(model)
    needed = [name for name, field in fields.items() if field.is_required()]
    keys = [key] if (key := tag_key(options)) else needed or list(fields)[:1]
    return f" of settings [{{{', '.join(f'{key}: …' for key in keys)}}}]"


def _is_described(part: Any) -> bool:
    return isinstance(part, FieldInfo) and part.description is not None


def _limit(option: Option, name: str) -> Any:
    limits = (getattr(part, name, None) for part in option.limits)
    return next((limit for limit in limits if limit is not None), None)


def _bounds(option: Option) -> str:
    greater, least = _limit(option, "gt"), _limit(option, "ge")
    less, most = _limit(option, "lt"), _limit(option, "le")
    if least is not None and most is not None:
        return f" from {least:g} to {most:g}"
    signs = ((greater, "greater than"), (least, "not less than"), (less, "less than"))
    parts = [
        f"{words} {bound:g}" for bound, words in (*signs, (most, "at most")) if bound is not None
    ]
    return f" {' and '.join(parts)}" if parts else ""


def alternatives(names: Sequence[str] | dict[str, Any], rest: str = "…") -> str:
    """Names in one line: "a, b or c"; a long list is cut."""
    shown = list(names)[:_MAX_NAMES]
    if len(shown) < len(names):
        return f"{', '.join(shown)}, {rest}"
    return " or ".join([", ".join(shown[:-1])] * (len(shown) > 1) + shown[-1:])


def nearest(word: str, names: Sequence[str]) -> str | None:
    """The one name that a misspelt word most likely means."""
    plain = {_folded(name): name for name in names}
    if _folded(word) in plain:
        return plain[_folded(word)]
    if close := difflib.get_close_matches(_folded(word), plain, n=1, cutoff=_MEANT):
        return plain[close[0]]
    longer = [name for name in names if len(word) > 2 and _folded(name).startswith(_folded(word))]
    return longer[0] if len(longer) == 1 else None


def _folded(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())
