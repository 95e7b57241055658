"""Standings of training recipes: strict adherence over seeds, share of the gap, differences.

All seeds of a recipe answer the same questions, so intervals are clustered by question: they say
how much other questions would move the mean over these seeds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple

from benchmarks.quality.runs import StrictScores
from data.records import Record
from judge.metrics.gap_closed import gap_closed
from judge.metrics.interval import Interval, Refusal
from judge.metrics.stats import paired_difference, rate

GAP_GOAL = 0.8  # share of the gap between base and teacher that a recipe should close
REFERENCE = "ce"  # the recipe that the others are compared with


class RecipeStanding(Record):
    """One recipe, trained on one number of answers."""

    recipe: str
    answers: int
    seeds: tuple[float, ...]  # strict adherence by seed
    strict: Interval  # of all seeds together
    gap: Interval | None  # share of the gap closed; None: there is no gap
    over_reference: Interval | None  # strict minus that of REFERENCE from as many answers


def recipe_standings(
    base: StrictScores,
    teacher: StrictScores,
    scores: Mapping[tuple[str, int], Mapping[int, StrictScores]],
) -> list[RecipeStanding]:
    """The standings of (recipe, answers), the most answers first. `scores` are by seed."""
    standings = []
    for (recipe, answers), by_seed in sorted(scores.items(), key=lambda item: -item[0][1]):
        rows = [row for seed_scores in by_seed.values() for row in seed_scores]
        student = _flat(by_seed)
        strict = rate(student, rows)
        assert strict is not None  # val has rows
        upper, lower = ([float(arm[row]) for row in rows] for arm in (teacher, base))
        gap = gap_closed(list(map(float, student)), upper, lower, rows, seed=0)
        difference = None
        if recipe != REFERENCE and (REFERENCE, answers) in scores:
            difference = paired_difference(student, _flat(scores[REFERENCE, answers]), rows)
        standings.append(
            RecipeStanding(
                recipe=recipe,
                answers=answers,
                seeds=tuple(sum(passes.values()) / len(passes) for passes in by_seed.values()),
                strict=strict,
                gap=None if isinstance(gap, Refusal) else gap,
                over_reference=difference,
            )
        )
    return standings


def _flat(by_seed: Mapping[int, StrictScores]) -> list[bool]:
    return [passes for _, scores in sorted(by_seed.items()) for passes in scores.values()]


def answers_needed(
    standings: Iterable[RecipeStanding], recipe: str, lower_bound: bool
) -> int | None:
    """The fewest answers with which a recipe closes GAP_GOAL of the gap.

    `lower_bound`: the lower end of the interval must reach it, not just the estimate.
    """
    return min(
        (
            standing.answers
            for standing in standings
            if standing.recipe == recipe
            and standing.gap is not None
            and (standing.gap.low if lower_bound else standing.gap.value) >= GAP_GOAL
        ),
        default=None,
    )


def standings_page(
    base: float,
    teacher: float,
    standings: Sequence[RecipeStanding],
    descriptions: Mapping[str, str],
) -> str:
    """The standings, and the answers needed, in Markdown. `descriptions` are by recipe."""
    lines = [
        f"Strict adherence on the demo's val by the code rules: base {base:.1%}, prompted teacher "
        f"{teacher:.1%}. Brackets: 95 % intervals, clustered by question.",
        "",
        f"| recipe | answers | strict | seeds | gap closed | strict minus {REFERENCE} |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for standing in standings:
        seeds = ", ".join(f"{value:.1%}" for value in standing.seeds)
        lines.append(
            f"| {standing.recipe} | {standing.answers} | {per_cent(standing.strict)} | {seeds} | "
            f"{per_cent(standing.gap)} | {per_cent(standing.over_reference, sign='+')} |"
        )
    lines += ["", *(f"- {recipe}: {text}" for recipe, text in descriptions.items()), ""]
    lines += [
        f"| answers to close {GAP_GOAL:.0%} of the gap | mean | lower end of the interval |",
        "| --- | --- | --- |",
    ]
    for recipe in descriptions:
        sizes = {standing.answers for standing in standings if standing.recipe == recipe}
        if len(sizes) > 1:
            needed = [answers_needed(standings, recipe, bound) for bound in (False, True)]
            cells = ["more than were tried" if n is None else str(n) for n in needed]
            lines.append(f"| {recipe} | {' | '.join(cells)} |")
    return "\n".join(lines)


def per_cent(interval: Interval | None, sign: str = "") -> str:
    """An interval in per cent; `sign` is a format's."""
    if interval is None:
        return "—"
    value, low, high = (format(number, f"{sign}.1%") for number in astuple(interval))
    return f"{value} [{low}, {high}]"
