"""The folder of a small run, as the stages before judging leave it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from config.load import validated
from config.schema import Config
from data.atomic_write import write_text
from data.jsonl import write_records
from data.rows import Row
from data.run_paths import RunPaths
from prompts.rules import Rule, RuleFile, prompt_sha256
from tests.judge.factories import SYSTEM, make_answer, make_rule

LINK = make_rule({"type": "contains", "text": "link"}, id="link")  # every answer says "link"
REFUSE = make_rule(  # where the label says so, and nowhere else
    {"type": "contains", "text": "no"},
    id="refuse",
    applies={"code": [{"field": "labels", "matches": "off"}]},
)
BRIEF = make_rule({"type": "length", "max_words": 3}, id="brief", severity="should")

Answers = Mapping[str, Sequence[str]]  # arm → a text per row


def make_run(
    folder: Path, rules: Sequence[Rule] = (LINK,), name: str = "run", **judge: Any
) -> RunPaths:
    """A run with its settings, prompt, rules (the first six are useful ones) and `config.yaml`."""
    run = RunPaths(folder / name)
    prompt_path, rules_path = run.root / "prompt.yaml", run.root / "rules.yaml"
    user = "{summaries}{question}"
    write_text(prompt_path, yaml.safe_dump({"system_template": SYSTEM, "user_template": user}))
    rule_file = RuleFile(
        version=1,
        prompt_sha256=prompt_sha256(SYSTEM),
        rules=tuple(rules),
        useful=tuple(rule.id for rule in rules)[:6],
    )
    write_text(rules_path, yaml.safe_dump(rule_file.model_dump(mode="json", by_alias=True)))
    settings = {
        "name": name,
        "runs": str(folder),
        "prompt": {"system": str(prompt_path), "rules": str(rules_path)},
        "data": {name: {"kind": "campus", "path": f"{name}.json"} for name in ("train", "hidden")},
        "model": {"name": "embedded"},
        "students": [{"name": "a"}, {"name": "b"}],
        "judge": judge,
    }
    dumped = validated(Config, settings, "test").model_dump(mode="json")
    write_text(run.config, yaml.safe_dump(dumped))
    write_records(run.split("train"), [])
    write_text(run.choice, '{"best": "a", "why": "", "ranked": []}\n')
    return run


def answer_val(run: RunPaths, rows: Sequence[Row], answers: Answers) -> None:
    """Writes val's rows and what the arms answered to them."""
    write_records(run.split("val"), rows)
    _answer(run, rows, answers)


def answer_hidden(run: RunPaths, rows: Sequence[Row], answers: Answers) -> None:
    """Writes the hidden rows and the answers of `base`, and of students by their bare names."""
    write_records(run.split("hidden"), rows)
    _answer(run, rows, {f"hidden/{arm}": texts for arm, texts in answers.items()})


def _answer(run: RunPaths, rows: Sequence[Row], answers: Answers) -> None:
    for arm, texts in answers.items():
        pairs = zip(rows, texts, strict=True)
        records = [make_answer(text, row.id, arm) for row, text in pairs]
        write_records(run.answers(arm), records)
