"""What an HTTP error means: may the same request pass later, and if not, who can change that.

Servers put set-up faults under many statuses, so the words count as well as the number.
"""

import re
from typing import Literal

from wire.error_codes import CodedFault, coded_faults
from wire.server_words import error_words

FORBIDDEN_WAY_OUT = "it refuses every request; check the key and base_url, or take another server"

HttpFault = Literal[
    "transient",  # the same request may pass later
    "throttled",  # likewise, and with fewer requests in flight
    "key",  # the user's to fix, like the next six
    "region",
    "address",
    "model",
    "quota",
    "parameter",  # the server does not know a field of the request
    "limit",  # a field's value is beyond the server's limit
    "overflow",  # prompt and reply are longer than the model's context
    "filtered",  # by the provider's content filter
    "forbidden",  # HTTP 403 that does not say whether key or text is at fault
    "bad",  # anything else for good
]


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_OVERFLOW = _any(
    r"context.?length|context.?window|context.?size|maximum model length|max_model_len",
    r"prompt is too long|input is too long|too many (input )?tokens|maximum number of tokens",
    r"at least 1, got -|`inputs` must have less|inputs` tokens \+",  # vLLM and TGI: no room is left
    r"input token count",  # Gemini, Together
)
_QUOTA = _any(
    r"insufficient_quota|exceeded your current quota|insufficient.?(balance|credit|funds)",
    r"credit balance is too low|account is not active|budget has been exceeded|out of credits",
    r"billing hard limit|(spending|total|monthly|daily|key) limit (reached|exceeded|\()",
    r"used all available credits|free tier [^.]{0,40}exhausted|requires more credits|余额不足|欠费",
)
_OPENS_SPENT = re.compile(  # HTTP 400 and 422 at Anthropic and LiteLLM; behind it the row may speak
    r"(your )?(credit balance is too low|budget has been exceeded|exceededbudget|billing hard)",
    re.IGNORECASE,
)
_PASSES = _any(  # a limit that the same key is under again in a while
    r"(try again|retry) (in|after)\b|rate.?limit|per.?(second|minute|hour)|too many requests",
    r"concurren|gauge quota",  # Yandex: how many requests run at once
)
_FILTERED = _any(
    r"content_?filter|content_policy|content policy|responsibleai|flagged_input|moderation",
    r"(input|prompt|content|text|request|message)s? (was|were|has been|have been) flagged",
    r"data_inspection_failed|prohibited_content|content exists risk|considered high risk",
    r"violates? (our |the )?(usage|content|safety) (guidelines|polic)|敏感内容",
)
_KEY = _any(
    r"(api|access)[ _-]?key (is )?(not valid|invalid|expired|incorrect|missing)",
    r"(invalid|incorrect|missing|no|expired|wrong)[ _-](api|access)[ _-]?key|API_KEY_INVALID",
    r"unauthori[sz]ed|authentication|invalid (token|credentials)",
)
_ACCESS = _any(  # HTTP 403 alone: in a 400 these may be words of the row
    r"permission|not authori[sz]ed|access (is |was )?denied|not have access|credential",
    r"\b(api[ _-]?key|ip address)\b",
    r"\b(account|organi[sz]ation|project|subscription|user)\b[^.]{0,40}"
    r"\b(suspended|disabled|deactivated|inactive|blocked|denied|not)\b",
)
_REGION = _any(
    r"(country|region|territory|location)\b[^.]{0,40}\b(not|un)[ -]?(supported|available)",
    r"not (supported|available) in your (country|region|location)",
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
_BY_STATUS: dict[int, HttpFault] = {
    401: "key",
    402: "quota",
    408: "transient",
    409: "transient",
    425: "transient",
}


def http_fault(status: int, text: str, fields: frozenset[str]) -> HttpFault:
    """What an error with this body means; `fields` are those of the request's body.

    Codes count before sentences, and sentences only where they mean what they seem to.
    """
    if status < 400 or status == 404:
        return "address"
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 500 and status != 501:
        return "transient"
    coded, words = coded_faults(text), error_words(text)
    if status == 429:
        return "quota" if _is_spent(coded, words) else "throttled"
    if "quota" in coded or (_QUOTA.search(words) if status == 403 else _OPENS_SPENT.match(words)):
        return "quota"
    if fault := _of_the_row(status, coded, text):
        return fault
    if "region" in coded or status == 451 or _REGION.search(words):
        return "region"
    return _of_access(coded, text, words) if status == 403 else _of_words(text, words, fields)


def _is_spent(coded: frozenset[CodedFault], words: str) -> bool:
    """Whether HTTP 429 is a quota that only the user can add to. Both kinds may name billing."""
    if "throttled" in coded:
        return False
    return "quota" in coded or bool(_QUOTA.search(words) and not _PASSES.search(words))


def _of_the_row(status: int, coded: frozenset[CodedFault], text: str) -> HttpFault | None:
    """What is wrong with the text of a request; None: something else is."""
    if "filtered" in coded or (status != 413 and _FILTERED.search(text)):
        return "filtered"
    if status == 413 or "overflow" in coded or _OVERFLOW.search(text):
        return "overflow"
    return None


def _of_access(coded: frozenset[CodedFault], text: str, words: str) -> HttpFault:
    """What HTTP 403 means where it does not say that the text is at fault."""
    if "key" in coded:
        return "key"
    if text.lstrip().startswith("<"):  # the page of a firewall, which may dislike the row's text
        return "forbidden"
    return "key" if _ACCESS.search(words) or _KEY.search(words) else "forbidden"


def _of_words(text: str, words: str, fields: frozenset[str]) -> HttpFault:
    """By the sentence, which lacks the request that some servers repeat."""
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
    if fault == "region":
        return "the server does not serve this region; take another server"
    if fault == "forbidden":
        return FORBIDDEN_WAY_OUT
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
