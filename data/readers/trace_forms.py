"""Forms of logs that tracing tools export, in which a record is a span, a run or an observation.

OpenTelemetry's gen_ai spans, Phoenix (OpenInference), Langfuse and LangSmith.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from data.readers.cells import Malformed
from data.readers.chat_forms import ChatForm, Conversations, Values
from data.readers.conversation import (
    Conversation,
    NotACall,
    Unsupported,
    is_messages,
    structured,
)
from data.readers.otlp import Span, SpanEvent, indexed, spans
from data.readers.passages import cell_contexts
from data.readers.payloads import call
from data.readers.trace_scores import langfuse_scores, langsmith_scores, phoenix_scores
from data.rows import Context

_NO_CONTENT = (
    "a call without its messages; record them "
    "(OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true)"
)
_REQUESTS = ("gen_ai.input.messages", "gen_ai.prompt", "gen_ai.request.messages")
_REPLIES = ("gen_ai.output.messages", "gen_ai.completion", "gen_ai.response.text")
_OTHER_CALLS = ("embeddings", "execute_tool", "create_agent", "invoke_agent", "retrieval")
_GENERATIONS = ("GENERATION", "generation")
_OBSERVATIONS = (*_GENERATIONS, "SPAN", "EVENT", "AGENT", "TOOL", "CHAIN", "RETRIEVER")


def _is_gen_ai(values: Values) -> bool:
    return any(map(_has_gen_ai, spans(values)))


def _has_gen_ai(span: Span) -> bool:
    names = (*span.attributes, *(event.name for event in span.events))
    return any(name.startswith("gen_ai.") for name in names)


def _gen_ai(values: Values) -> Conversations:
    yield from _each_span(values, _gen_ai_call)


def _each_span(values: Values, convert: Callable[[Span], Conversation]) -> Conversations:
    """The conversations of a record's spans, or the reason why a span is none."""
    for span in spans(values):
        try:
            yield convert(span)
        except Malformed as error:  # the other spans are still good
            yield error


def _gen_ai_call(span: Span) -> Conversation:
    attributes = span.attributes
    if attributes.get("gen_ai.operation.name") in _OTHER_CALLS or not _has_gen_ai(span):
        raise NotACall("a span of another kind")
    request = _first(attributes, _REQUESTS) or indexed(attributes, "gen_ai.prompt")
    reply = _first(attributes, _REPLIES) or indexed(attributes, "gen_ai.completion")
    if not request:
        request, reply = _of_events(span.events)
    if not request:
        raise Unsupported(_NO_CONTENT)
    return call(request, reply, system=_first(attributes, ("gen_ai.system_instructions",)))


def _first(attributes: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((attributes[key] for key in keys if attributes.get(key)), None)


def _of_events(events: Sequence[SpanEvent]) -> tuple[Any, Any]:
    """Request and reply of the events in use before the attributes: one per message, or two."""
    messages, reply = list[dict[str, Any]](), None
    for event in events:
        content = {**event.attributes, **(event.body if isinstance(event.body, dict) else {})}
        whole = _first(content, _REQUESTS)
        if whole:
            return whole, _first(content, _REPLIES) or _later_reply(events)
        role = event.name.removeprefix("gen_ai.").removesuffix(".message")
        if event.name == "gen_ai.choice":
            reply = reply or structured(content.get("message")) or {**content, "role": "assistant"}
        elif event.name.startswith("gen_ai.") and event.name.endswith(".message"):
            messages.append(
                {"role": role, **content, "content": structured(content.get("content"))}
            )
    return messages, reply


def _later_reply(events: Sequence[SpanEvent]) -> Any:
    replies = (_first(event.attributes, _REPLIES) for event in events)
    return next((reply for reply in replies if reply), None)


def _is_openinference(values: Values) -> bool:
    return any(
        name.startswith(("openinference.", "llm.input_messages", "llm.output_messages"))
        for span in spans(values)
        for name in span.attributes
    )


def _openinference(values: Values) -> Conversations:
    yield from _each_span(values, _openinference_call)


def _openinference_kind(span: Span) -> str:
    return str(span.attributes.get("openinference.span.kind") or "LLM").upper()


def _openinference_call(span: Span) -> Conversation:
    attributes = span.attributes
    if _openinference_kind(span) != "LLM":
        raise NotACall("a span of another kind")
    request = _messages(attributes, "llm.input_messages") or attributes.get("input.value")
    reply = _messages(attributes, "llm.output_messages") or attributes.get("output.value")
    if not request:
        raise Unsupported("a call without its messages; do not hide inputs when tracing")
    return call(request, reply, _documents(attributes))


def _messages(attributes: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    value = structured(attributes.get(name))
    messages = value if isinstance(value, list) else indexed(attributes, name)
    return [_message(message) for message in messages if isinstance(message, dict)]


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message with the keys of its own, whether its names are dotted or nested."""
    inner = message.get("message")
    body = dict(inner) if isinstance(inner, dict) else dict(message)
    body = {key.removeprefix("message."): value for key, value in body.items()}
    for name in ("contents", "tool_calls"):
        parts = indexed(body, name)
        body.update({name: parts} if parts else {})
    return body


def _documents(attributes: Mapping[str, Any]) -> tuple[Context, ...]:
    value = structured(attributes.get("retrieval.documents"))
    documents = value if isinstance(value, list) else indexed(attributes, "retrieval.documents")
    texts = [_document(part) for part in documents if isinstance(part, dict)]
    return cell_contexts([text for text in texts if text], "retrieval.documents")


def _document(document: Mapping[str, Any]) -> Any:
    inner = document.get("document")
    return inner.get("content") if isinstance(inner, dict) else document.get("document.content")


def _is_langfuse(values: Values) -> bool:
    marks = ("traceId", "trace_id", "observations", "sessionId", "htmlPath", "projectId")
    is_observation = values.get("type") in _OBSERVATIONS
    has_both = "input" in values and "output" in values
    return has_both and (is_observation or any(mark in values for mark in marks))


def _langfuse(values: Values) -> Conversations:
    observations = structured(values.get("observations"))
    listed = observations if isinstance(observations, list) else []
    nested = [part for part in listed if isinstance(part, dict)]
    generations: list[Values] = [part for part in nested if part.get("type") in _GENERATIONS]
    for observation in generations or [values]:
        try:
            yield _recorded(observation.get("input"), observation.get("output"))
        except Malformed as error:  # the other observations are still good
            yield error


def _is_generation(values: Values) -> bool:
    return values.get("type") in _GENERATIONS


def _is_langsmith(values: Values) -> bool:
    return "inputs" in values and ("outputs" in values or "run_type" in values)


def _langsmith(values: Values) -> Conversations:
    yield _recorded(values.get("inputs"), values.get("outputs"))


def _recorded(request: Any, reply: Any) -> Conversation:
    if request in (None, "", {}, []):
        raise Unsupported("a call without its input")
    parsed = structured(request)
    if isinstance(parsed, dict) and isinstance(parsed.get("messages"), list):
        messages = parsed["messages"]
        if len(messages) == 1 and is_messages(messages[0]):  # LangChain's batch of one
            parsed = {**parsed, "messages": messages[0]}
            request = parsed
    return call(request, reply)


def _is_llm_run(values: Values) -> bool:
    return values.get("run_type") in ("llm", "chat_model")


TRACE_FORMS = (
    ChatForm(
        "Phoenix (OpenInference) spans",
        _is_openinference,
        _openinference,
        has_other_records=True,
        scores=phoenix_scores,
    ),
    ChatForm("OpenTelemetry gen_ai spans", _is_gen_ai, _gen_ai, has_other_records=True),
    ChatForm(
        "Langfuse observations", _is_langfuse, _langfuse, _is_generation, scores=langfuse_scores
    ),
    ChatForm("LangSmith runs", _is_langsmith, _langsmith, _is_llm_run, scores=langsmith_scores),
)
