"""docs/commands.md shows the help of today."""

import sys

import pytest

from tests.command_reference import PAGE, command_reference, page_with_help


@pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="argparse words its help otherwise in other versions"
)
def test_the_page_holds_the_help_of_today() -> None:
    """Rewritten by `python -m tests.command_reference`."""
    page = PAGE.read_text("utf-8")
    assert page_with_help(command_reference(), page) == page
