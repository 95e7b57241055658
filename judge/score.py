"""`unprompted judge CONFIG score`: scores every arm's answers rule by rule."""

import argparse
from pathlib import Path

from config.console import print
from config.errors import UnpromptedError
from config.judging import JudgeSettings, ServerSettings
from config.load import validated
from config.schema import Config
from config.vllm_package import NO_VLLM
from judge.checks.applicability import needs_label
from judge.inputs import JudgedSplit, llm_arms
from judge.judging_server import configured_server, judging_server, lacks_embedded_judge
from judge.llm.reply_source import AskPolicy, check_budget
from judge.metrics.interval import format_difference, format_share
from judge.records import DistributionShift, JudgeResult
from judge.run import judge_plan, judge_run
from judge.summary.records import JudgeSummary
from judge.summary.summarise import write_summary
from prompts.prompt_file import load_prompt


class NoVerdicts(UnpromptedError):
    """The model was asked and gave no verdict at all."""

    exit_code = 3  # inconclusive


def score_command(config: Config, arguments: argparse.Namespace) -> int:
    """Scores a run. Returns 0, or 3 when too many strict scores are missing.

    Raises NoVerdicts, once all is written, when the model was asked and gave no verdict at all.
    """
    config = _with_budget(config, arguments)
    split: JudgedSplit = arguments.split
    asks: AskPolicy = "missing" if arguments.retry_missing else "new"
    if arguments.reparse:
        asks = "none"
    # Without an arm to judge, no server is needed.
    server = configured_server(config) if llm_arms(config, split) else None
    if lacks_embedded_judge(config):
        server = None
        print(f"judge.llm = embedded: {NO_VLLM}, which serves it; only rules in code are judged")
    if arguments.dry_run:
        lines = ["judge: 0 calls"]
        if server is not None and asks != "none":
            lines = judge_plan(config, server, split, asks).summary()
        print("\n".join(lines))
        return 0
    result = _score(config, server, split, asks)
    summary = write_summary(config)
    if split == "hidden":
        _print_hidden(config, result, summary)
    code = _print_result(config, split, result)
    _print_reasons(result)
    _check_verdicts(result)
    return code


def _with_budget(config: Config, arguments: argparse.Namespace) -> Config:
    options = {"max_calls": arguments.max_calls, "max_cost": arguments.max_cost}
    changes = {name: value for name, value in options.items() if value is not None}
    judge = validated(JudgeSettings, config.judge.model_dump() | changes, "judge")
    check_budget(judge, configured_server(config))  # fails before the embedded model is started
    return config.model_copy(update={"judge": judge})


def _score(
    config: Config, server: ServerSettings | None, split: JudgedSplit, asks: AskPolicy
) -> JudgeResult:
    if server is not None and config.judge.llm == "embedded" and asks != "none":
        if judge_plan(config, server, split, asks).calls == 0:  # its start takes half a minute
            return judge_run(config, server, split, "none")
        with judging_server(config) as running:
            return judge_run(config, running, split, asks)
    return judge_run(config, server, split, asks)


def _print_result(config: Config, split: JudgedSplit, result: JudgeResult) -> int:
    name, most_missing = result.scores.headline, 0.0
    if split == "hidden":
        name = result.scores.headline_label_free
    for arm, scores in result.scores.arms.items():
        strict = scores.of(name)
        rate = format_share(strict.rate, strict.low, strict.high)
        print(f"{arm}: {name} {rate} on {strict.n} rows, {strict.missing} missing")
        if not arm.startswith("logged/"):  # the model does not judge logged answers
            most_missing = max(most_missing, strict.missing / max(1, strict.n + strict.missing))
    choice = result.scores.choice
    for sentence in (result.scores.not_stated(name), *(choice.sentences if choice else ())):
        if sentence is not None:
            print(sentence)
    _print_judge(result)
    if most_missing > config.judge.max_missing:
        print(
            f"inconclusive: {most_missing:.0%} of an arm's strict scores are missing, more than "
            f"judge.max_missing = {config.judge.max_missing:g}; label the rows, or set judge.llm"
        )
        return 3
    return 0


def _print_judge(result: JudgeResult) -> None:
    note = result.judge
    if note is None or note.coverage is None:
        return
    print(f"judge {note.model} ({note.mode}): {note.calls} calls; {note.coverage.summary}")
    if result.between_judges is not None:
        print(result.between_judges.of_models(note.model, note.second))


def _print_reasons(result: JudgeResult) -> None:
    """The reasons not to serve the best student, a line each."""
    if result.serving is not None:
        for reason in result.serving.reasons:
            against = f"do not serve {result.serving.student}: {reason.finding}"
            print(f"warning: {against}; what would help: {reason.remedy}")


def _check_verdicts(result: JudgeResult) -> None:
    coverage = result.judge.coverage if result.judge is not None else None
    if coverage is None or not coverage.is_lost:
        return
    reason = next(iter(coverage.missing))
    example = f": {' '.join(coverage.example.split())}" if coverage.example else ""
    raise NoVerdicts(
        f"judge.llm: none of {coverage.expected} verdicts came, mostly by reason {reason}{example}"
        "; fix that and run `unprompted judge CONFIG score --retry-missing`"
    )


def _print_hidden(config: Config, result: JudgeResult, summary: JudgeSummary) -> None:
    """What the hidden scores leave out, and how the hidden rows differ from val."""
    _, rules = load_prompt(config.prompt, Path())
    label_rules = [scored.id for scored in rules.scored_rules() if needs_label(scored.rule)]
    if label_rules:
        print(f"left out, they need labels: {', '.join(label_rules)}")
    if result.judge is not None and not result.judge.calibrated:
        print(f"raw numbers: no calibration of {result.judge.model} holds for these rules")
    hidden = summary.hidden
    if hidden is None or hidden.shifts is None:
        print("drift: not measured, val has not been judged by these rules")
        return
    strict = [arm.shift for arm in hidden.arms.values() if arm.shift is not None]
    shifts = [*strict, *hidden.shifts]
    significant = [shift for shift in shifts if shift.significant]
    print(
        f"drift: {len(significant)} of {len(shifts)} measures differ from val beyond their 95 % "
        f"intervals; {0.05 * len(shifts):.0f} would by chance alone"
    )
    for shift in significant:
        print(f"  {_shift_line(shift)}")


def _shift_line(shift: DistributionShift) -> str:
    prefix = f"{shift.arm}: " if shift.arm else ""
    if shift.what == "words":
        hidden, val = f"{shift.hidden.value:.1f}", f"{shift.val.value:.1f}"
        difference = f"{shift.difference:+.1f} [{shift.low:+.1f}, {shift.high:+.1f}]"
    else:
        hidden, val = format_share(shift.hidden.value), format_share(shift.val.value)
        difference = format_difference(shift.difference, shift.low, shift.high)
    return (
        f"{prefix}{shift.what} {hidden} of {shift.hidden.n}, val {val} of {shift.val.n}: "
        f"{difference}"
    )
