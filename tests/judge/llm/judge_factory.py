"""One run of the judge against a server that a test makes up."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from config.judging import JudgeSettings, ServerSettings
from data.answers import Answer
from data.rows import Row
from judge.llm.judge import LlmJudge
from judge.llm.reply_source import AskPolicy
from judge.verdict import Verdict
from prompts.rules import RuleFile
from tests.judge.factories import PROMPT, llm_check, make_answer, make_row, make_rule, make_rules
from tests.judge.llm.server import Respond, Sent, is_probe, serving, verdict
from wire.client import RetryPolicy

POLITE = make_rules(make_rule(llm_check(), id="polite"))
QUICK = RetryPolicy(attempts=6, first_wait_s=0.002, longest_wait_s=0.02)

Pairs = list[tuple[Row, Answer]]


def pairs_of(count: int, text: str = "Да, пожалуйста.") -> Pairs:
    return [(make_row(f"r{n}"), make_answer(text, f"r{n}")) for n in range(count)]


def judge_at(url: str, path: Path, rules: RuleFile = POLITE, **settings: Any) -> LlmJudge:
    server = ServerSettings(base_url=url, model="m", timeout_s=2.0, api_key_env="JUDGE_TEST_KEY")
    return LlmJudge(server, JudgeSettings(**settings), rules, PROMPT, path / "calls.jsonl", QUICK)


def judged(
    respond: Respond,
    path: Path,
    pairs: Pairs,
    rules: RuleFile = POLITE,
    asks: AskPolicy = "new",
    **settings: Any,
) -> tuple[list[Verdict], list[dict[str, Any]], LlmJudge]:
    """Verdicts, the requests that were sent (the probe's aside), the judge."""
    with serving(respond) as served:
        judge = judge_at(served.url, path, rules, **settings)
        verdicts = judge.verdicts(pairs, asks)
        return verdicts, [body for body in served.bodies if not is_probe(body)], judge


def after_probe(respond: Callable[[dict[str, Any]], Sent]) -> Respond:
    return lambda body: verdict() if is_probe(body) else respond(body)


def outcomes(verdicts: list[Verdict]) -> list[tuple[str, str | None]]:
    return [(verdict.outcome, verdict.reason) for verdict in verdicts]
