"""What the settings may change of a request to a server."""

from typing import Any

import pytest
from pydantic import ValidationError

from config.backends import BatchBackend, OpenAiBackend
from config.judging import ServerSettings
from config.request_fields import RequestFields

BODY = {"model": "m", "messages": [], "temperature": 0.0, "top_p": 1.0, "max_tokens": 9}


def fields(**changes: Any) -> RequestFields:
    return RequestFields.model_validate(changes)


def test_without_changes_the_body_is_sent_as_it_is() -> None:
    """The same object: nothing is copied where thousands of requests are built."""
    assert fields().apply(BODY) is BODY and fields().changes == {}


def test_null_leaves_a_field_out_and_a_value_is_set_last() -> None:
    reasoning = fields(
        max_tokens_field="max_completion_tokens",
        extra_body={"temperature": None, "top_p": None, "reasoning_effort": "low"},
    )
    assert reasoning.apply(BODY) == {
        "model": "m",
        "messages": [],
        "max_completion_tokens": 9,
        "reasoning_effort": "low",
    }


def test_a_value_inside_may_be_null() -> None:
    """Only a field of the body itself is left out."""
    body = fields(extra_body={"thinking": {"budget": None}}).apply(BODY)
    assert body["thinking"] == {"budget": None}


def test_the_limit_may_be_another_than_that_of_the_answer() -> None:
    """A reasoning teacher spends tokens before its answer begins."""
    body = fields(extra_body={"max_tokens": 9000}).apply(BODY)
    assert body["max_tokens"] == 9000


@pytest.mark.parametrize(
    "name",
    [
        "model",
        "messages",
        "stream",
        "n",
        "logprobs",
        "response_format",
        "tools",
        "return_token_ids",
    ],
)
@pytest.mark.parametrize("value", [None, 1])
def test_what_the_program_needs_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=f"{name} is the program's own; remove it"):
        fields(extra_body={name: value})


@pytest.mark.parametrize("name", ["temperature", "top_p", "seed"])
def test_a_value_with_a_setting_of_its_own_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match=f"{name} can only be left out"):
        fields(extra_body={name: 1})


def test_the_judge_keeps_its_seed() -> None:
    """Without it, three votes would be one request, answered once."""
    with pytest.raises(ValidationError, match="tells several votes apart"):
        ServerSettings(base_url="http://x/v1", model="m", extra_body={"seed": None})


def test_with_the_bases_tokenizer_its_template_decides() -> None:
    kwargs: dict[str, Any] = {"chat_template_kwargs": {"enable_thinking": False}}
    with pytest.raises(ValidationError, match=r"set model\.template_kwargs"):
        BatchBackend(model="m", same_tokenizer=True, extra_body=kwargs)
    assert BatchBackend(model="m", extra_body=kwargs).changes == kwargs


def test_every_server_has_the_same_fields() -> None:
    for server in (OpenAiBackend, BatchBackend, ServerSettings):
        assert issubclass(server, RequestFields)
