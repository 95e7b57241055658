"""Runs the slowest test files first, so that parallel processes end at about the same time."""

import pytest

LONGEST = (
    "test_loop.py",
    "test_notebook.py",
    "test_distributed.py",
    "test_search.py",
    "test_checkpoint.py",
    "test_served_students.py",
    "test_ray_engine.py",
    "test_examples.py",
    "test_page_scenarios.py",
    "test_vllm_batch.py",
    "test_vllm_server.py",
    "test_vllm_engine.py",
    "test_vllm_judge.py",
    "test_render.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Moves the files of LONGEST to the front, in that order."""
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.name, len(ranks)))
