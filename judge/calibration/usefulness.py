"""What the useful score could be: each subset of its rules, with other thresholds of `words_from`.

Agreement with people is measured for the best of them too, where it is chosen on other questions:
so a rule or a threshold that happens to fit these labels gains nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from data.answers import Answer
from data.rows import Row
from judge.checks.check import check_context, normalised_answer
from judge.checks.kinds import grounded_share
from judge.metrics.verdict_table import VerdictTable
from prompts.check_settings import Grounded
from prompts.prompt_file import Prompt

DECLARED = "as declared"
THRESHOLDS = tuple(round(0.3 + 0.05 * step, 2) for step in range(9))  # 0.3 … 0.7, of `words_from`

_Outcomes = Mapping[str, str]  # rule id → outcome on one answer


def alternative_scores(
    answers: Sequence[tuple[Row, Answer]],
    rules: Sequence[str],
    table: VerdictTable,
    prompt: Prompt,
) -> dict[str, tuple[bool, ...]]:
    """Name of a score → whether it passes each answer; the first is the rule file's own.

    Every rule in `rules` must be decided, or not apply, on every answer. An answer to which no rule
    of a score applies does not pass it.
    """
    outcomes = [
        {
            rule: table.verdicts[answer.arm][answer.row, answer.sample][rule].outcome
            for rule in rules
        }
        for _, answer in answers
    ]
    grounded = {
        scored.id: scored.rule.check
        for scored in table.rules.scored_rules()
        if scored.id in rules and isinstance(scored.rule.check, Grounded) and not scored.converse
    }
    shares = {rule: _shares(check, answers, table, prompt) for rule, check in grounded.items()}
    scores = {DECLARED: _passed(outcomes, rules)}
    for subset in _subsets(rules):
        varied = {rule: shares[rule] for rule in subset if rule in shares}
        for threshold in THRESHOLDS if varied else (None,):
            name = " + ".join(
                f"{rule} ≥ {threshold:g}" if threshold and rule in varied else rule
                for rule in subset
            )
            at = outcomes if threshold is None else _at(threshold, outcomes, varied)
            scores[name] = _passed(at, subset)
    return scores


def _subsets(rules: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for size in range(1, len(rules) + 1):
        yield from combinations(rules, size)


def _passed(answers: Sequence[_Outcomes], rules: Sequence[str]) -> tuple[bool, ...]:
    by_answer = ({outcomes[rule] for rule in rules} for outcomes in answers)
    return tuple("pass" in outcomes and "fail" not in outcomes for outcomes in by_answer)


def _shares(
    check: Grounded, answers: Sequence[tuple[Row, Answer]], table: VerdictTable, prompt: Prompt
) -> list[float]:
    """The share of grounded words of each answer; −1 where no threshold would pass it."""
    context = check_context(table.rules, prompt)
    shares = []
    for row, answer in answers:
        text = normalised_answer(answer.text, context.normalise)
        share, _ = grounded_share(check, row, text, context)
        shares.append(-1.0 if share is None else share)
    return shares


def _at(
    threshold: float, answers: Sequence[_Outcomes], shares: Mapping[str, Sequence[float]]
) -> list[dict[str, str]]:
    """The outcomes with another threshold of these rules, where they apply."""
    return [
        {
            rule: outcome
            if rule not in shares or outcome == "not_applicable"
            else ("pass" if shares[rule][place] >= threshold else "fail")
            for rule, outcome in outcomes.items()
        }
        for place, outcomes in enumerate(answers)
    ]
