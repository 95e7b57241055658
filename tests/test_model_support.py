"""docs/models.md says what is found by running it."""

from tests.model_support import PAGE, page_with, support_table


def test_the_page_holds_the_table_of_today() -> None:
    """Rewritten by `python -m tests.model_support`. Some of each kind, so that it can fail."""
    table = support_table()
    page = PAGE.read_text("utf-8")
    assert page_with(table, page) == page
    assert len(table.splitlines()) > 60
    for cell in ("works |", "first_user", "refused: ", "one per row", "computed once", "ia3"):
        assert cell in table
