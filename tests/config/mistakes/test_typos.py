"""A misspelt key is named with its line, and only keys of its own level are suggested."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from config.checkout import ROOT
from config.errors import ConfigError
from config.expected import Option, child_options, keys_of, narrowed, tag_key
from config.load import load_config
from config.schema import Config
from tests.fuzz.endings import fuzzed

DEMO = (ROOT / "config/demo.yaml").read_text("utf-8")
LETTERS = "abcdefghijklmnopqrstuvwxyz_"


def keys_with_marks(node: Any, options: list[Option]) -> Iterator[tuple[Any, set[str]]]:
    """Each key of a settings file as a node, with the keys of its level."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from keys_with_marks(item, child_options(options, 0))
        return
    if not isinstance(node, yaml.MappingNode):
        return
    tag = tag_key(options)
    if tag is not None and len(options) > 1:
        tags = {key.value: value.value for key, value in node.value}
        options = narrowed(options, tags.get(tag, ""))
    for key, value in node.value:
        known = {name for option in options if option.model for name in keys_of(option.model)}
        if known:
            yield key, known
        yield from keys_with_marks(value, child_options(options, key.value))


KEYS = list(keys_with_marks(yaml.compose(DEMO), [Option(Config)]))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("typos") / "demo.yaml"


def test_there_are_keys() -> None:
    """The demo has 61 keys of settings; the test below draws among them."""
    assert len(KEYS) > 50


@st.composite
def typos(draw: st.DrawFn) -> tuple[Any, set[str], str]:
    """A key of the demo, the keys of its level, and the key with one letter wrong."""
    node, known = draw(st.sampled_from(KEYS))
    word, at = node.value, draw(st.integers(0, len(node.value) - 1))
    letter = draw(st.sampled_from(LETTERS))
    typo = draw(
        st.sampled_from(
            (
                word[:at] + word[at + 1 :],
                word[:at] + letter + word[at:],
                word[:at] + letter + word[at + 1 :],
                word[:at] + word[at : at + 2][::-1] + word[at + 2 :],
            )
        )
    )
    return node, known, typo


@fuzzed(150, long_run=3000)
@given(case=typos())
def test_a_typo_names_key_line_and_the_nearest_of_its_level(
    path: Path, case: tuple[Any, set[str], str]
) -> None:
    """One letter left out, added, changed or swapped with the next."""
    node, known, typo = case
    if typo in known or typo == "extends" or not typo:
        return
    start, end = node.start_mark.index, node.end_mark.index
    path.write_text(f"{DEMO[:start]}'{typo}'{DEMO[end:]}", "utf-8")
    with pytest.raises(ConfigError) as refused:
        load_config(path)
    lines = [line for line in refused.value.lines if f"{typo}'; " in line]
    if not lines:  # `kind` itself: which settings it tells apart is then unknown
        assert node.value == "kind"
        return
    assert lines[0].startswith(f"{path}: line {node.start_mark.line + 1}: ")
    _, is_meant, rest = lines[0].partition("did you mean '")
    if is_meant:
        assert rest.removesuffix("'?") in known
    assert is_meant or len(node.value) < 6  # of a short key no letter may be left to tell by
