"""`python -m benchmarks.gpu_checks`: the tests that need a card, and small trainings of everything.

Meant for a card, in about four minutes; on a CPU it leaves out the tests and qlora. Prints a line
for each check and, on the last line, the verdicts as JSON. Reads no network: packages come from
wheels in a folder, as for `python -m benchmarks.training --device cuda`; the tests need pytest with
pytest-timeout besides. Exit code 1: a check failed.
"""

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection
from pathlib import Path

from benchmarks.gpu_checks.small_trainings import (
    TrainingCheck,
    check_training,
    embedded_or_tiny,
    small_students,
)
from config.checkout import ROOT
from config.console import print
from config.errors import first_line
from data.records import Record
from engine.precision import has_gpu

_TESTS_S = 240  # of the marked tests together
_GPU_MARK = "mark.gpu"


class GpuChecks(Record):
    """All verdicts."""

    checks: list[TrainingCheck]
    left_out: dict[str, str]  # check → reason


def run_checks(model: Path, folder: Path, seconds: float, only: Collection[str] = ()) -> GpuChecks:
    """Every small training on this machine's device, until the time is used up.

    `only`: names of trainings; (): all.
    """
    result = GpuChecks(checks=[], left_out={})
    start = time.perf_counter()
    for number, (name, student) in enumerate(small_students().items()):
        if only and name not in only:
            continue
        began = time.perf_counter()
        if began - start > seconds:
            result.left_out[name] = f"the {seconds:.0f} s are used up"
            continue
        if student["method"]["kind"] == "qlora" and _qlora_lacks():
            result.left_out[name] = f"there is no {_qlora_lacks()}"
            continue
        try:
            check = check_training(folder / str(number), model, student, name)
        except Exception as error:  # the other checks go on
            line = first_line(error, 300)
            check = TrainingCheck(name=name, passed=False, detail=f"{type(error).__name__}: {line}")
        result.checks.append(check)
        _print_check(check, time.perf_counter() - began)
    return result


def run_marked_tests() -> TrainingCheck:
    """The tests that are marked `gpu`, in a process of their own."""
    files = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        if _GPU_MARK in path.read_text("utf-8")
    ]
    arguments = ["-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider", *files]
    try:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=_TESTS_S,
            check=False,
            env=os.environ | {"TOKENIZERS_PARALLELISM": "false"},
        )
    except subprocess.TimeoutExpired:
        return TrainingCheck(name="tests", passed=False, detail=f"not done after {_TESTS_S} s")
    if done.returncode:
        print(done.stdout[-6000:])
    summary = (done.stdout.strip().splitlines() or [done.stderr.strip()[-200:]])[-1]
    return TrainingCheck(name="tests", passed=done.returncode == 0, detail=summary)


def main(argv: list[str] | None = None) -> int:
    """Runs all checks and prints their verdicts."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_checks", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="of the trainings together")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        result = run_checks(embedded_or_tiny(folder / "model"), folder, arguments.seconds)
    if not has_gpu():
        result.left_out["tests"] = "they need a card"
    elif importlib.util.find_spec("pytest") is None:
        result.left_out["tests"] = "pytest is not installed"
    else:
        began = time.perf_counter()
        result.checks.append(run_marked_tests())
        _print_check(result.checks[-1], time.perf_counter() - began)
    for check, reason in result.left_out.items():
        print(f"left out  {check}: {reason}")
    print(result.model_dump_json())
    return 0 if all(check.passed for check in result.checks) else 1


def _print_check(check: TrainingCheck, seconds: float) -> None:
    word = "ok" if check.passed else "FAILED"
    print(f"{word:9} {check.name}: {check.detail} ({seconds:.1f} s)", flush=True)


def _qlora_lacks() -> str | None:
    if not has_gpu():
        return "card with CUDA"
    return None if importlib.util.find_spec("bitsandbytes") else "bitsandbytes"


if __name__ == "__main__":
    sys.exit(main())
