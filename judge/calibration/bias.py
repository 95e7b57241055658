"""Biases of the judge that no gold is needed to see: length, position, its own caprice.

Each probe asks the model about the same thing twice; without a judging server it is not run. A rule
is asked about alone both times, whatever `judge.rules_per_call`: its company must change nothing.
"""

from collections.abc import Sequence
from typing import NamedTuple

from data.records import Record, digest
from data.rows import Row, question_key
from judge.calibration.mutation.case import Pairs, russian, with_sentence
from judge.calibration.mutation.llm import NO_SERVER
from judge.checks.check import normalised_answer
from judge.labels import Preference
from judge.llm.judge import LlmJudge
from judge.llm.prompt import JudgePrompt, pair_prompt, verdict_prompt
from judge.metrics.agreement import prefers_longer
from judge.metrics.interval import Interval
from judge.metrics.stats import rate
from judge.verdict import Verdict
from prompts.check_settings import LlmCheck
from prompts.rules import RuleFile

CASES = 30  # verdicts per probe at most
REPEATS = 5  # asks of one question for self-agreement …
TEMPERATURE = 0.7  # … at this temperature

_PADDING = {
    True: (
        "Надеемся, что эти сведения окажутся для вас полезными.",
        "Мы стараемся отвечать на вопросы как можно понятнее.",
        "Если что-то осталось неясным, к ответу всегда можно вернуться и прочитать его ещё раз.",
    ),
    False: (
        "We hope that you will find this useful.",
        "We do our best to answer questions as clearly as we can.",
        "If anything is still unclear, you can always come back to this answer and read it again.",
    ),
}


class BiasRate(Record):
    """How often what should not matter did."""

    n: int = 0  # comparisons of which both sides are decided
    count: int = 0  # of them, those of which the probe's name is true
    rate: Interval | None = None
    missing: int = 0  # comparisons with a side undecided
    not_run: str | None = None


class BiasReport(Record):
    """All probes. Lengths in characters; answers of one length take no part."""

    people_prefer_longer: BiasRate  # labelled pairs whose preferred answer is the longer one
    judge_prefers_longer: BiasRate  # the same of the pairs on which the judge keeps its choice
    judge_agrees_with_people: BiasRate  # … and where it chooses as people did
    position_flips: BiasRate  # pairs on which the judge chooses a place, not an answer
    padding_flips: BiasRate  # verdicts that change when neutral sentences are added
    padding_helps: BiasRate  # of the fails, those that become a pass by it
    repeat_flips: (
        BiasRate  # questions whose repeated verdicts at a temperature are not all the same
    )


class Judging(NamedTuple):
    """What the probes ask about."""

    rules: RuleFile
    pairs: Pairs
    verdicts: Sequence[Verdict]  # of the model, on the logged answers
    judge: LlmJudge


class PreferencePair(NamedTuple):
    """A labelled pair: the answer that people preferred, and the other one."""

    row: Row
    better: str
    worse: str


class _Verdict(NamedTuple):
    """A decided verdict of an llm rule on a logged answer."""

    question: JudgePrompt
    padded: JudgePrompt
    cluster: str


def probe(
    preferences: Sequence[Preference], rows: Sequence[Row], judging: Judging | None
) -> BiasReport:
    """All probes; those of the model are not run where `judging` is None."""
    by_id = {row.id: row for row in rows}
    duels = [_preference_pair(by_id[one.row], one) for one in preferences]
    people = _longer([(one, True) for one in duels])
    if judging is None:
        no = BiasRate(not_run=NO_SERVER)
        return BiasReport(
            people_prefer_longer=people,
            judge_prefers_longer=no,
            judge_agrees_with_people=no,
            position_flips=no,
            padding_flips=no,
            padding_helps=no,
            repeat_flips=no,
        )
    chosen, positions = _choices(duels, judging.judge)
    verdicts = _verdicts(judging)
    flips, helps = _padding(verdicts, judging.judge)
    return BiasReport(
        people_prefer_longer=people,
        judge_prefers_longer=_longer(chosen),
        judge_agrees_with_people=bias_rate(
            [better for _, better in chosen], [question_key(one.row) for one, _ in chosen]
        ),
        position_flips=positions,
        padding_flips=flips,
        padding_helps=helps,
        repeat_flips=_repeats(verdicts, judging.judge),
    )


def _preference_pair(row: Row, preference: Preference) -> PreferencePair:
    return PreferencePair(row, row.answers[preference.better], row.answers[preference.worse])


def bias_rate(values: Sequence[bool], clusters: Sequence[str], missing: int = 0) -> BiasRate:
    """The rate of True among decided comparisons, clustered by question."""
    interval = rate(values, clusters)
    return BiasRate(n=len(values), count=sum(values), rate=interval, missing=missing)


def _longer(chosen: Sequence[tuple[PreferencePair, bool]]) -> BiasRate:
    """Of pairs with the choice (True: people's), how often it fell on the longer answer."""
    lengths = [
        (len(pair.better), len(pair.worse)) if better else (len(pair.worse), len(pair.better))
        for pair, better in chosen
    ]
    share = prefers_longer(lengths, [question_key(pair.row) for pair, _ in chosen])
    longest = [mine > other for mine, other in lengths if mine != other]
    return BiasRate(n=len(longest), count=sum(longest), rate=share)


def _choices(
    duels: Sequence[PreferencePair], judge: LlmJudge
) -> tuple[list[tuple[PreferencePair, bool]], BiasRate]:
    """The pairs on which the judge keeps its choice in both orders, and the flips."""
    language = judge.language
    there = judge.rulings([pair_prompt(row, one, two, language) for row, one, two in duels])
    back = judge.rulings([pair_prompt(row, two, one, language) for row, one, two in duels])
    decided = [
        (pair, one.verdict == "first", two.verdict == "second")
        for pair, one, two in zip(duels, there, back, strict=True)
        if one.verdict is not None and two.verdict is not None
    ]
    flips = bias_rate(
        [one != two for _, one, two in decided],
        [question_key(pair.row) for pair, _, _ in decided],
        len(duels) - len(decided),
    )
    return [(pair, one) for pair, one, two in decided if one == two], flips


def _verdicts(judging: Judging) -> list[_Verdict]:
    """Up to CASES decided verdicts of llm rules, in no order of the logs."""
    rules = {rule.id: rule for rule in judging.rules.rules if isinstance(rule.check, LlmCheck)}
    answers = {(row.id, answer.arm): (row, answer) for row, answer in judging.pairs}
    decided = [
        one
        for one in judging.verdicts
        if one.rule in rules
        and one.outcome in ("pass", "fail")
        and answers[one.row, one.arm][1].usable
    ]
    decided.sort(key=lambda one: digest([one.row, one.arm, one.rule]))
    found = []
    for one in decided[:CASES]:
        row, answer = answers[one.row, one.arm]
        said = normalised_answer(answer.text, judging.rules.normalise)
        asked = [
            verdict_prompt(rules[one.rule], row, text, judging.rules.language)
            for text in (said, padded(said))
        ]
        found.append(_Verdict(asked[0], asked[1], question_key(row)))
    return found


def padded(answer: str) -> str:
    """The answer, longer by sentences in its language that say nothing."""
    for sentence in _PADDING[russian(answer)]:
        answer = with_sentence(answer, sentence)
    return answer


def _padding(verdicts: Sequence[_Verdict], judge: LlmJudge) -> tuple[BiasRate, BiasRate]:
    before = judge.rulings([one.question for one in verdicts])
    after = judge.rulings([one.padded for one in verdicts])
    pairs = [
        (was.verdict == "pass", now.verdict == "pass", one.cluster)
        for one, was, now in zip(verdicts, before, after, strict=True)
        if was.verdict is not None and now.verdict is not None
    ]
    missing = len(verdicts) - len(pairs)
    flips = bias_rate([was != now for was, now, _ in pairs], [one for *_, one in pairs], missing)
    fails = [(now, cluster) for was, now, cluster in pairs if not was]
    return flips, bias_rate([now for now, _ in fails], [one for _, one in fails])


def _repeats(verdicts: Sequence[_Verdict], judge: LlmJudge) -> BiasRate:
    rulings = judge.repeats([one.question for one in verdicts], TEMPERATURE, REPEATS)
    values, clusters = [], []
    for one, repeats in zip(verdicts, rulings, strict=True):
        said = {ruling.verdict for ruling in repeats}
        if None not in said:
            values.append(len(said) > 1)
            clusters.append(one.cluster)
    return bias_rate(values, clusters, len(verdicts) - len(values))
