"""Changed rule files, prompts, worked examples and probe banks: used, or refused in one line.

Rules that load are stored, read again and decide every answer, or say in one line why they cannot.
"""

import copy
import hashlib
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from config.checkout import ROOT
from config.load import load_config
from config.log_formats import AutoLogs
from config.schema import PromptSettings
from data.answers import logged_answers
from data.readers.logs import read_logs
from data.rows import Row
from judge.checks.check import code_verdicts
from prompts.probe_bank import load_probe_bank
from prompts.prompt_file import Prompt, load_prompt
from prompts.rules import RuleFile, rules_sha256, stored_rules
from tests.fuzz.changes import changed_bytes, changed_tree
from tests.fuzz.endings import attempt, fuzzed

DOMAINS = ("lakeside", "norda")
BANKS = tuple(sorted((ROOT / "prompts/probes").glob("*.yaml")))
SUBJECT = "rules"
ROWS_OF_EACH = 3
PART = st.sampled_from(("system", "rules", "examples"))


class Domain(NamedTuple):
    """The prompt files of a domain as trees, and some of its rows."""

    trees: dict[str, Any]
    rows: tuple[Row, ...]


def read_domain(name: str) -> Domain:
    config = load_config(ROOT / "config" / f"{'demo' if name == 'lakeside' else name}.yaml")
    folder = ROOT / "prompts" / name
    names = {"system": "system_prompt", "rules": "rules", "examples": "examples"}
    trees = {
        part: yaml.safe_load((folder / f"{stem}.yaml").read_bytes()) for part, stem in names.items()
    }
    logs = config.data.train
    assert not isinstance(logs, AutoLogs)
    return Domain(trees, read_logs(logs, ROOT).rows[:ROWS_OF_EACH])


READ = {name: read_domain(name) for name in DOMAINS}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("prompts")


def write(folder: Path, part: str, tree: Any) -> None:
    text = yaml.safe_dump(tree, allow_unicode=True, sort_keys=False)
    (folder / f"{part}.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))


def check_rules(folder: Path, rows: tuple[Row, ...]) -> None:
    """Loads the files. What loads is stored, hashed and decides the logged answers."""
    settings = PromptSettings(system="system.yaml", rules="rules.yaml", examples="examples.yaml")
    loaded = attempt(SUBJECT, lambda: load_prompt(settings, folder), f"{folder}/")
    if loaded is None:
        return
    prompt, rules = loaded
    check_stored(folder, prompt, rules)
    for row in rows:
        for answer in logged_answers(row):
            decide = partial(code_verdicts, rules, prompt, row, answer)
            verdicts = attempt("verdicts", decide, "rule ", "normalise")
            by_code = {verdict.rule for verdict in verdicts or ()}
            assert by_code <= {scored.id for scored in rules.scored_rules()}


def check_stored(folder: Path, prompt: Prompt, rules: RuleFile) -> None:
    path = folder / "stored.json"
    path.write_text(rules.model_dump_json(by_alias=True), "utf-8")
    assert rules_sha256(stored_rules(path)) == rules_sha256(rules)
    assert Prompt.model_validate_json(prompt.model_dump_json()).sha256 == prompt.sha256


@fuzzed(100, long_run=3500)
@given(name=st.sampled_from(DOMAINS), part=PART, follows=st.booleans(), data=st.data())
def test_changed_values(
    folder: Path, name: str, part: str, follows: bool, data: st.DataObject
) -> None:
    """`follows`: the rule file states the hash of the changed prompt, as its author would."""
    trees = copy.deepcopy(READ[name].trees)
    trees[part] = data.draw(changed_tree(trees[part]))
    system, rules = trees["system"], trees["rules"]
    text = system.get("system_template") if isinstance(system, dict) else None
    if follows and isinstance(text, str) and isinstance(rules, dict):
        rules["prompt_sha256"] = hashlib.sha256(
            text.strip().encode("utf-8", "surrogatepass")
        ).hexdigest()
    for key, tree in trees.items():
        write(folder, key, tree)
    check_rules(folder, READ[name].rows)


@fuzzed(60, long_run=2100)
@given(name=st.sampled_from(DOMAINS), part=PART, data=st.data())
def test_changed_bytes(folder: Path, name: str, part: str, data: st.DataObject) -> None:
    for key, tree in READ[name].trees.items():
        write(folder, key, tree)
    path = folder / f"{part}.yaml"
    path.write_bytes(data.draw(changed_bytes(path.read_bytes())))
    check_rules(folder, READ[name].rows)


@fuzzed(40, long_run=1400)
@given(bank=st.sampled_from(BANKS), raw=st.booleans(), data=st.data())
def test_changed_probe_banks(folder: Path, bank: Path, raw: bool, data: st.DataObject) -> None:
    path = folder / "bank.yaml"
    if raw:
        path.write_bytes(data.draw(changed_bytes(bank.read_bytes())))
    else:
        write(folder, "bank", data.draw(changed_tree(yaml.safe_load(bank.read_bytes()))))
    attempt("probe banks", lambda: load_probe_bank(str(path), "en"), str(path))
