"""The expected time of each stage, from prepared rows."""

from pathlib import Path

import pytest

from config.checkout import ROOT
from config.load import load_config
from config.schema import Config
from data.prepare import prepare_data
from data.run_paths import RunPaths
from pipeline.plan.expected_time import expected_stage_seconds
from pipeline.stages import pipeline_stages
from pipeline.time_left import TimeLeft


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """The small demo with its rows prepared."""
    monkeypatch.chdir(ROOT)
    config = load_config(Path("config/demo-quick.yaml"), [f"runs={tmp_path}"])
    prepare_data(config.data, Path(), RunPaths.of(config).data, config.seed)
    return config


def test_every_stage_of_a_local_run_has_an_expected_time(config: Config) -> None:
    """144 s were measured on two cores with bfloat16; others are up to ten times as slow."""
    expected = expected_stage_seconds(config)
    stages = [stage.name for stage in pipeline_stages(config, "commit")]
    assert set(stages) <= expected.keys()
    assert 30 < sum(expected[stage] for stage in stages) < 1500
    place = TimeLeft(stages, expected).place("manifest")
    assert place.startswith("2 of 9, ") and place.endswith(" left")


def test_batch_files_leave_the_teacher_unknown(config: Config) -> None:
    """The server decides how long a batch takes."""
    engine = "teacher.engine={kind: batch, model: m, same_tokenizer: true}"
    batch = load_config(Path("config/demo-quick.yaml"), [f"runs={config.runs}", engine])
    assert "teacher generate" not in expected_stage_seconds(batch)


def test_very_many_rows_are_not_counted(config: Config) -> None:
    """55 rows: 36 of train and 19 of val."""
    assert expected_stage_seconds(config, most_rows=54) == {}
    assert expected_stage_seconds(config, most_rows=55) != {}
