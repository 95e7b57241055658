"""Biases of the judge that can be measured without gold labels: length, position, instability.

Each is measured by asking the model the same thing twice, so all but one need a judging server.
Rules are asked about alone, whatever `judge.rules_per_call`: other rules must not matter.
"""

from collections.abc import Sequence
from typing import NamedTuple

from data.records import Record, digest
from data.rows import Row, question_key
from judge.calibration.mutation.case import LoggedPairs, insert_sentence, is_russian
from judge.calibration.mutation.llm import NO_JUDGING_SERVER
from judge.checks.check import normalised_answer
from judge.labels import Preference
from judge.llm.judge import LlmJudge
from judge.llm.prompt import JudgePrompt, pair_prompt, verdict_prompt
from judge.metrics.interval import Interval
from judge.metrics.stats import rate
from judge.verdict import Verdict
from prompts.check_settings import LlmCheck
from prompts.rules import RuleFile

BIAS_CASES = 30  # verdicts that are asked about again, at most
BIAS_REPEATS = 5  # requests per verdict for self-consistency …
REPEAT_TEMPERATURE = 0.7  # … at this temperature

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
    """How often a bias shows, among decided comparisons."""

    n: int = 0  # comparisons of which both sides are decided
    count: int = 0  # comparisons for which the name of the rate is true
    rate: Interval | None = None  # clustered by question
    missing: int = 0  # comparisons with an undecided side
    not_run: str | None = None  # why nothing was measured


class BiasReport(Record):
    """All biases. Lengths are in characters; pairs of equal length are left out."""

    people_prefer_longer: BiasRate  # labelled pairs whose preferred answer is the longer one
    judge_prefers_longer: BiasRate  # the same for the judge, where its choice is stable
    judge_agrees_with_people: BiasRate  # stable choices that are the choice of people
    position_flips: BiasRate  # pairs whose choice changes with the order of the answers
    padding_flips: BiasRate  # verdicts that change when neutral sentences are added
    padding_helps: BiasRate  # fails that become a pass when they are added
    repeat_flips: BiasRate  # questions whose verdicts at a temperature are not all equal


class JudgedPair(NamedTuple):
    """A labelled pair, and whether the judge prefers the answer that people preferred."""

    row: Row
    preference: Preference
    shown_first: bool | None = None  # that answer stood first; None: undecided, or not asked
    shown_second: bool | None = None

    @property
    def better(self) -> str:
        """The answer that people preferred."""
        return self.row.answers[self.preference.better]

    @property
    def worse(self) -> str:
        """The other one."""
        return self.row.answers[self.preference.worse]


class _VerdictCase(NamedTuple):
    """A decided verdict of an llm rule on a logged answer, as questions to the judge."""

    row: Row
    prompt: JudgePrompt
    padded: JudgePrompt


def judge_pairs(
    preferences: Sequence[Preference], rows: Sequence[Row], judge: LlmJudge | None
) -> list[JudgedPair]:
    """The labelled pairs, each judged in both orders if there is a judge."""
    by_id = {row.id: row for row in rows}
    pairs = [JudgedPair(by_id[preference.row], preference) for preference in preferences]
    if judge is None:
        return pairs
    language = judge.language
    forward = judge.rulings([pair_prompt(p.row, p.better, p.worse, language) for p in pairs])
    backward = judge.rulings([pair_prompt(p.row, p.worse, p.better, language) for p in pairs])
    return [
        pair._replace(
            shown_first=None if first.verdict is None else first.verdict == "first",
            shown_second=None if second.verdict is None else second.verdict == "second",
        )
        for pair, first, second in zip(pairs, forward, backward, strict=True)
    ]


def bias_report(
    judged_pairs: Sequence[JudgedPair],
    rules: RuleFile,
    pairs: LoggedPairs,
    verdicts: Sequence[Verdict],
    judge: LlmJudge | None,
) -> BiasReport:
    """All biases; without a judge only the length bias of people, which needs no model.

    `verdicts` are of the model on the logged answers, `pairs`.
    """
    people = _prefers_longer([(pair, True) for pair in judged_pairs])
    if judge is None:
        rates = dict.fromkeys(BiasReport.model_fields, BiasRate(not_run=NO_JUDGING_SERVER))
        return BiasReport(**{**rates, "people_prefer_longer": people})
    choices, position_flips = _stable_choices(judged_pairs)
    cases = _verdict_cases(rules, pairs, verdicts)
    padding_flips, padding_helps = _padding(cases, judge)
    return BiasReport(
        people_prefer_longer=people,
        judge_prefers_longer=_prefers_longer(choices),
        judge_agrees_with_people=_bias_rate([(better, pair.row) for pair, better in choices]),
        position_flips=position_flips,
        padding_flips=padding_flips,
        padding_helps=padding_helps,
        repeat_flips=_repeats(cases, judge),
    )


def _bias_rate(values: Sequence[tuple[bool, Row]], missing: int = 0) -> BiasRate:
    shown = [value for value, _ in values]
    interval = rate(shown, [question_key(row) for _, row in values])
    return BiasRate(n=len(shown), count=sum(shown), rate=interval, missing=missing)


def _prefers_longer(choices: Sequence[tuple[JudgedPair, bool]]) -> BiasRate:
    """How often the longer answer is chosen; the choice is whether it is the better one."""
    return _bias_rate(
        [
            ((len(pair.better) > len(pair.worse)) == better, pair.row)
            for pair, better in choices
            if len(pair.better) != len(pair.worse)
        ]
    )


def _stable_choices(
    pairs: Sequence[JudgedPair],
) -> tuple[list[tuple[JudgedPair, bool]], BiasRate]:
    """The choices that are equal in both orders of the answers, and the rate of the others.

    A choice is whether the judge prefers the answer that people preferred.
    """
    decided = [
        (pair, pair.shown_first, pair.shown_second)
        for pair in pairs
        if pair.shown_first is not None and pair.shown_second is not None
    ]
    flips = [(first != second, pair.row) for pair, first, second in decided]
    stable = [(pair, first) for pair, first, second in decided if first == second]
    return stable, _bias_rate(flips, len(pairs) - len(decided))


def _verdict_cases(
    rules: RuleFile, pairs: LoggedPairs, verdicts: Sequence[Verdict]
) -> list[_VerdictCase]:
    """Up to BIAS_CASES decided verdicts of llm rules, in order of a hash."""
    llm_rules = {rule.id: rule for rule in rules.rules if isinstance(rule.check, LlmCheck)}
    answers = {(row.id, answer.arm): (row, answer) for row, answer in pairs}
    decided = [
        verdict
        for verdict in verdicts
        if verdict.rule in llm_rules
        and verdict.outcome in ("pass", "fail")
        and answers[verdict.row, verdict.arm][1].usable
    ]
    decided.sort(key=lambda verdict: digest([verdict.row, verdict.arm, verdict.rule]))
    cases = []
    for verdict in decided[:BIAS_CASES]:
        row, answer = answers[verdict.row, verdict.arm]
        text = normalised_answer(answer.text, rules.normalise)
        prompt, with_padding = (
            verdict_prompt(llm_rules[verdict.rule], row, version, rules.language)
            for version in (text, padded(text))
        )
        cases.append(_VerdictCase(row, prompt, with_padding))
    return cases


def padded(answer: str) -> str:
    """The answer with neutral sentences in its language inserted."""
    for sentence in _PADDING[is_russian(answer)]:
        answer = insert_sentence(answer, sentence)
    return answer


def _padding(cases: Sequence[_VerdictCase], judge: LlmJudge) -> tuple[BiasRate, BiasRate]:
    before = judge.rulings([case.prompt for case in cases])
    after = judge.rulings([case.padded for case in cases])
    decided = [
        (plain.verdict == "pass", with_padding.verdict == "pass", case.row)
        for case, plain, with_padding in zip(cases, before, after, strict=True)
        if plain.verdict is not None and with_padding.verdict is not None
    ]
    flips = [(plain != with_padding, row) for plain, with_padding, row in decided]
    helped = [(with_padding, row) for plain, with_padding, row in decided if not plain]
    return _bias_rate(flips, len(cases) - len(decided)), _bias_rate(helped)


def _repeats(cases: Sequence[_VerdictCase], judge: LlmJudge) -> BiasRate:
    rulings = judge.repeats([case.prompt for case in cases], REPEAT_TEMPERATURE, BIAS_REPEATS)
    verdicts = [{ruling.verdict for ruling in repeats} for repeats in rulings]
    flips = [
        (len(different) > 1, case.row)
        for case, different in zip(cases, verdicts, strict=True)
        if None not in different
    ]
    return _bias_rate(flips, len(cases) - len(flips))
