"""A killed training goes on from its last complete checkpoint, and ends where it would have."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

from config.load import load_config
from config.schema import Config
from data.answers import Answer
from data.jsonl import read_records, write_records
from data.rows import Context, Row
from data.run_paths import RunPaths
from engine.models import load_tokenizer, resolve_model
from student.records import Step
from student.train import last_complete, train

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def tiny_model(folder: Path, tied: bool = False) -> Path:
    """A random two-layer model with the embedded model's tokenizer."""
    return saved_model(folder, load_tokenizer(resolve_model("embedded")), tied)


def saved_model(folder: Path, tokenizer: PreTrainedTokenizerBase, tied: bool = False) -> Path:
    """A random two-layer model with that tokenizer; tied: its embeddings are its head."""
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": len(tokenizer)}
    settings = LlamaConfig(**shape, **heads, tie_word_embeddings=tied)
    LlamaForCausalLM(settings).save_pretrained(folder)
    return folder


def experiment(folder: Path, model: Path) -> Path:
    """A config with 24 selected answers, to be learnt in 4 epochs of 6 steps."""
    settings = {
        "extends": str(ROOT / "config/demo.yaml"),
        "name": "t",
        "runs": str(folder),
        "model": {"name": str(model)},
        "students": [
            {"name": "s", "method": {"rank": 4, "dropout": 0.1}, "batch_size": 4}
            | {"epochs": 4, "learning_rate": 1.0e-2}
        ],
        "predict": {"sampling": {"max_tokens": 4}, "eval_rows": 2},
    }
    path = folder / "t.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(settings), "utf-8")
    run = RunPaths.of(load_config(path))
    rows = [
        Row(id=f"r{n}", question="word " * (n % 5 + 1), contexts=(Context(text="x"),), labels=())
        for n in range(24)
    ]
    write_records(run.split("train"), rows)
    write_records(run.split("val"), rows[:2])
    texts = [
        Answer(
            key=row.id,
            arm="candidates/train",
            row=row.id,
            sample=0,
            text="Lakeside desk: " + row.id,
            finish="stop",
            seed=0,
            prompt_tokens=1,
        )
        for row in rows
    ]
    write_records(run.selected, texts)
    write_records(run.selected_val, texts[:2])
    return path


def trained(config: Config) -> dict[str, torch.Tensor]:
    """The adapter after training, or after going on with it."""
    train(config, config.students[0], accept_changes=False)
    return load_file(RunPaths.of(config).student("s") / "adapter" / "adapter_model.safetensors")


def losses(config: Config) -> list[tuple[int, float]]:
    """Step and loss of every optimiser step."""
    steps = read_records(RunPaths.of(config).student("s") / "metrics.jsonl", Step)
    return [(step.step, step.loss) for step in steps if step.loss is not None]


@pytest.mark.slow
def test_a_kill_changes_nothing(tmp_path: Path) -> None:
    """SIGKILL after the first epoch's checkpoint: same losses and weights, to the bit."""
    model = tiny_model(tmp_path / "model")
    whole = load_config(experiment(tmp_path / "whole", model))
    path = experiment(tmp_path / "killed", model)
    killed = load_config(path)
    command = [sys.executable, "-m", "student", str(path), "train"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    folder = RunPaths.of(killed).student("s")
    deadline = time.monotonic() + 200
    while not list(folder.glob("checkpoints/*/COMPLETE")) and time.monotonic() < deadline:
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (folder / "result.json").exists(), "it ended before it was killed"

    expected = trained(whole)
    found = trained(killed)
    assert losses(killed) == losses(whole)
    assert len(losses(whole)) == 24
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_a_torn_checkpoint_is_never_resumed_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The newest complete one counts; the torn one is removed, and said so."""
    for step, complete in ((10, True), (20, True), (30, False)):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        if complete:
            (folder / "COMPLETE").touch()
    assert last_complete(tmp_path) == tmp_path / "checkpoint-20"
    assert "checkpoint-30" in capsys.readouterr().out
    assert not (tmp_path / "checkpoint-30").exists()
    assert last_complete(tmp_path / "none") is None
