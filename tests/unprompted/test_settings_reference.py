"""docs/settings.md lists the settings of today, each with a meaning."""

import re

from config.expected import child_options, keys_of, options_of
from config.schema import Config
from tests.settings_reference import PAGE, SettingsReference

_DATA_TABLE_KEYS = re.compile(r"^\| `([^`]+)` \|", re.MULTILINE)


def test_the_page_is_that_of_the_settings() -> None:
    """Rewritten by `python -m tests.settings_reference`."""
    assert PAGE.read_text("utf-8") == SettingsReference().page()


def test_every_setting_has_a_meaning() -> None:
    """Two words are the least that explains anything; a missing one is written at the field."""
    reference = SettingsReference()
    reference.page()
    unexplained = [row.path for row in reference.rows if len(row.meaning.split()) < 2]
    assert unexplained == []


def test_every_path_of_the_page_is_a_setting() -> None:
    """Walked from the root as an override on the command line is."""
    paths = _DATA_TABLE_KEYS.findall(PAGE.read_text("utf-8"))
    assert len(paths) > 100  # 130 at the time of writing
    for path in paths:
        first, *rest = path.split(".")
        field = keys_of(Config)[first]
        options = options_of(field.annotation, field.metadata)
        for key in rest:
            options = [
                inner
                for option in options
                for inner in child_options([option], int(key) if key.isdigit() else key)
            ]
        assert options, path


def test_every_section_of_the_settings_is_on_the_page() -> None:
    """A section that is left out would be noticed by nobody."""
    page = PAGE.read_text("utf-8")
    for key in keys_of(Config):
        assert f"\n## {key}\n" in page or f"\n| `{key}` |" in page
