"""Files that the settings name: what is missing or mistaken is told at once, in light imports."""

import subprocess
import sys
from pathlib import Path

import pytest

from config.checkout import ROOT
from config.errors import ConfigError
from config.load import load_config
from prompts.check_files import check_files
from tests.config.mistakes.files import RULES, changed, mistake_lines, write_experiment

LIGHT = """
import sys
from pathlib import Path
from config.load import load_config
from prompts.check_files import check_files
path = Path("config/demo.yaml")
check_files(load_config(path), path)
heavy = ("torch", "transformers", "numpy", "scipy", "pyarrow", "vllm")
print([name for name in heavy if name in sys.modules])
"""


def checked(path: Path, *overrides: str) -> list[str]:
    return mistake_lines(lambda: check_files(load_config(path, overrides), path, overrides))


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_experiment(tmp_path)
    return Path("my.yaml")


def test_files_that_are_there_are_accepted(path: Path) -> None:
    assert not checked(path)


def test_a_dataset_of_the_hub_is_no_missing_file(path: Path) -> None:
    """Its id looks like a path; whether it is there is found out when it is read."""
    assert not checked(path, "data.train={kind: auto, path: owner/name.v2}")
    assert checked(path, "data.train={kind: auto, path: owner/name.csv}")


def test_all_missing_files_at_once(path: Path, tmp_path: Path) -> None:
    """Each with its setting, its line or override, and the nearest name."""
    Path("logs.jsonl").rename("logs.json")
    start = f"no such file from {tmp_path}, the folder you are in"
    assert checked(path, "prompt.system=promt.txt", "data.val={kind: campus, path: a/b.json}") == [
        f"override prompt.system: prompt.system = 'promt.txt': {start}; did you mean 'prompt.txt'?",
        f"my.yaml: line 6: data.train.path = 'logs.jsonl': {start}; did you mean 'logs.json'?",
        f"override data.val: data.val.path = 'a/b.json': {start}: there is no folder 'a'; "
        "correct the path",
    ]


def test_a_file_beside_the_settings_is_meant(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paths start at the current folder, not at that of the settings; the right one is told."""
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.chdir(other)
    lines = checked(Path("../my.yaml"))
    assert len(lines) == 3
    assert lines[2].endswith("write ../logs.jsonl")


def test_mistakes_of_the_rules_come_with_those_of_the_paths(path: Path) -> None:
    """Logs are looked for, rules are read; both before anything is computed."""
    Path("rules.yaml").write_text(changed(RULES, {"Be brief": "Be long", "0.9": "0.8"}), "utf-8")
    lines = checked(path, "data.train.path=none.jsonl")
    assert [line.split(": ")[0] for line in lines] == ["override data.train.path", "rules.yaml"]


def test_a_link_to_nothing_is_told(path: Path) -> None:
    Path("logs.jsonl").unlink()
    Path("logs.jsonl").symlink_to("gone")
    assert "the link leads to nothing; correct it" in checked(path)[0]


def test_the_check_is_light() -> None:
    """No model library is imported: a wrong path is told within a second."""
    process = subprocess.run(
        [sys.executable, "-c", LIGHT], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert process.stdout == "[]\n"


@pytest.mark.parametrize(
    ("name", "way_out"),
    [("m.yaml", "did you mean 'my.yaml'?"), ("a/my.yaml", "there is no folder 'a'; correct")],
)
def test_settings_that_are_not_there(path: Path, name: str, way_out: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{name}: no such file from .*") as refused:
        load_config(Path(name))
    assert way_out in str(refused.value)


def test_extends_starts_at_the_file_that_holds_it(path: Path, tmp_path: Path) -> None:
    """The right spelling is told where a file of that name is in the current folder."""
    folder = tmp_path / "mine"
    folder.mkdir()
    child = Path("mine/child.yaml")
    child.write_text("name: x\nextends: my.yaml\n", "utf-8")
    assert mistake_lines(lambda: load_config(child)) == [
        "mine/child.yaml: line 2: extends = 'my.yaml': no such file 'mine/my.yaml'; the path "
        "starts at the folder of child.yaml: write ../my.yaml"
    ]
    child.write_text("extends: ../my.yaml\nstudents:\n- name: b\n  epochs: 0\n", "utf-8")
    changed_parent = path.read_text("utf-8").replace("name: mine", "nmae: mine")
    path.write_text(changed_parent, "utf-8")
    assert mistake_lines(lambda: load_config(child)) == [
        "mine/child.yaml: line 1 of mine/../my.yaml: unknown setting 'nmae'; did you mean 'name'?",
        "mine/child.yaml: line 4: student b: students.0.epochs = 0: write a whole number greater "
        "than 0, such as 2",
    ]
