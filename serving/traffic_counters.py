"""Counters of the proxy, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0)


class TrafficCounters:
    """What passed one proxy. Labels are names of routes, never texts."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self.requests = Counter(
            "unprompted_requests",
            "Requests by route and status",
            ("route", "status"),
            registry=registry,
        )
        self.tokens_saved = Counter(
            "unprompted_prompt_tokens_saved",
            "Tokens of prompts taken out",
            ("route",),
            registry=registry,
        )
        self.shadows = Counter(
            "unprompted_shadow_requests",
            "Requests sent a second time",
            ("status",),
            registry=registry,
        )
        self.unlogged = Counter(
            "unprompted_unlogged_answers", "Answers that the log could not take", registry=registry
        )
        self.first_byte = Histogram(
            "unprompted_first_byte_seconds",
            "From the request to the first byte of its answer",
            ("route",),
            buckets=_SECONDS,
            registry=registry,
        )

    def text(self) -> bytes:
        """All counters in Prometheus' text format."""
        return generate_latest(self._registry)
