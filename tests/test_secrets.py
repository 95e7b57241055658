"""API keys reach no file, no log and no error line."""

import json
from pathlib import Path

import pytest
import yaml

from config.errors import SetupError
from config.load import load_config
from pipeline.manifest import manifest
from report.numbers import build_numbers
from report.render import render_card, render_html, render_markdown
from tests.judge.llm.judge_factory import after_probe, judged, pairs_of
from tests.judge.llm.server import error
from tests.report.run_fixture import read_fixture

ROOT = Path(__file__).resolve().parents[1]
CANARY = "sk-canary-4711"


@pytest.mark.reliability(line=19)
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
    texts = [""]
    try:
        verdicts, _, _ = judged(
            after_probe(lambda body: error(status, f"Incorrect key {CANARY}, Bearer {CANARY}")),
            tmp_path,
            pairs_of(3),
        )
        texts += [verdict.model_dump_json() for verdict in verdicts]
    except SetupError as setup_error:
        texts.append(str(setup_error))
    texts += [path.read_text("utf-8") for path in tmp_path.rglob("*") if path.is_file()]
    printed = capfd.readouterr()
    assert not [text for text in (*texts, printed.out, printed.err, caplog.text) if CANARY in text]


@pytest.mark.reliability(line=19)
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
