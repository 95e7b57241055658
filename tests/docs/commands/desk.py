"""A folder in which a reader of the docs types commands; each runs as it stands on its page.

`unprompted …` runs in this process, by the launcher's own function; other programs run in bash.
"""

import contextlib
import io
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import yaml

from config.checkout import ROOT
from config.cli import run_command
from tests.docs.commands.chain_model import chain_model
from unprompted.command_table import run_words

# a reader puts something in the place of these words
PLACEHOLDERS = {
    "CONFIG": "my.yaml",
    "FILE": "my.yaml",
    "1/8": "1/2",
    "60": "6",  # answers, as many as these val rows
    "ID": "opening",
    "RULE": "opening",
    "DIR": "answers",
    "OWNER/NAME": "me/desk",
    "val-0007": "logs-0005",  # a val row of these logs
    "runs/a": "runs/mine",
    "runs/b": "runs/other",
}


@dataclass(frozen=True)
class Ended:
    """How a command ended and what it printed."""

    code: object
    out: str
    err: str


@dataclass
class Desk:
    """A folder, the variables of its shell, and what is typed where a command asks."""

    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def type(self, command: str, answers: str = "") -> Ended:
        """Runs a command of a page. `answers`: what is typed into it."""
        words = [PLACEHOLDERS.get(word, word) for word in _words(command)]
        if words[-2:-1] == ["<"]:
            answers, words = (self.folder / words[-1]).read_text("utf-8"), words[:-2]
        if words[0] == "unprompted":
            return self._launch(words[1:], answers)
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env={**os.environ, **self.variables, "PATH": path, "PYTHONPATH": str(ROOT)},
            input=answers,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def _launch(self, words: list[str], answers: str) -> Ended:
        out, err, code = io.StringIO(), io.StringIO(), None
        handler = signal.getsignal(signal.SIGTERM)
        with (
            contextlib.chdir(self.folder),
            patch.dict(os.environ, self.variables),
            _typed(answers),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                run_command(lambda: run_words(words))
            except SystemExit as end:
                code = end.code
            finally:
                signal.signal(signal.SIGTERM, handler)  # a command sets its own
        return Ended(code, out.getvalue(), err.getvalue())

    def change(self, file: str, **sections: object) -> None:
        """Edits a file of settings: replaces the keys of these sections."""
        path = self.folder / file
        values = yaml.safe_load(path.read_text("utf-8"))
        for section, changes in sections.items():
            old = values.get(section)
            if isinstance(old, dict) and isinstance(changes, dict):
                values[section] = {**old, **changes}
            else:
                values[section] = changes
        path.write_text(yaml.safe_dump(values, sort_keys=False), "utf-8")


def _words(command: str) -> list[str]:
    """The words for `unprompted`, without variables of the environment and the closing `&`."""
    words = shlex.split(command.partition("\n")[0], comments=True)
    while "=" in words[0]:
        words = words[1:]
    return words[:-1] if words[-1] == "&" else words


@contextlib.contextmanager
def _typed(text: str) -> Iterator[None]:
    before, sys.stdin = sys.stdin, io.StringIO(text)
    try:
        yield
    finally:
        sys.stdin = before


def small_experiment(desk: Desk) -> None:
    """What a reader edits in experiment.yaml: another base, and sizes for a run of seconds."""
    model = chain_model(desk.folder.parent / "chain")
    desk.change(
        "experiment.yaml",
        model={"name": str(model)},
        teacher={
            "engine": {"kind": "transformers"},
            "candidates": 1,
            "sampling": {"temperature": 0.8, "max_tokens": 24},
        },
        students=[{"name": "lora", "epochs": 2, "batch_size": 4, "learning_rate": 0.003}],
        predict={"sampling": {"max_tokens": 24}, "eval_rows": 2},
    )
