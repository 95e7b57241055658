"""An error for the user is one line, whatever it quotes."""

from config.errors import DataError


def test_line_breaks_of_a_quoted_name_are_spaces() -> None:
    """Of every kind that ends a line somewhere; U+2028 ends one in a browser."""
    assert str(DataError("a.yaml: key a\r\nb\u2028c\x0bd; remove it")) == (
        "a.yaml: key a b c d; remove it"
    )


def test_a_long_line_keeps_its_beginning_and_the_way_out() -> None:
    """1,000 characters are a screen of 12 lines; a key of 5,000 digits is cut in its middle."""
    line = str(DataError(f"a.yaml: unknown setting '{'9' * 5000}'; remove it"))
    assert len(line) == 1000
    assert line.startswith("a.yaml: unknown setting '99") and line.endswith("99'; remove it")
