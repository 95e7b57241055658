"""Which engine answers which arm, and what is left in `best/`."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from config.errors import DataError
from config.load import load_config
from config.schema import Config
from data.answers import read_answers
from data.atomic_write import write_text
from data.jsonl import write_records
from data.rows import Row
from data.run_paths import RunPaths
from engine.base import Completion, Request
from student.predict import Engines, predict
from student.records import TrainingResult

ROOT = Path(__file__).resolve().parents[2]
METHODS = {"plain": "lora", "whole": "full", "virtual": "p_tuning"}


class Recorded:
    """An engine that holds a model from its first request until it is closed."""

    identity = "recorded"
    max_length = 2048

    def __init__(self, name: str, log: list[str]) -> None:
        self._name, self._log, self._open = name, log, False

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Says its own name and the adapter's."""
        for request in requests:
            if not self._open:
                self._log.append(f"{self._name} started")
                self._open = True
            who = request.adapter.name if request.adapter else "base"
            yield Completion(request.key, f"{self._name}: {who}", (5, 6), "stop")

    def close(self) -> None:
        """Notes it when there is something to free."""
        if self._open:
            self._log.append(f"{self._name} closed")
        self._open = False


def trained(root: Path, best: str) -> Config:
    """Three trained students in no good order; `best` has the lowest val loss."""
    names = ("plain", "virtual", "whole")
    students = [{"name": name, "method": {"kind": METHODS[name]}} for name in names]
    settings = [f"students={json.dumps(students)}", f"runs={root}", "teacher.sampling.logprobs=2"]
    config = load_config(ROOT / "config/demo.yaml", [*settings, "data.hidden=null"])
    run = RunPaths.of(config)
    rows = [Row(id=f"r{n}", question="word " * (n + 1), contexts=()) for n in range(3)]
    write_records(run.split("train"), rows[:1])
    write_records(run.split("val"), rows)
    for name in names:
        kind = "model" if name == "whole" else "adapter_model"
        write_text(run.student(name) / f"adapter/{kind}.safetensors", name)
        settings_file = "config.json" if name == "whole" else "adapter_config.json"
        write_text(run.student(name) / f"adapter/{settings_file}", "{}")
        result = TrainingResult(
            name=name,
            best_step=1,
            best_epoch=1,
            strict=None,
            val_loss=0.1 if name == best else 0.9,
            steps=1,
            train_answers=1,
            answer_tokens=1,
            seconds=1,
            trainable=1,
            adapter_sha256=hashlib.sha256(name.encode()).hexdigest(),
        )
        write_text(run.student(name) / "result.json", result.model_dump_json())
    return config


@pytest.mark.parametrize("best", METHODS)
def test_each_arm_has_its_engine_and_one_holds_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, best: str
) -> None:
    """vLLM starts once at most, never beside the other; a second run starts nothing."""
    monkeypatch.chdir(ROOT)
    config, log = trained(tmp_path, best), list[str]()
    engines = Engines(Recorded("vllm", log), Recorded("live", log))
    assert predict(config, engines, accept_changes=False).best == best
    again = ["vllm closed", "live started"] if best == "virtual" else []
    assert log == ["live started", "live closed", "vllm started", *again]
    run = RunPaths.of(config)
    for arm, who in (("base", "vllm: base"), ("student/plain", "vllm: plain")):
        assert {answer.text for answer in read_answers(run.answers(arm))} == {who}
    engine = "live" if best == "virtual" else "vllm"
    answers = read_answers(run.answers(f"student/{best}+prompt"))
    assert {answer.text for answer in answers} == {f"{engine}: {best}"}
    log.clear()
    engines = Engines(Recorded("vllm", log), Recorded("live", log))
    predict(config, engines, accept_changes=False)
    assert log == []


@pytest.mark.parametrize("best", METHODS)
def test_best_holds_what_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, best: str
) -> None:
    """An adapter alone, or weights with a tokenizer; nothing of an earlier best is left."""
    monkeypatch.chdir(ROOT)
    config = trained(tmp_path, best)
    folder = RunPaths.of(config).best
    for stale in ("adapter", "merged"):
        write_text(folder / stale / "stale", "")
    log: list[str] = []
    predict(config, Engines(Recorded("vllm", log), Recorded("live", log)), accept_changes=False)
    saved = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    if best == "whole":
        merged = {"merged/config.json", "merged/model.safetensors", "merged/tokenizer.json"}
        assert merged <= saved
        assert not any(path.startswith("adapter/") for path in saved)
    else:
        adapter = {"adapter/adapter_config.json", "adapter/adapter_model.safetensors"}
        assert saved == {*adapter, "choice.json", "chat_template.jinja"}
    assert not any(path.endswith("stale") for path in saved)


@pytest.mark.parametrize("content", ["plaiN", "", None])
def test_damaged_weights_are_served_by_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    """A flipped bit, an empty file and none: one line, before an engine starts."""
    monkeypatch.chdir(ROOT)
    config, log = trained(tmp_path, "plain"), list[str]()
    path = RunPaths.of(config).student("plain") / "adapter/adapter_model.safetensors"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(DataError, match=r"plain/adapter: its weights are damaged or missing: .*; "):
        predict(config, Engines(Recorded("vllm", log), Recorded("live", log)), False)
    assert log == []
