"""Whose fault an error is, by the words of real servers."""

import pytest

from wire.http_error import HttpFault, http_fault, way_out

FIELDS = frozenset(
    ("model", "messages", "max_tokens", "temperature", "top_p", "seed", "response_format")
)

ERRORS: list[tuple[int, str, HttpFault]] = [
    # OpenAI
    (400, "Unsupported parameter: 'max_tokens' is not supported with this model.", "parameter"),
    (400, "Unsupported value: 'temperature' does not support 0 with this model.", "parameter"),
    (400, "Unknown parameter: 'seed'.", "parameter"),
    (400, "Invalid parameter: 'response_format' of type 'json_schema' is not supported", "bad"),
    (400, "max_tokens is too large: 9000. This model supports at most 4096 tokens", "limit"),
    (400, "This model's maximum context length is 8192 tokens; you requested 9000", "overflow"),
    (429, "You exceeded your current quota, please check your plan and billing", "quota"),
    (429, "Rate limit reached for requests", "throttled"),
    # Mistral and other FastAPI servers
    (422, '[{"loc":["body","seed"],"msg":"Extra inputs are not permitted"}]', "parameter"),
    (401, '{"message":"Unauthorized"}', "key"),
    (402, '{"message":"Insufficient balance"}', "quota"),
    # Gemini
    (400, "API key not valid. Please pass a valid API key.", "key"),
    (400, "API key expired. Please renew the API key.", "key"),
    (400, "The input token count (9999) exceeds the maximum number of tokens", "overflow"),
    (404, "models/gemini-0 is not found for API version v1beta", "address"),
    # OpenRouter, Together
    (400, "no-such/model is not a valid model ID", "model"),
    (403, "Input was flagged by moderation", "filtered"),
    (400, "The model `m` does not exist", "model"),
    # Azure, Alibaba
    (400, "The response was filtered due to the prompt triggering content_filter", "filtered"),
    (400, "data_inspection_failed: Input data may contain inappropriate content", "filtered"),
    # TGI, llama.cpp, vLLM
    (422, "`inputs` tokens + `max_new_tokens` must be <= 4096", "overflow"),
    (400, "the request exceeds the available context size", "overflow"),
    (400, "max_tokens must be at least 1, got -812.", "overflow"),
    (400, "Failed to compile the grammar", "bad"),
    # any
    (413, "", "overflow"),
    (307, "", "address"),
    (400, "strange", "bad"),
    (501, "not implemented", "bad"),
    (502, "<html>Bad gateway</html>", "transient"),
]


@pytest.mark.parametrize(("status", "text", "fault"), ERRORS)
def test_words_of_servers(status: int, text: str, fault: HttpFault) -> None:
    assert http_fault(status, text, FIELDS) == fault


def test_a_repeated_request_accuses_nobody() -> None:
    """FastAPI repeats the input; a question about API keys is no refused key."""
    echo = '{"detail": [{"msg": "Bad value", "input": "Is an invalid API key unauthorized?"}]}'
    assert http_fault(422, echo, FIELDS) == "bad"


def test_only_fields_that_were_sent_are_parameters() -> None:
    """Otherwise a sentence about anything would stop a run."""
    assert http_fault(400, "Unknown field in passage: 'tone'", FIELDS) == "bad"


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        (
            "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens'",
            "set judge.llm.max_tokens_field: max_completion_tokens",
        ),
        ("'temperature' is not supported", "judge.llm.extra_body: {temperature: null}"),
        ("unknown field 'top_p', seed given", "judge.llm.extra_body: {top_p: null}"),
    ],
)
def test_the_way_out_names_the_setting(text: str, fix: str) -> None:
    assert way_out("parameter", "judge.llm", text, FIELDS).endswith(fix)
