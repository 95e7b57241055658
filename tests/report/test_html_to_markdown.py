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


def test_what_steers_or_hides_is_shown() -> None:
    """Terminals and browsers would act on them; blanks stay blanks, also U+2028 is no line end."""
    page = "<table><tr><td>a\x1b[2Jb</td><td>\u202ec\u2028d</td></tr></table><p>\u200be</p>"
    converted = html_to_markdown(page)
    assert "| a\\\\x1b\\[2Jb | \\\\u202ec\\\\u2028d |" in converted
    assert converted.endswith("\n\n\\\\u200be\n")
    assert "\\u202e" in html_to_markdown("<pre>\u202ea</pre>")


def test_no_links_lists_and_mentions_come_of_text() -> None:
    """GitHub makes links of addresses without any mark, and lists of a line's first sign."""
    page = "<p>see https://a.example or www.a.example, to a@b.example</p><p>- a</p><p>1. b</p>"
    assert html_to_markdown(page) == (
        "see https\\://a.example or www\\.a.example, to a\\@b.example\n\n\\- a\n\n1\\. b\n"
    )
