"""docs/report.md explains every section of the report, by its heading."""

import re

from config.checkout import ROOT

_HEADING = re.compile(r"<h2[^>]*>(?:\d+ · )?([^<]+)</h2>")
_OPTIONAL = {"Does the student reach its thresholds?"}  # docs/judge.md: only where there are gates


def test_every_section_is_explained() -> None:
    page = (ROOT / "docs/report.md").read_text("utf-8")
    templates = [path.read_text("utf-8") for path in (ROOT / "report").glob("*.html.j2")]
    headings = {name for text in templates for name in _HEADING.findall(text)}
    assert len(headings) > 12
    assert [name for name in sorted(headings - _OPTIONAL) if f"*{name}" not in page] == []


def test_no_other_section_is_explained() -> None:
    page = (ROOT / "docs/report.md").read_text("utf-8")
    named = re.findall(r"^\| \*([^*]+)\* \|", page, re.MULTILINE)
    templates = "".join(path.read_text("utf-8") for path in (ROOT / "report").glob("*.html.j2"))
    assert len(named) == 12
    assert [name for name in named if f"{name}</h2>" not in templates] == []
