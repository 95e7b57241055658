"""The kinds of layers of a model, by its config."""

from typing import Any


def layer_types(config: Any) -> set[str]:
    """Types of the layers of a text decoder, in transformers' words."""
    types: list[str] | None = getattr(config, "layer_types", None)
    if types:
        return set(types)
    return {"sliding_attention" if getattr(config, "sliding_window", None) else "full_attention"}
