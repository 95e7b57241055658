"""How the arms follow each conditional rule: where it is due, where it is not, and in fragments.

Due and not due follow from the verdicts on the rule and its converse; nothing is decided anew.
"""

from collections.abc import Mapping, Sequence

from data.answers import Answer
from data.rows import Row
from judge.case_records import ConditionalScore, CountedShare, FragmentExample
from judge.checks.check import EMPTY_ANSWER, normalised_answer
from judge.checks.fragments import sentence_fragment
from judge.metrics.verdict_table import AnswerKey, VerdictTable
from prompts.check_settings import Phrase
from prompts.rules import Rule

# rule → answers where its sentence is neither due nor said → the fragment of it, if any
Fragments = Mapping[str, Mapping[AnswerKey, FragmentExample | None]]


def find_fragments(table: VerdictTable, arm: str, pairs: Sequence[tuple[Row, Answer]]) -> Fragments:
    """The fragments of the conditional rules' fixed sentences in an arm's answers.

    `pairs`: rows with only the passages that the prompt showed, and the answers.
    """
    own = {(answer.row, answer.sample): (row, answer) for row, answer in pairs if answer.arm == arm}
    return {
        rule.id: {
            key: _fragment(table, arm, rule.check, own[key])
            for key, said in _said(table, arm, rule).items()
            if not said and key in own
        }
        for rule in table.rules.conditional_rules
        if isinstance(rule.check, Phrase)
    }


def score_conditional(
    table: VerdictTable, arm: str, rule: Rule, fragments: Fragments
) -> ConditionalScore:
    """One conditional rule on one arm."""
    by_answer = fragments.get(rule.id)
    examples = [example for example in (by_answer or {}).values() if example is not None]
    return ConditionalScore(
        obeyed=_share(table, table.decided(arm, rule.id)),
        said=_share(table, _said(table, arm, rule)),
        fragments=None if by_answer is None else _share(table, _has_example(by_answer)),
        example=max(examples, key=lambda example: len(example.fragment), default=None),
    )


def share_with_fragments(table: VerdictTable, arm: str, fragments: Fragments) -> CountedShare:
    """The arm's answers with a fragment of any rule, of all its answers."""
    keys = {
        key
        for by_answer in fragments.values()
        for key, example in by_answer.items()
        if example is not None
    }
    return _share(table, {key: key in keys for key in table.verdicts[arm]})


def ordinary_answers(table: VerdictTable, arm: str) -> list[AnswerKey]:
    """The arm's answers to ordinary rows: those on which no conditional rule is due."""
    conditional = [rule.id for rule in table.rules.conditional_rules]
    return [
        key
        for key, by_rule in table.verdicts[arm].items()
        if all(by_rule[rule].outcome == "not_applicable" for rule in conditional)
    ]


def _share(table: VerdictTable, decided: Mapping[AnswerKey, bool]) -> CountedShare:
    return CountedShare.of(sum(decided.values()), len(decided), table.rate(decided))


def _has_example(by_answer: Mapping[AnswerKey, FragmentExample | None]) -> dict[AnswerKey, bool]:
    return {key: example is not None for key, example in by_answer.items()}


def _said(table: VerdictTable, arm: str, rule: Rule) -> dict[AnswerKey, bool]:
    """Answer → whether it passes the rule's check, where the rule is not due.

    An empty answer fails the converse, as it fails every rule, but it says nothing.
    """
    converse = f"{rule.id}_converse"
    return {
        key: by_rule[converse].outcome == "fail" and by_rule[converse].note != EMPTY_ANSWER
        for key, by_rule in table.verdicts[arm].items()
        if by_rule[converse].outcome in ("pass", "fail")
    }


def _fragment(
    table: VerdictTable, arm: str, check: Phrase, pair: tuple[Row, Answer]
) -> FragmentExample | None:
    row, answer = pair
    by_rule = table.verdicts[arm][answer.row, answer.sample]
    expected = [
        rule.check.text
        for rule in table.rules.rules
        if isinstance(rule.check, Phrase) and by_rule[rule.id].outcome != "not_applicable"
    ]
    text = normalised_answer(answer.text, table.rules.normalise)
    sources = [row.question, *(passage.text for passage in row.contexts)]
    fragment = sentence_fragment(check.text, text, expected, sources)
    if fragment is None:
        return None
    return FragmentExample(row=row.id, fragment=fragment, answer=answer.text)
