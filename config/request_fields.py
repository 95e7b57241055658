"""The fields of requests that the settings may change: one mechanism for teacher and judge."""

from typing import Annotated, Any, Literal

from pydantic import JsonValue, field_validator

from config.settings import AsSwitches, Settings

# what the program reads replies by, or asks for by settings of its own
_FIXED = frozenset(
    (
        *("model", "messages", "stream", "stream_options", "n", "logprobs", "top_logprobs"),
        *("response_format", "structured_outputs", "tools", "tool_choice", "functions", "stop"),
        *("return_token_ids", "return_tokens_as_token_ids", "stop_token_ids"),
    )
)
_ONLY_LEFT_OUT = frozenset(("temperature", "top_p", "seed"))  # their values are settings elsewhere


class RequestFields(Settings):
    """What is changed in the body of every request to a server. Part of each request's identity."""

    # JSON fields that are set last; null leaves a field out. A reasoning model often needs
    # {temperature: null, top_p: null}, Qwen3 without thinking
    # {chat_template_kwargs: {enable_thinking: false}}.
    extra_body: Annotated[dict[str, JsonValue], AsSwitches] = {}
    # under which name the limit of tokens is sent; OpenAI's reasoning models know only the second
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"

    @field_validator("extra_body")
    @classmethod
    def _leaves_the_needed(cls, extra: dict[str, JsonValue]) -> dict[str, JsonValue]:
        for name, value in extra.items():
            if name in _FIXED:
                raise ValueError(f"{name} is the program's own; remove it")
            if name in _ONLY_LEFT_OUT and value is not None:
                raise ValueError(
                    f"{name} can only be left out (null); its value is a setting of its own"
                )
        return extra

    @property
    def changes(self) -> dict[str, Any]:
        """The changes of a request, for its identity; empty when there are none."""
        renamed = self.max_tokens_field != "max_tokens"
        return self.extra_body | ({"max_tokens_field": self.max_tokens_field} if renamed else {})

    def apply(self, body: dict[str, Any]) -> dict[str, Any]:
        """The body as it is sent. `body` names the limit `max_tokens`."""
        if not self.changes:
            return body
        renamed = {
            self.max_tokens_field if name == "max_tokens" else name: value
            for name, value in body.items()
        }
        fields = renamed | self.extra_body
        removed = {name for name, value in self.extra_body.items() if value is None}
        return {name: value for name, value in fields.items() if name not in removed}
