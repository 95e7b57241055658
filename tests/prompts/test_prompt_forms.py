"""A prompt as YAML, plain text or Markdown, with its slots; a changed prompt is accepted."""

import json
from pathlib import Path

import pytest
import yaml

from config.errors import DataError, UnpromptedError
from config.load import load_config
from config.schema import PromptSettings
from data.rows import Context, Row
from prompts.accept_prompt import accept_prompt
from prompts.prompt_file import Prompt, read_prompt, user_text
from prompts.rules import load_rules, prompt_sha256
from tests.config.mistakes.files import PROMPT, RULES, mistake_lines, write_experiment

ROW = Row(id="r", question="When? {contexts}", contexts=(Context(text="At 9."),))
BARE = Row(id="r", question="When?")


def read(folder: Path, name: str, content: str) -> Prompt:
    """The prompt that a file of this name and content holds."""
    (folder / name).write_text(content, "utf-8")
    return read_prompt(PromptSettings(system=name, rules="rules.yaml"), folder)


@pytest.mark.parametrize("name", ["prompt.txt", "prompt.md", "PROMPT.MD", "prompt"])
def test_a_prompt_may_be_plain_text(tmp_path: Path, name: str) -> None:
    """Braces and colons are text; the user turn is passages and question, or the question."""
    text = "# Desk\n\nAnswer: {briefly}.\n- key: 'value"
    prompt = read(tmp_path, name, f"\ufeff{text}\n\n")
    assert prompt.system == text
    assert user_text(prompt, ROW) == "Content 1: At 9.\nWhen? {contexts}"
    assert user_text(prompt, BARE) == "When?"


@pytest.mark.parametrize("slot", ["summaries", "contexts", "context"])
def test_passages_have_three_names(tmp_path: Path, slot: str) -> None:
    """One prompt whatever its author calls them: fingerprint and text are the same."""
    values = {"system_template": "Be brief.", "user_template": f"{{{slot}}} | {{question}}"}
    prompt = read(tmp_path, "p.yaml", yaml.safe_dump(values))
    assert prompt.user_template == "{summaries} | {question}"
    assert user_text(prompt, ROW) == "Content 1: At 9. | When? {contexts}"


@pytest.mark.parametrize(
    ("name", "content", "lines"),
    [
        (
            "p.yaml",
            "system: Be brief.\nuser_template: '{contexts} {query} {questoin}'\n",
            ["line 1: unknown setting 'system'; did you mean 'system_template'?"],
        ),
        ("p.yaml", "user_template: x\n", ["system_template is missing; add `system_template: …` "]),
        (
            "p.yaml",
            "system_template: Be brief.\nuser_template: '{questoin}'\n",
            [
                "user_template lacks {question}; write it in place of {questoin}",
                "user_template lacks {summaries}; write it where the text belongs",
            ],
        ),
        ("p.yaml", "system_template: ' '\n", ["the system prompt is empty; write its text there"]),
        ("p.txt", " \n", ["the system prompt is empty; write its text there"]),
        ("p.txt", "system_template: x\n", ["holds YAML; name the file p.yaml"]),
        ("p.yaml", "Be brief.\n", ["the file = 'Be brief.': write {system_template: Be brief.}"]),
    ],
)
def test_a_mistake_in_a_prompt_file(
    tmp_path: Path, name: str, content: str, lines: list[str]
) -> None:
    """All at once, each with the file."""
    refused = mistake_lines(lambda: read(tmp_path, name, content))
    assert len(refused) == len(lines)
    for line, beginning in zip(refused, lines, strict=True):
        assert line.startswith(f"{tmp_path / name}: {beginning}")


def test_a_mistake_in_an_example_has_its_line(tmp_path: Path) -> None:
    """The file of the examples is a list; its first line is its own."""
    (tmp_path / "p.txt").write_text("Be brief.", "utf-8")
    (tmp_path / "e.yaml").write_text("- question: a\n  answer: b\n- question: c\n  anwser: d\n")
    settings = PromptSettings(system="p.txt", rules="r.yaml", examples="e.yaml")
    assert mistake_lines(lambda: read_prompt(settings, tmp_path)) == [
        f"{tmp_path / 'e.yaml'}: line 4: unknown setting 'examples.1.anwser'; "
        "did you mean 'answer'?"
    ]


@pytest.mark.parametrize("earlier", ["", "prompt_sha256: 0a23 # of May\n", "prompt_sha256: '01'\n"])
def test_a_changed_prompt_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, earlier: str
) -> None:
    """The hash is written, and nothing else of the file changes: comments, order, quotes."""
    monkeypatch.chdir(tmp_path)
    config = load_config(write_experiment(tmp_path))
    path = Path("rules.yaml")
    path.write_text(f"# mine\n{earlier}{RULES}", "utf-8")
    actual = prompt_sha256(PROMPT)
    if earlier:
        with pytest.raises(DataError, match="run `unprompted judge CONFIG accept-prompt`"):
            load_rules(path, PROMPT)
    line = accept_prompt(config)
    assert line.startswith(f"rules.yaml: prompt_sha256 = {actual[:12]}…")
    changed = path.read_text("utf-8")
    behind = " # of May\n" if "May" in earlier else "\n"
    assert changed == f"# mine\nprompt_sha256: {actual}{behind}{RULES}"
    assert load_rules(path, PROMPT).prompt_sha256 == actual
    assert "already" in accept_prompt(config) and path.read_text("utf-8") == changed


@pytest.mark.parametrize("flow", [True, False])
def test_a_rule_file_of_another_form_is_edited_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flow: bool
) -> None:
    """Braces around all of it, or every line indented."""
    monkeypatch.chdir(tmp_path)
    config = load_config(write_experiment(tmp_path))
    text = yaml.safe_dump(yaml.safe_load(RULES), default_flow_style=True)
    indented = "".join(f"  {line}\n" for line in RULES.splitlines())
    Path("rules.yaml").write_text(text if flow else indented, "utf-8")
    accept_prompt(config)
    values = yaml.safe_load(Path("rules.yaml").read_text("utf-8"))
    assert values == {**yaml.safe_load(RULES), "prompt_sha256": prompt_sha256(PROMPT)}


@pytest.mark.parametrize("earlier", [{}, {"prompt_sha256": "abc"}])
def test_rules_in_json_stay_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, earlier: dict[str, str]
) -> None:
    monkeypatch.chdir(tmp_path)
    config = load_config(write_experiment(tmp_path))
    Path("rules.yaml").write_text(json.dumps({**yaml.safe_load(RULES), **earlier}), "utf-8")
    accept_prompt(config)
    values = json.loads(Path("rules.yaml").read_text("utf-8"))
    assert values == {**yaml.safe_load(RULES), "prompt_sha256": prompt_sha256(PROMPT)}


def test_a_key_without_a_value_gets_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = load_config(write_experiment(tmp_path))
    Path("rules.yaml").write_text(f"prompt_sha256:\n{RULES}", "utf-8")
    accept_prompt(config)
    text = f"prompt_sha256: {prompt_sha256(PROMPT)}\n{RULES}"
    assert Path("rules.yaml").read_text("utf-8") == text


def test_a_hash_in_a_block_is_left_to_its_author(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is valid, so the line says what to write and not that it is broken."""
    monkeypatch.chdir(tmp_path)
    config = load_config(write_experiment(tmp_path))
    text = f"prompt_sha256: >-\n  abc\n{RULES}"
    Path("rules.yaml").write_text(text, "utf-8")
    with pytest.raises(DataError, match="cannot be edited by the program; write prompt_sha256: "):
        accept_prompt(config)
    assert Path("rules.yaml").read_text("utf-8") == text


def test_a_prompt_that_lost_a_quote_is_not_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file stays as it is; every rule without its quote is named."""
    monkeypatch.chdir(tmp_path)
    config = load_config(write_experiment(tmp_path))
    Path("prompt.txt").write_text("Answer in verse.", "utf-8")
    with pytest.raises(UnpromptedError) as refused:
        accept_prompt(config)
    assert [line.split(": source")[0] for line in refused.value.lines] == [
        "rules.yaml: line 4: rule russian",
        "rules.yaml: line 7: rule brief",
    ]
    assert Path("rules.yaml").read_text("utf-8") == RULES
