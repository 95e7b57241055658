"""YAML files of settings, prompts, rules and probes: plain data in bounded time and memory.

Guards against YAML's traps: duplicate keys, 1e-4 as text, 10:30 as the number 630, no as false,
dates, aliases that grow. Whatever cannot be read is one line with the place and a way out.
"""

import math
import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode

from config.errors import ConfigError, system_way_out
from config.missing_file import no_such_file
from config.settings import YesNo
from config.yaml_words import yaml_mistake

_MAX_BYTES = 4_000_000  # prompts, rules and probes take some 100 kB
_MAX_VALUES = 100_000  # keys included
_MAX_DEPTH = 50
_MAX_REPEATED = 1_000_000  # letters and values that aliases stand for
_MAX_NUMBER = 2**64
_SAVE_AS = "save it as UTF-8 text"
_TAG = "tag:yaml.org,2002:"
_CORE = ("null", "bool", "int", "float", "str", "seq", "map")
_NUMBER = re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]*)")
_FLOAT = re.compile(
    r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+"
    r"|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?|\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN)"
)


class _Loader(yaml.SafeLoader):
    """SafeLoader of the core types alone, with bounds on depth, size and what aliases repeat."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._values = self._repeated = 0
        self._sizes: dict[int, int] = {}  # id of a complete node → its letters and values

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        """The next node. Raises ConfigError where a bound is passed."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1
        is_alias = isinstance(event, yaml.AliasEvent)
        self._depth += 1
        self._values += 1
        if self._depth > _MAX_DEPTH:
            raise ConfigError(f"line {line}: nested more than {_MAX_DEPTH} deep; write it flatter")
        if self._values > _MAX_VALUES:
            raise ConfigError(f"line {line}: more than {_MAX_VALUES} values; split the file")
        node: Node | None = super().compose_node(parent, index)
        self._depth -= 1
        if is_alias:
            self._count_alias(node, event.anchor, line)
        else:
            self._sizes[id(node)] = self._size(node)
        return node

    def _size(self, node: Any) -> int:
        if isinstance(node, ScalarNode):
            return 1 + len(node.value)
        pairs = node.value if isinstance(node, MappingNode) else [(child,) for child in node.value]
        return 1 + sum(self._sizes[id(child)] for pair in pairs for child in pair)

    def _count_alias(self, node: Any, anchor: str, line: int) -> None:
        size = self._sizes.get(id(node))
        if size is None:
            raise ConfigError(f"line {line}: *{anchor} stands within &{anchor}; write it out")
        self._repeated += size
        if self._repeated > _MAX_REPEATED:
            raise ConfigError(
                f"line {line}: up to *{anchor}, aliases repeat more than {_MAX_REPEATED} letters; "
                "write out what you need"
            )

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        """The value of a node. Raises ConfigError, with its line, where it has none."""
        line = node.start_mark.line + 1
        kind = node.tag.removeprefix(_TAG)
        if kind not in _CORE:
            raise ConfigError(
                f"line {line}: not valid YAML: unknown tag {node.tag[:80]!r}; remove it"
            )
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, OverflowError, AttributeError):
            value = repr(node.value)[:80]
            raise ConfigError(f"line {line}: {value} is no {kind}; correct or quote it") from None


_Loader.yaml_implicit_resolvers = {  # without dates and base 60
    first: [pair for pair in pairs if pair[0].removeprefix(_TAG) in ("null", "bool", "merge")]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _kind, _pattern in (("float", _FLOAT), ("int", _NUMBER)):
    _Loader.add_implicit_resolver(
        _TAG + _kind, re.compile(f"(?:{_pattern.pattern})$"), list("-+.0123456789")
    )


def _mapping(loader: _Loader, node: Any, deep: bool = False) -> dict[Any, Any]:
    keys: set[Any] = set()
    for key_node, _ in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, ScalarNode):
            raise ConfigError(f"line {line}: a key is a list or a mapping; name it by a word")
        is_merge = key_node.tag == _TAG + "merge"
        key = key_node.value if is_merge else loader.construct_object(key_node)
        if key in keys:
            raise ConfigError(f"line {line}: key {key!r} is given twice; remove one of the two")
        keys.add(key)
    loader.flatten_mapping(node)
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


def _text(loader: _Loader, node: Any) -> str:
    text = str(yaml.SafeLoader.construct_scalar(loader, node))
    if "\0" in text or (not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text)):
        line = node.start_mark.line + 1
        raise ConfigError(
            f"line {line}: {text[:80]!r} holds NUL or half a character; write the character itself"
        )
    return text


def _whole_number(loader: _Loader, node: Any) -> int:
    digits = str(yaml.SafeLoader.construct_scalar(loader, node))
    if len(digits) > 100 or abs(yaml.SafeLoader.construct_yaml_int(loader, node)) > _MAX_NUMBER:
        raise ConfigError(_too_large(node))
    if not _NUMBER.fullmatch(digits):
        raise ValueError
    return yaml.SafeLoader.construct_yaml_int(loader, node)


def _real_number(loader: _Loader, node: Any) -> float:
    digits = str(yaml.SafeLoader.construct_scalar(loader, node))
    if not (_FLOAT.fullmatch(digits) or _NUMBER.fullmatch(digits)):
        raise ValueError
    number = yaml.SafeLoader.construct_yaml_float(loader, node)
    if math.isinf(number) and "inf" not in digits.lower():
        raise ConfigError(_too_large(node))
    return number


def _boolean(loader: _Loader, node: Any) -> bool | YesNo:
    word = str(yaml.SafeLoader.construct_scalar(loader, node))
    if word.lower() in ("yes", "no", "on", "off"):
        return YesNo(word)
    return yaml.SafeLoader.construct_yaml_bool(loader, node)


def _too_large(node: Any) -> str:
    line, digits = node.start_mark.line + 1, node.value[:40]
    return f"line {line}: the number {digits} is too large; write a smaller one or quote it"


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
for _kind, _constructor in (
    *(("str", _text), ("bool", _boolean)),
    *(("int", _whole_number), ("float", _real_number)),
):
    _Loader.add_constructor(_TAG + _kind, _constructor)


class _Dumper(yaml.SafeDumper):
    """SafeDumper that quotes every text which `_Loader` would read as a number."""


_Dumper.yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers
_Dumper.add_representer(YesNo, yaml.SafeDumper.represent_str)


class YamlDocument(NamedTuple):
    """The plain data of a YAML text, and its nodes, which know the lines."""

    values: Any
    root: Node | None  # None: an empty text


def parse_yaml(text: str, where: str) -> Any:
    """Parses YAML text. Raises ConfigError, beginning with `where`, unless it is plain data."""
    return _parse(text, where).values


def _parse(text: str, where: str) -> YamlDocument:
    control = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if control is not None:
        line = text.count("\n", 0, control.start()) + 1
        raise ConfigError(
            f"{where}: line {line}: holds the control character U+{ord(control.group()):04X}; "
            f"remove it, and {_SAVE_AS}"
        )
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        return YamlDocument(None if root is None else loader.construct_document(root), root)
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: {yaml_mistake(error)}") from None
    except (ValueError, OverflowError) as error:  # of the scanner: an escape beyond Unicode
        reason = (
            f"line {loader.line + 1}: not valid YAML: {str(error).split(';')[0]}; correct this line"
        )
        raise ConfigError(f"{where}: {reason}") from None
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    finally:
        loader.dispose()


def read_yaml(path: Path) -> Any:
    """The plain data of a YAML file. Raises ConfigError when it cannot be read or parsed."""
    return read_document(path).values


def read_document(path: Path) -> YamlDocument:
    """The data of a YAML file with its nodes. Raises as `read_yaml` does."""
    return _parse(read_text_file(path), str(path))


def read_text_file(path: Path) -> str:
    """The text of a file of settings or of a prompt.

    Raises ConfigError when it cannot be read, is larger than 4 MB or not UTF-8.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(f"{path}: {no_such_file(path)}") from None
    except (OSError, ValueError) as error:  # ValueError: NUL in the path
        reason = error.strerror if isinstance(error, OSError) else str(error)
        way_out = system_way_out(error) or "name another file"
        raise ConfigError(f"{str(path)!r}: cannot be read: {reason}; {way_out}") from None
    if len(content) > _MAX_BYTES:
        raise ConfigError(f"{path}: larger than {_MAX_BYTES // 1_000_000} MB; split the file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{path}: line {line}: byte 0x{content[error.start]:02x} is not UTF-8; {_SAVE_AS}"
        ) from None


def dump_yaml(values: Any, compact: bool = False) -> str:
    """The YAML of plain data: `parse_yaml` reads the same from it.

    `compact`: a text, and a mapping or list without others inside, takes one line.
    """
    layout: dict[str, Any] = {"default_flow_style": None, "width": 100_000} if compact else {}
    text: str = yaml.dump(values, Dumper=_Dumper, allow_unicode=True, sort_keys=False, **layout)
    return text
