"""Decides the checks that are code: what an answer says, against what its rule demands.

Knows the kinds of checks in `prompts.rules`; leaves the text's spelling to `judge.text` and the
language model's verdicts to `judge.llm`. An empty answer obeys nothing.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from data.answers import Answer
from data.rows import Row
from judge.applies import applicable, asks_model, compiled
from judge.text import (
    fold,
    numbers,
    same_url,
    script_share,
    urls,
    without_links,
    without_list_markers,
    words,
)
from judge.verdicts import Missing, Outcome, Verdict
from prompts.library import Prompt
from prompts.rules import (
    Bare,
    CodeCheck,
    DueRule,
    Judged,
    Length,
    NoLeak,
    Normalise,
    Pattern,
    Phrase,
    RuleFile,
    ScriptShare,
    Sourced,
    sentences,
)


@dataclass(frozen=True)
class CheckContext:
    """What the checks need beside rule, row and answer."""

    prompt: Prompt
    normalise: Normalise
    phrases: tuple[str, ...] = ()  # fixed texts that the rules demand: saying them leaks nothing


class Verdictish(NamedTuple):
    """A verdict without the names of arm, row and rule."""

    outcome: Outcome
    reason: Missing | None = None
    note: str = ""


class Finding(NamedTuple):
    """Whether an answer meets a check, and what was seen."""

    met: bool
    note: str = ""


def check_context(rules: RuleFile, prompt: Prompt) -> CheckContext:
    """The context of every check of a rule file."""
    phrases = tuple(rule.check.text for rule in rules.rules if isinstance(rule.check, Phrase))
    return CheckContext(prompt, rules.normalise, phrases)


def normalised_answer(answer: str, normalise: Normalise) -> str:
    """The answer without the footer and the prefix that are no part of it."""
    text = answer.strip()
    if normalise.strip_footer:
        text = compiled(normalise.strip_footer).sub("", text).strip()
    if normalise.drop_prefix:
        prefix = compiled(normalise.drop_prefix).match(text)
        text = text[prefix.end() :].strip() if prefix else text
    return text


def check(due: DueRule, row: Row, answer: str, context: CheckContext) -> Verdictish:
    """The verdict of a code rule whose applicability the row itself decides.

    Raises ValueError for a rule that asks a language model.
    """
    return check_due(due, applicable(due.rule, row), row, answer, context)


def check_due(
    due: DueRule, applies: bool | None, row: Row, answer: str, context: CheckContext
) -> Verdictish:
    """The verdict of a code check where `applies` is known (None: the row's labels are missing)."""
    early = without_check(due, applies, normalised_answer(answer, context.normalise))
    if early is not None:
        return early
    if isinstance(due.rule.check, Judged):
        raise ValueError(f"rule {due.rule.id}: a language model decides it")
    finding = met(due.rule.check, row, answer, context)
    return Verdictish("pass" if finding.met != due.undue else "fail", note=finding.note)


def without_check(due: DueRule, applies: bool | None, answer: str) -> Verdictish | None:
    """The verdict that needs no look at the rule's check; None when one is needed."""
    if applies is None:
        return Verdictish("missing", "unlabelled")
    if applies == due.undue:
        return Verdictish("not_applicable")
    if not answer.strip():
        return Verdictish("fail", note="empty answer")
    return None


def met(demand: CodeCheck, row: Row, answer: str, context: CheckContext) -> Finding:
    """Whether the answer, normalised, meets the check."""
    text = normalised_answer(answer, context.normalise)
    return _MET[type(demand)](demand, row, text, context)


def code_verdicts(rules: RuleFile, prompt: Prompt, row: Row, answer: Answer) -> list[Verdict]:
    """The verdicts of all rules that no language model has a part in.

    An answer that was never asked (`too_long`) is missing wherever a rule may be due.
    """
    context = check_context(rules, prompt)
    verdicts = []
    for due in rules.due_rules():
        if isinstance(due.rule.check, Judged) or asks_model(due.rule):
            continue
        if answer.finish == "too_long":
            found = unasked(due, applicable(due.rule, row))
        else:
            found = check(due, row, answer.text, context)
        verdicts.append(named(found, due, answer))
    return verdicts


def unasked(due: DueRule, applies: bool | None) -> Verdictish:
    """The verdict on an answer that does not exist because its prompt did not fit."""
    if applies == due.undue:  # so in every arm: all arms keep the same denominators
        return Verdictish("not_applicable")
    return Verdictish("missing", "overflow")


def named(found: Verdictish, due: DueRule, answer: Answer) -> Verdict:
    """The record of a code rule's verdict."""
    return Verdict(
        arm=answer.arm,
        row=answer.row,
        sample=answer.sample,
        rule=due.id,
        outcome=found.outcome,
        reason=found.reason,
        note=found.note,
    )


# -- one function per kind of check ----------------------------------------------------------


def _script(demand: ScriptShare, row: Row, answer: str, context: CheckContext) -> Finding:
    share = script_share(answer, demand.alphabet)
    return Finding(share >= demand.min, f"{demand.alphabet} {share:.2f} of the letters")


def _phrase(demand: Phrase, row: Row, answer: str, context: CheckContext) -> Finding:
    said, phrase = fold(answer).strip('"*_ '), fold(demand.text).strip('"*_ ')
    tests: dict[str, Callable[[str], bool]] = {
        "starts_with": said.startswith,
        "ends_with": said.endswith,
        "contains": said.__contains__,
        "equals": said.__eq__,
    }
    return Finding(tests[demand.type](phrase))


def _pattern(demand: Pattern, row: Row, answer: str, context: CheckContext) -> Finding:
    found = compiled(demand.pattern).search(answer)
    return Finding(found is not None, f"found {found.group()[:80]!r}" if found else "")


def _length(demand: Length, row: Row, answer: str, context: CheckContext) -> Finding:
    said = _sentences(answer)
    count = len(words(answer))
    short = demand.max_sentences is None or len(said) <= demand.max_sentences
    few = demand.max_words is None or count <= demand.max_words
    return Finding(short and few, f"{len(said)} sentences, {count} words")


def _sentences(answer: str) -> list[str]:
    return [part for part in sentences(without_list_markers(answer)) if words(part)]


def _sourced(demand: Sourced, row: Row, answer: str, context: CheckContext) -> Finding:
    texts = [row.question] if "question" in demand.sources else []
    known: set[str] = set()
    if "contexts" in demand.sources:
        texts += [passage.text for passage in row.contexts]
        known = {same_url(passage.url) for passage in row.contexts if passage.url}
    known |= {same_url(url) for text in texts for url in urls(text)}
    if demand.type == "urls_from":
        foreign = [url for url in urls(answer) if same_url(url) not in known]
    else:
        foreign = _foreign_numbers(answer, texts, known)
    return Finding(not foreign, f"not in the sources: {', '.join(foreign)[:200]}" if foreign else "")


def _foreign_numbers(answer: str, texts: list[str], known_urls: set[str]) -> list[str]:
    """Numbers of the answer that no text holds; those inside a link from the texts are fine."""
    unknown = " ".join(url for url in urls(answer) if same_url(url) not in known_urls)
    said = numbers(without_links(without_list_markers(answer))) | numbers(unknown)
    return sorted(said.difference(*(numbers(without_links(text)) for text in texts)))


def _bare(demand: Bare, row: Row, answer: str, context: CheckContext) -> Finding:
    if demand.type == "json":
        return _json(answer)
    if demand.type == "no_digits":
        found = sorted(numbers(without_links(without_list_markers(answer))))
        return Finding(not found, f"numbers: {', '.join(found)[:200]}" if found else "")
    seen: set[str] = set()
    for sentence in _sentences(answer):
        folded = " ".join(words(sentence))
        if folded in seen:
            return Finding(False, f"said twice: {sentence[:120]}")
        if len(folded) > 3:  # splitting at dots makes pieces such as "д." of "и т. д."
            seen.add(folded)
    return Finding(True)


def _json(answer: str) -> Finding:
    def refuse(name: str) -> None:
        raise ValueError(f"{name} is no JSON value")

    try:
        json.loads(answer, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        return Finding(False, f"no JSON: {error}"[:120])
    return Finding(True)


def _no_leak(demand: NoLeak, row: Row, answer: str, context: CheckContext) -> Finding:
    own = [row.question, *(passage.text for passage in row.contexts)]
    quoted = {run for text in own for run in _runs(words(text), demand.words)}
    for run in _runs(words(answer), demand.words):
        if run in _secret(context, demand.words) and run not in quoted:
            return Finding(False, f"from the prompt: {' '.join(run)[:120]}")
    return Finding(True)


def _runs(said: list[str], size: int) -> list[tuple[str, ...]]:
    return [tuple(said[start : start + size]) for start in range(len(said) - size + 1)]


@lru_cache(maxsize=8)
def _secret(context: CheckContext, size: int) -> frozenset[tuple[str, ...]]:
    """Runs of words of the prompt and its examples' user turns that no fixed phrase covers."""
    phrases = [words(phrase) for phrase in context.phrases]
    secret: set[tuple[str, ...]] = set()
    texts = [context.prompt.system]
    for example in context.prompt.examples:
        texts += [example.question, *example.contexts]
    for said in map(words, texts):
        covered = [False] * len(said)
        for phrase in filter(None, phrases):
            for start in range(len(said) - len(phrase) + 1):
                if said[start : start + len(phrase)] == phrase:
                    covered[start : start + len(phrase)] = [True] * len(phrase)
        for start, run in enumerate(_runs(said, size)):
            if not all(covered[start : start + size]):
                secret.add(run)
    return frozenset(secret)


_MET: dict[type, Callable[[Any, Row, str, CheckContext], Finding]] = {
    ScriptShare: _script,
    Phrase: _phrase,
    Pattern: _pattern,
    Length: _length,
    Sourced: _sourced,
    Bare: _bare,
    NoLeak: _no_leak,
}
