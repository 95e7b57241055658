"""What a server says of an error in fields of its own: codes, types and states.

They are read before its sentences: a sentence about too many requests may name billing, a code does
not. Codes are compared by their letters and digits: `AllocationQuota.FreeTierOnly`.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Literal

CodedFault = Literal["throttled", "quota", "filtered", "overflow", "key", "region"]

_LONGEST = 80  # characters of a code
_DEEPEST = 5  # levels: error → metadata → raw → error → details
_WRAPPED = ("error", "errors", "detail", "details", "innererror", "metadata", "raw")
_CODES = ("code", "type", "status", "reason", "error_code", "@type", "error")

_FAULTS: dict[CodedFault, tuple[str, ...]] = {
    "quota": (
        *("insufficient_quota", "exceeded_current_quota_error", "billing_not_active"),  # Moonshot
        *("billing_hard_limit_reached", "billing_error", "budget_exceeded", "Arrearage"),
        *("AllocationQuota.FreeTierOnly", "insufficient_credits", "insufficient_balance"),
        *("credit_limit", "payment_required", "credits_exhausted"),
    ),
    "throttled": (
        *("rate_limit_exceeded", "rate_limit_error", "rate_limit_reached_error", "rate_limit"),
        *("requests", "tokens", "too_many_requests", "engine_overloaded_error", "overloaded_error"),
        *("Throttling", "Throttling.RateQuota", "Throttling.AllocationQuota"),
        *("Throttling.BurstRate", "RateLimitError", "type.googleapis.com/google.rpc.RetryInfo"),
    ),
    "filtered": (
        *("content_filter", "content_filtered", "content_policy_violation", "invalid_prompt"),
        *("ResponsibleAIPolicyViolation", "ContentPolicyViolationError", "moderation_blocked"),
        *("data_inspection_failed", "DataInspectionFailed", "prohibited_content", "1301"),
        *("flagged_input", "moderation", "sensitive_content", "guardrail_violation"),
    ),
    "overflow": (
        *("context_length_exceeded", "string_above_max_length", "context_window_exceeded"),
        *("ContextWindowExceededError", "request_too_large", "max_tokens_exceeded"),
    ),
    "key": (
        *("invalid_api_key", "invalid_authentication_error", "authentication_error"),
        *("api_key_invalid", "InvalidApiKey", "unauthenticated", "unauthorized"),
        *("permission_denied", "permission_error", "permission_denied_error", "AccessDenied"),
        *("AccessDeniedException", "AccessDenied.Unpurchased", "account_deactivated"),
        *("mismatched_organization", "mismatched_project", "ip_not_authorized"),
    ),
    "region": ("unsupported_country_region_territory", "unsupported_region"),
}


def _letters(code: str) -> str:
    return re.sub(r"[^a-z0-9]", "", code.casefold())


_BY_LETTERS = {_letters(code): fault for fault, codes in _FAULTS.items() for code in codes}


def coded_faults(body: str) -> frozenset[CodedFault]:
    """The faults that an error's codes name; empty where it has none that are known."""
    letters = {_letters(code) for code in _codes(_json(body), _DEEPEST)}
    return frozenset(_BY_LETTERS[code] for code in letters if code in _BY_LETTERS)


def _codes(value: Any, depth: int) -> Iterator[str]:
    """The codes of an error and of what it wraps, to a depth."""
    if depth == 0:
        return
    for fields in value[:_DEEPEST] if isinstance(value, list) else [value]:
        if not isinstance(fields, dict):
            continue
        yield from (name for name in fields if name == "flagged_input")  # OpenRouter
        codes = (fields.get(name) for name in _CODES)
        yield from (str(code)[:_LONGEST] for code in codes if isinstance(code, str | int))
        for name in _WRAPPED:
            part = fields.get(name)
            yield from _codes(_json(part) if name == "raw" else part, depth - 1)


def _json(text: Any) -> Any:
    try:
        return json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        return None
