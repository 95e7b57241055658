"""Words of an error are read in their context: by code, status, and what else the sentence says.

The bodies are those that the servers document or send.
"""

import json
from typing import Any

import pytest

from wire.error_codes import coded_faults
from wire.error_status import error_status
from wire.http_error import HttpFault, http_fault

FIELDS = frozenset(("model", "messages", "max_tokens", "temperature"))
BILLING = "Visit https://platform.openai.com/account/billing to add a payment method."


def coded(message: str, **fields: Any) -> str:
    return json.dumps({"error": {"message": message, **fields}}, ensure_ascii=False)


FAULTS: list[tuple[int, str, HttpFault]] = [
    # OpenAI, Groq: a limit per minute, with an advertisement
    (429, coded(f"Rate limit reached. {BILLING}", type="requests"), "throttled"),
    (429, coded(f"Limit 30000 TPM. {BILLING}", type="tokens", code=None), "throttled"),
    (429, coded(f"Try again in 2s. Upgrade: {BILLING}"), "throttled"),
    (429, coded("Add billing for more", code="rate_limit_exceeded"), "throttled"),
    (429, coded("See your plan and billing"), "throttled"),
    (429, coded("You exceeded your current quota", code="insufficient_quota"), "quota"),
    (429, coded("Your account is not active", code="billing_not_active"), "quota"),
    (400, coded("Hard limit", code="billing_hard_limit_reached"), "quota"),
    (400, coded("Flagged as against our usage policy", code="invalid_prompt"), "filtered"),
    (403, coded("No.", code="unsupported_country_region_territory"), "region"),
    (403, coded("You are not allowed to sample from this model: no permission"), "key"),
    # Gemini: the same sentence for the minute and for ever; RetryInfo tells
    (
        429,
        coded(
            "You exceeded your current quota, please check your plan and billing details",
            status="RESOURCE_EXHAUSTED",
            details=[{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}],
        ),
        "throttled",
    ),
    (400, coded("User location is not supported for the API use."), "region"),
    (403, coded("Caller lacks it", status="PERMISSION_DENIED"), "key"),
    # OpenRouter, Together, xAI
    (402, coded("This request requires more credits, or fewer max_tokens"), "quota"),
    (403, coded("Key limit exceeded (daily limit)"), "quota"),
    (
        403,
        coded("It was refused", metadata={"reasons": ["x"], "flagged_input": "my api key"}),
        "filtered",
    ),
    (
        400,
        coded("Provider error", metadata={"raw": coded("No.", code="context_length_exceeded")}),
        "overflow",
    ),
    (403, coded("Input token count + max_tokens must be less than 8192"), "overflow"),
    (403, coded("Content violates usage guidelines. Failed check: SAFETY"), "filtered"),
    (403, coded("Your team has used all available credits"), "quota"),
    # gateways in Anthropic's form, LiteLLM
    (400, coded("Your credit balance is too low to access the API"), "quota"),
    (429, coded("This would exceed your rate limit", type="rate_limit_error"), "throttled"),
    (400, coded("prompt is too long: 210000 tokens > 200000 maximum"), "overflow"),
    (403, coded("No.", type="permission_error"), "key"),
    (529, coded("Overloaded", type="overloaded_error"), "transient"),
    (400, coded("Budget has been exceeded! Current cost: 2", type="budget_exceeded"), "quota"),
    (400, coded("x", type="ContextWindowExceededError"), "overflow"),
    # DeepSeek, Moonshot, Zhipu, DashScope
    (400, coded("Content Exists Risk", type="invalid_request_error"), "filtered"),
    (429, coded("Suspended, check billing", type="exceeded_current_quota_error"), "quota"),
    (429, coded("Busy", type="engine_overloaded_error"), "throttled"),
    (400, coded("系统检测到输入可能包含不安全或敏感内容", code="1301"), "filtered"),
    (429, coded("余额不足或无可用资源包,请充值。", code="1113"), "quota"),
    (400, '{"code": "Arrearage", "message": "Access denied, good standing"}', "quota"),
    (429, '{"code": "Throttling.AllocationQuota", "message": "quota exceeded"}', "throttled"),
    (403, '{"code": "AllocationQuota.FreeTierOnly", "message": "exhausted"}', "quota"),
    (400, '{"code": "DataInspectionFailed", "message": "x"}', "filtered"),
    # YandexGPT, GigaChat
    (429, '{"error": "sessionsCount.count gauge quota limit exceed: allowed 10"}', "throttled"),
    (403, coded("Permission to folder denied", grpcCode=7, httpCode=403), "key"),
    (403, '{"status": 403, "message": "Permission denied"}', "key"),
    (402, '{"status": 402, "message": "Payment Required"}', "quota"),
    (422, '{"status": 422, "message": "Invalid params: bad text"}', "bad"),
    (401, '{"status": 401, "message": "Token has expired"}', "key"),
    # vLLM
    (401, '{"error": "Unauthorized"}', "key"),
    # words that do not tell key from text
    (403, "", "forbidden"),
    (403, '{"detail": "Forbidden"}', "forbidden"),
    (403, "<html>Access Denied. You have no permission to send this.</html>", "forbidden"),
    (403, "error code: 1020", "forbidden"),
    (451, "", "region"),
]


@pytest.mark.parametrize(("status", "body", "fault"), FAULTS)
def test_in_context(status: int, body: str, fault: HttpFault) -> None:
    assert http_fault(status, body, FIELDS) == fault


@pytest.mark.parametrize("words", ["insufficient balance", "exceeded your current quota"])
def test_a_repeated_row_spends_no_quota(words: str) -> None:
    """HTTP 400 and 422 often repeat the input, which may be a question about a bill."""
    for status in (400, 422):
        assert http_fault(status, coded(f"Invalid content: 'I have {words}'"), FIELDS) == "bad"


@pytest.mark.parametrize(
    "body", ["[" * 99_999, '{"error": ' * 400 + "1" + "}" * 400, "\ud83d", "7"]
)
def test_codes_of_nonsense(body: str) -> None:
    """Deep or wild bodies have no codes, and end in no RecursionError."""
    assert coded_faults(body) == frozenset()
    assert http_fault(403, body, FIELDS) == "forbidden"


def test_a_sentence_in_a_reply_that_names_billing_is_no_payment() -> None:
    assert error_status("Model overloaded; see billing for faster tiers") == 500
    assert error_status({"code": "insufficient_balance"}) == 402
