"""Why a model stopped: the words of all servers, in one table for teacher and judge.

Words are compared by their letters alone: `MAX_TOKENS`, `maxTokens` and `max_tokens` are one.
"""

import re
from functools import lru_cache
from typing import Literal

Ending = Literal[
    "whole",  # the model ended by itself
    "cut",  # by a limit of tokens or time
    "filtered",  # withheld by the provider's filter, or refused by the model
    "unstated",  # the server gives no reason, so whole and cut cannot be told apart by it
    "unknown",  # any other word: not whole
]

FINISH_REASONS: dict[Ending, tuple[str, ...]] = {
    "whole": (
        *("stop", "eos", "eos_token", "end", "end_turn", "end_of_turn", "end_of_text", "end_id"),
        *("stop_sequence", "stop_token", "stop_word", "stop_words", "stop_string"),
        *("complete", "completed", "done", "final", "finished", "normal"),
    ),
    "cut": (
        *("length", "limit", "token_limit", "max_length", "max_tokens", "maximum_tokens"),
        *("max_output_tokens", "max_new_tokens", "max_completion_tokens", "model_length"),
        *("context_length", "context_length_exceeded", "context_window_exceeded"),
        *("model_context_window_exceeded", "error_limit", "incomplete", "truncated"),
        *("truncated_final", "time_limit", "timeout"),
    ),
    "filtered": (
        *("content_filter", "content_filtered", "safety", "image_safety", "blocked", "blocklist"),
        *("blacklist", "prohibited_content", "recitation", "spii", "sensitive", "moderation"),
        *("guardrail_intervened", "guardrails", "refusal", "refused", "error_toxic"),
    ),
    "unstated": ("", "null", "none", "unspecified"),
}
_PREFIX = re.compile(r"^(finishreason|alternativestatus)(?=.)")


def _letters(word: str) -> str:
    """`FinishReason.STOP` → `stop`; `content_filter: RECITATION` → `contentfilter`."""
    letters = re.sub(r"[^a-z]", "", word.partition(":")[0].casefold())
    return _PREFIX.sub("", letters) or word


_BY_LETTERS = {_letters(word): ending for ending, words in FINISH_REASONS.items() for word in words}


@lru_cache(maxsize=256)
def ending_of(finish_reason: str) -> Ending:
    """What a finish reason means; "": the server states none."""
    return _BY_LETTERS.get(_letters(finish_reason), "unknown")
