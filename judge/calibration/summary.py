"""A calibration in a few lines of text."""

from collections.abc import Iterator

from judge.calibration.attacks import AttackReport
from judge.calibration.label_agreement import GoldAgreement
from judge.calibration.mutation.code import MutationScore
from judge.calibration.record import Calibration
from judge.calibration.shares import BiasRate
from judge.metrics.interval import Interval
from judge.records import Agreement


def lines(found: Calibration) -> Iterator[str]:
    """What a calibration found, most telling first."""
    gold = found.gold
    if found.coverage is not None:
        yield f"judge {found.bound.model} ({found.bound.mode}): {found.coverage.said}"
    yield (
        f"gold: {gold.good} good and {gold.bad} bad of {found.answers} logged answers; "
        f"{gold.preferences} pairs with a winner, {gold.off_topic} rows off topic, "
        f"{gold.unclear} unclear, {gold.unlabelled} unlabelled"
    )
    for name, score in found.scores.items():
        yield f"{name} ({len(score.must_rules)} must-rules), report half: {_gold(score.report)}"
    yield from map(_shadow, found.shadows)
    yield from map(_mutation, found.mutations)
    attacks = found.attacks
    through = ", ".join(f"{name} {count}" for name, count in attacks.got_through.items())
    yield (
        f"attacks: {len(attacks.attacks)} on {len(attacks.rows)} rows; escapes {attacks.escapes}; "
        f"passed on some row: {through}{_by_model(attacks)}"
    )
    for name, value in found.probes:
        yield f"{name.replace('_', ' ')}: {_probe(value)}"
    yield f"disagreements: {found.disagreeing}, of which {len(found.disagreements)} are listed"


def _by_model(attacks: AttackReport) -> str:
    """How many texts the model passed by a rule of its own, which need not be a must-rule."""
    passed = sum(bool(one.model_passes) for one in attacks.attacks)
    return f"; the model passed {passed} by some rule, tried on one row" if passed else ""


def _share(share: Interval | None) -> str:
    if share is None:
        return "undefined"
    return f"{share.value:.2f} [{share.low:.2f}, {share.high:.2f}]"


def _gold(found: GoldAgreement) -> str:
    if not found.n:
        return f"nothing decided, {found.undecided} undecided"
    left = (
        f" ({found.undecided} undecided: no rule of theirs is broken, some have no verdict)"
        if found.undecided
        else ""
    )
    return (
        f"agreement {_share(found.accuracy)} on {found.n} answers{left}; κ {_share(found.kappa)}, "
        f"TPR {_share(found.tpr)}, TNR {_share(found.tnr)}"
    )


def _shadow(found: Agreement) -> str:
    """How the model does where code knows better."""
    rules = f"{found.llm_rule} against code ({found.code_rule})"
    if not found.n:
        return f"{rules}: nothing decided by both, {found.missing} undecided"
    kappa = "undefined"
    if found.tpr is None or found.tnr is None:  # chance alone decides it then
        kappa = f"says nothing, code {'fails' if found.tpr is None else 'passes'} all of them"
    elif found.kappa is not None and found.kappa_low is not None and found.kappa_high is not None:
        kappa = f"{found.kappa:.2f} [{found.kappa_low:.2f}, {found.kappa_high:.2f}]"
    return (
        f"{rules}: agreement {_share(found.accuracy)} on {found.n} answers, {found.missing} "
        f"undecided; κ {kappa}, TPR {_share(found.tpr)}, TNR {_share(found.tnr)}"
    )


def _mutation(found: MutationScore) -> str:
    if found.not_covered is not None:
        return f"broken on purpose, {found.rule}: not covered, {found.not_covered}"
    ways = ", ".join(f"{way} {one.caught}/{one.n}" for way, one in found.ways.items())
    return f"broken on purpose, {found.rule}: {ways}; copies that pass {_share(found.specificity)}"


def _probe(found: BiasRate) -> str:
    if found.not_run is not None:
        return f"not run: {found.not_run}"
    if not found.n:
        return f"nothing decided, {found.missing} undecided"
    return f"{found.count}/{found.n}, {_share(found.rate)}, {found.missing} undecided"
