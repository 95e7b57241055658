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
from judge.metrics.agreement import prefers_longer
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


class BiasInputs(NamedTuple):
    """The judge and its verdicts that the biases are measured on."""

    rules: RuleFile
    pairs: LoggedPairs
    verdicts: Sequence[Verdict]  # of the model, on the logged answers
    judge: LlmJudge


class _PreferencePair(NamedTuple):
    """A labelled pair: the answer that people preferred, and the other one."""

    row: Row
    better: str
    worse: str


class _Choice(NamedTuple):
    """A preference pair, and whether the choice is the preferred answer of people."""

    pair: _PreferencePair
    better: bool


class _VerdictCase(NamedTuple):
    """A decided verdict of an llm rule on a logged answer, as questions to the judge."""

    question: JudgePrompt
    padded: JudgePrompt
    cluster: str


def bias_report(
    preferences: Sequence[Preference], rows: Sequence[Row], inputs: BiasInputs | None
) -> BiasReport:
    """All biases; without `inputs` only the length bias of people, which needs no model."""
    by_id = {row.id: row for row in rows}
    pairs = [
        _PreferencePair(
            row := by_id[label.row], row.answers[label.better], row.answers[label.worse]
        )
        for label in preferences
    ]
    people = _longer([_Choice(pair, better=True) for pair in pairs])
    if inputs is None:
        not_run = BiasRate(not_run=NO_JUDGING_SERVER)
        others = dict.fromkeys(BiasReport.model_fields, not_run)
        return BiasReport(**{**others, "people_prefer_longer": people})
    choices, position_flips = _stable_choices(pairs, inputs.judge)
    cases = _verdict_cases(inputs)
    padding_flips, padding_helps = _padding(cases, inputs.judge)
    return BiasReport(
        people_prefer_longer=people,
        judge_prefers_longer=_longer(choices),
        judge_agrees_with_people=_bias_rate(
            [choice.better for choice in choices],
            [question_key(choice.pair.row) for choice in choices],
        ),
        position_flips=position_flips,
        padding_flips=padding_flips,
        padding_helps=padding_helps,
        repeat_flips=_repeats(cases, inputs.judge),
    )


def _bias_rate(values: Sequence[bool], clusters: Sequence[str], missing: int = 0) -> BiasRate:
    interval = rate(values, clusters)
    return BiasRate(n=len(values), count=sum(values), rate=interval, missing=missing)


def _longer(choices: Sequence[_Choice]) -> BiasRate:
    """How often the choice is the longer answer."""
    lengths = [
        (len(pair.better), len(pair.worse)) if better else (len(pair.worse), len(pair.better))
        for pair, better in choices
    ]
    interval = prefers_longer(lengths, [question_key(choice.pair.row) for choice in choices])
    longer = [chosen > other for chosen, other in lengths if chosen != other]
    return BiasRate(n=len(longer), count=sum(longer), rate=interval)


def _stable_choices(
    pairs: Sequence[_PreferencePair], judge: LlmJudge
) -> tuple[list[_Choice], BiasRate]:
    """The choices that are equal in both orders of the answers, and the rate of the others."""
    language = judge.language
    forward = judge.rulings([pair_prompt(row, a, b, language) for row, a, b in pairs])
    backward = judge.rulings([pair_prompt(row, b, a, language) for row, a, b in pairs])
    decided = [
        (pair, first.verdict == "first", second.verdict == "second")
        for pair, first, second in zip(pairs, forward, backward, strict=True)
        if first.verdict is not None and second.verdict is not None
    ]
    flips = _bias_rate(
        [first != second for _, first, second in decided],
        [question_key(pair.row) for pair, _, _ in decided],
        len(pairs) - len(decided),
    )
    return [_Choice(pair, first) for pair, first, second in decided if first == second], flips


def _verdict_cases(inputs: BiasInputs) -> list[_VerdictCase]:
    """Up to BIAS_CASES decided verdicts of llm rules, in order of a hash."""
    rules = {rule.id: rule for rule in inputs.rules.rules if isinstance(rule.check, LlmCheck)}
    answers = {(row.id, answer.arm): (row, answer) for row, answer in inputs.pairs}
    decided = [
        verdict
        for verdict in inputs.verdicts
        if verdict.rule in rules
        and verdict.outcome in ("pass", "fail")
        and answers[verdict.row, verdict.arm][1].usable
    ]
    decided.sort(key=lambda verdict: digest([verdict.row, verdict.arm, verdict.rule]))
    cases = []
    for verdict in decided[:BIAS_CASES]:
        row, answer = answers[verdict.row, verdict.arm]
        text = normalised_answer(answer.text, inputs.rules.normalise)
        rule, language = rules[verdict.rule], inputs.rules.language
        question = verdict_prompt(rule, row, text, language)
        with_padding = verdict_prompt(rule, row, padded(text), language)
        cases.append(_VerdictCase(question, with_padding, question_key(row)))
    return cases


def padded(answer: str) -> str:
    """The answer with neutral sentences in its language inserted."""
    for sentence in _PADDING[is_russian(answer)]:
        answer = insert_sentence(answer, sentence)
    return answer


def _padding(cases: Sequence[_VerdictCase], judge: LlmJudge) -> tuple[BiasRate, BiasRate]:
    before = judge.rulings([case.question for case in cases])
    after = judge.rulings([case.padded for case in cases])
    decided = [
        (plain.verdict == "pass", with_padding.verdict == "pass", case.cluster)
        for case, plain, with_padding in zip(cases, before, after, strict=True)
        if plain.verdict is not None and with_padding.verdict is not None
    ]
    flips = _bias_rate(
        [plain != with_padding for plain, with_padding, _ in decided],
        [cluster for *_, cluster in decided],
        len(cases) - len(decided),
    )
    fails = [(passes, cluster) for plain, passes, cluster in decided if not plain]
    return flips, _bias_rate([passes for passes, _ in fails], [cluster for _, cluster in fails])


def _repeats(cases: Sequence[_VerdictCase], judge: LlmJudge) -> BiasRate:
    rulings = judge.repeats([case.question for case in cases], REPEAT_TEMPERATURE, BIAS_REPEATS)
    flips, clusters = [], []
    for case, repeats in zip(cases, rulings, strict=True):
        verdicts = {ruling.verdict for ruling in repeats}
        if None not in verdicts:
            flips.append(len(verdicts) > 1)
            clusters.append(case.cluster)
    return _bias_rate(flips, clusters, len(cases) - len(flips))
