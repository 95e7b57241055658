"""`unprompted init`: from a prompt and logs to an experiment that a dry run accepts."""

import shutil
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from config.checkout import ROOT
from config.errors import ConfigError, DataError, UnpromptedError, UsageError
from config.load import load_config
from config.yaml_file import parse_yaml
from pipeline.dryrun import dry_run
from pipeline.init.experiment_files import (
    ExperimentNames,
    LogSize,
    experiment_text,
    prompt_file_text,
)
from pipeline.init.init import main
from prompts.prompt_file import load_prompt
from tests.judge.llm.server import error, serving

PROMPT = ["--prompt", "prompt.txt", "--logs", "logs.jsonl"]
# NUL and halves of characters are refused when the prompt is read
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
SIZE = LogSize(rows=30, question_characters=100, answer_characters=200)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in which the command runs."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def with_material(folder: Path, language: str) -> None:
    shutil.copytree(ROOT / "tests/front_door" / language, folder, dirs_exist_ok=True)


@pytest.mark.parametrize("language", ["en", "ru"])
def test_from_an_empty_folder_to_a_dry_run(
    folder: Path, language: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Six demands: each has a rule. 30 rows with different questions: 24 of train and 6 of val."""
    with_material(folder, language)
    assert main(PROMPT) == 0
    text = capsys.readouterr().out
    assert "logs.jsonl: " in text and ", 30 rows" in text
    assert "unprompted run experiment.yaml --dry-run" in text
    config = load_config(Path("experiment.yaml"))
    prompt, rules = load_prompt(config.prompt, Path())
    assert prompt.system == Path("prompt.txt").read_text("utf-8").strip()
    names = {rule.id for rule in rules.rules}
    assert {"opening", "short", "links", "no_markdown", "no_leak", "refusal"} <= names
    plan = dry_run(config, verbose=False, rows=False)
    assert "train 24 remain" in plan and "val 6 remain" in plan


def test_the_prompt_of_the_logs_is_taken(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_material(folder, "en")
    assert main(["--logs", "logs.jsonl"]) == 0
    assert "the system prompt of 30 of 30 rows becomes the prompt" in capsys.readouterr().out
    written = yaml.safe_load(Path("prompt.yaml").read_text("utf-8"))
    assert written["system_template"] == Path("prompt.txt").read_text("utf-8").strip()


def test_a_prompt_file_is_used_as_it_is(folder: Path) -> None:
    with_material(folder, "en")
    shutil.copy(ROOT / "prompts/lakeside/system_prompt.yaml", "desk.yaml")
    assert main(["--prompt", "desk.yaml", "--logs", "logs.jsonl", "--folder", "new"]) == 0
    assert load_config(Path("new/experiment.yaml")).prompt.system == "desk.yaml"
    assert not Path("new/prompt.yaml").exists()


def test_nothing_is_overwritten(folder: Path) -> None:
    """A second call would take the corrected rules away."""
    with_material(folder, "en")
    Path("rules.yaml").write_text("mine", "utf-8")
    with pytest.raises(ConfigError, match=r"^rules\.yaml: there already, and not overwritten"):
        main(PROMPT)
    assert Path("rules.yaml").read_text("utf-8") == "mine"
    assert not Path("experiment.yaml").exists()


@pytest.mark.parametrize(
    ("words", "error", "line"),
    [
        ("", UsageError, "unprompted init: --logs is missing"),
        ("--logs absent.jsonl", DataError, "absent.jsonl"),
        ("--logs logs.jsonl --prompt absent.txt", ConfigError, "absent.txt"),
        ("--logs logs.jsonl --judge-url http://h/v1", UsageError, "--judge-model is missing"),
        ("--logs logs.jsonl --judge-model m", UsageError, "--judge-url is missing"),
        ("--logs logs.jsonl --judge-url h --judge-model m", ConfigError, "base_url"),
        ("--logs logs.jsonl seed=1", UsageError, "'seed=1': there are no settings yet"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(
    folder: Path, words: str, error: type[Exception], line: str
) -> None:
    with_material(folder, "en")
    with pytest.raises(error) as refusal:
        main(words.split())
    assert line in str(refusal.value) and "\n" not in str(refusal.value)
    assert {path.name for path in folder.iterdir()} == {"prompt.txt", "logs.jsonl"}


def test_a_name_that_no_run_can_have_writes_nothing(folder: Path) -> None:
    """Half an experiment would be in the way of the corrected command."""
    with_material(folder, "en")
    with pytest.raises(ConfigError, match=r"unprompted init: name = 'a/b': write letters"):
        main([*PROMPT, "--name", "a/b", "--folder", "new"])
    assert not (folder / "new").exists()


def test_a_failed_draft_names_the_command_that_goes_on(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The server refuses the key. The settings stay, with the server that the user named."""
    with_material(folder, "en")
    with serving(lambda body: error(401, "wrong key")) as served:
        judge = ["--judge-url", served.url, "--judge-model", "m"]
        with pytest.raises(UnpromptedError, match="wrong key"):
            main([*PROMPT, *judge, "--folder", "my desk"])
    assert "`unprompted judge 'my desk/experiment.yaml' draft-rules`" in capsys.readouterr().out


def test_logs_without_a_system_prompt_need_a_file(folder: Path) -> None:
    with_material(folder, "ru")
    with pytest.raises(ConfigError, match="no system prompt stands in the logs; name its file"):
        main(["--logs", "logs.jsonl"])


@given(ANY_TEXT.filter(str.strip))
def test_a_prompt_file_gives_the_prompt_back(system: str) -> None:
    """Indented first lines, quotes, colons, tabs, other line ends, control characters."""
    text = prompt_file_text(system, "{summaries}\n{question}")
    assert parse_yaml(text, "prompt") == {
        "system_template": system.strip(),
        "user_template": "{summaries}\n{question}",
    }


@given(ANY_TEXT)
def test_every_path_comes_back_from_the_settings(path: str) -> None:
    """`1e3`, `no`, `a: b` and `x, y` are read as other values where they are not quoted."""
    names = ExperimentNames(name="mine", prompt=path, rules=path, logs=path, model=path)
    values = parse_yaml(experiment_text(names, SIZE, 1000, None), "settings")
    assert values["prompt"] == {"system": path, "rules": path}
    assert (values["data"]["train"], values["model"]["name"]) == (path, path)


@pytest.mark.parametrize(
    ("rows", "answer", "batch_size", "max_tokens"),
    [(24, 0, 4, 128), (199, 400, 4, 256), (200, 900, 8, 512), (1000, 9000, 32, 1024)],
)
def test_sizes_follow_from_the_logs(
    rows: int, answer: int, batch_size: int, max_tokens: int
) -> None:
    """24 rows take 24 steps in four epochs, not 4. 900 characters are at most 360 tokens."""
    names = ExperimentNames(name="m", prompt="p", rules="r", logs="l", model="embedded")
    size = LogSize(rows, 4000, answer)
    values = parse_yaml(experiment_text(names, size, 6000, None), "settings")
    assert values["students"][0]["batch_size"] == batch_size
    assert values["teacher"]["sampling"]["max_tokens"] == max_tokens
    assert values["predict"]["sampling"]["max_tokens"] == max_tokens
    # 10,000 characters of prompt and question are at most 4,000 tokens, and the answer is added
    assert values["model"]["max_length"] == (8192 if max_tokens > 96 else 4096)
