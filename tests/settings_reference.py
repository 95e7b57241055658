"""Every setting with its type, default and meaning, from the settings classes: docs/settings.md.

`python -m tests.settings_reference` writes the page anew.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from config.checkout import ROOT
from config.expected import Option, keys_of, options_of, tag_key, tags_of, words_of
from config.field_comments import field_comments
from config.schema import Config
from data.atomic_write import write_text

PAGE = ROOT / "docs/settings.md"
_HEAD = """\
# Settings

One YAML file describes an experiment. This page lists every setting. It is made from the code by
`python -m tests.settings_reference`; do not edit it.

- A key path such as `teacher.sampling.temperature` is `temperature` under `sampling` under
  `teacher` in the file. Behind a command it changes the setting:
  `unprompted run my.yaml teacher.sampling.temperature=0.7`.
- A number in a path is a place in a list, counted from 0: `students.0.epochs` is `epochs` of the
  first student. `NAME` in a path is a key that you choose.
- `extends: other.yaml` takes over all settings of another file, with a path relative to this file;
  what this file sets wins. Lists are replaced as a whole.
- A setting without a default must be given. An unknown key is refused. `null` means none.
- Paths of files are relative to the folder in which the command runs.
- `kind` chooses between forms of one setting, each with its own keys.

`unprompted init` puts a line into its files that shows editors a schema, for completion and checks.
"""
_COLUMNS = "| key | value | default | meaning |\n|---|---|---|---|"
_UNION = re.compile(r"settings `key: value` with (kind: .*)")


class SettingRow:
    """One setting: its path, and the field that defines it."""

    def __init__(self, path: str, model: type[BaseModel], name: str, field: FieldInfo) -> None:
        self.path, self.field = path, field
        self._comment = field_comments(model).get(name, "")
        self.options = options_of(field.annotation, [*field.metadata, field])
        self.nullable = type(None) in get_args(field.annotation)

    @property
    def models(self) -> list[type[BaseModel]]:
        """The settings classes below it, of a list's or mapping's values too."""
        return [option.model for option in self._inner() if option.model is not None]

    def _inner(self) -> Iterator[Option]:
        for option in self.options:
            if get_origin(option.kind) in (tuple, list, dict):
                yield from options_of([*get_args(option.kind)][get_origin(option.kind) is dict])
            else:
                yield option

    @property
    def inner_path(self) -> str:
        """The path of the keys below it."""
        origins = {get_origin(option.kind) for option in self.options}
        return self.path + (".0" if tuple in origins else ".NAME" if dict in origins else "")

    @property
    def meaning(self) -> str:
        """What the comment beside the field says; else its description, or that of its class."""
        described = self.field.description or ""
        if self._comment or described:
            text = self._comment or described
        elif len(set(self.models)) == 1:
            text = (self.models[0].__doc__ or "").split("\n")[0]
        else:
            text = "its forms are below" if self.models else ""
        return re.sub(r"\bNone\b", "null", text).rstrip(".")

    def value(self, documented: str | None) -> str:
        """What may be written, in words. `documented`: the path where its keys are listed."""
        words = words_of([*map(_without_description, self.options)])
        if self._comment and self.field.description:
            words = self.field.description
        if self.models:
            words = self._of_settings(words, documented)
        return words + " or `null`" * (self.nullable and self.field.default is not None)

    def _of_settings(self, words: str, documented: str | None) -> str:
        origin = get_origin(self.options[0].kind)
        prefix = {tuple: "list of settings", dict: "settings by name"}.get(origin, "")
        if documented is not None:
            return f"{prefix or 'settings'}, as `{documented}`"
        tags = tags_of([*self._inner()])
        if prefix:
            return prefix + (f" with `kind`: {', '.join(tags)}" if tags else "")
        return _UNION.sub(r"settings with \1", words) if tags else "settings, below"

    @property
    def default(self) -> str:
        """The default as YAML; empty where the setting must be given."""
        if self.field.is_required():
            return "must be given"
        value = self.field.default
        if isinstance(value, BaseModel):
            kind = getattr(value, "kind", None)
            return f"`kind: {kind}`" if kind else ""
        return f"`{json.dumps(value, ensure_ascii=False)}`"


def _without_description(option: Option) -> Option:
    limits = tuple(limit for limit in option.limits if not isinstance(limit, FieldInfo))
    return Option(option.kind, limits)


class SettingsReference:
    """Collects the sections of the page."""

    def __init__(self) -> None:
        self._documented: dict[frozenset[type[BaseModel]], str] = {}
        self.rows: list[SettingRow] = []

    def page(self) -> str:
        """The whole page."""
        rows = [*_rows("", Config)]
        plain = [row for row in rows if not row.models]
        parts = [_HEAD, "## The experiment\n", *self._table(plain)]
        for row in rows:
            if row.models:
                parts += self._section(row)
        return "\n".join(parts) + "\n"

    def _section(self, row: SettingRow) -> Iterator[str]:
        self.rows.append(row)
        yield f"\n## {row.path}\n\n{_sentence(row.meaning)}\n"
        if not row.field.is_required():
            yield f"Default: {row.default or 'as below'}.\n"
        self._documented[frozenset(row.models)] = row.inner_path
        if tag_key([Option(model) for model in row.models]):
            yield from self._kinds(row)
            return
        yield from self._table([*_rows(row.inner_path, row.models[0], row.field.default)])

    def _table(self, rows: Sequence[SettingRow]) -> Iterator[str]:
        """A table, and behind it the forms of its settings that have a kind."""
        forms = list[SettingRow]()
        yield _COLUMNS
        yield from self._with_inner(rows, forms)  # fills `forms`
        for form in forms:
            yield from self._kinds(form)

    def _with_inner(self, rows: Sequence[SettingRow], forms: list[SettingRow]) -> Iterator[str]:
        for row in rows:
            self.rows.append(row)
            key = frozenset(row.models)
            with_kind = tag_key([Option(model) for model in row.models]) is not None
            documented = self._place(key) if with_kind else None
            cells = (f"`{row.path}`", row.value(documented), row.default, row.meaning)
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
            if row.models and with_kind and documented is None:
                self._documented[key] = row.inner_path
                forms.append(row)
            elif row.models and not with_kind:
                inner = [*_rows(row.inner_path, row.models[0], row.field.default)]
                yield from self._with_inner(inner, forms)

    def _place(self, models: frozenset[type[BaseModel]]) -> str | None:
        for known, path in self._documented.items():
            if models and models <= known:
                (kind, *more) = [tags_of([Option(model)])[0] for model in models]
                return path if more or models == known else f"{path}` with `kind: {kind}"
        return None

    def _kinds(self, row: SettingRow) -> Iterator[str]:
        for model in row.models:
            kinds = " or ".join(f"`kind: {tag}`" for tag in tags_of([Option(model)]))
            yield f"\n### `{row.inner_path}`, {kinds}\n\n{_paragraphs(model)}\n"
            inner = [
                part for part in _rows(row.inner_path, model) if not _is_tag(part, row.inner_path)
            ]
            if inner:
                yield from self._table(inner)
            else:
                yield "No further keys."


def _is_tag(row: SettingRow, path: str) -> bool:
    """Whether a row is a `kind` that its heading tells; one of several kinds is explained."""
    return row.path == f"{path}.kind" and not row.meaning


def _rows(path: str, model: type[BaseModel], instance: Any = None) -> Iterator[SettingRow]:
    """The settings of a class; defaults are those of the instance, where there is one."""
    names = {field.alias or name: name for name, field in model.model_fields.items()}
    for key, field in keys_of(model).items():
        name = names[key]
        if isinstance(instance, model):
            field = FieldInfo.merge_field_infos(field, default=getattr(instance, name))
        yield SettingRow(f"{path}.{key}" if path else key, model, name, field)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _paragraphs(model: type[BaseModel]) -> str:
    paragraphs = re.split(r"\n\s*\n", (model.__doc__ or "").strip())
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


if __name__ == "__main__":
    write_text(PAGE, SettingsReference().page())
