"""docs/hardware.md holds the tables of today's estimator, and they are plausible."""

from itertools import pairwise

from tests.hardware_table import (
    METHODS,
    PAGE,
    SIZES,
    devices,
    memory,
    page_with_tables,
    run_seconds,
    tables,
    verdict,
)


def test_the_page_holds_the_tables_of_today() -> None:
    """Rewritten by `python -m tests.hardware_table`."""
    page = PAGE.read_text("utf-8")
    assert page_with_tables(tables(), page) == page


def test_larger_models_take_more() -> None:
    """Memory and time rise with the model's size, whatever the method and the device."""
    for device in devices().values():
        for method in METHODS:
            sizes = sorted(SIZES.values())
            for smaller, larger in pairwise(sizes):
                assert memory(method, smaller, device) < memory(method, larger, device)
                assert run_seconds(method, smaller, device) < run_seconds(method, larger, device)


def test_full_training_takes_at_least_sixteen_bytes_a_parameter() -> None:
    """Weight, gradient and two moments in float32; the low end is 0.7 of the sum."""
    card = devices()["H100, 80 GiB"]
    size = SIZES["8B (Qwen3)"]
    assert memory("full", size, card)[0] > 0.7 * 16 * size.parameters / 2**30
    assert verdict("full", size, card) == "no"


def test_a_base_that_only_trains_in_four_bits_cannot_answer() -> None:
    """8B are 15.3 GiB in 16 bits: above 0.8 of a T4's 15 GiB, and 4 bits of it train there."""
    assert verdict("QLoRA", SIZES["8B (Qwen3)"], devices()["T4, 15 GiB"]) == "trains, cannot answer"
