"""YAML with duplicate keys, tags or unknown settings is refused."""

from pathlib import Path

import pytest

from config.errors import ConfigError
from config.load import load_config

ROOT = Path(__file__).resolve().parents[2]


REFUSED = {
    "a key twice": "name: a\nname: b\n",
    "a nested key twice": "model:\n  name: embedded\n  max_length: 1\n  max_length: 2\n",
    "a quoted key twice": "name: a\n'name': b\n",
    "a key twice in a list": "students:\n  - {name: a, name: b}\n",
    "a call": "name: !!python/object/apply:os.getcwd []\n",
    "a new object": "name: !!python/object/new:os.system [id]\n",
    "a name": "name: !!python/name:os.system\n",
    "a module": "name: !!python/module:os\n",
    "an unknown tag": "name: !secret x\n",
    "an unknown key": "nam: a\n",
    "an unknown nested key": "teacher: {candidate: 3}\n",
    "a tab": "model:\n\tname: embedded\n",
    "two documents": "name: a\n---\nname: b\n",
    "not a number": "students: [{name: a, learning_rate: .nan}]\n",
    "a word for a number": "teacher: {candidates: two}\n",
}


@pytest.mark.reliability(line=17)
@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_yaml_that_cannot_mean_what_it_says_is_refused(tmp_path: Path, text: str) -> None:
    """15 files: one line each, that names the file or the setting."""
    path = tmp_path / "c.yaml"
    path.write_text(f"extends: {ROOT / 'config/demo.yaml'}\n{text}", "utf-8")
    with pytest.raises(ConfigError) as refused:
        load_config(path, [])
    assert "\n" not in str(refused.value)
