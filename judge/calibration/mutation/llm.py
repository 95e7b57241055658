"""Mutation tests of the rules that a language model decides.

The mutants are the `fail` examples of the rule, each hidden from the judge while it is asked about
that example. For a rule without such examples the judging server rewrites passing answers until its
description of a fail is true of them. Sensitivity is then low also where the model cannot write a
violation.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from data.records import digest
from data.rows import Row, question_key
from judge.calibration.mutation.case import LoggedPairs, retype
from judge.calibration.mutation.code import MutationScore, OperatorKills
from judge.checks.check import normalised_answer
from judge.llm.fence import fenced_parts
from judge.llm.judge import LlmJudge
from judge.llm.prompt import verdict_prompt
from judge.llm.request import Body
from judge.llm.templates import render
from judge.metrics.interval import Interval
from judge.metrics.stats import rate
from judge.verdict import Verdict
from prompts.check_settings import LlmCheck
from prompts.reasoning import cut_reasoning
from prompts.rules import Rule, RuleFile

LLM_MUTATION_CASES = 10  # answers per rule that the model passed, at most
NO_JUDGING_SERVER = "no judging server"
_REWRITE_TOKENS = 512


class _Mutant(NamedTuple):
    """An answer, and the rule as the judge may see it."""

    row: Row
    text: str
    rule: Rule


def llm_mutation_scores(
    rules: RuleFile, pairs: LoggedPairs, verdicts: Sequence[Verdict], judge: LlmJudge | None
) -> list[MutationScore]:
    """A score per llm rule, from the logged answers that the model passed."""
    ordered = sorted(pairs, key=lambda pair: digest([pair[0].id, pair[1].arm]))
    scores = []
    for rule in rules.rules:
        if isinstance(rule.check, LlmCheck):
            passes = {(v.row, v.arm) for v in verdicts if v.rule == rule.id and v.outcome == "pass"}
            passed = [
                (row, normalised_answer(answer.text, rules.normalise))
                for row, answer in ordered
                if (row.id, answer.arm) in passes
            ][:LLM_MUTATION_CASES]
            measured = _measured(rule, rule.check, passed, judge)
            must = rule.severity == "must"
            scores.append(MutationScore(rule=rule.id, check="llm", must=must, **measured))
    return scores


def _measured(
    rule: Rule, demand: LlmCheck, passed: Sequence[tuple[Row, str]], judge: LlmJudge | None
) -> dict[str, Any]:
    if judge is None:
        return {"not_covered": NO_JUDGING_SERVER}
    if not passed:
        return {"not_covered": "the model passed no logged answer"}
    examples = _examples(rule, demand, [row for row, _ in passed])
    operator = "fail examples of the rule" if examples else "rewritten to break the rule"
    copies = [
        _Mutant(row, copy, rule)
        for row, text in passed
        if (copy := retype("llm", text).strip()) != text
    ]
    killed, sensitivity = _share_of("fail", examples or _rewritten(rule, passed, judge), judge)
    copies_pass, specificity = _share_of("pass", copies, judge)
    if not killed and not copies_pass:
        return {"not_covered": "no verdict came on a mutant or a copy"}
    kills = OperatorKills(mutants=len(killed), killed=sum(killed), sensitivity=sensitivity)
    return {"operators": {operator: kills}, "copies": len(copies_pass), "specificity": specificity}


def _share_of(
    outcome: str, mutants: Sequence[_Mutant], judge: LlmJudge
) -> tuple[list[bool], Interval | None]:
    """Whether each verdict is this outcome, and the share; missing verdicts are left out.

    Each rule is asked about alone, whatever `judge.rules_per_call`.
    """
    prompts = [verdict_prompt(rule, row, text, judge.language) for row, text, rule in mutants]
    decided = [
        (ruling.verdict == outcome, question_key(mutant.row))
        for mutant, ruling in zip(mutants, judge.rulings(prompts), strict=True)
        if ruling.verdict
    ]
    matches = [match for match, _ in decided]
    return matches, rate(matches, [question for _, question in decided])


def _examples(rule: Rule, demand: LlmCheck, rows: Sequence[Row]) -> list[_Mutant]:
    mutants = []
    fails = [example for example in demand.examples if example.verdict == "fail"]
    for example, row in zip(fails, rows, strict=False):
        others = tuple(other for other in demand.examples if other != example)
        check = demand.model_copy(update={"examples": others})
        mutants.append(_Mutant(row, example.answer, rule.model_copy(update={"check": check})))
    return mutants


def _rewritten(rule: Rule, passed: Sequence[tuple[Row, str]], judge: LlmJudge) -> list[_Mutant]:
    replies = judge.replies([_rewrite_body(rule, text, judge) for _, text in passed])
    return [
        _Mutant(row, rewritten, rule)
        for (row, text), reply in zip(passed, replies, strict=True)
        if reply
        and reply.is_whole
        and (rewritten := cut_reasoning(reply.text).text.strip()) not in ("", text)
    ]


def _rewrite_body(rule: Rule, text: str, judge: LlmJudge) -> Body:
    (answer,) = fenced_parts({"answer": text})
    demand = render(judge.language, "rewrite", rule=rule)
    return {
        "model": judge.model,
        "messages": [{"role": "user", "content": f"{answer.fenced()}\n\n{demand}"}],
        "temperature": 0,
        "max_tokens": _REWRITE_TOKENS,
    }
