"""Probes: rows that the teacher makes for rules that the logs hardly touch."""

from pydantic import PositiveInt

from config.base import Settings


class ProbeSettings(Settings):
    """How many, and out of what."""

    floor: PositiveInt = 50  # train rows that each rule should be due on, made ones included
    bank: str | None = None  # YAML of questions; None: prompts/probes in the prompt's language
    from_model: bool = False  # the model writes questions of its own too, taken before the bank's
