"""A small experiment with logs, prompt and rules of its own, for tests of what is said ahead."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from config.load import load_config
from config.schema import Config
from prompts.rules import prompt_sha256

SYSTEM = "Answer in one sentence. If the question is off topic, say: I cannot help."
QUESTIONS = [f"Where is room {n}?" for n in range(300)]
_SOURCES = {"short": "Answer in one sentence.", "refuse": "say: I cannot help."}


def write_logs(path: Path, questions: Iterable[str], labels: str = "fine") -> dict[str, Any]:
    """A log file with these questions, and the settings that read it."""
    lines = [
        json.dumps({"id": f"{path.stem}-{n}", "q": question, "docs": ["A map."], "label": labels})
        for n, question in enumerate(questions)
    ]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    fields = {"id": "id", "question": "q", "contexts": "docs", "labels": "label"}
    return {"kind": "table", "path": str(path), "fields": fields}


def write_rules(path: Path, condition: str = "^fine$") -> None:
    """Two rules: one that is always due, and a refusal that is due where a label matches."""
    applies = {"code": [{"field": "labels", "matches": condition}]}
    rules = [
        {"id": "short", "check": {"type": "length", "max_sentences": 1}},
        {"id": "refuse", "check": {"type": "contains", "text": "I cannot"}, "applies": applies},
    ]
    for rule in rules:
        rule["source"] = _SOURCES[str(rule["id"])]
    values = {"version": 1, "prompt_sha256": prompt_sha256(SYSTEM), "rules": rules}
    path.write_text(yaml.safe_dump(values), "utf-8")


def make_experiment(
    folder: Path, train: int = 24, val: Iterable[str] = QUESTIONS[200:206], **changes: Any
) -> Config:
    """An experiment of `train` rows on the embedded model; `changes` replace whole sections."""
    prompt = {"system_template": SYSTEM, "user_template": "{summaries}\n{question}"}
    (folder / "prompt.yaml").write_text(yaml.safe_dump(prompt), "utf-8")
    write_rules(folder / "rules.yaml", changes.pop("condition", "^fine$"))
    settings = {
        "name": "t",
        "runs": str(folder / "runs"),
        "prompt": {"system": str(folder / "prompt.yaml"), "rules": str(folder / "rules.yaml")},
        "data": {
            "train": write_logs(folder / "train.jsonl", QUESTIONS[:train]),
            "val": write_logs(folder / "val.jsonl", val),
        },
        "model": {"name": "embedded"},
        "students": [{"name": "s", "batch_size": 4}],
        **changes,
    }
    path = folder / "t.yaml"
    path.write_text(yaml.safe_dump(settings), "utf-8")
    return load_config(path, [])
