"""The search for cyclic garbage, made rare while thousands of requests come and go."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_BETWEEN = 20_000  # new objects between two searches: a few megabytes; Python's own 700 is for less


@contextmanager
def rarely_collected() -> Iterator[None]:
    """Within: what is there already is passed over, and new garbage is looked for less often.

    Else a fifth of the judge's time goes there, and every full search stops all requests at once.
    """
    usual = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_BETWEEN, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()
