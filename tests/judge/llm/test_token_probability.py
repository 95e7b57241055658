"""Verdicts from token probabilities: where the verdict stands, which word is more probable."""

from math import log
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from config.errors import SetupError
from config.judging import JudgeSettings
from judge.calibration.record import judge_fingerprint
from judge.llm.token_probability import pass_probability
from tests.judge.factories import PROMPT, llm_check, make_rule, make_rules
from tests.judge.llm.judge_factory import POLITE, judge_at, judged, outcomes, pairs_of
from tests.judge.llm.rule_server import holding
from tests.judge.llm.server import Sent, error, is_probe, output_mode, serving, user, verdict
from tests.judge.llm.token_server import scored_reply, scored_verdict
from wire.completion import TokenLogprobs
from wire.token_logprobs import read_with_tokens

SURE = {" pass": 0.9, " fail": 0.1}


def tokens_of(*tokens: tuple[str, dict[str, float]]) -> list[TokenLogprobs]:
    return [
        TokenLogprobs(text, tuple((name, log(p)) for name, p in top.items()))
        for text, top in tokens
    ]


class TestPosition:
    @pytest.mark.parametrize(
        ("tokens", "probability"),
        [
            ([("VERDICT:", {}), (" pass", {" pass": 0.6, " fail": 0.2})], 0.75),
            ([('"', {}), ("pass", {"pass": 0.6, "fail": 0.2}), ('"}', {})], 0.75),
            # a capital, a space, a quote, and only the beginning of the word
            ([(" p", {" p": 0.3, "Pass": 0.2, '"pass': 0.1, " f": 0.2}), ("ass", {})], 0.75),
            ([(" **", {}), ("pass", {"pass": 0.6, "fail": 0.2}), ("**", {}), ("</s>", {})], 0.75),
            # what could be either, and other words, are neither
            ([(" pass", {" pass": 0.6, " cannot": 0.1, " ": 0.1, " fail": 0.2})], 0.75),
            # the last of several
            ([("pass", {"pass": 0.1, "fail": 0.9}), (" ", {}), ("pass", {"pass": 1.0})], 1.0),
        ],
    )
    def test_found(self, tokens: list[tuple[str, dict[str, float]]], probability: float) -> None:
        assert pass_probability("pass", tokens_of(*tokens)) == pytest.approx(probability)

    def test_a_word_that_is_not_listed_is_at_most_as_probable_as_the_least(self) -> None:
        """Of five tokens the least has 0.01, and 0.04 are not listed: fail has at most 0.01."""
        top = {"pass": 0.9, "P": 0.02, "x": 0.02, "y": 0.01, "z": 0.01}
        (token,) = tokens_of(("pass", top))
        assert pass_probability("pass", [token]) == pytest.approx(0.92 / 0.93)
        (alone,) = tokens_of(("pass", {"pass": 0.8}))
        assert pass_probability("pass", [alone]) == pytest.approx(0.8)

    @pytest.mark.parametrize(
        "tokens",
        [
            [],
            [("VERDICT:", {}), (" pass", {})],  # no probabilities there
            [("pass", {"pass": 1.0}), (", but", {})],  # text behind it
            [("bypass", {"bypass": 1.0})],  # within a word
            [("cannot_judge", {"cannot_judge": 0.5, "pass": 0.5})],
        ],
    )
    def test_not_found(self, tokens: list[tuple[str, dict[str, float]]]) -> None:
        assert pass_probability("pass", tokens_of(*tokens)) is None
        assert pass_probability("cannot_judge", tokens_of(*tokens)) is None


@pytest.mark.parametrize("mode", ["json_schema", "structured_outputs", "json_object", "plain"])
def test_in_every_mode_of_output(tmp_path: Path, mode: str) -> None:
    def respond(body: dict[str, Any]) -> Sent:
        if output_mode(body) != mode:
            return error(400, "unsupported")
        return scored_verdict(body, {" pass": 0.3, " fail": 0.7})

    verdicts, sent, judge = judged(respond, tmp_path, pairs_of(3), token_probabilities=True)
    assert judge.mode == mode and outcomes(verdicts) == [("fail", None)] * 3
    assert [v.probability for v in verdicts] == pytest.approx([0.3] * 3)
    assert all((body["logprobs"], body["top_logprobs"]) == (True, 5) for body in sent)
    again, bodies, _ = judged(respond, tmp_path, pairs_of(3), asks="none", token_probabilities=True)
    assert again == verdicts and bodies == []  # the tokens are stored


def test_the_more_probable_word_is_the_verdict(tmp_path: Path) -> None:
    """The sampled token is pass, but the spellings of fail have more weight together."""
    top = {" pass": 0.4, " fail": 0.3, " Fail": 0.2, " cannot": 0.1}
    respond = holding("plain", lambda body: scored_verdict(body, top))

    def probed(body: dict[str, Any]) -> Sent:
        return scored_verdict(body, SURE) if is_probe(body) else respond(body)

    (flipped,), _, _ = judged(probed, tmp_path, pairs_of(1), token_probabilities=True)
    assert flipped.outcome == "fail" and flipped.probability == pytest.approx(4 / 9)


def test_cannot_judge_stays(tmp_path: Path) -> None:
    top = {" cannot_judge": 0.6, " pass": 0.4}

    def respond(body: dict[str, Any]) -> Sent:
        return scored_verdict(body, SURE if is_probe(body) else top)

    (undecided,), _, _ = judged(respond, tmp_path, pairs_of(1), token_probabilities=True)
    assert (undecided.reason, undecided.probability) == ("cannot_judge", None)


def test_only_verdicts_have_a_probability(tmp_path: Path) -> None:
    """Whether a rule applies is asked without tokens; a converse verdict is the other side."""
    rules = make_rules(make_rule(llm_check(), id="it", applies={"llm": "Is it?"}, converse=True))

    def respond(body: dict[str, Any]) -> Sent:
        about_answer = "[begin answer" in user(body)
        assert ("logprobs" in body) == about_answer
        return scored_verdict(body, SURE) if about_answer else verdict("no")

    verdicts, _, _ = judged(respond, tmp_path, pairs_of(1), rules, token_probabilities=True)
    (converse,) = [v for v in verdicts if v.outcome != "not_applicable"]
    assert converse.outcome == "fail" and converse.probability == pytest.approx(0.1)


class TestServersWithout:
    def test_one_that_ignores_the_wish(self, tmp_path: Path) -> None:
        """Refused by the first reply: no verdict is paid for."""
        line = r"^judge\.llm: .*model m gives no log-probabilities.*token_probabilities: false"
        with serving(lambda body: verdict()) as served:
            with pytest.raises(SetupError, match=line) as refused:
                judge_at(served.url, tmp_path, token_probabilities=True).verdicts(pairs_of(3))
            assert len(served.bodies) == 1 and is_probe(served.bodies[0])
            assert "\n" not in str(refused.value)

    def test_one_that_refuses_the_field(self, tmp_path: Path) -> None:
        refuse = error(400, "Unsupported parameter: 'logprobs' is not supported with this model.")
        line = r"is not supported with this model: it gives none; switch off judge\.token_prob"
        with serving(lambda body: refuse if "logprobs" in body else verdict()) as served:
            with pytest.raises(SetupError, match=line):
                judge_at(served.url, tmp_path, token_probabilities=True).verdicts(pairs_of(3))
            assert len(served.bodies) == 1

    def test_a_mode_found_without_tokens_proves_nothing(self, tmp_path: Path) -> None:
        with serving(lambda body: verdict()) as served:
            judge_at(served.url, tmp_path).verdicts(pairs_of(1))
            with pytest.raises(SetupError, match="gives no log-probabilities"):
                judge_at(served.url, tmp_path, token_probabilities=True).verdicts(pairs_of(1))

    def test_a_single_reply_without_them_keeps_its_word(self, tmp_path: Path) -> None:
        def respond(body: dict[str, Any]) -> Sent:
            return scored_verdict(body, SURE) if is_probe(body) else verdict("fail")

        (plain,), _, _ = judged(respond, tmp_path, pairs_of(1), token_probabilities=True)
        assert (plain.outcome, plain.probability) == ("fail", None)


def test_off_changes_no_request(tmp_path: Path) -> None:
    (by_word,), (body,), judge = judged(
        lambda body: scored_verdict(body, SURE), tmp_path, pairs_of(1)
    )
    assert by_word.probability is None and not {"logprobs", "top_logprobs"} & set(body)
    assert not judge_fingerprint(POLITE, PROMPT, judge).token_probabilities


def test_what_cannot_be_combined() -> None:
    for settings in ({"rules_per_call": 2}, {"samples": 3}, {"temperature": 0.7}):
        with pytest.raises(ValidationError, match="set rules_per_call: 1 and samples: 1"):
            JudgeSettings.model_validate({"token_probabilities": True, **settings})
    assert JudgeSettings(token_probabilities=True, temperature=0.7, samples=1)


def test_the_plan_knows_that_tokens_are_asked_for(tmp_path: Path) -> None:
    judge = judge_at("http://127.0.0.1:9/v1", tmp_path, token_probabilities=True)
    assert judge.plan(pairs_of(2)).stages == {"probe": 1, "verdict": 2}


class TestReading:
    def test_the_last_tokens(self) -> None:
        reply = scored_reply([(f" {n}", {f" {n}": 0.5, "x": 0.25}) for n in range(40)])
        tokens = read_with_tokens(reply.payload()).tokens
        assert len(tokens) == 32 and tokens[-1].token == " 39"
        assert dict(tokens[-1].top) == pytest.approx({" 39": log(0.5), "x": log(0.25)})

    @pytest.mark.parametrize("logprobs", ["null", "{}", '{"content": null}', '{"tokens": ["a"]}'])
    def test_other_forms_are_none(self, logprobs: str) -> None:
        choice = f'{{"message": {{"content": "a"}}, "logprobs": {logprobs}}}'
        reply = read_with_tokens(f'{{"choices": [{choice}]}}'.encode())
        assert (reply.text, reply.tokens) == ("a", ())
