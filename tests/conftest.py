"""The order of the tests: several processes share them, so what takes longest begins first."""

import pytest

LONGEST = (
    "test_loop.py",
    "test_processes.py",
    "test_search.py",
    "test_checkpoints.py",
    "test_methods.py",
    "test_ray.py",
    "test_examples.py",
    "test_batch_files.py",
    "test_vllm.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of LONGEST to the front, in that order."""
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.name, len(ranks)))
