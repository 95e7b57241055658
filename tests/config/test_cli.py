"""How a command ends (signals, user mistakes, a closed reader), and that `--help` stays light."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from config.cli import FAULT_CODE, add_run_arguments, parse_arguments
from config.command_parser import command_parser
from config.errors import UsageError
from judge.__main__ import judge_parser

ROOT = Path(__file__).resolve().parents[2]
# A shell has SIGINT ignored in what it starts in the background, and children inherit that.
WAITS = """
import signal, time
from config.cli import run_command
signal.signal(signal.SIGINT, signal.default_int_handler)
def main():
    print("started", flush=True)
    time.sleep(60)
    return 0
run_command(main)
"""
FAILS = """
from config.cli import run_command
from config.errors import DataError
def main():
    raise DataError("rows.jsonl:3: no question; give one")
run_command(main)
"""
HEAVY = ("torch", "transformers", "scipy", "vllm", "pyarrow", "pydantic", "numpy", "openai")
HELP = f"""
import runpy, sys
room = sys.argv[1]
sys.argv = [room, "--help"]
try:
    runpy.run_module(room, run_name="__main__")
except SystemExit as end:
    print("imported:", *[name for name in {HEAVY} if name in sys.modules])
    sys.exit(end.code)
"""


def started(program: str) -> "subprocess.Popen[str]":
    """A command in a process of its own."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", program]
    return subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.parametrize("room", ["pipeline", "teacher", "student", "judge", "report"])
def test_help_imports_no_heavy_package(room: str) -> None:
    """A heavy import at the top of a command makes users wait seconds for its `--help`."""
    ended = subprocess.run(
        [sys.executable, "-c", HELP, room], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    assert "usage: unprompted " in ended.stdout.lower()
    assert ended.stdout.endswith("imported:\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_a_command_with_its_own_code(number: signal.Signals, code: int) -> None:
    """Schedulers tell "stopped" from "failed" by 143 and 130; no traceback is shown."""
    process = started(WAITS)
    assert process.stdout is not None and process.stdout.readline() == "started\n"
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == code
    assert "Traceback" not in errors


def test_a_fault_of_the_program_is_no_failed_gate() -> None:
    """CI reads `judge gate`'s 1 as "a gate failed": a crash has another code."""
    process = started(
        FAILS.replace('DataError("rows.jsonl:3: no question; give one")', "KeyError(1)")
    )
    _, errors = process.communicate(timeout=30)
    assert process.returncode == FAULT_CODE == 70
    assert "Traceback" in errors and errors.endswith("KeyError: 1\n")


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("open('/proc/self/no', 'w')", None),
        ("open('.')", ".: Is a directory"),
        ("open('README.md/x')", "README.md/x: Not a directory"),
        ("Path('README.md').mkdir()", "README.md: File exists"),
        ("open('x' * 300)", "File name too long"),
        ("open(loop)", "loop: Too many levels of symbolic links"),
        ("open(socket_path)", "socket: No such device or address"),
        ("Path(loop).parent.rmdir()", "Directory not empty"),
        ("open('/proc/sys/kernel/none', 'w')", None),  # no such file
        ("open('/proc/self/mem', 'rb').read()", "Input/output error"),
        ("os.lseek(os.open('.', 0), -1, 0)", None),  # EINVAL of no file: a fault of the program
        ("open('/dev/full', 'w').write('x' * 99999)", "No space left on device"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(
    tmp_path: Path, action: str, reason: str | None
) -> None:
    """The line names the place and a way out. A missing file is no user's mistake by itself."""
    imports = "import os, socket\nfrom pathlib import Path\nfrom config.cli import run_command\n"
    loop, socket_path = str(tmp_path / "loop"), str(tmp_path / "socket")
    os.symlink("loop", loop)
    places = f"loop, socket_path = {loop!r}, {socket_path!r}\n"
    listening = "listener = socket.socket(socket.AF_UNIX); listener.bind(socket_path)\n"
    program = f"{imports}{places}{listening}run_command(lambda: {action})"
    process = started(program)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == (FAULT_CODE if reason is None else 2)
    if reason is not None:
        assert errors.startswith("error: ") and errors.count("\n") == 1 and f"{reason}; " in errors


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ("0", 0),
        ("1", 1),  # a gate
        ("3", 3),
        ("sys.exit(0)", 0),
        ("sys.exit(2)", 2),  # argparse
        ("sys.exit(143)", 143),
        ("sys.exit(1)", 70),  # a library that gives up
        ("sys.exit('no licence')", 70),
        ("1 / 0", 70),
        ("[].pop()", 70),
        ("exec('raise MemoryError')", 70),
        ("exec('raise asyncio.CancelledError')", 70),
        ("exec('raise ExceptionGroup(str(), [ValueError()])')", 70),
        ("exec('raise KeyboardInterrupt')", 130),
    ],
)
def test_only_a_gate_ends_with_1(action: str, code: int) -> None:
    """A command returns 1 for a failed gate; nothing that is raised ends with it."""
    program = (
        f"import asyncio, sys\nfrom config.cli import run_command\nrun_command(lambda: {action})"
    )
    process = started(program)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == code, errors
    assert ("Traceback" in errors or "SystemExit" in errors) == (code == 70)
    assert ("please report" in errors) == (code == 70)


def test_output_that_cannot_be_written() -> None:
    """Python itself would end with 120 for what is still in the buffer: too late to be handled."""
    program = "from config.cli import run_command\nrun_command(lambda: print('x' * 10) or 0)"
    with open("/dev/full", "w") as full:
        process = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert process.returncode == 2
    assert process.stderr == "error: No space left on device; free some space and run again\n"
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, text=True
    )
    os.close(writer)
    assert (process.returncode, process.stderr) == (141, "")


OPTIONS = command_parser("student", "")
TRAIN = OPTIONS.add_actions({"train": ""})["train"]
TRAIN.add_argument("--student")
add_run_arguments(TRAIN)


@pytest.mark.parametrize(
    "words",
    [
        "c.yaml train seed=1 a.b=2",
        "c.yaml train --accept-changes seed=1 a.b=2",
        "c.yaml train seed=1 --accept-changes a.b=2",
        "c.yaml seed=1 train --student x=y a.b=2",
        "--accept-changes c.yaml train seed=1 --student x=y a.b=2",
        "c.yaml --student x=y train seed=1 a.b=2 --accept-changes",
        "c.yaml seed=1 a.b=2 train",
        "seed=1 a.b=2 c.yaml train",
        "train c.yaml seed=1 a.b=2",
        "train --student x=y seed=1 c.yaml a.b=2",
    ],
)
def test_overrides_stand_anywhere_in_their_order(words: str) -> None:
    """Before and after options; the value of an option is none, whatever it looks like."""
    arguments = parse_arguments(OPTIONS, words.split())
    assert (arguments.config, arguments.action) == ("c.yaml", "train")
    assert arguments.overrides == ["seed=1", "a.b=2"]
    assert arguments.accept_changes == ("--accept-changes" in words)
    assert arguments.student == ("x=y" if "--student" in words else None)


NO_CONFIG = (
    "CONFIG is missing: name the experiment's file, for example `unprompted student my.yaml{}`; "
    "`unprompted init` writes one"
)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("", NO_CONFIG.format("")),
        ("seed=1", NO_CONFIG.format("")),
        ("train", NO_CONFIG.format(" train")),
        ("train --student a", NO_CONFIG.format(" train")),
        ("c.yaml", "unprompted student: the action is missing; choose train"),
        ("c.yaml trian", "unprompted student: there is no action 'trian'; did you mean 'train'?"),
        ("trian c.yaml", "unprompted student: there is no action 'trian'; did you mean 'train'?"),
        ("c.yaml gate", "unprompted student: there is no action 'gate'; choose train"),
        (
            "c.yaml train --unknown seed=1",
            "unprompted student: there is no option --unknown; see `unprompted student --help`",
        ),
        (
            "c.yaml train --studnet a",
            "unprompted student: there is no option --studnet; did you mean --student?",
        ),
        (
            "c.yaml train --student=a b",
            "unprompted student: 'b' is one word too many; an override is written key.path=value",
        ),
        (
            "c.yaml train --student",
            "unprompted student CONFIG train: argument --student: expected one argument; see "
            "`unprompted student CONFIG train --help`",
        ),
    ],
)
def test_a_mistake_in_the_words_is_one_line_with_the_way_out(words: str, line: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_arguments(OPTIONS, words.split())
    assert str(error.value) == line


def test_an_option_of_another_action_is_refused() -> None:
    with pytest.raises(UsageError, match="--code belongs to calibrate; leave it out"):
        parse_arguments(judge_parser(), ["c.yaml", "gate", "--code"])


@pytest.mark.parametrize(
    "words",
    [
        "score --reparse seed=1",
        "score --split hidden seed=1",
        "import-labels s.csv seed=1",
        "seed=1 gate",
        "calibrate --code seed=1",
    ],
)
def test_overrides_of_the_judges_actions(words: str) -> None:
    """Its actions have parsers of their own."""
    arguments = parse_arguments(judge_parser(), ["c.yaml", *words.split()])
    assert arguments.overrides == ["seed=1"]


def test_a_users_mistake_is_one_line_and_exit_2() -> None:
    """The line names the place and the way out, and nothing else is printed."""
    _, errors = (process := started(FAILS)).communicate(timeout=30)
    assert process.returncode == 2
    assert errors == "error: rows.jsonl:3: no question; give one\n"
