"""docs/hardware.md holds the tables of today's estimator, and they are plausible."""

from itertools import pairwise

import pytest

from pipeline.plan.training_memory import derived_use, weight_bytes
from student.memory_plan import LEVELS, LOSS_BYTES
from tests.hardware_table import (
    BATCH,
    CARD_SIZES,
    CARDS_GB,
    MEASURED,
    METHODS,
    PAGE,
    ROW,
    SIZES,
    card_cell,
    devices,
    memory,
    page_with_tables,
    run_seconds,
    student_of,
    tables,
    thousand_rows_seconds,
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


def test_derived_bytes_are_those_measured_for_one_model() -> None:
    """Qwen3-4B with LoRA of rank 32 took 46 GB in passes of 8,192, with a loss of some 0.1 GB."""
    student, size = student_of("LoRA"), SIZES["4B (Qwen3)"]
    use = derived_use(student, size, gpu=True)
    total = weight_bytes(student, size) + use.fixed + 8192 * use.per_token["off"]
    assert (total - LOSS_BYTES) / 1e9 == pytest.approx(46, abs=0.5)


def test_four_bits_leave_the_embeddings_in_sixteen() -> None:
    """8.19B parameters, 1.24B of them in embeddings and head: 3.47 + 2.49 GB, and the adapter."""
    adapter = 4 * 32 * 36 * 4096 * 23  # rank, layers, hidden size, in- and outputs of a layer
    base = weight_bytes(student_of("QLoRA"), SIZES["8B (Qwen3)"]) - adapter
    assert base / 1e9 == pytest.approx(3.47 + 2.49, abs=0.01)


def test_a_larger_card_is_never_slower() -> None:
    """From card to card: from no to a level, to a faster level, or to more tokens."""
    ranks: dict[str, int] = {level: len(LEVELS) - rank for rank, level in enumerate(LEVELS)}
    for name in CARD_SIZES:
        for method in METHODS:
            cells = [card_cell(method, SIZES[name], card) for card in CARDS_GB]
            parts = [cell.replace(",", "").split() for cell in cells]
            order = [(ranks.get(part[0], 0), int(part[-1]) if part[1:] else 0) for part in parts]
            assert order == sorted(order), (name, method)


def test_times_of_the_measured_model_are_the_measured_rate() -> None:
    """1.7 million tokens at 14,020 per second are 121 s, whatever the rows are called."""
    seconds = thousand_rows_seconds(SIZES["4B (Qwen3)"], "H100", recomputed=False)
    assert seconds == pytest.approx(1000 * ROW / MEASURED) == pytest.approx(121.3, abs=0.1)
    assert ROW * BATCH == 54_400
