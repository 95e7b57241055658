"""One function per kind of code check: whether a normalised answer meets what the rule demands.

Leaves how texts are spelt to `text`, and when a rule is due to `applicability`, beside it.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from data.rows import Row
from judge.checks.applicability import compiled
from judge.checks.text import (
    fold,
    numbers,
    same_url,
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
    phrases: tuple[str, ...] = ()  # fixed texts that the rules demand: saying them leaks nothing


class Finding(NamedTuple):
    """Whether an answer meets a check, and what was seen."""

    met: bool
    note: str = ""


def met(demand: CodeCheck, row: Row, answer: str, context: CheckContext) -> Finding:
    """Whether an answer that is already normalised meets the check."""
    return _MET[type(demand)](demand, row, answer, context)


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
    return Finding(
        not foreign, f"not in the sources: {', '.join(foreign)[:200]}" if foreign else ""
    )


def _foreign_numbers(answer: str, texts: list[str], known_urls: set[str]) -> list[str]:
    """Numbers of the answer that no text holds; those inside a link from the texts are fine."""
    unknown = " ".join(url for url in urls(answer) if same_url(url) not in known_urls)
    said = numbers(without_links(without_list_markers(answer))) | numbers(unknown)
    return sorted(said.difference(*(numbers(without_links(text)) for text in texts)))


_STEM = 5  # letters by which two forms of a word are taken for the same
_LONG = 4  # letters from which a word says something


def _grounded(demand: Grounded, row: Row, answer: str, context: CheckContext) -> Finding:
    texts = [row.question] if "question" in demand.sources else []
    if "contexts" in demand.sources:
        texts += [passage.text for passage in row.contexts]
    known = {word[:_STEM] for text in texts for word in words(text)}
    said = fold(answer)
    for phrase in context.phrases:
        said = said.replace(fold(phrase), " ")
    telling = [word for word in words(said) if len(word) >= _LONG or word.isdigit()]
    if not telling:
        return Finding(False, "says nothing beside the fixed phrases")
    foreign = [word for word in telling if word[:_STEM] not in known]
    share = 1 - len(foreign) / len(telling)
    return Finding(share >= demand.min, f"{share:.2f} of the words; not: {' '.join(foreign)[:120]}")


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
    secret = _secret(context, demand.words)
    for run in _runs(words(answer), demand.words):
        if run in secret and run not in quoted:
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
    Grounded: _grounded,
    Bare: _bare,
    NoLeak: _no_leak,
}
