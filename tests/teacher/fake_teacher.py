"""`python -m tests.teacher.fake_teacher CONFIG …`: the teacher's command with a fake engine."""

import os
from pathlib import Path

from config.cli import run_command
from teacher.__main__ import main
from teacher.generate import TeacherModels
from tests.engine.fake_engine import FakeEngine

if __name__ == "__main__":
    paid = Path(os.environ["PAID"])  # what the requests would have cost, a byte each
    run_command(lambda: main(None, lambda config: TeacherModels(FakeEngine(0, paid))))
