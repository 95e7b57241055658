"""What is recomputed and how large a pass is, by constructed bytes: no card is needed."""

import pytest

from config.training import Checkpointing
from student.memory_plan import (
    LEAST_TOKENS,
    LEVELS,
    MOST_TOKENS,
    MemoryUse,
    PassPlan,
    Rows,
    fitting_tokens,
    plan_pass,
    smaller_plan,
)

GB = 1e9
# Qwen3-4B without recomputing: 46 GB in passes of 8,192, of which 8 GB are weights (the issue)
USE = MemoryUse(3 * GB, {"off": 4.3e6, "selective": 2.3e6, "full": 0.3e6})
USUAL = Rows(longest=1700, step=54_400)  # 32 rows of 1,500 + 200 tokens


@pytest.mark.parametrize(
    ("free", "level", "tokens"),
    [
        # 0.9 · 72 − 3 = 61.8 GB ÷ 4.3 MB = 14,372 tokens, in whole 256
        (72 * GB, "off", 14_336),
        # 0.9 · 32 − 3 = 25.8 GB: 6,000 tokens without recomputing, which beat more with it
        (32 * GB, "off", 5888),
        # 0.9 · 20 − 3 = 15 GB: 3,488 are under LEAST_TOKENS, so every other layer: 6,521
        (20 * GB, "selective", 6400),
        # 0.9 · 12 − 3 = 7.8 GB: 3,391 even so; every layer: 26,000
        (12 * GB, "full", 25_856),
        # 0.9 · 4 − 3 = 0.6 GB: 2,000 tokens are still more than the longest row
        (4 * GB, "full", 1792),
    ],
)
def test_the_fastest_level_that_fits(free: float, level: Checkpointing, tokens: int) -> None:
    """By hand for each amount of free memory."""
    assert plan_pass(USE, free, USUAL) == PassPlan(level, tokens)


def test_what_cannot_fit_says_so() -> None:
    """0.9 · 3.5 − 3 = 0.15 GB are 500 tokens, and the longest row has 1,700: only tried."""
    assert plan_pass(USE, 3.5 * GB, USUAL) == PassPlan("full", 1700, fits=False)
    assert plan_pass(USE, 0.0, USUAL).fits is False
    assert fitting_tokens(USE, "off", 0.0) == 0


def test_a_pass_is_no_larger_than_a_step_or_than_pays() -> None:
    """Ten rows of 100 tokens fill 1,000, in whole 256; nothing grows beyond MOST_TOKENS."""
    assert plan_pass(USE, 72 * GB, Rows(100, 1000)) == PassPlan("off", 1024)
    assert plan_pass(USE, 1e15, USUAL) == PassPlan("off", MOST_TOKENS)
    # a small step does not need LEAST_TOKENS: 1,024 tokens without recomputing take 4.4 GB
    assert plan_pass(USE, 8.5 * GB, Rows(100, 1000)) == PassPlan("off", 1024)


def test_a_long_row_decides() -> None:
    """A row of 20,000 tokens is a pass: 86 GB without recomputing, 46 with every other layer."""
    long = Rows(20_000, 54_400)
    assert plan_pass(USE, 72 * GB, long) == PassPlan("selective", 26_624)
    assert plan_pass(USE, 20 * GB, long) == PassPlan("full", MOST_TOKENS)
    assert plan_pass(USE, 200 * GB, Rows(50_000, 54_400)).tokens_per_pass == 50_000


def test_settings_override() -> None:
    """What is set stays; the other one is decided for it."""
    assert plan_pass(USE, 20 * GB, USUAL, "off") == PassPlan("off", 3328, fits=True)
    assert plan_pass(USE, 72 * GB, USUAL, "full") == PassPlan("full", MOST_TOKENS)
    assert plan_pass(USE, 72 * GB, USUAL, tokens_per_pass=16_000) == PassPlan("selective", 16_000)
    assert plan_pass(USE, 20 * GB, USUAL, "off", 8192) == PassPlan("off", 8192, fits=False)


def test_a_level_that_is_not_possible_is_not_chosen() -> None:
    """Prefix tuning has none to choose; a dry step that ran out of memory leaves a level out."""
    only = MemoryUse(3 * GB, {"off": 4.3e6})
    assert plan_pass(only, 20 * GB, USUAL) == PassPlan("off", 3328)
    without = MemoryUse(3 * GB, {"full": 0.3e6})
    assert plan_pass(without, 72 * GB, USUAL).checkpointing == "full"


def test_more_memory_is_never_slower() -> None:
    """With each GB: a lower level, or as many tokens at the same one."""
    plans = [plan_pass(USE, free * GB, USUAL) for free in range(3, 120)]
    order = [(LEVELS.index(plan.checkpointing), -plan.tokens_per_pass) for plan in plans]
    assert order == sorted(order, reverse=True)


def test_the_way_down_ends() -> None:
    """Halved to LEAST_TOKENS, then more is recomputed, then halved to the longest row."""
    plan: PassPlan | None = PassPlan("off", 16_384)
    way = []
    while plan is not None:
        way.append((plan.checkpointing, plan.tokens_per_pass))
        plan = smaller_plan(plan, longest=1700)
    assert way == [
        ("off", 16_384),
        ("off", 8192),
        ("off", LEAST_TOKENS),
        ("selective", LEAST_TOKENS),
        ("full", LEAST_TOKENS),
        ("full", 2048),
        ("full", 1700),
    ]
    assert smaller_plan(PassPlan("off", 1700), 1700, levels=("off",)) is None
    # a row longer than a pass is a pass of its own: only recomputing helps
    assert smaller_plan(PassPlan("off", 1024), 1700) == PassPlan("selective", 1024)
