"""Faults that no single room answers for: signals in a batch, secrets, the network."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from config.cli import run_command
from config.errors import SetupError
from config.load import load_config
from data.answers import read_answers
from engine.batch_job import run_job
from pipeline.manifest import manifest
from report.numbers import build_numbers
from report.render import render_card, render_html, render_markdown
from tests.engine.fake_engine import FakeEngine, fake_tasks
from tests.guard.environment import guarded_environment
from tests.judge.llm.runs import after_probe, judged, pairs_of
from tests.judge.llm.server import error
from tests.report.run_fixture import read_fixture

ROOT = Path(__file__).resolve().parents[1]
CANARY = "sk-canary-4711"

# -- 1: signals in the middle of a batch -----------------------------------------------------------


def stopped(path: Path, paid: Path, seed: int, by: signal.Signals) -> int:
    """The exit code of a command that gets a signal after some completions."""
    child = os.fork()
    if child == 0:
        code = 99
        try:
            engine = FakeEngine(seed, paid, dies_after=20 + seed, dies_by=by)
            run_command(lambda: 0 if run_job(engine, fake_tasks(2000), path, {}) else 1)
        except SystemExit as ended:
            code = int(ended.code or 0)
        finally:
            os._exit(code)  # the child is no second pytest, whatever was raised
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_signals_lose_nothing_and_end_with_their_codes(tmp_path: Path) -> None:
    """20 stops over 2,000 rows, 64 in flight: 143 or 130, 0 lost, 0 doubled, ≤ 1.05 × paid."""
    path, paid, whole = tmp_path / "a.jsonl", tmp_path / "paid", tmp_path / "whole.jsonl"
    for seed in range(20):
        by, code = ((signal.SIGTERM, 143), (signal.SIGINT, 130))[seed % 2]
        assert stopped(path, paid, seed, by) == code
    assert 400 < len(read_answers(path)) < 2000
    run_job(FakeEngine(0, paid), fake_tasks(2000), path, {})
    run_job(FakeEngine(1, tmp_path / "other"), fake_tasks(2000), whole, {})
    assert path.read_bytes() == whole.read_bytes()
    assert paid.stat().st_size <= 1.05 * 2000


# -- 23: the network -------------------------------------------------------------------------------


def test_the_guard_guards() -> None:
    """A look-up and a connection are refused and told of, as tests/test_loop.py relies on."""
    code = (
        "import socket\n"
        "for call in (lambda: socket.create_connection(('example.org', 443)),\n"
        "             lambda: socket.socket().connect(('192.0.2.1', 80))):\n"
        "    try: call()\n"
        "    except OSError as error: print(error)\n"
        "socket.getaddrinfo('localhost', 80)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        env=guarded_environment(Path("/dev/null")),
        capture_output=True,
        text=True,
    )
    assert said.stdout.count("guarded: ") == 2 and said.returncode == 0, said.stderr


# -- 19: secrets -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 404, 422, 429, 500])
def test_a_key_that_a_server_repeats_is_kept_nowhere(
    tmp_path: Path,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Stored replies, verdicts, the error's line, what is printed and what is logged."""
    monkeypatch.setenv("JUDGE_TEST_KEY", CANARY)
    said = [""]
    try:
        verdicts, _, _ = judged(
            after_probe(lambda body: error(status, f"Incorrect key {CANARY}, Bearer {CANARY}")),
            tmp_path,
            pairs_of(3),
        )
        said += [verdict.model_dump_json() for verdict in verdicts]
    except SetupError as stopped:
        said.append(str(stopped))
    said += [path.read_text("utf-8") for path in tmp_path.rglob("*") if path.is_file()]
    printed = capfd.readouterr()
    assert not [text for text in (*said, printed.out, printed.err, caplog.text) if CANARY in text]


def test_a_key_of_the_environment_is_in_no_file_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The resolved settings, the manifest, the report's three forms, the model card."""
    for name in ("OPENAI_API_KEY", "WANDB_API_KEY", "HF_TOKEN"):
        monkeypatch.setenv(name, CANARY)
    monkeypatch.chdir(ROOT)
    material = read_fixture(tmp_path)
    numbers = build_numbers(material)
    sinks = {
        "settings": yaml.safe_dump(material.config.model_dump(mode="json")),
        "manifest": json.dumps(manifest(load_config(ROOT / "config/demo.yaml", []))),
        "html": render_html(material, numbers),
        "markdown": render_markdown(material, numbers),
        "json": numbers.model_dump_json(),
        "card": render_card(material, numbers),
    }
    assert [name for name, text in sinks.items() if CANARY in text] == []
    assert all(len(text) > 100 for text in sinks.values())
