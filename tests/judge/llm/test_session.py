"""Several samples of a verdict: who wins, what is a tie, what is asked."""

import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from config.judging import JudgeSettings
from judge.llm.reask import Ruling
from judge.llm.session import majority
from tests.judge.factories import llm_check, make_answer, make_row, make_rule, make_rules
from tests.judge.llm.judge_factory import after_probe, judged, outcomes, pairs_of
from tests.judge.llm.server import Sent, user, verdict

MISSING = Ruling(None, "malformed")
SAMPLES = (Ruling("pass"), Ruling("fail"), MISSING)


@pytest.mark.parametrize("count", [1, 3, 5])
def test_majority_against_its_definition(count: int) -> None:
    """Every combination: missing unless more than half decided; a draw is a tie."""
    for samples in itertools.product(SAMPLES, repeat=count):
        passes, fails = samples.count(SAMPLES[0]), samples.count(SAMPLES[1])
        ruling = majority(samples)
        if passes + fails <= count / 2:
            assert (ruling.verdict, ruling.reason) == (None, "malformed")
        elif passes == fails:
            assert (ruling.verdict, ruling.reason) == (None, "tie")
        else:
            assert ruling.verdict == ("pass" if passes > fails else "fail")


def test_too_few_take_the_most_frequent_reason() -> None:
    cut = Ruling(None, "truncated")
    assert majority([MISSING, cut, cut]).reason == "truncated"
    assert majority([Ruling("pass"), MISSING, cut]).reason == "malformed"


def test_samples_of_the_settings() -> None:
    assert JudgeSettings().samples_of(must=True) == 1
    warm = JudgeSettings(temperature=0.5)
    assert (warm.samples_of(must=True), warm.samples_of(must=False)) == (3, 1)
    assert JudgeSettings(temperature=0.5, samples=1).samples_of(must=True) == 1
    with pytest.raises(ValidationError, match="samples 4 is even"):
        JudgeSettings(samples=4)


def test_each_sample_is_a_request_of_its_own_seed(tmp_path: Path) -> None:
    words = {0: "pass", 1: "fail", 2: "fail"}
    respond = after_probe(lambda body: verdict(words[body["seed"]]))
    verdicts, sent, _ = judged(respond, tmp_path, pairs_of(4), temperature=0.7)
    assert outcomes(verdicts) == [("fail", None)] * 4 and verdicts[0].note.startswith("2 of 3")
    assert Counter(body["seed"] for body in sent) == {0: 4, 1: 4, 2: 4}
    assert {body["temperature"] for body in sent} == {0.7}
    five, sent, _ = judged(respond, tmp_path, pairs_of(4), temperature=0.7, samples=1)
    assert outcomes(five) == [("pass", None)] * 4 and sent == []  # the seed is part of the key


def test_a_greedy_verdict_names_no_seed(tmp_path: Path) -> None:
    _, sent, _ = judged(after_probe(lambda body: verdict()), tmp_path, pairs_of(1))
    assert "seed" not in sent[0] and sent[0]["temperature"] == 0


def test_a_tie_is_missing_and_is_not_asked_again(tmp_path: Path) -> None:
    def respond(body: dict[str, Any]) -> Sent:
        return verdict(("pass", "fail", "cannot_judge")[body["seed"]])

    for asks in ("new", "missing"):
        verdicts, sent, _ = judged(
            after_probe(respond),
            tmp_path,
            pairs_of(2),
            asks=asks,
            temperature=1.0,
        )
        assert outcomes(verdicts) == [("missing", "tie")] * 2
        assert len(sent) == (6 if asks == "new" else 0)


def test_when_due_is_never_sampled(tmp_path: Path) -> None:
    """Denominators are not drawn by lot: stage A is asked once, greedily."""
    due = make_rule(llm_check(), applies={"llm": "Is it off topic?"})
    pairs = [(make_row("r0"), make_answer("да", "r0"))]
    respond = after_probe(lambda b: verdict("pass" if "[begin answer" in user(b) else "yes"))
    _, sent, _ = judged(respond, tmp_path, pairs, make_rules(due), temperature=1.0)
    stage_a = [body for body in sent if "[begin answer" not in user(body)]
    assert [body["temperature"] for body in stage_a] == [0] and len(sent) == 4
