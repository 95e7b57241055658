"""What pydantic refuses, in our words: one line per mistake, with what to write instead.

`config.expected` says what a place accepts, `config.key_lines` where it stands.
"""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from config.base_url import SECRET_IN_URL
from config.expected import (
    Option,
    alternatives,
    child_options,
    keys_of,
    literals_of,
    narrowed,
    nearest,
    tag_key,
    tags_of,
    words_of,
)
from config.key_lines import KeyPath
from config.refused_values import RefusedValue, located, value_at
from config.settings import YesNo
from config.url_secrets import masked_settings

_REPLACED = {  # former settings
    "teacher.repair": "teacher.guided",
    "wandb": "report_to: [wandb]",
    "trackio": "report_to: [trackio]",
}
_UNKNOWN = ("extra_forbidden", "invalid_key")  # of pydantic; the second is no text
_MAX_VALUE = 80  # characters
_LISTED = re.compile(r"(\w+?)s?$")  # name of a list → of one element
_STUDENT = re.compile(r"student (\S+):")


class Mistake(NamedTuple):
    """One mistake: where it stands in the settings, and the text behind the place."""

    path: KeyPath
    text: str


def mistakes_of(model: type[BaseModel], values: Any, error: ValidationError) -> list[Mistake]:
    """The mistakes in the order of the settings, each once."""
    problems = list(located(model, values, error.errors(include_url=False)))
    unknown = [_unknown(problem) for problem in problems if problem.kind in _UNKNOWN]
    meant = {(*path[:-1], name) for path, _, name in unknown if name is not None}
    mistakes = [Mistake(path, text) for path, text, _ in unknown]
    for problem in problems:
        is_misspelt = problem.kind == "missing" and problem.path in meant
        if problem.kind not in _UNKNOWN and not is_misspelt:
            mistakes.append(Mistake(_named_place(problem, values), _text(problem)))
    return sorted(dict.fromkeys(mistakes), key=lambda mistake: _order(mistake.path, values))


def _order(path: KeyPath, values: Any) -> tuple[int, ...]:
    """Positions of the keys in their sections, so that mistakes come in the order of the file."""
    order: list[int] = []
    for part in path:
        keys = list(values) if isinstance(values, dict) else []
        order.append(part if isinstance(part, int) else (*keys, part).index(part))
        values = value_at(values, (part,))
    return tuple(order)


def _unknown(problem: RefusedValue) -> tuple[KeyPath, str, str | None]:
    """Path and text of an unknown key, and the key that it most likely means."""
    path, key = problem.path, str(problem.path[-1])
    name = f"unknown setting {shown_path(path)!r}"
    if shown_path(path) in _REPLACED:
        return path, f"{name}; set {_REPLACED[shown_path(path)]!r} in its place", None
    model = problem.owner[0].model if problem.owner else None
    if model is None:
        return path, f"{name}; remove it", None
    known = keys_of(model)
    names = [*known, *getattr(model, "further_keys", ())]
    if (similar := nearest(key, names)) is not None:
        return path, f"{name}; did you mean {similar!r}?", similar
    for section in known:
        options = child_options(problem.owner, section)
        inner = [*options, *(part for option in options for part in child_options([option], 0))]
        if any(part.model is not None and key in keys_of(part.model) for part in inner):
            is_list = not any(part.model for part in options)
            form = f"[{{{key}: …}}]" if is_list else f"{{{key}: …}}"
            return path, f"{name}; it belongs into {section!r}: write {section}: {form}", None
    return path, f"{name}; remove it, or name one of {alternatives(known)}", None


def _text(problem: RefusedValue) -> str:
    path = shown_path(problem.path)
    if problem.kind == "missing":
        pair = f"{problem.path[-1]}: {_example(problem.options)}"
        return f"{path} is missing; add `{pair}`{_hint(problem)}"
    if problem.kind == "key":
        key = shown_value(problem.path[-1])
        return f"{path}: the key {key} is no text; write it in quotes: '{problem.path[-1]}'"
    if problem.kind in ("too_short", "too_long") and isinstance(problem.value, list):
        number = f"has {len(problem.value)} entries" if problem.value else "= []"
        return f"{path} {number}: write {words_of(problem.options)}"
    if problem.kind in ("value_error", SECRET_IN_URL):
        message = problem.message.removeprefix("Value error, ")
        if _STUDENT.match(message):
            return message
        value = "***" if problem.kind == SECRET_IN_URL else shown_value(problem.value)
        is_plain = not isinstance(problem.value, dict | list) and value not in message
        front = f"{path} = {value}: " if is_plain else f"{path}: " * bool(path)
        return front + message
    if problem.kind in ("union_tag_not_found", "union_tag_invalid"):
        return _wrong_tag(problem)
    return _wrong_value(problem)


def _wrong_tag(problem: RefusedValue) -> str:
    key, tags, path = tag_key(problem.options) or "kind", tags_of(problem.options), problem.path
    place = shown_path((*path, key))
    if problem.kind == "union_tag_not_found":
        return (
            f"{place} is missing; add `{key}: {_likely_tag(problem)}` (one of {alternatives(tags)})"
        )
    tag = problem.value.get(key) if isinstance(problem.value, dict) else None
    return f"{place} = {shown_value(tag)}: {_choices(tag, tags)}"


def _likely_tag(problem: RefusedValue) -> str:
    """The tag of the settings that have the keys which are there."""
    present = set(problem.value) if isinstance(problem.value, dict) else set()
    fits = [
        (len(present - set(keys_of(option.model))), number)
        for number, option in enumerate(problem.options)
        if option.model is not None
    ]
    return tags_of([problem.options[min(fits)[1]]])[0]


def _wrong_value(problem: RefusedValue) -> str:
    value, options = problem.value, problem.options
    path = shown_path(problem.path) or "the file"
    subject = f"{path} = {shown_value(value)}"
    if isinstance(value, dict) and value:
        subject = f"{path} is a mapping `key: value`"
    elif isinstance(value, list) and value:
        subject = f"{path} is a list"
    words = literals_of(options)
    if isinstance(value, str) and words and all(not option.model for option in options):
        return f"{subject}: {_choices(value, words)}"
    if isinstance(value, str) and (example := _with_word(value, options)):
        key = problem.path[-1] if problem.path else 0
        return f"{subject}: write {example if isinstance(key, int) else f'{key}: {example}'}"
    if value is None:
        return f"{path} is empty or null: write {words_of(options)}"
    if isinstance(value, bool | int | float) and any(o.kind is str for o in options):
        return f"{subject} is no text; write it in quotes: {str(shown_value(value))!r}"
    close = nearest(value, words + _examples(options)) if isinstance(value, str) else None
    hint = f"; did you mean {close!r}?" if close and close != value else ""
    return f"{subject}: write {words_of(options)}{_default(problem)}{hint}"


def _choices(value: Any, words: Sequence[str]) -> str:
    close = nearest(str(value), words)
    hint = f"; did you mean {close!r}?" if close is not None else ""
    return f"write {alternatives(words)}{hint}"


def _with_word(word: str, options: Sequence[Option]) -> str | None:
    """A list or settings in place of a word that is its element, their kind or first value."""
    key = tag_key(options)
    if key is not None and word in tags_of(options):
        model = narrowed(options, word)[0].model
        needed = [] if model is None else _needed(model)
        others = "".join(f", {name}: …" for name in needed if name != key)
        return f"{{{key}: {word}{others}}}"
    if len(options) == 1 and (elements := child_options(options, 0)) and elements[0].kind is str:
        return f"[{masked_settings(word)[:_MAX_VALUE]}]"
    if len(options) != 1 or options[0].model is None or key is not None:
        return None
    needed = _needed(options[0].model)
    is_text = bool(needed) and child_options(options, needed[0])[0].kind is str
    values = [masked_settings(word)[:_MAX_VALUE] if is_text else "…", *("…" for _ in needed[1:])]
    pairs = (f"{name}: {value}" for name, value in zip(needed, values, strict=False))
    return f"{{{', '.join(pairs)}}}" if needed else None


def _needed(model: type[BaseModel]) -> list[str]:
    return [name for name, field in keys_of(model).items() if field.is_required()]


def _examples(options: Sequence[Option]) -> list[str]:
    limits = [limit for option in options for limit in option.limits]
    return [str(word) for limit in limits for word in getattr(limit, "examples", None) or ()]


def _example(options: Sequence[Option]) -> str:
    """What stands behind a key that is missing."""
    if words := literals_of(options):
        return words[0]
    models = [option.model for option in options if option.model is not None]
    elements = child_options(options, 0) if not models else []
    if elements and elements[0].model is not None:
        return f"[{_example(elements)}]"
    needed = _needed(models[0]) if len(models) == 1 else []
    return f"{{{', '.join(f'{name}: …' for name in needed)}}}" if needed else "…"


def _hint(problem: RefusedValue) -> str:
    limits = [limit for option in problem.options for limit in option.limits]
    words = next((limit.description for limit in limits if getattr(limit, "description", None)), "")
    is_clear = len(problem.options) != 1 or problem.options[0].kind in (int, float, bool)
    return f" ({words or words_of(problem.options)})" if words or is_clear else ""


def _named_place(problem: RefusedValue, values: Any) -> KeyPath:
    """The place of a mistake. A check of several settings begins with the one that it is about."""
    path, message = problem.path, problem.message.removeprefix("Value error, ")
    if problem.kind != "value_error" or not isinstance(problem.value, dict):
        return path
    students = value_at(values, ("students",))
    if not path and (match := _STUDENT.match(message)) and isinstance(students, list):
        for number, student in enumerate(students):
            if isinstance(student, dict) and student.get("name") == match[1]:
                return ("students", number)
    for key in re.split(r"[^\w.]", message, maxsplit=1)[0].split("."):
        if not isinstance(value_at(values, path), dict) or key not in value_at(values, path):
            break
        path = (*path, key)
    return path


def _default(problem: RefusedValue) -> str:
    """The default value as an example, where it is a plain one."""
    model = problem.owner[0].model if problem.owner else None
    field = keys_of(model).get(str(problem.path[-1])) if model and problem.path else None
    default = None if field is None or field.is_required() else field.default
    if field is not None and not field.is_required() and default is None:
        return ", or null"
    is_example = isinstance(default, int | float) and not isinstance(default, bool)
    return f", such as {default:g}" if is_example and not literals_of(problem.options) else ""


def shown_path(path: KeyPath) -> str:
    """A path as overrides write it, at most 200 characters."""
    text = ".".join(str(part) for part in path)[:200]
    return text if text.isprintable() else repr(text)


def shown_value(value: Any) -> str:
    """A plain value in a line: short, and without what an address may hold of a secret."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict | list):
        name, empty = ("a mapping", "{}") if isinstance(value, dict) else ("a list", "[]")
        return name if value else empty
    text = repr(masked_settings(str(value) if isinstance(value, YesNo) else value))
    return text if len(text) <= _MAX_VALUE else f"{text[: _MAX_VALUE - 1]}…"


def owner_name(path: KeyPath, values: Any) -> str:
    """The name of the list's element around a mistake: "rule greeting: "; empty where none is."""
    for end in range(len(path), 1, -1):
        if not isinstance(path[end - 1], int) or isinstance(path[end - 2], int):
            continue
        element = value_at(values, path[:end])
        name = element.get("id", element.get("name")) if isinstance(element, dict) else None
        match = _LISTED.match(str(path[end - 2]))
        if isinstance(name, str) and name.isprintable() and match:
            return f"{match[1]} {name[:60]}: "
    return ""
