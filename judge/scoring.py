"""`python -m judge CONFIG score`: every arm's answers, rule by rule."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from config.load import validated
from config.schema import Config, JudgeSettings, ServerSettings
from data.run import Run
from judge.asking import Asks
from judge.judging import judge_plan, judge_run
from judge.result import JudgeResult
from judge.transport import limits_of

ABOUT = "score the answers of every arm by the rules; 3 when too many verdicts are missing"
EMBEDDED_LENGTH = 2048  # tokens of a judge's question and verdict


def add_arguments(made: argparse.ArgumentParser) -> None:
    """Adds what is asked of the language model, and how much of it."""
    asks = made.add_mutually_exclusive_group()
    asks.add_argument(
        "--reparse",
        action="store_true",
        help="ask nothing: read the stored replies again; no server is needed",
    )
    asks.add_argument(
        "--retry-missing",
        action="store_true",
        help="also ask again what was answered and has no verdict all the same",
    )
    made.add_argument("--max-calls", type=int, metavar="N", help="as judge.max_calls=N")
    made.add_argument("--max-cost", type=float, metavar="X", help="as judge.max_cost=X")
    made.add_argument(
        "--dry-run", action="store_true", help="print calls, tokens and cost; ask nothing"
    )


def run(config: Config, arguments: argparse.Namespace) -> int:
    """Scores a run. Returns 0, or 3 when too many strict scores are missing."""
    config = _limited(config, arguments)
    asks: Asks = "missing" if arguments.retry_missing else "new"
    if arguments.reparse:
        asks = "none"
    if arguments.dry_run:
        return _plan(config, asks)
    return _report(config, _scored(config, asks))


def _limited(config: Config, arguments: argparse.Namespace) -> Config:
    """The settings with the limits of the command line."""
    given = {"max_calls": arguments.max_calls, "max_cost": arguments.max_cost}
    changed = {name: value for name, value in given.items() if value is not None}
    judge = validated(JudgeSettings, config.judge.model_dump() | changed, "judge")
    limits_of(judge, stated_server(config))  # refused now, not after the embedded model's start
    return config.model_copy(update={"judge": judge})


def _plan(config: Config, asks: Asks) -> int:
    server = stated_server(config)
    if server is None or asks == "none":
        print("judge: 0 calls")
        return 0
    for line in judge_plan(config, server, asks).lines(server.price_per_million):
        print(line)
    return 0


def _scored(config: Config, asks: Asks) -> JudgeResult:
    server = stated_server(config)
    if server is not None and config.judge.llm == "embedded" and asks != "none":
        if judge_plan(config, server, asks).calls == 0:  # its server takes half a minute to start
            return judge_run(config, server, "none")
        with judging_server(config) as running:
            return judge_run(config, running, asks)
    return judge_run(config, server, asks)


def _report(config: Config, result: JudgeResult) -> int:
    worst = 0.0
    for arm, score in result.scores.arms.items():
        strict = score.strict
        rate = "undecided" if strict.rate is None else f"{strict.rate:.1%}"
        print(f"{arm}: strict {rate} on {strict.n} rows, {strict.missing} missing")
        worst = max(worst, strict.missing / max(1, strict.n + strict.missing))
    if worst > config.judge.max_missing:
        print(
            f"inconclusive: {worst:.0%} of an arm's strict scores are missing, more than "
            f"judge.max_missing = {config.judge.max_missing:g}; label the rows, or set judge.llm"
        )
        return 3
    return 0


def stated_server(config: Config) -> ServerSettings | None:
    """The judging server as the settings name it; it need not run. None: no model judges."""
    llm = config.judge.llm
    if llm == "none":
        return None
    if llm == "embedded":
        return ServerSettings(base_url="", model="embedded", api_key_env="")
    return llm


@contextmanager
def judging_server(config: Config) -> Iterator[ServerSettings | None]:
    """The judging server, running: one that the settings name, the embedded model, or none."""
    server = stated_server(config)
    if server is None or config.judge.llm != "embedded":
        yield server
        return
    from engine.serve import served  # the only use of engine: to start that server

    log = Run.of(config).root / "judge" / "server.log"
    with served("embedded", EMBEDDED_LENGTH, log) as url:
        yield server.model_copy(update={"base_url": url})
