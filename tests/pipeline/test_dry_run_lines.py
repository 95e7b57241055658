"""What the dry run says: each line that a user acts on, in full, and where its numbers are from."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from config.checkout import ROOT
from config.errors import DataError, SetupError
from pipeline.dryrun import dry_run
from tests.pipeline.plan_experiment import QUESTIONS, make_experiment, write_logs
from tests.student.run_factory import tiny_model


def warnings_in(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("warning: ")]


def test_rows_rules_steps_and_costs_of_a_sound_experiment(tmp_path: Path) -> None:
    """24 rows in batches of 4 are 6 steps an epoch, 12 in two; both are evaluated. No val question
    stands in train. Nothing is written, and a calm run has no warnings."""
    text = dry_run(make_experiment(tmp_path))
    lines = text.splitlines()
    assert lines[0] == "run t: base embedded, teacher the base behind its prompt"
    assert "  train 24 remain; none is removed" in lines
    assert "  val 6 remain" in lines and "  val and train share no question" in lines
    assert "  short  must        24       6" in lines and "  refuse must        24       6" in lines
    assert any(
        line.startswith(
            "  student s: 12 optimiser steps at most (24 rows, batch_size 4, epochs 2), 2 evaluat"
        )
        for line in lines
    )
    assert any(line.startswith("  memory, computed from sizes: training ") for line in lines)
    assert not warnings_in(text)
    assert not (tmp_path / "runs").exists()


def test_samples_without_seeds_are_told(tmp_path: Path) -> None:
    """On a CPU each sample has a seed, and nothing is said of it; greedy answers need none."""
    note = "samples without seeds, so that another run draws others (teacher.engine.seeded)"
    engine = {"kind": "vllm", "seeded": False}
    for teacher, told in (
        ({}, False),
        ({"engine": engine}, True),
        ({"engine": engine, "sampling": {"temperature": 0}}, False),
    ):
        text = dry_run(make_experiment(tmp_path, teacher=teacher))
        assert (note in text) is told


def test_settings_and_rows_only_where_asked_for(tmp_path: Path) -> None:
    config = make_experiment(tmp_path)
    short, full = dry_run(config), dry_run(config, rows=True)
    assert "learning_rate" not in short and "train-3 " not in short and "█" not in short
    assert "train-3 " in full and "tokens of the prompted view" in full and "█" in full
    assert "learning_rate" not in full


def test_verbose_adds_the_settings_and_the_preflight(tmp_path: Path) -> None:
    model = {"name": str(tiny_model(tmp_path / "base"))}
    text = dry_run(make_experiment(tmp_path, model=model), verbose=True)
    assert "learning_rate: 0.0002" in text
    assert "preflight: training passes of s exact to " in text


def test_too_few_steps_are_a_warning_with_settings_that_give_enough(tmp_path: Path) -> None:
    """Batches of 32 make one step an epoch of 24 rows. In batches of 4 it takes five epochs of six
    steps to reach 30, three times the least."""
    config = make_experiment(tmp_path, students=[{"name": "s"}])
    assert warnings_in(dry_run(config)) == [
        "warning: student s: 2 optimiser steps at most (24 rows, batch_size 32, epochs 2) teach "
        "next to nothing; set students.0.batch_size: 4 and students.0.epochs: 5 for 30, or add rows"
    ]


def test_val_that_overlaps_train_is_one_line(tmp_path: Path) -> None:
    """8 of 30 train questions are val's: 22 train rows stay, and all of val."""
    text = dry_run(make_experiment(tmp_path, train=30, val=QUESTIONS[:8]))
    assert (
        "  val overlaps train: 8 train rows ask a question of val; 8 of them are removed from "
        "train, and val keeps all its 8 rows"
    ) in text.splitlines()
    assert "  train 22 remain; 8 removed: their question is in val or hidden" in text.splitlines()


def test_val_that_is_all_of_train_is_refused(tmp_path: Path) -> None:
    """data.val is a file, so data.val_fraction is no way out."""
    with pytest.raises(DataError) as error:
        dry_run(make_experiment(tmp_path, val=QUESTIONS[:24]))
    assert str(error.value) == (
        "train: no rows are left, 24 share their question with data.val (of 24 rows in "
        "data.train); give data.val other rows, or remove data.val, so that data.val_fraction of "
        "train becomes val"
    )


def test_a_condition_that_matches_no_row_is_said_with_the_values_there_are(tmp_path: Path) -> None:
    text = dry_run(make_experiment(tmp_path, condition="^offtopic$"))
    assert warnings_in(text) == [
        "warning: rule refuse is never due: its condition labels '^offtopic$' holds on none of 30 "
        "rows; the rows' labels are 'fine' (30); correct the condition in the rule file, or add or "
        "label rows on which it holds"
    ]
    assert "  refuse must         0       0" in text.splitlines()


@pytest.mark.parametrize("arm", ["student/foo", "students/s", "s"])
def test_an_unknown_arm_is_refused(tmp_path: Path, arm: str) -> None:
    with pytest.raises(SetupError) as error:
        dry_run(make_experiment(tmp_path, judge={"arms": [arm]}))
    assert str(error.value) == (
        f"judge.arms: there is no arm '{arm}'; the arms are base, teacher, student/s, "
        "student/s+prompt"
    )


def test_qlora_without_cuda_is_refused(tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    students = [{"name": "s", "method": {"kind": "qlora"}}]
    with pytest.raises(SetupError) as error:
        dry_run(make_experiment(tmp_path, students=students))
    assert str(error.value) == (
        "student s: method qlora needs a GPU with CUDA, and there is none here; set method.kind: "
        "lora, or run on a machine with one"
    )


def judged_by(url: str, env: str = "OPENAI_API_KEY") -> dict[str, object]:
    """The settings of a judge at this address."""
    return {"llm": {"base_url": url, "model": "m", "api_key_env": env}}


def test_a_missing_key_is_refused_without_a_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenAI's own address needs a key, and so does a variable that the settings name."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("MY_KEY", raising=False)
    for url, env in (
        ("https://api.openai.com/v1", "OPENAI_API_KEY"),
        ("http://127.0.0.1:9/v1", "MY_KEY"),
    ):
        with pytest.raises(SetupError) as error:
            dry_run(make_experiment(tmp_path, judge=judged_by(url, env)))
        assert str(error.value) == (
            f"judge.llm: {url} needs a key, and the environment variable {env} (api_key_env) is "
            f"not set; run `export {env}=…` first, or name the variable that holds the key"
        )


def test_a_server_that_cannot_be_reached_is_a_warning(tmp_path: Path) -> None:
    """Nothing listens on port 9 of this machine: refused at once. The run itself refuses it."""
    text = dry_run(make_experiment(tmp_path, judge=judged_by("http://127.0.0.1:9/v1")))
    assert warnings_in(text) == [
        "warning: judge.llm: http://127.0.0.1:9/v1 cannot be reached: Connection refused; start "
        "the server, or correct the address"
    ]


def test_the_pipeline_refuses_before_its_first_stage(tmp_path: Path) -> None:
    """Every fault in one line, exit code 2, and no folder of a run."""
    make_experiment(
        tmp_path,
        judge={
            "llm": {"base_url": "http://127.0.0.1:9/v1", "model": "m"},
            "arms": ["student/foo"],
        },
    )
    command = [sys.executable, "-m", "pipeline", str(tmp_path / "t.yaml")]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2 and not (tmp_path / "runs").exists()
    assert ended.stderr == (
        "error: judge.arms: there is no arm 'student/foo'; the arms are base, teacher, student/s, "
        "student/s+prompt; also: judge.llm: http://127.0.0.1:9/v1 cannot be reached: Connection "
        "refused; start the server, or correct the address\n"
    )


def test_a_hub_id_that_is_neither_here_nor_reachable_is_refused(tmp_path: Path) -> None:
    """In seconds, by the dry run and by the run; the hub's own client tries for over a minute."""
    make_experiment(tmp_path, model={"name": "nobody/nothing-1b"})
    env = os.environ | {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_CACHE": str(tmp_path / "hub")}
    for options in (["--dry-run"], []):
        started = time.monotonic()
        command = [sys.executable, "-m", "pipeline", str(tmp_path / "t.yaml"), *options]
        ended = subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 2 and time.monotonic() - started < 30
        line = ended.stderr.splitlines()[-1]
        assert line.startswith(
            "error: model.name = nobody/nothing-1b: neither in the local cache nor to be had from "
            "the hub: "
        )
        assert line.endswith("; check the name and the network, or give a folder")


@pytest.mark.timeout(60)
def test_a_thousand_rows_take_under_three_seconds_and_no_torch(tmp_path: Path) -> None:
    """CPU time of a whole process, imports included: other work on the machine does not count."""
    config = make_experiment(tmp_path)
    logs = write_logs(tmp_path / "many.jsonl", (f"Where is room {n}, please?" for n in range(1000)))
    program = (
        "import sys, time, json; from pathlib import Path; from config.load import load_config;"
        "from pipeline.dryrun import dry_run;"
        "dry_run(load_config(Path(sys.argv[1]), [sys.argv[2]]));"
        "print(json.dumps([time.process_time(), 'torch' in sys.modules]))"
    )
    words = [str(tmp_path / "t.yaml"), f"data.train={json.dumps(logs)}"]
    started = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, has_torch = json.loads(ended.stdout)
    assert not has_torch
    assert seconds < 3.0, f"{seconds:.1f} s of CPU, {time.monotonic() - started:.1f} s in all"
    assert config.name == "t"
