"""`try-rules` on small logs: counts, examples, conditions that never hold, what is left out."""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.checkout import ROOT
from config.errors import DataError
from config.load import load_config
from judge.try_rules.try_rules import try_rules_command
from prompts.rules import prompt_sha256
from tests.judge.factories import SYSTEM

LINK = {"id": "link", "source": "You are the desk.", "check": {"type": "contains", "text": "link"}}
ROWS = [
    {"q": f"Question {n}?", "a": answer, "l": label, "site": "north"}
    for n, (answer, label) in enumerate(
        [("A link here.", "fine"), ("No.", "fine"), ("Another link.", "off topic"), ("None.", None)]
        * 3
    )
]


def experiment(
    folder: Path,
    rules: Sequence[Mapping[str, Any]],
    rows: Sequence[Mapping[str, Any]] = ROWS,
    **fields: Any,
) -> Path:
    """The settings of an experiment whose logs are a table."""
    prompt = {"system_template": SYSTEM, "user_template": "{summaries}{question}"}
    (folder / "prompt.yaml").write_text(yaml.safe_dump(prompt))
    file = {"version": 1, "prompt_sha256": prompt_sha256(SYSTEM), "rules": list(rules)}
    (folder / "rules.yaml").write_text(yaml.safe_dump(file))
    (folder / "logs.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    columns = {"question": "q", "answers": {"desk": "a"}, "labels": "l", "tags": {"site": "site"}}
    logs = {"kind": "table", "path": str(folder / "logs.jsonl"), "fields": {**columns, **fields}}
    settings = {
        "name": "t",
        "runs": str(folder / "runs"),
        "prompt": {"system": str(folder / "prompt.yaml"), "rules": str(folder / "rules.yaml")},
        "data": {"train": logs, "hidden": {**logs, "path": str(folder / "not_there.jsonl")}},
        "model": {"name": "embedded"},
        "students": [{"name": "a"}],
    }
    path = folder / "experiment.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


@pytest.fixture
def tried(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs the command on rules, and returns what it prints."""

    def printed(*rules: Mapping[str, Any], **settings: Any) -> str:
        config = load_config(experiment(tmp_path, rules, **settings))
        assert try_rules_command(config, argparse.Namespace()) == 0
        assert not (tmp_path / "runs").exists(), "it writes nothing"
        return capsys.readouterr().out

    return printed


def test_counts_and_examples(tried: Any) -> None:
    """Six of twelve answers have the word; two different ones of each outcome are shown."""
    text = tried(LINK)
    assert "12 rows of train and val; logged answers: desk 12" in text
    assert "due on all 12 rows · passes 6 · fails 6" in text
    assert text.count("\n  pass  ") == text.count("\n  fail  ") == 2
    assert "(desk): A link here." in text and "(desk): Another link." in text
    assert "rules to look at: none" in text


def test_a_condition_and_its_converse(tried: Any) -> None:
    """Three of nine labelled rows are off topic; three have no label."""
    applies = {"code": [{"field": "labels", "matches": "^off topic$"}]}
    text = tried({**LINK, "applies": applies, "converse": True})
    assert "due on 3 of 12 rows · undecided on 3 without labels · passes 3 · fails 0" in text
    assert "link_converse (must; must fail where the rule is not due)" in text
    assert "due on 6 of 12 rows · undecided on 3 without labels · passes 3 · fails 3" in text
    assert "look: all 3 answers pass" in text and "rules to look at: link\n" in text


@pytest.mark.parametrize(
    ("condition", "line"),
    [
        (
            {"field": "labels", "matches": "^refusal$"},
            "its condition labels '^refusal$' holds on none of 12 rows; the rows' labels are "
            "'fine' (6), 'off topic' (3), 3 rows have none\n",
        ),
        (
            {"field": "comment", "matches": "x"},
            "its condition comment 'x' holds on none of 12 rows; the rows have no comments\n",
        ),
        (
            {"field": "tags.campus", "matches": "x"},
            "holds on none of 12 rows; the rows' tags are 'site' (12)\n",
        ),
        (
            {"field": "tags.site", "matches": "south"},
            "; the rows' values of tags.site are 'north' (12)\n",
        ),
        (
            {"field": "question", "matches": "refund"},
            "its condition question 'refund' holds on none of 12 rows\n",
        ),
        (
            {"field": "question", "matches": "Question", "negate": True},
            "its condition question 'Question' negated holds on none of 12 rows\n",
        ),
    ],
)
def test_a_condition_that_matches_no_row(tried: Any, condition: Any, line: str) -> None:
    text = tried({**LINK, "applies": {"code": [condition]}})
    assert "due on 0 of 12 rows" in text and line in text and "rules to look at: link\n" in text


def test_conditions_that_never_hold_together(tried: Any) -> None:
    code = [{"field": "labels", "matches": "off"}, {"field": "labels", "matches": "fine"}]
    text = tried({**LINK, "applies": {"code": code}})
    assert "look: its 2 conditions never hold together, on 12 rows\n" in text


def test_all_fail(tried: Any) -> None:
    text = tried({**LINK, "check": {"type": "starts_with", "text": "Desk:"}})
    assert "look: all 12 answers fail: does it check what the prompt demands?" in text


def test_rules_of_a_language_model_are_listed(tried: Any) -> None:
    """Neither is scored; the fixed phrase is looked for in all answers."""
    judged = {**LINK, "id": "polite", "check": {"type": "llm", "pass": "Polite.", "fail": "Rude."}}
    conditional = {**LINK, "id": "asked", "applies": {"llm": "Is it off topic?"}, "converse": True}
    text = tried(judged, conditional)
    assert "polite (must)  llm: Polite.\n  due on all 12 rows · not run: a language model" in text
    assert "decides when it is due; on all answers, due or not · passes 6 · fails 6" in text
    line = "takes part in polite, asked, asked_converse: `unprompted judge CONFIG score` asks it"
    assert line in text


def test_logs_without_answers(tried: Any) -> None:
    text = tried(LINK, answers={})
    assert "logged answers: none" in text and "fields.answers" in text
    assert "due on all 12 rows · passes 0 · fails 0" in text


def test_answers_of_several_systems(tried: Any) -> None:
    rows = [{**row, "b": "A link."} for row in ROWS]
    text = tried(LINK, rows=rows, answers={"desk": "a", "rival": "b"})
    assert "logged answers: desk 12, rival 12" in text
    assert "passes 18 (desk 6, rival 12) · fails 6 (desk 6)" in text


def test_long_answers_are_cut_where_it_matters(tried: Any) -> None:
    """One line each; the end is shown for a demand on the end."""
    rows = [{**row, "a": "word \n\x1b[2J" * 200 + " The end."} for row in ROWS]
    text = tried({**LINK, "check": {"type": "ends_with", "text": "The end."}}, rows=rows)
    (line,) = (line for line in text.splitlines() if line.startswith("  pass"))
    assert line.endswith("The end.") and "… " in line and "\x1b" not in line


def test_broken_rules_are_one_error(tmp_path: Path) -> None:
    path = experiment(tmp_path, [{**LINK, "source": "It is not there."}])
    with pytest.raises(DataError, match=r"rule link: source 'It is not there\.' does not occur"):
        try_rules_command(load_config(path), argparse.Namespace())


def test_no_heavy_package_is_imported(tmp_path: Path) -> None:
    """What starts in a moment: it is run after every change of a rule."""
    path = experiment(tmp_path, [LINK])
    code = (
        "import sys; from pathlib import Path; from config.load import load_config\n"
        "from judge.try_rules.try_rules import try_rules_command\n"
        f"try_rules_command(load_config(Path({str(path)!r})), None)\n"
        "sys.exit(' '.join({'torch', 'transformers', 'vllm', 'pyarrow'} & set(sys.modules)) or 0)"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
