"""Trackers that follow a training."""

from typing import Literal

from config.base import Settings


class TrackerSettings(Settings):
    """A tracker that follows the training with the numbers of metrics.jsonl."""

    project: str = "unprompted"
    samples: bool = False  # also some val questions with their answers: private text


class WandbSettings(TrackerSettings):
    """Weights & Biases; offline needs neither key nor network."""

    mode: Literal["offline", "online"] = "offline"
