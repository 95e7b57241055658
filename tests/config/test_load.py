"""Settings: YAML's traps, extends, overrides, and errors that show the way out."""

from pathlib import Path

import pytest

from config.errors import ConfigError
from config.load import load_config
from config.yaml_file import parse_yaml

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted((ROOT / "config").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_shipped_config_loads(path: Path) -> None:
    """All of them, so that none rots unseen; each run has a name of its own."""
    assert load_config(path).students


def test_there_are_configs() -> None:
    """The test above would pass on an empty folder."""
    assert {"demo.yaml", "hse.yaml"} <= {path.name for path in CONFIGS}


@pytest.mark.parametrize(("text", "value"), [("1e-4", 1e-4), ("2E5", 2e5), ("-3e+2", -300.0)])
def test_exponents_are_numbers(text: str, value: float) -> None:
    """PyYAML reads 1e-4 as text; a learning rate written so must be a number."""
    assert parse_yaml(f"x: {text}", "t") == {"x": value}


def test_duplicate_keys_are_refused() -> None:
    """PyYAML keeps the last of two equal keys in silence."""
    with pytest.raises(ConfigError, match=r"line 2: key 'a' is given twice"):
        parse_yaml("a: 1\na: 2\n", "t")


def test_python_objects_are_refused() -> None:
    """A config must not run code."""
    with pytest.raises(ConfigError, match="not valid YAML"):
        parse_yaml("a: !!python/object/apply:os.getcwd []", "t")


def test_an_unknown_key_names_the_nearest() -> None:
    """A misspelt setting that is dropped in silence costs a training run."""
    with pytest.raises(ConfigError, match=r"'teacher.candidate'; did you mean 'candidates'\?"):
        load_config(ROOT / "config/demo.yaml", ["teacher.candidate=3"])


def test_a_former_setting_names_its_successor() -> None:
    """The nearest name would be none, and the way out to remove the line."""
    with pytest.raises(ConfigError, match=r"'teacher.repair'; set 'teacher.guided' in its place"):
        load_config(ROOT / "config/demo.yaml", ["teacher.repair=true"])


def test_overrides_reach_into_lists_and_win() -> None:
    """key.path=value, list positions by number, values read as YAML."""
    changed = load_config(
        ROOT / "config/demo.yaml", ["students.0.learning_rate=2e-4", "teacher.candidates=2"]
    )
    assert changed.students[0].learning_rate == 2e-4
    assert changed.teacher.candidates == 2


@pytest.mark.parametrize("path", ["name.first", "students.9.name", "students.x.name"])
def test_an_override_without_a_place_is_refused(path: str) -> None:
    """A text has no settings of its own, a list only so many entries."""
    with pytest.raises(ConfigError, match=f"the settings have no place {path}"):
        load_config(ROOT / "config/demo.yaml", [f"{path}=1"])


def test_extends_merges_and_refuses_a_circle(tmp_path: Path) -> None:
    """A child changes what it names; two files that extend each other are an error, not a hang."""
    child = tmp_path / "child.yaml"
    child.write_text(
        f"extends: {ROOT / 'config/demo.yaml'}\nname: other\nteacher: {{max_selected: 2}}\n"
    )
    config = load_config(child)
    assert (config.name, config.teacher.max_selected, config.model.name) == ("other", 2, "embedded")
    loop = tmp_path / "loop.yaml"
    loop.write_text("extends: loop.yaml\n")
    with pytest.raises(ConfigError, match="extends itself"):
        load_config(loop)


def test_seed_zero_counts(tmp_path: Path) -> None:
    """`if seed:` would take 0 for "not given"."""
    config = load_config(ROOT / "config/demo.yaml", ["seed=5", "students.0.seed=0"])
    assert config.seed_of(config.students[0]) == 0
    assert config.seed_of(config.students[1]) == 5


def test_a_wrong_value_names_setting_value_and_reason() -> None:
    """One line with all three, no traceback."""
    with pytest.raises(ConfigError, match=r"teacher.candidates = 0: .*greater than 0"):
        load_config(ROOT / "config/demo.yaml", ["teacher.candidates=0"])
