"""Reasoning models as judges: the settings change every request, and with it its identity."""

from pathlib import Path
from typing import Any

import pytest

from config.errors import SetupError
from config.judging import JudgeSettings, ServerSettings
from judge.calibration.record import judge_fingerprint
from judge.llm.judge import LlmJudge
from judge.verdict import Verdict
from tests.judge.factories import PROMPT
from tests.judge.llm.judge_factory import POLITE, QUICK, after_probe, outcomes, pairs_of
from tests.judge.llm.server import Body, Respond, Sent, error, serving, verdict

REASONING: dict[str, Any] = {
    "max_tokens_field": "max_completion_tokens",
    "extra_body": {"temperature": None, "reasoning_effort": "low"},
}


def reasoning_model(body: Body) -> Sent:
    """Refuses what OpenAI's reasoning models refuse, in their words."""
    if "max_tokens" in body:
        words = "Unsupported parameter: 'max_tokens' is not supported with this model."
        return error(400, f"{words} Use 'max_completion_tokens' instead.")
    if "temperature" in body:
        return error(400, "Unsupported value: 'temperature' does not support 0 with this model.")
    return verdict()


def run(
    respond: Respond, path: Path, changes: dict[str, Any], **settings: Any
) -> tuple[list[Verdict], list[Body], LlmJudge]:
    with serving(respond) as served:
        server = ServerSettings(base_url=served.url, model="m", **changes)
        judge = LlmJudge(
            server, JudgeSettings(**settings), POLITE, PROMPT, path / "calls.jsonl", QUICK
        )
        return judge.verdicts(pairs_of(2)), served.bodies, judge


def test_a_reasoning_model_judges(tmp_path: Path) -> None:
    """Step by step, as the error lines say; each refusal costs one request."""
    steps: list[dict[str, Any]] = [{}, {"max_tokens_field": "max_completion_tokens"}]
    for changes, line in zip(steps, ("max_tokens_field", "temperature: null"), strict=True):
        with pytest.raises(SetupError, match=line):
            run(reasoning_model, tmp_path, changes)
    verdicts, bodies, _ = run(reasoning_model, tmp_path, REASONING, max_tokens=4000)
    assert outcomes(verdicts) == [("pass", None)] * 2 and len(bodies) == 3
    assert [body["max_completion_tokens"] for body in bodies] == [4000] * 3
    assert {body["reasoning_effort"] for body in bodies} == {"low"}


def test_a_cut_reply_gets_twice_the_tokens_under_the_name_of_the_setting(tmp_path: Path) -> None:
    def respond(body: Body) -> Sent:
        return Sent("x", finish="length") if body["max_completion_tokens"] == 600 else verdict()

    _, bodies, _ = run(after_probe(respond), tmp_path, REASONING, max_tokens=600)
    limits = [body["max_completion_tokens"] for body in bodies]
    assert sorted(limits) == [600, 600, 600, 1200, 1200], "the probe, two verdicts, each again"


def test_other_fields_ask_anew(tmp_path: Path) -> None:
    """Another thinking switch is another judge: its replies, its mode and its calibration."""
    off = {"extra_body": {"chat_template_kwargs": {"enable_thinking": False}}}
    on = {"extra_body": {"chat_template_kwargs": {"enable_thinking": True}}}
    counts, judges = [], []
    for changes in (off, on, off, {}):
        _, bodies, judge = run(lambda body: verdict(), tmp_path, changes)
        counts.append(len(bodies))
        judges.append(judge_fingerprint(POLITE, PROMPT, judge))
    assert counts == [3, 3, 0, 3]
    assert judges[0] == judges[2] and len({str(judge) for judge in judges}) == 3
