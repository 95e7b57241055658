"""Changed settings files: they load, and load again from their own dump, or are refused."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from config.checkout import ROOT
from config.load import dump_config, load_config
from tests.fuzz.changes import ODD_TEXTS, changed_bytes, changed_tree
from tests.fuzz.endings import attempt, fuzzed

FILES = tuple(sorted((ROOT / "config").glob("*.yaml")))
OVERRIDES = (
    "seed=1",
    "students.0.learning_rate=1e-4",
    "judge={llm: none}",
    "teacher.engine={kind: openai, model: m, base_urls: ['http://localhost:1/v1']}",
    "data.val=null",
    "probes={}",
    "students=[{name: a}]",
)
SUBJECT = "settings"


def whole(path: Path) -> dict[str, Any]:
    """All settings of a file, defaults included."""
    tree: dict[str, Any] = load_config(path).model_dump(mode="json")
    return tree


TREES = [yaml.safe_load(path.read_bytes()) for path in FILES] + [whole(path) for path in FILES]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("settings") / "changed.yaml"


def check_loads(path: Path, overrides: tuple[str, ...] = ()) -> None:
    """Loads the file. What it means is in its dump, word for word."""
    extended = ("no such file", "cannot be read")  # names the file that this one extends
    names = (str(path), str(path.parent), *extended, "override")
    config = attempt(SUBJECT, lambda: load_config(path, overrides), *names)
    if config is not None:
        path.write_text(dump_config(config), "utf-8")
        assert load_config(path) == config


def test_there_are_files() -> None:
    assert len(FILES) >= 4


@fuzzed(150, long_run=3000)
@given(data=st.data())
def test_changed_values(path: Path, data: st.DataObject) -> None:
    tree = data.draw(changed_tree(data.draw(st.sampled_from(TREES))))
    text = yaml.safe_dump(tree, allow_unicode=data.draw(st.booleans()), sort_keys=False)
    path.write_bytes(in_folder(text).encode("utf-8", "surrogatepass"))
    check_loads(path)


@fuzzed(150, long_run=3000)
@given(data=st.data())
def test_changed_bytes(path: Path, data: st.DataObject) -> None:
    text = in_folder(data.draw(st.sampled_from(FILES)).read_text("utf-8"))
    path.write_bytes(data.draw(changed_bytes(text.encode())))
    check_loads(path)


@fuzzed(30, long_run=600)
@given(noise=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_noise(path: Path, noise: bytes) -> None:
    path.write_bytes(noise)
    check_loads(path)


@fuzzed(100, long_run=2000)
@given(data=st.data())
def test_changed_overrides(path: Path, data: st.DataObject) -> None:
    path.write_text(in_folder(FILES[0].read_text("utf-8")), "utf-8")
    override = data.draw(st.sampled_from(OVERRIDES))
    changed = data.draw(
        st.one_of(
            changed_bytes(override.encode()).map(lambda raw: raw.decode("utf-8", "replace")),
            st.sampled_from(ODD_TEXTS).map(lambda text: f"{override}{text}"),
            st.text(max_size=30),
        )
    )
    check_loads(path, (changed,))


def in_folder(text: str) -> str:
    """The text of a settings file that extends one of config/, for another folder."""
    return text.replace("extends: ", f"extends: {ROOT / 'config'}/")
