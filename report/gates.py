"""The thresholds of the experiment as `python -m judge CONFIG gate` decides them, for the pages."""

from config.errors import DataError
from config.judging import GateSettings
from data.records import Record
from judge.gate.command import measure
from judge.gate.thresholds import GateOutcome, decide
from report.gather import RunFiles


class Threshold(Record):
    """One threshold and what was measured against it."""

    name: str  # as in judge.gate
    outcome: GateOutcome
    said: str


def gates(material: RunFiles) -> tuple[Threshold, ...]:
    """Every threshold that is set, or none; undecided, with the reason, before scoring."""
    config = material.config
    if config.judge.gate == GateSettings():
        return ()
    try:
        found = list(decide(config.judge, measure(config)))
    except DataError as error:
        return (Threshold(name="judge.gate", outcome="undecided", said=str(error)),)
    return tuple(Threshold(name=one.name, outcome=one.outcome, said=one.said) for one in found)
