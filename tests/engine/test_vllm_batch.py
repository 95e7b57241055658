"""Batch files through vLLM's own batch program."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.checkout import ROOT
from data.answers import read_answers
from data.run_paths import RunPaths
from engine.models import resolve_model
from engine.openai_batch import BatchFolder
from teacher.commands import teacher_models
from teacher.generate import generate
from teacher.prepare_batch import prepare_batch
from tests.engine.batch_experiment import experiment


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_vllm_answers_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`vllm run-batch` with the embedded model: all 13 come, as token ids with probabilities.

    The base is another model to the files' server, so vLLM here answers the 3 rows for it.
    """
    monkeypatch.chdir(ROOT)
    same = "teacher.engine={kind: batch, model: embedded, same_tokenizer: true}"
    small = ["teacher.sampling={temperature: 0.7, max_tokens: 12, logprobs: 5}"]
    config = experiment(tmp_path, same, *small, "predict.sampling.max_tokens=12")
    (written,) = prepare_batch(config).files
    folder = BatchFolder(tmp_path / "t/teacher/batch", 100)
    run_batch(written, folder.results / "vllm.jsonl")
    sources = teacher_models(config)
    done = generate(config, sources, accept_changes=False)
    sources.close()
    assert done["candidates/base"].requested == 3
    assert sum(summary.requested for summary in done.values()) == 13 + 3
    for answer in read_answers(RunPaths.of(config).answers("candidates/train")):
        assert answer.token_ids and answer.logprobs is not None
        assert len(answer.logprobs) == len(answer.token_ids) <= 12


def run_batch(requests: Path, results: Path) -> None:
    """Sends one file to the embedded model."""
    from engine.vllm_server import ENVIRONMENT, vllm_arguments

    arguments = vllm_arguments(resolve_model("embedded"), "embedded", 2048)
    program = [sys.executable, "-m", "vllm.entrypoints.openai.run_batch"]
    done = subprocess.run(
        [*program, "-i", str(requests), "-o", str(results), *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **ENVIRONMENT},
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
