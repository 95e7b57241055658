"""One function per kind of code check: whether a normalised answer passes it.

`text` defines which spellings are equal, `applicability` when a rule applies.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from data.bounded_regex import search
from data.rows import Row
from judge.checks.contacts import unknown_contacts
from judge.checks.grounding import ground
from judge.checks.language import language_share
from judge.checks.leaks import leak
from judge.checks.length import sentence_count, word_count
from judge.checks.links import canonical_url, emails, known_links, urls
from judge.checks.number_mentions import known_numbers, number_mentions, unknown_numbers
from judge.checks.phrases import contains, phrase_form, says
from judge.checks.repetition import repetition
from judge.checks.text import without_list_markers
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
from prompts.rules import Normalise


@dataclass(frozen=True)
class CheckContext:
    """What the checks need beside rule, row and answer."""

    prompt: Prompt
    normalise: Normalise
    phrases: tuple[str, ...] = ()  # fixed texts that the rules demand: repeating them is no leak


MOST_READ = 1_000_000  # characters of answer and sources: the slowest text takes some seconds


class CheckResult(NamedTuple):
    """Whether an answer passes a check, and what the check found in it."""

    passed: bool
    note: str = ""


def run_check(check: CodeCheck, row: Row, answer: str, context: CheckContext) -> CheckResult:
    """Runs a check on an answer that is already normalised."""
    return _CHECKS[type(check)](check, row, answer, context)


def characters_read(check: CodeCheck, row: Row, answer: str, context: CheckContext) -> int:
    """The number of characters of the answer, and of the texts that the check compares it with."""
    texts: list[str] = []
    if isinstance(check, Sourced | Grounded):
        texts = _source_texts(check, row, context.prompt)
    elif isinstance(check, NoLeak):
        texts = _leak_sources(row)
    return len(answer) + sum(map(len, texts))


def _script_share(check: ScriptShare, row: Row, answer: str, context: CheckContext) -> CheckResult:
    share = language_share(answer, check.alphabet, context.prompt.system)
    return CheckResult(share >= check.min, f"{check.alphabet} {share:.2f} of a sentence's letters")


def _phrase(check: Phrase, row: Row, answer: str, context: CheckContext) -> CheckResult:
    return CheckResult(says(check, answer))


def _pattern(check: Pattern, row: Row, answer: str, context: CheckContext) -> CheckResult:
    match = search(check.pattern, answer)
    return CheckResult(match is not None, f"matches {match[:80]!r}" if match else "")


def _length(check: Length, row: Row, answer: str, context: CheckContext) -> CheckResult:
    n_sentences, n_words = sentence_count(answer), word_count(answer)
    limits = ((n_sentences, check.max_sentences), (n_words, check.max_words))
    passed = all(limit is None or n <= limit for n, limit in limits)
    return CheckResult(passed, f"{n_sentences} sentences, {n_words} words")


def _source_texts(check: Sourced | Grounded, row: Row, prompt: Prompt) -> list[str]:
    texts = [row.question] if "question" in check.sources else []
    if "contexts" in check.sources:
        texts += [passage.text for passage in row.contexts]
    if "history" in check.sources:
        for turn in row.history:
            texts += [turn.question, turn.answer, *(passage.text for passage in turn.contexts)]
    if "prompt" in check.sources:
        texts.append(prompt.system)
        for example in prompt.examples:
            texts += [example.question, example.answer, *example.contexts]
    return texts


def _sourced(check: Sourced, row: Row, answer: str, context: CheckContext) -> CheckResult:
    texts = _source_texts(check, row, context.prompt)
    form = phrase_form(answer)
    texts += [phrase for phrase in context.phrases if contains(form, phrase_form(phrase))]
    if check.type == "contacts_from":
        unknown = unknown_contacts(answer, texts)
    else:
        unknown = _unknown_links_or_numbers(check, row, answer, texts)
    note = f"not in the sources: {', '.join(unknown)[:200]}" if unknown else ""
    return CheckResult(not unknown, note)


def _unknown_links_or_numbers(
    check: Sourced, row: Row, answer: str, texts: Sequence[str]
) -> list[str]:
    links = frozenset().union(*map(known_links, texts))
    if "contexts" in check.sources:
        links |= {canonical_url(passage.url) for passage in row.contexts if passage.url}
    unknown = [url for url in urls(answer) if canonical_url(url) not in links]
    if check.type == "urls_from":
        return unknown + [email for email in emails(answer) if email.casefold() not in links]
    # numbers inside a link from the sources are fine
    numbers = frozenset().union(*map(known_numbers, texts))
    in_links = unknown_numbers(" ".join(re.findall(r"\d+", " ".join(unknown))), numbers)
    return unknown_numbers(without_list_markers(answer), numbers) + in_links


def grounded_share(
    check: Grounded, row: Row, answer: str, context: CheckContext
) -> tuple[float | None, str]:
    """The share of a normalised answer's words that its sources hold, and a note.

    None where the answer fails whatever the threshold is.
    """
    text = phrase_form(answer)
    for phrase in context.phrases:
        text = text.replace(phrase_form(phrase), " ")
    grounding = ground(text, _source_texts(check, row, context.prompt))
    if not grounding.words:
        return None, "has no words beside the fixed phrases"
    if grounding.denied:
        return None, f"the passages say the opposite of: {grounding.denied[:120]}"
    if len(grounding.words) > len(set(grounding.words)) == 1:
        return None, f"says one word: {grounding.words[0]}"
    note = f"{grounding.share:.2f} of the words; not: {' '.join(grounding.unknown)[:120]}"
    if not grounding.all_compared:
        note += "; too many sentences to compare each with each: a negation may be overlooked"
    return grounding.share, note


def _grounded(check: Grounded, row: Row, answer: str, context: CheckContext) -> CheckResult:
    share, note = grounded_share(check, row, answer, context)
    return CheckResult(share is not None and share >= check.min, note)


def _bare(check: Bare, row: Row, answer: str, context: CheckContext) -> CheckResult:
    if check.type == "json":
        return _json(answer)
    if check.type == "no_repetition":
        repeated = repetition(answer)
        return CheckResult(repeated is None, f"repeated: {repeated[:120]}" if repeated else "")
    mentions = [mention.text for mention in number_mentions(without_list_markers(answer))]
    return CheckResult(not mentions, f"numbers: {', '.join(mentions)[:200]}" if mentions else "")


def _json(answer: str) -> CheckResult:
    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not a JSON value")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(pairs)
        if len(values) < len(pairs):
            raise ValueError("an object has a key twice")
        return values

    try:
        json.loads(answer, parse_constant=refuse, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        return CheckResult(False, f"no JSON: {error}"[:120])
    return CheckResult(True)


def _no_leak(check: NoLeak, row: Row, answer: str, context: CheckContext) -> CheckResult:
    leaked = leak(answer, _leak_sources(row), context.prompt, context.phrases, check.words)
    return CheckResult(leaked is None, f"from the prompt: {leaked[:120]}" if leaked else "")


def _leak_sources(row: Row) -> list[str]:
    return [row.question, *(passage.text for passage in row.contexts)]


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
