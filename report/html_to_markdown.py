"""Converts the report's page to Markdown, so that both hold the same text.

Knows the tags that the templates use. Foreign text stays text: it is escaped here.
"""

from html.parser import HTMLParser

from report.formats import fenced, markdown

_SKIPPED = ("head", "nav", "figure")
_BLOCKS = ("h1", "h2", "h3", "h4", "p", "li", "div", "caption", "pre", "header", "article")
_PREFIXES = {"h1": "# ", "h2": "## ", "h3": "### ", "h4": "#### ", "li": "- "}
_SPACED = ("small", "br")  # set off by the layout of the page


def html_to_markdown(page: str) -> str:
    """The page as Markdown, without its figures."""
    converter = _Converter()
    converter.feed(page)
    converter.close()
    return "\n\n".join(converter.blocks) + "\n"


class _Converter(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.blocks: list[str] = []
        self._skipped = 0  # depth of skipped elements
        self._text = ""  # of the current block or cell
        self._rows: list[list[str]] | None = None  # of the current table
        self._headed = False  # the current table has a head
        self._columns = 1  # that the current cell spans

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begins a block, a table, a row or a cell."""
        if tag in _SKIPPED:
            self._skipped += 1
        elif tag == "table":
            self._rows, self._headed = [], False
        elif tag == "thead":
            self._headed = True
        elif tag == "tr" and self._rows is not None:
            self._rows.append([])
        elif tag in ("td", "th"):
            self._text, self._columns = "", int(dict(attrs).get("colspan") or 1)
        elif tag in _BLOCKS:
            self._end_block("")
        elif tag in _SPACED:
            self._text += " "

    def handle_endtag(self, tag: str) -> None:
        """Ends what `handle_starttag` began."""
        if tag in _SKIPPED:
            self._skipped -= 1
        elif tag == "table":
            self._end_table()
        elif tag in ("td", "th") and self._rows is not None:
            cell = markdown(self._text).strip()
            self._rows[-1] += [cell, *[""] * (self._columns - 1)]
            self._text = ""
        elif tag == "pre":
            self.blocks.append(fenced(self._text))
            self._text = ""
        elif tag in _BLOCKS:
            self._end_block(_PREFIXES.get(tag, ""))
        elif tag in _SPACED:
            self._text += " "

    def handle_data(self, data: str) -> None:
        """Collects the text of a block or cell."""
        if not self._skipped:
            self._text += data

    def _end_block(self, prefix: str) -> None:
        if text := markdown(self._text).strip():
            self.blocks.append(prefix + text)
        self._text = ""

    def _end_table(self) -> None:
        rows = self._rows or []
        columns = max(map(len, rows), default=0)
        head = rows.pop(0) if self._headed else []
        lines = [
            "|" + "".join(f" {cell} |" for cell in (*row, *[""] * (columns - len(row))))
            for row in (head, *rows)
        ]
        lines.insert(1, "|" + "---|" * columns)
        self.blocks.append("\n".join(lines))
        self._rows, self._text = None, ""
