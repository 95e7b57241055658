"""Changed replies of a judging and a teaching server: one row may suffer, none is lost."""

import json
import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.generation import SamplingSettings
from data.answers import read_answers
from engine.batch_job import Task, run_job
from judge.llm.judge import LlmJudge
from judge.verdict import Verdict
from tests.engine.echo_model import reply_to, respond
from tests.engine.openai_engine_factory import engine_at, questions
from tests.fuzz.changed_replies import OddServer, answered, odd_replies, odd_server, one_odd
from tests.fuzz.endings import attempt, fuzzed
from tests.judge.llm.judge_factory import judge_at, pairs_of
from tests.judge.llm.server import Body, Sent, is_probe, verdict
from tests.judge.llm.token_server import scored_verdict

ROWS = 3
ODD_ROW = "r1"
SETTINGS: tuple[dict[str, Any], ...] = ({}, {}, {"samples": 3}, {"token_probabilities": True})
GOOD = json.loads(verdict("pass").payload())
GOOD["choices"][0]["message"]["reasoning_content"] = "It is polite."
TOP = {" pass": 0.9, " fail": 0.1}
BODY = {"logprobs": True, "response_format": {"type": "json_schema"}}
SCORED = json.loads(scored_verdict(BODY, TOP).raw)


@pytest.fixture(scope="module")
def server() -> Iterator[OddServer]:
    with odd_server() as running:
        yield running


def good(body: Body) -> Sent:
    return verdict() if is_probe(body) else answered(GOOD)


def scored(body: Body) -> Sent:
    return scored_verdict(body, TOP)


def judged(judge: LlmJudge, asks: Any = "new") -> list[Verdict]:
    return judge.verdicts(pairs_of(ROWS), asks)


@fuzzed(60, long_run=2500)
@given(settings=st.sampled_from(SETTINGS), data=st.data())
def test_judge(
    server: OddServer,
    tmp_path_factory: pytest.TempPathFactory,
    settings: dict[str, Any],
    data: st.DataObject,
) -> None:
    """Every row has one verdict, decided or missing with a reason; the others pass.

    What is stored gives the same verdicts again without a server.
    """
    folder = tmp_path_factory.mktemp("judge")
    has_tokens = settings.get("token_probabilities", False)
    odd = data.draw(odd_replies(SCORED if has_tokens else GOOD))
    server.respond = one_odd(f"Question {ODD_ROW}?", odd, scored if has_tokens else good)
    judge = judge_at(server.url, folder, **settings)
    verdicts = attempt("judge", partial(judged, judge), "judge.llm")
    if verdicts is None:
        return
    again = judged(judge_at("http://127.0.0.1:9/v1", folder, **settings), "none")
    assert [entry.row for entry in verdicts] == [f"r{number}" for number in range(ROWS)]
    for entry, stored in zip(verdicts, again, strict=True):
        assert (entry.outcome == "missing") == (entry.reason is not None)
        assert entry.row == ODD_ROW or entry.outcome == "pass"
        assert Verdict.model_validate_json(entry.model_dump_json()) == entry
        assert entry.reason == "transport" or entry.outcome == stored.outcome
    usage = judge.usage
    assert 0 <= usage.prompt_tokens < 10**9 and 0 <= usage.completion_tokens < 10**9
    assert usage.cost is None or (math.isfinite(usage.cost) and usage.cost >= 0)


@fuzzed(60, long_run=2500)
@given(by_ids=st.booleans(), data=st.data())
def test_teacher(
    server: OddServer, tmp_path_factory: pytest.TempPathFactory, by_ids: bool, data: st.DataObject
) -> None:
    """Every request has one stored answer, or one line says what to do; a rerun gets the rest."""
    path = tmp_path_factory.mktemp("teacher") / "teacher.jsonl"
    sampling = SamplingSettings(max_tokens=40, logprobs=2 if by_ids else None)
    requests = questions(ROWS, sampling)
    tasks = [Task("teacher", f"r{at}", 0, request) for at, request in enumerate(requests)]
    engine = partial(engine_at, server.url, concurrency=1, same_tokenizer=by_ids)
    body = engine()._codec.body(requests[1])
    odd = data.draw(odd_replies(json.loads(json.dumps(reply_to(body)))))
    server.respond = one_odd("Question number 1?", odd, respond)
    ending = attempt("teacher", lambda: run_job(engine(), tasks, path, {}), "teacher.engine")
    first = read_answers(path)
    assert ending is None or len(first) == ROWS
    server.respond = respond
    run_job(engine(), tasks, path, {})
    answers = read_answers(path)
    assert [answer.row for answer in answers] == ["r0", "r1", "r2"]
    assert [answer for answer in first if answer.text and answer not in answers] == []
