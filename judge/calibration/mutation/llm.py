"""Mutation tests of the rules that a language model decides.

A rule's own `fail` examples are the broken answers where the rule file gives some; each is then
kept from the judge that is asked about it. Elsewhere the judging server rewrites answers that pass
until the rule's description of a fail is true of them, so a model that cannot write a breach
lowers the sensitivity as one that cannot see it does.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from data.records import digest
from data.rows import Row, question_key
from judge.calibration.mutation.case import Pairs, retyped
from judge.calibration.mutation.code import Caught, MutationScore
from judge.checks.check import normalised_answer
from judge.llm.fence import fenced_parts
from judge.llm.judge import LlmJudge
from judge.llm.prompt import verdict_prompt
from judge.llm.reask import Ruling
from judge.llm.request import Body
from judge.llm.templates import render
from judge.metrics.stats import rate
from judge.verdict import Verdict
from prompts.check_settings import LlmCheck
from prompts.rules import Rule, RuleFile

CASES = 10  # answers per rule that the model passed, at most
NO_SERVER = "no judging server"
NO_VERDICT = "no verdict came on a broken answer or a copy"
_ROOM = 512  # tokens of a rewritten answer


class _Broken(NamedTuple):
    """An answer that breaks a rule, and the rule as the judge may see it."""

    row: Row
    text: str
    rule: Rule


def llm_mutation_scores(
    rules: RuleFile,
    pairs: Pairs,
    verdicts: Sequence[Verdict],
    judge: LlmJudge | None,
) -> list[MutationScore]:
    """A score per llm rule; the answers that it is broken in are those that the model passed."""
    scores = []
    for rule in rules.rules:
        demand = rule.check
        if not isinstance(demand, LlmCheck):
            continue
        blank = MutationScore(rule=rule.id, check="llm", must=rule.severity == "must")
        passed = _passed(rule, rules, pairs, verdicts)
        if judge is None:
            scores.append(blank.model_copy(update={"not_covered": NO_SERVER}))
        elif not passed:
            reason = "the model passed no logged answer"
            scores.append(blank.model_copy(update={"not_covered": reason}))
        else:
            scores.append(_score(blank, (rule, demand), passed, judge))
    return scores


def _passed(
    rule: Rule, rules: RuleFile, pairs: Pairs, verdicts: Sequence[Verdict]
) -> list[tuple[Row, str]]:
    """Rows and normalised answers that the model passed, in no order of the logs."""
    passes = {(v.row, v.arm) for v in verdicts if v.rule == rule.id and v.outcome == "pass"}
    found = [pair for pair in pairs if (pair[0].id, pair[1].arm) in passes]
    found.sort(key=lambda pair: digest([pair[0].id, pair[1].arm]))
    return [(row, normalised_answer(a.text, rules.normalise)) for row, a in found][:CASES]


def _score(
    blank: MutationScore,
    judged: tuple[Rule, LlmCheck],
    passed: Sequence[tuple[Row, str]],
    judge: LlmJudge,
) -> MutationScore:
    rule, demand = judged
    examples = list(_examples(rule, demand, [row for row, _ in passed]))
    way = "its own example of a fail" if examples else "rewritten to break it"
    broken = examples or list(_rewritten(rule, passed, judge))
    copied = [(row, text, retyped("llm", text).strip()) for row, text in passed]
    copies = [_Broken(row, copy, rule) for row, text, copy in copied if copy != text]
    failed = [(one, ruling) for one, ruling in _judged(broken, judge) if ruling.verdict]
    kept = [(one, ruling) for one, ruling in _judged(copies, judge) if ruling.verdict]
    caught = [ruling.verdict == "fail" for _, ruling in failed]
    sensitivity = rate(caught, [question_key(one.row) for one, _ in failed])
    found = Caught(n=len(caught), caught=sum(caught), sensitivity=sensitivity)
    passes = [ruling.verdict == "pass" for _, ruling in kept]
    specificity = rate(passes, [question_key(one.row) for one, _ in kept])
    if not caught and not kept:
        return blank.model_copy(update={"not_covered": NO_VERDICT})
    return blank.model_copy(
        update={"ways": {way: found}, "copies": len(kept), "specificity": specificity}
    )


def _judged(broken: Sequence[_Broken], judge: LlmJudge) -> list[tuple[_Broken, Ruling]]:
    """The rulings, each rule asked about alone whatever `judge.rules_per_call`.

    One without a verdict says nothing of sensitivity and is left out by callers.
    """
    language = judge.language
    asked = [verdict_prompt(one.rule, one.row, one.text, language) for one in broken]
    rulings = judge.rulings(asked)
    return list(zip(broken, rulings, strict=True))


def _examples(rule: Rule, demand: LlmCheck, rows: Sequence[Row]) -> Iterator[_Broken]:
    fails = [example for example in demand.examples if example.verdict == "fail"]
    for example, row in zip(fails, rows, strict=False):
        others = tuple(one for one in demand.examples if one != example)
        check = demand.model_copy(update={"examples": others})
        yield _Broken(row, example.answer, rule.model_copy(update={"check": check}))


def _rewritten(rule: Rule, passed: Sequence[tuple[Row, str]], judge: LlmJudge) -> Iterator[_Broken]:
    replies = judge.replies([_rewrite_body(rule, text, judge) for _, text in passed])
    for (row, text), reply in zip(passed, replies, strict=True):
        said = reply.text.strip() if reply and reply.finish == "stop" else ""
        if said and said != text:
            yield _Broken(row, said, rule)


def _rewrite_body(rule: Rule, text: str, judge: LlmJudge) -> Body:
    (answer,) = fenced_parts({"answer": text})
    demand = render(judge.language, "rewrite", rule=rule)
    return {
        "model": judge.model,
        "messages": [{"role": "user", "content": f"{answer.fenced()}\n\n{demand}"}],
        "temperature": 0,
        "max_tokens": _ROOM,
    }
