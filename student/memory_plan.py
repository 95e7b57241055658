"""How a training fits into a graphics card: which activations are recomputed, and tokens of a pass.

Knows bytes alone, and no torch: the dry run, the table of the documentation and the training itself
decide by the same function. Where the bytes come from is in `dry_step.py` (measured) and in
`pipeline/plan/training_memory.py` (derived from sizes).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from config.training import Checkpointing

LEVELS: tuple[Checkpointing, ...] = ("off", "selective", "full")  # from fast to small
LOSS_BYTES = 3 << 29  # of a chunk of the loss on a card: 1.5 GiB
USUAL_TOKENS = 8192  # of a pass where no card's memory decides

# Measured on an H100 with Qwen3-4B: without recomputing 14,020 tokens/s in place of 9,470; passes
# of 16,384 in place of 8,192 bring 7 %. So a pass may shrink to LEAST_TOKENS before activations are
# recomputed, and does not grow beyond MOST_TOKENS.
LEAST_TOKENS = 4096
MOST_TOKENS = 32_768
_STEP = 256  # a pass is a multiple of so many tokens
_USABLE = 0.9  # of the free memory; the rest is lost between blocks, and to others on the card


class MemoryUse(NamedTuple):
    """What a training adds to the weights that are loaded already, in bytes."""

    fixed: float  # whatever the pass: gradients, the optimiser's state, a chunk of the loss
    per_token: Mapping[Checkpointing, float]  # of a pass; without the levels that are not possible


class Rows(NamedTuple):
    """Tokens of the rows to train on."""

    longest: int  # of a row, which a pass cannot split
    step: int  # of an optimiser step; a larger pass would be empty in part


class PassPlan(NamedTuple):
    """What is recomputed, and how many tokens a pass has."""

    checkpointing: Checkpointing
    tokens_per_pass: int
    fits: bool = True


def plan_pass(
    use: MemoryUse,
    free: float,
    rows: Rows,
    checkpointing: Checkpointing | None = None,
    tokens_per_pass: int | None = None,
) -> PassPlan:
    """The fastest plan that fits into `free` bytes; `fits` is false where none does.

    `checkpointing` and `tokens_per_pass`: as the settings have them; None: to be decided.
    """
    levels = [level for level in LEVELS if level in use.per_token]
    if checkpointing is not None:
        levels = [checkpointing]
    most = min(MOST_TOKENS, max(rows.longest, _rounded_up(rows.step)))
    least = max(rows.longest, tokens_per_pass or min(LEAST_TOKENS, most))
    for level in levels:
        room = fitting_tokens(use, level, free)
        if room >= least:
            return PassPlan(level, tokens_per_pass or _whole(min(most, room), rows.longest))
    level = levels[-1]  # the smallest; a row that fits nowhere is tried nevertheless
    room = fitting_tokens(use, level, free)
    tokens = tokens_per_pass or _whole(min(most, room), rows.longest)
    return PassPlan(level, tokens, fits=room >= max(rows.longest, tokens))


def fitting_tokens(use: MemoryUse, level: Checkpointing, free: float) -> int:
    """How many tokens of a pass fit into `free` bytes, a margin left; 0 or more."""
    per_token = use.per_token.get(level)
    if per_token is None:
        return 0
    return max(0, int((_USABLE * free - use.fixed) / max(per_token, 1.0)))


def smaller_plan(
    plan: PassPlan, longest: int, levels: Sequence[Checkpointing] = LEVELS
) -> PassPlan | None:
    """What to try when `plan` was out of memory; None: there is nothing smaller.

    Passes are halved while they are large, then more is recomputed, then passes are halved down to
    the longest row. So the way ends.
    """
    halved = max(plan.tokens_per_pass // 2, longest)
    if halved >= LEAST_TOKENS and halved < plan.tokens_per_pass:
        return plan._replace(tokens_per_pass=halved)
    higher = levels[levels.index(plan.checkpointing) + 1 :] if plan.checkpointing in levels else ()
    if higher:
        return plan._replace(checkpointing=higher[0])
    return plan._replace(tokens_per_pass=halved) if halved < plan.tokens_per_pass else None


def plan_words(plan: PassPlan) -> str:
    """What is recomputed, and the tokens of a pass."""
    return f"checkpointing {plan.checkpointing}, passes of {plan.tokens_per_pass:,} tokens"


def _rounded_up(tokens: int) -> int:
    return -(-tokens // _STEP) * _STEP


def _whole(tokens: int, longest: int) -> int:
    """A multiple of `_STEP`, and not below the longest row."""
    return max(longest, tokens // _STEP * _STEP)
