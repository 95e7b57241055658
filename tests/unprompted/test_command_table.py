"""The command `unprompted`: help, version, completion, and words that name no command."""

import subprocess
import sys
from pathlib import Path

import pytest

from config.checkout import ROOT
from config.errors import UsageError
from unprompted.command_table import COMMANDS, GROUPS, SHELLS, run_words


def test_the_help_shows_every_command_in_its_group(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_words([]) == 0
    text = capsys.readouterr().out
    for group, commands in GROUPS.items():
        section = text.lower().partition(f"\n{group}:\n")[2].partition("\n\n")[0]
        names = [line.split()[0] for line in section.splitlines()]
        assert names == [command.name for command in commands]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_has_its_name_and_examples(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each example is a command that the parser takes."""
    with pytest.raises(SystemExit) as end:
        run_words([name, "--help"])
    text = capsys.readouterr().out
    assert end.value.code == 0
    assert text.lower().startswith(f"usage: unprompted {name} ")
    examples = text.partition("examples:\n")[2].strip().splitlines()
    assert examples
    for example in examples:
        program, command, *_ = example.split()
        assert (program, command) == ("unprompted", name)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("rnu", "there is no command 'rnu'; did you mean 'run'?"),
        ("my.yaml run", "there is no command 'my.yaml'; write 'run' first"),
        ("--dry-run run my.yaml", "there is no command '--dry-run'; write 'run' first"),
        ("my.yaml", "there is no command 'my.yaml'; see `unprompted --help`"),
        (
            "completion fish",
            "unprompted completion: name one shell of bash, zsh, tcsh; for example "
            '`eval "$(unprompted completion bash)"`',
        ),
    ],
)
def test_a_wrong_word_is_one_line(words: str, line: str) -> None:
    with pytest.raises(UsageError) as error:
        run_words(words.split())
    assert str(error.value) == line


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_names_commands_actions_and_options(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_words(["completion", shell]) == 0
    script = capsys.readouterr().out
    words = [*COMMANDS, "export-for-labelling", "dry-run" if shell == "tcsh" else "--dry-run"]
    assert [word for word in words if word not in script] == []


def test_bash_reads_its_completion(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run_words(["completion", "bash"])
    script = tmp_path / "unprompted.bash"
    script.write_text(capsys.readouterr().out, encoding="utf-8")
    probe = f"source {script}; COMP_WORDS=(unprompted teacher my.yaml col); COMP_CWORD=3; "
    probe += "_shtab_unprompted; echo ${COMPREPLY[@]}"
    ended = subprocess.run(["bash", "-c", probe], capture_output=True, text=True, timeout=30)
    assert ended.stdout.split() == ["collect"]


def test_the_version_names_the_commit_of_a_checkout() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "unprompted", "--version"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )
    name, number, *commit = ended.stdout.split()
    assert (name, number[0].isdigit()) == ("unprompted", True)
    assert all(part.startswith("(") for part in commit)
