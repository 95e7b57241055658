"""`python -m judge CONFIG score`: every arm's answers, rule by rule."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from config.schema import Config, ServerSettings
from data.run import Run
from judge.judging import judge_run

ABOUT = "score the answers of every arm by the rules; 3 when too many verdicts are missing"
EMBEDDED_LENGTH = 2048  # tokens of a judge's question and verdict


def add_arguments(made: argparse.ArgumentParser) -> None:
    """Nothing beside what every action takes."""


def run(config: Config, arguments: argparse.Namespace) -> int:
    """Scores a run. Returns 0, or 3 when too many strict scores are missing."""
    with judging_server(config) as server:
        scores = judge_run(config, server).scores
    worst = 0.0
    for arm, score in scores.arms.items():
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
