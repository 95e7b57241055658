"""What an HTTP error means: may the same request pass later, and if not, who can change that.

Servers put set-up faults under many statuses, so the words count as well as the number.
"""

import re
from typing import Literal

from wire.server_words import error_words

HttpFault = Literal[
    "transient",  # the same request may pass later
    "throttled",  # likewise, and with fewer requests in flight
    "key",  # the user's to fix, like the next five
    "address",
    "model",
    "quota",
    "parameter",  # the server does not know a field of the request
    "limit",  # a field's value is beyond the server's limit
    "overflow",  # prompt and reply are longer than the model's context
    "filtered",  # by the provider's content filter
    "bad",  # anything else for good
]


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_OVERFLOW = _any(
    r"context.?length|context.?window|context.?size|maximum model length|max_model_len",
    r"prompt is too long|input is too long|too many (input )?tokens|maximum number of tokens",
    r"at least 1, got -|`inputs` must have less|inputs` tokens \+",  # vLLM and TGI: no room is left
)
_QUOTA = _any(r"insufficient_quota|exceeded your current quota|billing|insufficient.?balance")
_FILTERED = _any(
    r"content_?filter|content_policy|responsibleai|flagged_input|was flagged|moderation",
    r"data_inspection_failed|prohibited_content",
)
_KEY = _any(
    r"(api|access)[ _-]?key (is )?(not valid|invalid|expired|incorrect|missing)",
    r"(invalid|incorrect|missing|no|expired|wrong)[ _-](api|access)[ _-]?key|API_KEY_INVALID",
    r"unauthori[sz]ed|authentication|invalid (token|credentials)",
)
_MODEL = _any(
    r"model_not_found|(unknown|invalid|no such|unsupported) model\b",
    r"\bmodel\b[^.]{0,120}(does not exist|not found|is not available|not a valid model)",
    r"not a valid model",
)
_UNSUPPORTED = _any(
    r"unsupported|not support|unrecogni[sz]ed|unknown|unexpected|not permitted|extra_forbidden",
    r"not allowed|deprecated|not compatible|(invalid|no such) (parameter|argument|field)",
)
_BEYOND = _any(
    r"too (large|high|big)|at most|less than or equal|must be (between|in|within)|exceeds"
)
_FORMAT = _any(r"response_?format|json_?schema|json_object|structured_?output|guided_|grammar")
_NOT_SETTINGS = frozenset(("messages", "model", "response_format", "structured_outputs"))


def http_fault(status: int, text: str, fields: frozenset[str]) -> HttpFault:
    """What an error with this body means; `fields` are those of the request's body."""
    if status < 400 or status == 404:
        return "address"
    if status == 402 or (status in (429, 403) and _QUOTA.search(text)):
        return "quota"
    if status in (400, 403, 422) and _FILTERED.search(text):
        return "filtered"
    if status in (401, 403):
        return "key"
    if status == 429:
        return "throttled"
    if status in (408, 409, 425) or (status >= 500 and status != 501):
        return "transient"
    return _of_the_words(status, text, fields)


def _of_the_words(status: int, text: str, fields: frozenset[str]) -> HttpFault:
    if status == 413 or _OVERFLOW.search(text):
        return "overflow"
    words = error_words(text)  # without the request, which some servers repeat
    if _KEY.search(words):
        return "key"
    if _MODEL.search(words):
        return "model"
    if named_fields(text, fields) and not _FORMAT.search(text):  # modes of output have a fallback
        if _UNSUPPORTED.search(text):
            return "parameter"
        if _BEYOND.search(text):
            return "limit"
    return "bad"


def named_fields(text: str, fields: frozenset[str]) -> list[str]:
    """The fields of a request that an error names, in the order in which it does."""
    names = (name for name in fields - _NOT_SETTINGS if re.search(rf"\b{re.escape(name)}\b", text))
    return sorted(names, key=text.index)


def way_out(fault: HttpFault, setting: str, text: str, fields: frozenset[str]) -> str:
    """How to fix a fault in the settings under `setting`, such as `judge.llm`."""
    if fault in ("address", "model"):
        return "the server knows neither address nor model; fix base_url or model"
    if fault == "quota":
        return "the quota is spent; add to it, or take another server"
    (name, *_) = named_fields(text, fields) or ["extra_body"]
    if fault == "limit":
        return f"the server's limit for {name} is lower; lower it in the settings"
    if name in ("logprobs", "top_logprobs"):
        return "it gives none; switch off judge.token_probabilities or teacher.sampling.logprobs"
    if name in ("max_tokens", "max_completion_tokens"):
        other = {"max_tokens": "max_completion_tokens"}.get(name, "max_tokens")
        return f"set {setting}.max_tokens_field: {other}"
    return f"leave it out: {setting}.extra_body: {{{name}: null}}"
