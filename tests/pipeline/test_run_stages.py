"""A stage reads the settings of when the pipeline began, and its stamp is of what it read."""

import json
from pathlib import Path

import pytest

from config.errors import DataError
from config.load import dump_config, load_config
from config.schema import Config
from data.run_paths import RunPaths
from pipeline.run_stages import StageFailed, run_stage
from pipeline.stages import Stage
from pipeline.time_left import TimeLeft
from tests.judge.run_folder import make_run

COPIES = """
import sys
from pathlib import Path
from config.load import load_config
config = load_config(Path(sys.argv[1]))
Path(sys.argv[1]).with_name("seed").write_text(f"{config.seed} {sys.argv[2:]}")
"""
EDITS = """
from pathlib import Path
path = Path("{path}")
path.write_text(path.read_text() + "#")
"""
TIME_LEFT = TimeLeft(["some stage"], {})


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A run; modules in `tmp_path` are commands."""
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path.cwd()}")
    return load_config(make_run(tmp_path).config, ["seed=7"])


def stage_of(config: Config, program: str, *reads: str) -> Stage:
    """A stage whose command is this program."""
    folder = Path(config.runs)
    (folder / "some_stage.py").write_text(program)
    return Stage("some stage", ("some_stage", "act"), ("seed",), tuple(map(Path, reads)), ())


def test_a_stage_reads_the_settings_of_the_beginning(config: Config) -> None:
    """The override is in the file that the command reads, whatever the YAML says by now."""
    run = RunPaths.of(config)
    run.config.write_text(dump_config(config), "utf-8")
    assert run_stage(config, stage_of(config, COPIES), True, TIME_LEFT) == 0
    assert (run.root / "seed").read_text() == "7 ['act', '--accept-changes']"


def test_an_input_that_is_edited_meanwhile_ends_the_run(config: Config) -> None:
    """The stage may have read either version, so it gets no stamp and runs again."""
    stage = stage_of(config, EDITS.format(path=config.prompt.rules), config.prompt.rules)
    for _ in range(2):
        with pytest.raises(DataError, match=r"some stage: .*changed while it ran.*rules\.yaml"):
            run_stage(config, stage, False, TIME_LEFT)
    assert not list((RunPaths.of(config).root / "stages").glob("*"))


def test_a_stage_that_ends_by_a_fault_passes_its_code_on(config: Config) -> None:
    with pytest.raises(StageFailed) as failed:
        run_stage(config, stage_of(config, "import sys; sys.exit(70)"), False, TIME_LEFT)
    assert failed.value.exit_code == 70


def test_a_stage_that_python_ends_is_no_failed_gate(config: Config) -> None:
    """Python's own 1, e.g. for a module that is not there; the line says where the log is."""
    stage = stage_of(config, "print('error: something else'); import not_there")
    with pytest.raises(StageFailed) as failed:
        run_stage(config, stage, False, TIME_LEFT)
    assert failed.value.exit_code == 70
    log = RunPaths.of(config).root / "logs" / "some_stage.log"
    assert f"exit code 1; the log's last lines ({log}):" in str(failed.value)
    assert "No module named 'not_there'" in str(failed.value)


def test_an_inconclusive_stage_runs_again(config: Config) -> None:
    """Exit code 3 is passed on and leaves no stamp, so the missing verdicts are asked for again."""
    stamps, stage = RunPaths.of(config).root / "stages", stage_of(config, "import sys; sys.exit(3)")
    for _ in range(2):
        assert run_stage(config, stage, False, TIME_LEFT) == 3
        assert not list(stamps.glob("*"))
    assert run_stage(config, stage_of(config, ""), False, TIME_LEFT) == 0
    assert len(list(stamps.glob("*"))) == 1


@pytest.mark.parametrize("name", ["1e5", "1.5", "0x1f", "2026-11-27", "no", "null", "a.b-c_d"])
def test_resolved_settings_are_read_as_they_were(tmp_path: Path, name: str) -> None:
    """YAML would read some names as numbers, dates or nothing: they are quoted."""
    config = load_config(make_run(tmp_path).config, [f"name={json.dumps(name)}", "seed=-1"])
    path = tmp_path / "resolved.yaml"
    path.write_text(dump_config(config), "utf-8")
    assert load_config(path) == config
