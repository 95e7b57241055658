"""The finish reasons of public servers, as their references list them."""

import re

import pytest

from config.checkout import ROOT
from wire.finish_reason import FINISH_REASONS, Ending, ending_of

OF_SERVERS: dict[str, dict[str, Ending]] = {
    "OpenAI, vLLM": {
        "stop": "whole",
        "length": "cut",
        "content_filter": "filtered",
        "tool_calls": "unknown",
    },
    "TGI": {"eos_token": "whole", "stop_sequence": "whole", "length": "cut"},
    "Anthropic": {
        "end_turn": "whole",
        "max_tokens": "cut",
        "model_context_window_exceeded": "cut",
        "refusal": "filtered",
        "tool_use": "unknown",
        "pause_turn": "unknown",
    },
    "Gemini": {
        "STOP": "whole",
        "MAX_TOKENS": "cut",
        "SAFETY": "filtered",
        "FINISH_REASON_UNSPECIFIED": "unstated",
        "content_filter: RECITATION": "filtered",
        "OTHER": "unknown",
    },
    "Cohere": {"COMPLETE": "whole", "ERROR_LIMIT": "cut", "ERROR_TOXIC": "filtered"},
    "Mistral": {"model_length": "cut", "error": "unknown"},
    "YandexGPT": {
        "ALTERNATIVE_STATUS_FINAL": "whole",
        "ALTERNATIVE_STATUS_TRUNCATED_FINAL": "cut",
        "ALTERNATIVE_STATUS_CONTENT_FILTER": "filtered",
        "ALTERNATIVE_STATUS_PARTIAL": "unknown",
    },
    "GigaChat": {"blacklist": "filtered", "function_call": "unknown"},
    "DeepSeek, GLM": {
        "insufficient_system_resource": "unknown",
        "network_error": "unknown",
        "sensitive": "filtered",
    },
    "watsonx, SGLang, LiteLLM": {
        "TIME_LIMIT": "cut",
        "abort": "unknown",
        "FinishReason.STOP": "whole",
        "maxTokens": "cut",
    },
}


@pytest.mark.parametrize("server", OF_SERVERS)
def test_words_of_servers(server: str) -> None:
    words = OF_SERVERS[server]
    assert {word: ending_of(word) for word in words} == words


def test_any_spelling_of_every_word() -> None:
    """Case and separators differ between servers and carry no meaning."""
    for ending, words in FINISH_REASONS.items():
        for word in words:
            spellings = word.upper(), word.replace("_", "-"), word.title().replace("_", "")
            assert {ending_of(spelling) for spelling in spellings} == {ending}


def test_a_word_has_one_meaning() -> None:
    words = [word.replace("_", "") for words in FINISH_REASONS.values() for word in words]
    assert len(words) == len(set(words))


def test_the_docs_print_the_table() -> None:
    """The row of each meaning lists its words, and no others."""
    page = (ROOT / "docs/servers.md").read_text("utf-8")
    rows = {"whole": "ended by itself", "cut": "cut", "filtered": "withheld"}
    for ending, row in rows.items():
        (cell,) = re.findall(rf"^\| {row} \| ([^|]+) \|", page, re.MULTILINE)
        assert tuple(re.findall(r"`(\w+)`", cell)) == FINISH_REASONS[ending]  # type: ignore[index]
