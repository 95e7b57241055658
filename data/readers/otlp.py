"""Spans and log events of OpenTelemetry in JSON: OTLP's nested lists, or flat records.

Knows how attributes are written; `trace_forms` knows what they mean.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from data.readers.conversation import structured

_OUTER = ("resourceSpans", "resource_spans", "resourceLogs", "resource_logs")
_SCOPES = ("scopeSpans", "scope_spans", "instrumentationLibrarySpans", "scopeLogs", "scope_logs")
_LEAVES = ("spans", "logRecords", "log_records")
_ANY_VALUES = ("stringValue", "intValue", "doubleValue", "boolValue", "bytesValue")
_MAX_DEPTH = 20


class SpanEvent(NamedTuple):
    """An event of a span, or a log record that stands for one."""

    name: str
    attributes: Mapping[str, Any]
    body: Any


class Span(NamedTuple):
    """One span, or one log record: its attributes by their dotted names, and its events."""

    attributes: Mapping[str, Any]
    events: tuple[SpanEvent, ...] = ()


def spans(record: Mapping[str, Any]) -> Iterator[Span]:
    """The spans of a record: of an OTLP export, or the record itself."""
    outer = [record[key] for key in _OUTER if isinstance(record.get(key), list)]
    if not outer:
        yield _span(record)
        return
    logs: dict[tuple[str, str], list[SpanEvent]] = {}
    for leaf in _leaves(outer):
        if "body" in leaf and "startTimeUnixNano" not in leaf:
            event = _event(leaf)
            if event.name == "gen_ai.client.inference.operation.details":
                yield Span(event.attributes)
            else:  # the messages of a call are events of their own, joined by the span
                span_id = (str(leaf.get("traceId")), str(leaf.get("spanId")))
                logs.setdefault(span_id, []).append(event)
        else:
            yield _span(leaf)
    for events in logs.values():
        yield Span({}, tuple(events))


def _leaves(outer: list[Any]) -> Iterator[Mapping[str, Any]]:
    for resources in outer:
        for resource in _objects(resources):
            for key in _SCOPES:
                for scope in _objects(resource.get(key)):
                    for leaf in _LEAVES:
                        yield from _objects(scope.get(leaf))


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []


def _span(record: Mapping[str, Any]) -> Span:
    events = structured(record.get("events"))
    return Span(_attributes(record), tuple(map(_event, _objects(events))))


def _event(record: Mapping[str, Any]) -> SpanEvent:
    attributes = _attributes(record)
    names = (record.get("name"), record.get("eventName"), record.get("event_name"))
    name = next((name for name in (*names, attributes.get("event.name")) if name), "")
    body = record.get("body", attributes.get("gen_ai.event.content"))
    if isinstance(body, dict) and len(body) == 1:
        body = any_value(body)
    return SpanEvent(str(name), attributes, structured(body))


def _attributes(record: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes by dotted names, whether they are a list of pairs, nested, or columns."""
    value = structured(record.get("attributes", record.get("span_attributes")))
    if isinstance(value, list):
        pairs = [pair for pair in value if isinstance(pair, dict) and "key" in pair]
        return {str(pair["key"]): any_value(pair.get("value")) for pair in pairs}
    columns = {
        key.removeprefix("attributes."): cell
        for key, cell in record.items()
        if key.startswith(("attributes.", "gen_ai.", "llm.", "openinference.", "retrieval."))
        or key in ("input.value", "output.value")
    }
    return {**columns, **(flattened(value) if isinstance(value, dict) else {})}


def any_value(value: Any, depth: int = 0) -> Any:
    """The value that OTLP wraps in an object with its type; every other value as it is."""
    if not isinstance(value, dict) or depth > _MAX_DEPTH:
        return value
    if "kvlistValue" in value:
        pairs = _objects(_values(value["kvlistValue"]))
        return {str(pair.get("key")): any_value(pair.get("value"), depth + 1) for pair in pairs}
    if "arrayValue" in value:
        return [any_value(part, depth + 1) for part in _values(value["arrayValue"])]
    return next((value[key] for key in _ANY_VALUES if key in value), value)


def _values(wrapper: Any) -> list[Any]:
    values = wrapper.get("values") if isinstance(wrapper, dict) else None
    return values if isinstance(values, list) else []


def flattened(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested objects as dotted names; lists stay."""
    flat: dict[str, Any] = {}
    for key, part in value.items():
        if isinstance(part, dict) and part and prefix.count(".") < _MAX_DEPTH:
            flat.update(flattened(part, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = part
    return flat


def indexed(attributes: Mapping[str, Any], prefix: str) -> list[dict[str, Any]]:
    """The objects that attributes write as `prefix.0.role`, `prefix.0.content`, …; in order.

    Deeper lists, such as the parts of a message, are objects with the rest of the name.
    """
    items: dict[int, dict[str, Any]] = {}
    for key, value in attributes.items():
        if key.startswith(f"{prefix}."):
            number, _, rest = key[len(prefix) + 1 :].partition(".")
            if number.isdecimal() and len(number) < 7:
                items.setdefault(int(number), {})[rest] = value
    return [items[number] for number in sorted(items)]
