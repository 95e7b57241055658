"""`python -m tests.fake_teacher CONFIG …`: the teacher's command with an engine without a model."""

import os
from pathlib import Path

from config.cli import run_command
from teacher.__main__ import main
from teacher.generate import Sources
from tests.engine.fake_engine import FakeEngine

if __name__ == "__main__":
    paid = Path(os.environ["PAID"])  # what the requests would have cost, a byte each
    run_command(lambda: main(lambda config: Sources(FakeEngine(0, paid))))
