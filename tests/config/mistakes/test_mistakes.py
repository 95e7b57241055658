"""Mistakes in settings, overrides and rules: the whole line says what, where and the way out.

The tables beside this file hold them. A line that changes is read anew by a person.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from config.errors import ConfigError
from config.expected import alternatives, options_of, tags_of
from config.load import load_config
from config.log_formats import Logs
from prompts.check_settings import Check
from prompts.rules import load_rules
from tests.config.mistakes.files import (
    PROMPT,
    RULES,
    SETTINGS,
    changed,
    mistake_lines,
    write_experiment,
)

TABLES = Path(__file__).parent
LISTS = {  # long lists, which grow with the program
    "KINDS": alternatives(tags_of(options_of(Logs))),
    "CHECKS": alternatives(tags_of(options_of(Check))),
}
FORBIDDEN = ("discriminator", "literal", "Field required", "Input should be", "valid tuple", "{'")


def table(name: str) -> Any:
    """The content of a table, with the lists written out."""
    text = (TABLES / name).read_text("utf-8")
    for word, names in LISTS.items():
        text = text.replace(word, names)
    return yaml.safe_load(text)


IN_SETTINGS = {case["mistake"]: case for case in table("keys.yaml") + table("values.yaml")}
IN_RULES = {case["mistake"]: case for case in table("rules.yaml")}
ON_COMMAND_LINE: dict[str, str] = table("overrides.yaml")


def test_there_are_mistakes() -> None:
    """45 are known from newcomers; as many again are of the same kinds."""
    assert len(IN_SETTINGS) + len(IN_RULES) + len(ON_COMMAND_LINE) >= 80


@pytest.mark.parametrize("name", IN_SETTINGS)
def test_a_mistake_in_the_settings(tmp_path: Path, name: str) -> None:
    """The line of the file, the setting, its value, and what to write; all at once."""
    case, path = IN_SETTINGS[name], write_experiment(tmp_path)
    path.write_text(changed(SETTINGS, case["change"]), "utf-8")
    lines = mistake_lines(lambda: load_config(path))
    assert lines == [f"{path}: {line}" for line in case["lines"]]
    assert lines and not any(word in line for word in FORBIDDEN for line in lines)


@pytest.mark.parametrize("override", ON_COMMAND_LINE)
def test_a_mistake_on_the_command_line(tmp_path: Path, override: str) -> None:
    """It has no line in a file."""
    path = write_experiment(tmp_path)
    lines = mistake_lines(lambda: load_config(path, [override]))
    assert lines == [ON_COMMAND_LINE[override]]
    assert not any(word in lines[0] for word in FORBIDDEN)


@pytest.mark.parametrize("name", IN_RULES)
def test_a_mistake_in_the_rules(tmp_path: Path, name: str) -> None:
    """Rules are named by their id, not by their number alone."""
    case, path = IN_RULES[name], tmp_path / "rules.yaml"
    path.write_text(changed(RULES, case["change"]), "utf-8")
    lines = mistake_lines(lambda: load_rules(path, PROMPT))
    assert lines == [f"{path}: {line}" for line in case["lines"]]
    assert lines and not any(word in line for word in FORBIDDEN for line in lines)


def test_version_and_hash_may_be_left_out(tmp_path: Path) -> None:
    """The first rule file that somebody writes has neither."""
    path = tmp_path / "rules.yaml"
    path.write_text(RULES, "utf-8")
    full = load_rules(path, PROMPT)
    path.write_text(changed(RULES, {"version: 1\n": ""}), "utf-8")
    assert load_rules(path, PROMPT) == full
    assert full.prompt_sha256 is not None


@pytest.mark.parametrize("name", ["off", "no", "on", "yes"])
def test_a_word_that_yaml_reads_as_a_switch_stays_text(tmp_path: Path, name: str) -> None:
    """A rule `off` must neither be refused nor become `False`."""
    path = tmp_path / "rules.yaml"
    path.write_text(changed(RULES, {"id: brief": f"id: {name}"}), "utf-8")
    assert load_rules(path, PROMPT).rules[1].id == name


def test_switches_may_be_words_of_yaml(tmp_path: Path) -> None:
    """Where true or false is meant, also in a template's arguments; labels are text."""
    path = write_experiment(tmp_path)
    labels = "{question: q, labels: l, label_map: {good: [yes], bad: [no]}}"
    model = "{name: embedded, template_kwargs: {enable_thinking: off, language: 'no'}}"
    changes = {"{name: embedded}": model, "epochs: 2": "case_weights: on", "{question: q}": labels}
    path.write_text(changed(SETTINGS, changes), "utf-8")
    config = load_config(path)
    assert config.model.template_kwargs == {"enable_thinking": False, "language": "no"}
    assert config.students[0].case_weights is True
    assert "label_map=LabelMap(good=('yes',), bad=('no',)" in repr(config.data.train)


def test_many_mistakes_are_cut_with_a_count(tmp_path: Path) -> None:
    """20 lines fill a screen; what is left out is counted."""
    path = write_experiment(tmp_path)
    path.write_text(SETTINGS + "".join(f"x{number}: 1\n" for number in range(50)), "utf-8")
    lines = mistake_lines(lambda: load_config(path))
    assert len(lines) == 21
    assert lines[-1] == "… and 30 more mistakes; correct these first"


def test_one_line_has_the_first_mistake_and_a_count(tmp_path: Path) -> None:
    """Where an error is quoted within another line."""
    path = write_experiment(tmp_path)
    path.write_text(changed(SETTINGS, {"prompt:": "promt:", "model:": "modle:"}), "utf-8")
    with pytest.raises(ConfigError) as refused:
        load_config(path)
    assert str(refused.value) == (
        f"{path}: line 2: unknown setting 'promt'; did you mean 'prompt'? (1 of 2 mistakes)"
    )
