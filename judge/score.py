"""`python -m judge CONFIG score`: every arm's answers, rule by rule."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

from config.judging import JudgeSettings, ServerSettings
from config.load import validated
from config.schema import Config
from data.run_paths import RunPaths
from judge.checks.applicability import needs_label
from judge.format import format_difference, format_share
from judge.llm.budget import budget_of
from judge.llm.reply_source import AskPolicy
from judge.metrics.distribution_shift import distribution_shifts
from judge.metrics.verdict_table import LABEL_FREE, STRICT
from judge.records import DistributionShift, JudgeResult
from judge.run import JudgedSplit, judge_plan, judge_run, judged_side, llm_arms
from judge.summary.summarise import write_summary
from prompts.prompt_file import load_prompt

EMBEDDED_LENGTH = 8192  # tokens of a judge's question and verdict: all that the model can hold


def score_command(config: Config, arguments: argparse.Namespace) -> int:
    """Scores a run. Returns 0, or 3 when too many strict scores are missing."""
    config = _limited(config, arguments)
    split: JudgedSplit = arguments.split
    asks: AskPolicy = "missing" if arguments.retry_missing else "new"
    if arguments.reparse:
        asks = "none"
    if arguments.dry_run:
        return _plan(config, split, asks)
    result = _scored(config, split, asks)
    write_summary(config)
    return _report(config, split, result)


def _limited(config: Config, arguments: argparse.Namespace) -> Config:
    """The settings with the limits of the command line."""
    given = {"max_calls": arguments.max_calls, "max_cost": arguments.max_cost}
    changed = {name: value for name, value in given.items() if value is not None}
    judge = validated(JudgeSettings, config.judge.model_dump() | changed, "judge")
    budget_of(judge, stated_server(config))  # refused now, not after the embedded model's start
    return config.model_copy(update={"judge": judge})


def _plan(config: Config, split: JudgedSplit, asks: AskPolicy) -> int:
    server = _asked_server(config, split)
    if server is None or asks == "none":
        print("judge: 0 calls")
        return 0
    for line in judge_plan(config, server, split, asks).summary(server.price_per_million):
        print(line)
    return 0


def _scored(config: Config, split: JudgedSplit, asks: AskPolicy) -> JudgeResult:
    server = _asked_server(config, split)
    if server is not None and config.judge.llm == "embedded" and asks != "none":
        if judge_plan(config, server, split, asks).calls == 0:  # its start takes half a minute
            return judge_run(config, server, split, "none")
        with judging_server(config) as running:
            return judge_run(config, running, split, asks)
    return judge_run(config, server, split, asks)


def _asked_server(config: Config, split: JudgedSplit) -> ServerSettings | None:
    """The judging server where there is an arm to ask it about."""
    return stated_server(config) if llm_arms(config, split) else None


def _report(config: Config, split: JudgedSplit, result: JudgeResult) -> int:
    hidden = split == "hidden"
    worst = 0.0
    for arm, score in result.scores.arms.items():
        strict = score.label_free if hidden else score.strict
        rate = format_share(strict.rate, strict.low, strict.high)
        what = LABEL_FREE if hidden else STRICT
        print(f"{arm}: {what} {rate} on {strict.n} rows, {strict.missing} missing")
        if not arm.startswith("logged/"):  # no model was asked about them
            worst = max(worst, strict.missing / max(1, strict.n + strict.missing))
    note = result.judge
    if note is not None and note.coverage is not None:
        print(f"judge {note.model} ({note.mode}): {note.calls} calls; {note.coverage.summary}")
    if hidden:
        _say_hidden(config, result)
    if worst > config.judge.max_missing:
        print(
            f"inconclusive: {worst:.0%} of an arm's strict scores are missing, more than "
            f"judge.max_missing = {config.judge.max_missing:g}; label the rows, or set judge.llm"
        )
        return 3
    return 0


def _say_hidden(config: Config, result: JudgeResult) -> None:
    """What the hidden scores leave out, and where the hidden rows are unlike val."""
    _, rules = load_prompt(config.prompt, Path())
    left_out = [due.id for due in rules.scored_rules() if needs_label(due.rule)]
    if left_out:
        print(f"left out, they need labels: {', '.join(left_out)}")
    if result.judge is not None and not result.judge.calibrated:
        print(f"raw numbers: no calibration of {result.judge.model} holds for these rules")
    at = RunPaths.of(config)
    val, hidden = (judged_side(at, split, rules) for split in get_args(JudgedSplit))
    if val is None or hidden is None:
        print("drift: not stated, val has not been judged by these rules")
        return
    drift = list(distribution_shifts(val, hidden))
    far = [one for one in drift if one.low > 0 or one.high < 0]
    print(
        f"drift: {len(far)} of {len(drift)} measures differ from val beyond their 95 % "
        f"intervals; chance alone makes {0.05 * len(drift):.0f}"
    )
    for one in far:
        print(f"  {_drifted(one)}")


def _drifted(one: DistributionShift) -> str:
    of = f"{one.arm}: " if one.arm else ""
    if one.what == "words":
        hidden, val = f"{one.hidden.value:.1f}", f"{one.val.value:.1f}"
        difference = f"{one.difference:+.1f} [{one.low:+.1f}, {one.high:+.1f}]"
    else:
        hidden, val = format_share(one.hidden.value), format_share(one.val.value)
        difference = format_difference(one.difference, one.low, one.high)
    return f"{of}{one.what} {hidden} of {one.hidden.n}, val {val} of {one.val.n}: {difference}"


def stated_server(config: Config) -> ServerSettings | None:
    """The judging server as the settings name it; it need not run. None: no model judges."""
    llm = config.judge.llm
    if llm == "none":
        return None
    if llm == "embedded":
        # ours, and on a processor: a long prompt behind seven others takes its time
        return ServerSettings(base_url="", model="embedded", api_key_env="", timeout_s=600.0)
    return llm


@contextmanager
def judging_server(config: Config) -> Iterator[ServerSettings | None]:
    """The judging server, running: one that the settings name, the embedded model, or none."""
    server = stated_server(config)
    if server is None or config.judge.llm != "embedded":
        yield server
        return
    from engine.vllm_server import vllm_server  # the only use of engine: to start that server

    log = RunPaths.of(config).root / "judge" / "server.log"
    with vllm_server("embedded", EMBEDDED_LENGTH, log) as url:
        yield server.model_copy(update={"base_url": url})
