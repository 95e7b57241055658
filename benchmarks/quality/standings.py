"""Where each way to learn stands: strict adherence over seeds, share of the gap, differences.

The seeds of one way answer the same questions, so intervals are clustered by question: they tell
how far other questions would move the mean over these seeds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple

from data.records import Record
from judge.metrics.interval import Interval, Refusal
from judge.metrics.stats import clustered_interval, gap_closed, paired_difference

StrictByRow = dict[str, bool]  # row → whether its answer passes every must-rule
ENOUGH = 0.8  # share of the gap that an objective is asked to close
FIRST = "ce"  # the way that others are compared with


class Standing(Record):
    """One way to learn, from one number of answers."""

    way: str
    answers: int
    seeds: tuple[float, ...]  # strict adherence, seed by seed
    strict: Interval  # of all seeds together
    closed: Interval | None  # share of the gap; None: there is none to close
    over_first: Interval | None  # strict, less that of FIRST from as many answers


def standings(
    base: StrictByRow,
    teacher: StrictByRow,
    found: Mapping[tuple[str, int], Mapping[int, StrictByRow]],
) -> list[Standing]:
    """One per way and number of answers, the most answers first."""
    made = []
    for (way, answers), by_seed in sorted(found.items(), key=lambda one: -one[0][1]):
        first = found.get((FIRST, answers))
        rows = [row for scores in by_seed.values() for row in scores]
        ours = _flat(by_seed)
        strict = clustered_interval(ours, rows)
        assert strict is not None  # val has more than one question
        above, below = ([float(arm[row]) for row in rows] for arm in (teacher, base))
        closed = gap_closed(ours, above, below, rows, seed=0)
        made.append(
            Standing(
                way=way,
                answers=answers,
                seeds=tuple(sum(scores.values()) / len(scores) for scores in by_seed.values()),
                strict=strict,
                closed=None if isinstance(closed, Refusal) else closed,
                over_first=paired_difference(ours, _flat(first), rows)
                if first and way != FIRST
                else None,
            )
        )
    return made


def _flat(by_seed: Mapping[int, StrictByRow]) -> list[float]:
    return [float(passes) for _, scores in sorted(by_seed.items()) for passes in scores.values()]


def enough(found: Iterable[Standing], way: str, surely: bool) -> int | None:
    """The fewest answers from which a way closes ENOUGH of the gap; surely: its interval too."""
    return min(
        (
            one.answers
            for one in found
            if one.way == way
            and one.closed is not None
            and (one.closed.low if surely else one.closed.value) >= ENOUGH
        ),
        default=None,
    )


def tables(base: float, teacher: float, found: Sequence[Standing], ways: Mapping[str, str]) -> str:
    """The standings, and from how many answers enough is closed, in Markdown."""
    lines = [
        f"Strict adherence on the demo's val by the code rules: base {base:.1%}, prompted teacher "
        f"{teacher:.1%}. Brackets: 95 % intervals, clustered by question.",
        "",
        f"| way | answers | strict | seeds | gap closed | strict less {FIRST} |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for one in found:
        seeds = ", ".join(f"{value:.1%}" for value in one.seeds)
        lines.append(
            f"| {one.way} | {one.answers} | {share(one.strict)} | {seeds} | "
            f"{share(one.closed)} | {share(one.over_first, sign='+')} |"
        )
    lines += ["", *(f"- {way}: {said}" for way, said in ways.items()), ""]
    lines += [
        f"| answers to close {ENOUGH:.0%} of the gap | mean | lower end of the interval |",
        "| --- | --- | --- |",
    ]
    several = [way for way in ways if len({one.answers for one in found if one.way == way}) > 1]
    for way in several:
        counts = [enough(found, way, surely) for surely in (False, True)]
        said = ["more than were tried" if count is None else str(count) for count in counts]
        lines.append(f"| {way} | {' | '.join(said)} |")
    return "\n".join(lines)


def share(interval: Interval | None, sign: str = "") -> str:
    """An interval in per cent; `sign` is a format's."""
    if interval is None:
        return "—"
    value, low, high = (format(one, f"{sign}.1%") for one in astuple(interval))
    return f"{value} [{low}, {high}]"
