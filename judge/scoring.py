"""`python -m judge CONFIG score`: every arm's answers, rule by rule."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import get_args

from config.schema import Config, ServerSettings
from data.run import Run
from judge.applies import needs_label
from judge.board import DECIDABLE, STRICT
from judge.judging import Judged, judge_run, llm_arms
from judge.lines import points, share
from judge.result import JudgeResult
from judge.tables import Drift
from prompts.library import load_prompt
from prompts.rules import RuleFile

ABOUT = "score the answers of every arm by the rules; 3 when too many verdicts are missing"
EMBEDDED_LENGTH = 2048  # tokens of a judge's question and verdict


def add_arguments(made: argparse.ArgumentParser) -> None:
    """The split."""
    made.add_argument(
        "--split",
        choices=get_args(Judged),
        default="val",
        help="rows to score; of the hidden ones nothing that needs a label (default: val)",
    )


def run(config: Config, arguments: argparse.Namespace) -> int:
    """Scores a run. Returns 0, or 3 when too many strict scores are missing."""
    split: Judged = arguments.split
    hidden = split == "hidden"
    asks = bool(llm_arms(config, split))
    with judging_server(config) if asks else nullcontext() as server:
        result = judge_run(config, server, split)
    worst = 0.0
    for arm, score in result.scores.arms.items():
        strict = score.decidable if hidden else score.strict
        rate = share(strict.rate, strict.low, strict.high)
        what = DECIDABLE if hidden else STRICT
        print(f"{arm}: {what} {rate} on {strict.n} rows, {strict.missing} missing")
        if not arm.startswith("logged/"):  # no model was asked about them
            worst = max(worst, strict.missing / max(1, strict.n + strict.missing))
    if hidden:
        _say_hidden(load_prompt(config.prompt, Path())[1], result)
    if worst > config.judge.max_missing:
        print(
            f"inconclusive: {worst:.0%} of an arm's strict scores are missing, more than "
            f"judge.max_missing = {config.judge.max_missing:g}; label the rows, or set judge.llm"
        )
        return 3
    return 0


def _say_hidden(rules: RuleFile, result: JudgeResult) -> None:
    """What the hidden scores leave out, and where the hidden rows are unlike val."""
    left_out = [due.id for due in rules.due_rules() if needs_label(due.rule)]
    if left_out:
        print(f"left out, they need labels: {', '.join(left_out)}")
    if result.judge is not None and not result.judge.calibrated:
        print(f"raw numbers: no calibration of {result.judge.model} holds for these rules")
    if result.drift is None:
        print("drift: not stated, val has not been judged by these rules")
        return
    far = [one for one in result.drift if one.low > 0 or one.high < 0]
    print(
        f"drift: {len(far)} of {len(result.drift)} measures differ from val beyond their 95 % "
        f"intervals; chance alone makes {0.05 * len(result.drift):.0f}"
    )
    for one in far:
        print(f"  {_drifted(one)}")


def _drifted(one: Drift) -> str:
    of = f"{one.arm}: " if one.arm else ""
    if one.what == "words":
        hidden, val = f"{one.hidden.value:.1f}", f"{one.val.value:.1f}"
        difference = f"{one.difference:+.1f} [{one.low:+.1f}, {one.high:+.1f}]"
    else:
        hidden, val = share(one.hidden.value), share(one.val.value)
        difference = points(one.difference, one.low, one.high)
    return f"{of}{one.what} {hidden} of {one.hidden.n}, val {val} of {one.val.n}: {difference}"


@contextmanager
def judging_server(config: Config) -> Iterator[ServerSettings | None]:
    """The judging server: one that the settings name, the embedded model, or none."""
    llm = config.judge.llm
    if llm == "none":
        yield None
    elif llm == "embedded":
        from engine.serve import served  # the only use of engine: to start that server

        log = Run.of(config).root / "judge" / "server.log"
        with served("embedded", EMBEDDED_LENGTH, log) as url:
            yield ServerSettings(base_url=url, model="embedded", api_key_env="")
    else:
        yield llm
