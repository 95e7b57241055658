"""Where a setting stands: the override, or the file and the line, through `extends`."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from yaml.nodes import MappingNode, Node, SequenceNode

from config.yaml_file import YamlDocument

KeyPath = tuple[str | int, ...]


class _Match(NamedTuple):
    """How much of a path stands in a file."""

    depth: int  # keys of the path that are there
    line: int | None  # of the last of them
    is_final: bool  # whether no file that this one extends can have more of it


class Sources:
    """The files of one experiment, the one that was named first, and its overrides."""

    def __init__(
        self,
        files: Sequence[tuple[Path, YamlDocument]],
        overrides: Sequence[str] = (),
        prefix: KeyPath = (),
    ) -> None:
        """`prefix`: the path of what the files hold, where that is a part of the settings."""
        self._files = files
        self._overrides = overrides
        self._prefix = prefix

    def place(self, path: KeyPath) -> str:
        """The words in front of a mistake at this path: "my.yaml: line 4"."""
        first = self._files[0][0]
        path = path[len(self._prefix) :]
        file, match = self._match(path)
        override = self._override(path, match.depth)
        if override is not None:
            return f"override {override.partition('=')[0][:80]}"  # its value may hold a secret
        if match.line is None:
            return str(first)
        extended = "" if file == first else f" of {file}"
        return f"{first}: line {match.line}{extended}"

    def _match(self, path: KeyPath) -> tuple[Path, _Match]:
        best = (self._files[0][0], _Match(0, None, False))
        for file, document in self._files:
            match = _walk(document.root, path)
            if match.depth > best[1].depth:
                best = (file, match)
            if match.is_final:
                break
        return best

    def _override(self, path: KeyPath, depth: int) -> str | None:
        """The last override that wrote this place, or the section that lacks it."""
        words = [str(part) for part in path]
        for override in reversed(self._overrides):
            keys = override.partition("=")[0].split(".")
            shared = _shared(keys, words)
            if shared == len(keys) or shared > depth:
                return override
        return None


def _shared(left: Sequence[str], right: Sequence[str]) -> int:
    count = 0
    for first, second in zip(left, right, strict=False):
        if first != second:
            break
        count += 1
    return count


def _walk(node: Node | None, path: KeyPath) -> _Match:
    line, is_final = None, False
    for depth, part in enumerate(path):
        if isinstance(node, MappingNode):
            pairs = [pair for pair in node.value if pair[0].value == str(part)]
            if not pairs:
                return _Match(depth, line, is_final)
            key, node = pairs[-1]  # behind the keys of a merge
            line = key.start_mark.line + 1
        elif isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
            node, is_final = node.value[part], True
            line = node.start_mark.line + 1
        else:
            return _Match(depth, line, True)
    return _Match(len(path), line, True)
