"""Markdown from the page's tags: blocks, tables with spans, code that cannot end its fence."""

from report.html_to_markdown import html_to_markdown


def test_blocks() -> None:
    page = """<head><title>no</title></head><body><nav><a href="#a">no</a></nav>
<div class="cards"><div class="card"><span>Base</span>
<b>8.3 %</b></div></div>
<h2 id="a">1 · Rules</h2><p>One<br>line &amp; a &lt;tag&gt; | #</p>
<ul><li>first</li><li>second</li></ul><figure><svg><text>no</text></svg></figure></body>"""
    assert html_to_markdown(page) == (
        "Base 8.3 %\n\n## 1 · Rules\n\nOne line &amp; a &lt;tag&gt; \\| \\#\n\n"
        "- first\n\n- second\n"
    )


def test_table_rows_have_as_many_cells_as_the_head() -> None:
    """A span counts as its columns, a short row is filled, a missing head is empty."""
    page = """<table><caption>Rates</caption>
<thead><tr><th>Arm</th><th>Rate</th><th>n</th></tr></thead>
<tbody><tr><th colspan="3">north</th></tr><tr><th>base</th><td>1 %<small>[0, 2]</small></td></tr>
</tbody></table><table><tbody><tr><td>a|b</td><td>c</td></tr></tbody></table>"""
    assert html_to_markdown(page) == (
        "Rates\n\n| Arm | Rate | n |\n|---|---|---|\n"
        "| north |  |  |\n| base | 1 % \\[0, 2\\] |  |\n\n"
        "|  |  |\n|---|---|\n| a\\|b | c |\n"
    )


def test_code_keeps_its_lines_and_cannot_end_its_fence() -> None:
    assert html_to_markdown("<pre>a\n  ```\n&lt;b&gt;</pre>") == "````\na\n  ```\n<b>\n````\n"
