"""Rules as a drafting model writes them."""

from typing import Any

LINK = "Give a link only if it is in the passages."


def drafted(**settings: Any) -> dict[str, Any]:
    """A rule as a model writes it."""
    rule = {"id": "links", "source": LINK, "severity": "must", "applies": "always"}
    return {**rule, "check": {"type": "urls_from"}, **settings}
