"""Texts that a hostile model can write: the time of every check grows with their length only.

At 32 kB the old patterns for links took 2 s to over 20 s. The limit leaves room for slow machines.
"""

import time
from collections.abc import Callable
from functools import partial
from itertools import count

import pytest

from data.sentences import sentences
from judge.checks.grounding import ground
from judge.checks.language import language_share
from judge.checks.length import sentence_count, word_count
from judge.checks.links import urls
from judge.checks.number_mentions import numbers
from judge.checks.phrases import phrase_form
from judge.checks.repetition import repetition
from judge.llm.fence import cleaned

SIZE = 30_000
LIMIT_S = 2.0  # CPU; the slowest takes 0.2 s
PARTS = [
    *("a", "a.", "ru.", "a@", "a.b@", "-", "http://", "9", "1 000 ", "1.", "1-", "(9) ", "+9 "),
    *("I", "III ", "five ", "twenty one ", '."', '"', "т. ", "`", "``` ", "😊 ", "1, 2 по 3 "),
    *("hse[.]", "http://[ff", "\n", " ", "of ", "да ", "Of of "),
]
_NUMBERS = count()
CHECKS: dict[str, Callable[[str], object]] = {
    "urls": lambda text: urls(f"{text} {next(_NUMBERS)}"),
    "numbers": numbers,
    "sentences": sentences,
    "word_count": word_count,
    "sentence_count": sentence_count,
    "repetition": repetition,
    "language": lambda text: language_share(text, "cyrillic", ""),
    "phrase": phrase_form.__wrapped__,
    "ground": lambda text: ground(text, [f"{text} {next(_NUMBERS)}"]),  # read anew each time
}


def _is_quick(run: Callable[[], object]) -> bool:
    """Whether one of three runs keeps the limit: other threads of the process count as well."""
    for _ in range(3):
        start = time.process_time()
        run()
        if time.process_time() - start < LIMIT_S:
            return True
    return False


@pytest.mark.parametrize("name", CHECKS)
def test_repeated_parts(name: str) -> None:
    for part in PARTS:
        for text in (part * (SIZE // len(part)), f"http://a.ru/. {part * (SIZE // len(part))}x"):
            assert _is_quick(partial(CHECKS[name], text)), part


def test_nested_chat_tokens() -> None:
    """`<|<|<|…|>|>|>`: removing one token joins the next one, 6,000 times."""
    depth = SIZE // 5
    nested = "<|" * depth + "x" + "|>" * depth
    assert cleaned(nested) == ""
    assert _is_quick(partial(cleaned.__wrapped__, nested))
