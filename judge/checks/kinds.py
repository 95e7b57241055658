"""One function per kind of code check: whether a normalised answer passes it.

`text` defines which spellings are equal, `applicability` when a rule applies.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

from data.rows import Row
from data.words import is_character, split_hyphenated, split_terms
from judge.checks.text import (
    canonical_url,
    fold,
    numbers,
    script_share,
    urls,
    without_links,
    without_list_markers,
    words,
)
from prompts.check_settings import (
    Bare,
    CodeCheck,
    Grounded,
    Length,
    NoLeak,
    Pattern,
    Phrase,
    ScriptShare,
    Sourced,
)
from prompts.prompt_file import Prompt
from prompts.rules import Normalise, sentences


@dataclass(frozen=True)
class CheckContext:
    """What the checks need beside rule, row and answer."""

    prompt: Prompt
    normalise: Normalise
    phrases: tuple[str, ...] = ()  # fixed texts that the rules demand: repeating them is no leak


class CheckResult(NamedTuple):
    """Whether an answer passes a check, and what the check found in it."""

    passed: bool
    note: str = ""


def run_check(check: CodeCheck, row: Row, answer: str, context: CheckContext) -> CheckResult:
    """Runs a check on an answer that is already normalised."""
    return _CHECKS[type(check)](check, row, answer, context)


def _script_share(check: ScriptShare, row: Row, answer: str, context: CheckContext) -> CheckResult:
    share = script_share(answer, check.alphabet)
    return CheckResult(share >= check.min, f"{check.alphabet} {share:.2f} of the letters")


def _phrase(check: Phrase, row: Row, answer: str, context: CheckContext) -> CheckResult:
    text, phrase = fold(answer).strip('"*_ '), fold(check.text).strip('"*_ ')
    tests: dict[str, Callable[[str], bool]] = {
        "starts_with": text.startswith,
        "ends_with": text.endswith,
        "contains": text.__contains__,
        "equals": text.__eq__,
    }
    return CheckResult(tests[check.type](phrase))


def _pattern(check: Pattern, row: Row, answer: str, context: CheckContext) -> CheckResult:
    match = re.search(check.pattern, answer)
    return CheckResult(match is not None, f"matches {match.group()[:80]!r}" if match else "")


def _length(check: Length, row: Row, answer: str, context: CheckContext) -> CheckResult:
    n_sentences, n_words = len(_sentences(answer)), len(words(answer))
    limits = ((n_sentences, check.max_sentences), (n_words, check.max_words))
    passed = all(limit is None or n <= limit for n, limit in limits)
    return CheckResult(passed, f"{n_sentences} sentences, {n_words} words")


def _sentences(answer: str) -> list[str]:
    return [part for part in sentences(without_list_markers(answer)) if words(part)]


def _source_texts(check: Sourced | Grounded, row: Row) -> list[str]:
    texts = [row.question] if "question" in check.sources else []
    if "contexts" in check.sources:
        texts += [passage.text for passage in row.contexts]
    return texts


def _sourced(check: Sourced, row: Row, answer: str, context: CheckContext) -> CheckResult:
    texts = _source_texts(check, row)
    texts += [phrase for phrase in context.phrases if fold(phrase) in fold(answer)]
    known_urls = {canonical_url(url) for text in texts for url in urls(text)}
    if "contexts" in check.sources:
        known_urls |= {canonical_url(passage.url) for passage in row.contexts if passage.url}
    unknown_urls = [url for url in urls(answer) if canonical_url(url) not in known_urls]
    unknown = unknown_urls
    if check.type == "digits_from":  # numbers inside a link from the sources are fine
        in_answer = numbers(without_links(without_list_markers(answer)))
        in_answer |= numbers(" ".join(unknown_urls))
        unknown = sorted(in_answer.difference(*(numbers(without_links(text)) for text in texts)))
    note = f"not in the sources: {', '.join(unknown)[:200]}" if unknown else ""
    return CheckResult(not unknown, note)


_STEM = 5  # words with the same first letters count as forms of one word
_MIN_LETTERS = 4  # shorter words are compared only where the answer has no other


def _grounded(check: Grounded, row: Row, answer: str, context: CheckContext) -> CheckResult:
    sources = [fold(text) for text in _source_texts(check, row)]
    terms = chain.from_iterable((*split_hyphenated(text), *split_terms(text)) for text in sources)
    stems = {term[:_STEM] for term in terms}
    text = fold(answer)
    for phrase in context.phrases:
        text = text.replace(fold(phrase), " ")
    all_terms = split_terms(text)
    longer = [t for t in all_terms if len(t) >= _MIN_LETTERS or t.isdigit() or is_character(t)]
    compared = longer or all_terms
    if not compared:
        return CheckResult(False, "has no words beside the fixed phrases")
    unknown = [word for word in compared if word[:_STEM] not in stems]
    share = 1 - len(unknown) / len(compared)
    note = f"{share:.2f} of the words; not: {' '.join(unknown)[:120]}"
    return CheckResult(share >= check.min, note)


def _bare(check: Bare, row: Row, answer: str, context: CheckContext) -> CheckResult:
    if check.type == "json":
        return _json(answer)
    if check.type == "no_repetition":
        return _no_repetition(answer)
    digits = sorted(numbers(without_links(without_list_markers(answer))))
    return CheckResult(not digits, f"numbers: {', '.join(digits)[:200]}" if digits else "")


def _no_repetition(answer: str) -> CheckResult:
    earlier: set[str] = set()
    for sentence in _sentences(answer):
        folded = " ".join(words(sentence))
        if folded in earlier:
            return CheckResult(False, f"repeated: {sentence[:120]}")
        if len(folded) > 3:  # splitting at dots makes pieces such as "д." of "и т. д."
            earlier.add(folded)
    return CheckResult(True)


def _json(answer: str) -> CheckResult:
    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not a JSON value")

    try:
        json.loads(answer, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        return CheckResult(False, f"no JSON: {error}"[:120])
    return CheckResult(True)


def _no_leak(check: NoLeak, row: Row, answer: str, context: CheckContext) -> CheckResult:
    texts = [row.question, *(passage.text for passage in row.contexts)]
    quotable = {run for text in texts for run in _word_runs(words(text), check.words)}
    secret = _secret_runs(context, check.words)
    for run in _word_runs(words(answer), check.words):
        if run in secret and run not in quotable:
            return CheckResult(False, f"from the prompt: {' '.join(run)[:120]}")
    return CheckResult(True)


def _word_runs(text: list[str], size: int) -> list[tuple[str, ...]]:
    return [tuple(text[start : start + size]) for start in range(len(text) - size + 1)]


@lru_cache(maxsize=8)
def _secret_runs(context: CheckContext, size: int) -> frozenset[tuple[str, ...]]:
    """Runs of words of the prompt and its examples' user turns that no fixed phrase covers."""
    phrases = [words(phrase) for phrase in context.phrases]
    secret: set[tuple[str, ...]] = set()
    texts = [context.prompt.system]
    for example in context.prompt.examples:
        texts += [example.question, *example.contexts]
    for text in map(words, texts):
        covered = [False] * len(text)
        for phrase in filter(None, phrases):
            for start in range(len(text) - len(phrase) + 1):
                if text[start : start + len(phrase)] == phrase:
                    covered[start : start + len(phrase)] = [True] * len(phrase)
        for start, run in enumerate(_word_runs(text, size)):
            if not all(covered[start : start + size]):
                secret.add(run)
    return frozenset(secret)


_CHECKS: dict[type, Callable[[Any, Row, str, CheckContext], CheckResult]] = {
    ScriptShare: _script_share,
    Phrase: _phrase,
    Pattern: _pattern,
    Length: _length,
    Sourced: _sourced,
    Grounded: _grounded,
    Bare: _bare,
    NoLeak: _no_leak,
}
