"""A judge's request as it is sent, and the output modes that it may ask for."""

import hashlib
import json
from typing import Any, Literal, NamedTuple, get_args

from pydantic_core import to_json

from config.request_fields import RequestFields

Mode = Literal["json_schema", "structured_outputs", "json_object", "plain"]
OUTPUT_MODES: tuple[Mode, ...] = get_args(Mode)  # strictest first
CallStage = Literal["probe", "applies", "verdict", "pair", "text"]
Body = dict[str, Any]  # JSON of a chat completion request

_NO_CHANGES = RequestFields()
_TOP_LOGPROBS = 5  # per token: some servers give no more
BYTES_PER_TOKEN = 4  # an estimate where the server counts no tokens; a Cyrillic letter has 2 bytes


class RequestSettings(NamedTuple):
    """How a prompt is put to a model."""

    mode: Mode
    model: str
    max_tokens: int  # per verdict
    temperature: float = 0
    sample: int = 0  # seeds the sampling
    fields: RequestFields = _NO_CHANGES
    tokens: bool = False  # ask for the log-probabilities of a verdict's tokens


class JudgeRequest(NamedTuple):
    """A full request, and what its reply is filed under."""

    key: str  # SHA-256 of the bytes
    body: Body  # before the server's fields are applied
    data: bytes  # as it is sent
    fields: RequestFields = _NO_CHANGES
    stage: CallStage = "text"
    rule: str = "text"  # ids of the rules that it asks about
    row: str = ""
    mode: Mode = "plain"

    @property
    def estimated_tokens(self) -> int:
        """Tokens of the messages, estimated from their bytes in UTF-8."""
        size = sum(len(message["content"].encode()) for message in self.body["messages"])
        return size // BYTES_PER_TOKEN

    def with_body(self, body: Body) -> "JudgeRequest":
        """The request with another body, filed under the same labels."""
        return build_request(body, self.fields)._replace(
            stage=self.stage, rule=self.rule, row=self.row, mode=self.mode
        )


def build_request(body: Body, fields: RequestFields = _NO_CHANGES) -> JudgeRequest:
    """The request of a body to a server with these fields, serialised and hashed once."""
    sent = fields.apply(body)
    try:
        data = to_json(sent)  # the bytes that `json` makes, in a seventh of its time
    except ValueError:  # a lone surrogate, which UTF-8 cannot encode
        data = json.dumps(sent, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
    return JudgeRequest(hashlib.sha256(data).hexdigest(), body, data, fields)


def response_format(mode: Mode, name: str, schema: dict[str, Any]) -> Body:
    """The request parameters that ask for a reply by a JSON schema, as strictly as `mode` can."""
    if mode == "plain":
        return {}
    if mode == "json_object":
        return {"response_format": {"type": "json_object"}}
    if mode == "structured_outputs":
        return {"structured_outputs": {"json": schema}}
    named_schema = {"name": name, "strict": True, "schema": schema}
    return {"response_format": {"type": "json_schema", "json_schema": named_schema}}


def ask_for_tokens(body: Body) -> Body:
    """The request of a reply with its tokens' log-probabilities."""
    return {**body, "logprobs": True, "top_logprobs": _TOP_LOGPROBS}


def object_schema(properties: dict[str, Any]) -> dict[str, Any]:
    """The JSON schema of an object with exactly these keys, in this order."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
