"""Random damage to the bytes of a file."""

import random

NOISE = tuple(b'" { ] , \n 1e999 null &a *a \\ud800 \xff'.split(b" "))


def mutated(content: bytes, rng: random.Random) -> bytes:
    """One to three changes: a part cut out, doubled, reversed, or replaced by noise."""
    for _ in range(rng.randint(1, 3)):
        first, last = sorted(rng.randrange(len(content) + 1) for _ in range(2))
        last = min(last, first + rng.choice([1, 1, 1, 8, 300]))
        part = content[first:last]
        change = rng.choice(
            [b"", part + part, rng.randbytes(len(part)), rng.choice(NOISE), part[::-1]]
        )
        content = content[:first] + change + content[last:]
    return content
