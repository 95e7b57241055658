"""Biases of the model, against servers with one known bias each."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from judge.calibration.bias import BIAS_REPEATS, BiasReport, bias_report, judge_pairs, padded
from judge.calibration.mutation.llm import NO_JUDGING_SERVER
from judge.labels import Preference
from tests.judge.calibration.mutation.test_llm import answer_in
from tests.judge.factories import llm_check, make_answer, make_row, make_rule, make_rules
from tests.judge.llm.judge_factory import after_probe, judge_at
from tests.judge.llm.server import Sent, serving, user, verdict

RULES = make_rules(make_rule(llm_check(), id="polite"))
N = 12
# In two pairs of three people preferred the longer answer; r11's two are of one length.
ROWS = [
    make_row(
        f"r{n}",
        answers={"saiga": f"Да, {n}." * (3 if n < 11 else 1), "giga": f"Да, {n}."},
    )
    for n in range(N)
]
PREFERENCES = [
    Preference(row=row.id, better="giga", worse="saiga")
    if n % 3 == 0
    else Preference(row=row.id, better="saiga", worse="giga")
    for n, row in enumerate(ROWS)
]
Respond = Callable[[dict[str, Any]], Sent]


def is_pair(body: dict[str, Any]) -> bool:
    return "begin first" in user(body)


def part(turn: str, name: str) -> str:
    opening = turn.index(f"[begin {name} ")
    start = turn.index("\n", opening) + 1
    return turn[start : turn.index(f"\n[end {name} ", start)]


def probed(respond: Respond, path: Path) -> tuple[BiasReport, list[dict[str, Any]]]:
    pairs = [(row, make_answer(f"Да. Конечно, {row.id}.", row.id)) for row in ROWS]
    with serving(after_probe(respond)) as served:
        judge = judge_at(served.url, path, RULES)
        verdicts = judge.verdicts(pairs)
        choices = judge_pairs(PREFERENCES, ROWS, judge)
        return bias_report(choices, RULES, pairs, verdicts, judge), served.bodies


def by_length(body: dict[str, Any]) -> Sent:
    """Prefers the longer answer, and passes the long ones."""
    if is_pair(body):
        first, second = part(user(body), "first"), part(user(body), "second")
        return verdict("first" if len(first) >= len(second) else "second")
    return verdict("pass" if len(answer_in(user(body))) > 60 else "fail")


def test_people_need_no_server() -> None:
    report = bias_report(judge_pairs(PREFERENCES, ROWS, None), RULES, [], [], None)
    people = report.people_prefer_longer
    assert (people.n, people.count, people.not_run) == (11, 7, None)
    assert people.rate and people.rate.low < 7 / 11 < people.rate.high
    left = [rate for name, rate in report if name != "people_prefer_longer"]
    assert [rate.not_run for rate in left] == [NO_JUDGING_SERVER] * 6
    assert all(rate.rate is None for rate in left)  # not measured is not zero


def test_a_judge_that_likes_length(tmp_path: Path) -> None:
    report, _ = probed(by_length, tmp_path)
    assert (report.judge_prefers_longer.count, report.judge_prefers_longer.n) == (11, 11)
    assert (report.judge_agrees_with_people.count, report.judge_agrees_with_people.n) == (7, 11)
    # The pair of equal length has no stable choice.
    assert (report.position_flips.count, report.position_flips.n) == (1, N)
    assert (report.padding_flips.count, report.padding_flips.n) == (N, N)
    assert (report.padding_helps.count, report.padding_helps.n) == (N, N)
    assert (report.repeat_flips.count, report.repeat_flips.n) == (0, N)


@pytest.mark.parametrize("place", ["first", "second"])
def test_a_judge_that_likes_a_place(tmp_path: Path, place: str) -> None:
    report, bodies = probed(lambda body: verdict(place if is_pair(body) else "pass"), tmp_path)
    assert (report.position_flips.count, report.position_flips.n) == (N, N)
    assert report.judge_agrees_with_people.n == 0  # it never kept to an answer
    assert report.padding_flips.count == 0
    pairs = [user(body) for body in bodies if is_pair(body)]
    orders = {(part(turn, "first"), part(turn, "second")) for turn in pairs}
    assert {(b, a) for a, b in orders} == orders  # every pair in both orders


def test_a_moody_judge(tmp_path: Path) -> None:
    """A verdict that hangs on the seed: five equal ones of five come up once in sixteen."""

    def moody(body: dict[str, Any]) -> Sent:
        if is_pair(body):
            return verdict("cannot_judge")
        text = json.dumps([body.get("seed"), user(body)])
        return verdict(random.Random(text).choice(["pass", "fail"]))

    report, bodies = probed(moody, tmp_path)
    assert report.repeat_flips.n == N
    assert report.repeat_flips.count >= N - 3
    repeats = [body for body in bodies if body.get("temperature")]
    assert len(repeats) == N * BIAS_REPEATS
    assert {body["seed"] for body in repeats} == set(range(BIAS_REPEATS))
    assert (report.position_flips.n, report.position_flips.missing) == (0, N)
    assert report.position_flips.rate is None


def test_a_missing_verdict_is_neither_flip_nor_constancy(tmp_path: Path) -> None:
    def silent(body: dict[str, Any]) -> Sent:
        if is_pair(body):
            return verdict("first")
        return verdict("cannot_judge" if body.get("seed") == 1 else "pass")

    report, _ = probed(silent, tmp_path)
    assert (report.repeat_flips.n, report.repeat_flips.missing) == (0, N)


def test_padding_is_in_the_answers_language_and_keeps_its_ends() -> None:
    english, russian = padded("Yes. It is. Anything else?"), padded("Да. Вот так. Что-то ещё?")
    assert english.startswith("Yes. It is. ") and english.endswith(" Anything else?")
    assert russian.startswith("Да. Вот так. ") and russian.endswith(" Что-то ещё?")
    assert "We hope" in english and "Надеемся" in russian
    assert len(english) > 150 and not any(sign.isdigit() for sign in english + russian)
