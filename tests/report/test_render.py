"""The pages: whatever a model, a log or a name says stays text; what was not run is said so."""

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

from config.console import visible
from data.run_paths import RunPaths
from judge.summary.summarise import write_summary
from report.numbers import build_numbers
from report.render import render_card, render_html, render_markdown
from report.run_files import RunFiles, read_run
from tests.report.run_fixture import make_config, make_run, read_fixture

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><script src=//evil.example/x.js></script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg/onload=alert`1`>",
    "</style><style>body{display:none}</style>",
    '"><iframe src="javascript:alert(1)"></iframe>',
    "'><a href='javascript:alert(1)'>x</a>",
    "[x](javascript:alert(1))",
    "![x](https://evil.example/pixel.png)",
    "<!-- --!><img src=x onerror=alert(1)>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "</title></head><body onload=alert(1)>",
    "</text></svg><script>alert(1)</script>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<base href=https://evil.example/>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "{{ m.config }} {% include 'x' %} {# #}",
    "\x1b]8;;http://evil.example\x07x\x9b2J \u202eegap\u202c \u2066x\u2069 \u200b\u2028| a |",
    "$\\frac{<b>}{x}$ `code` ``` | a | b |\n\n# heading\r\n| - | <form action=//evil.example>",
)
FETCHING = {"link", "img", "iframe", "script", "object", "embed", "form", "base"}


class Tags(HTMLParser):
    """Counts start tags with the names of their attributes, and keeps text and links."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.counts: Counter[tuple[str, ...]] = Counter()
        self.links: list[str] = []
        self.policy = ""
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.counts[tag, *sorted(name for name, _ in attributes)] += 1
        values = dict(attributes)
        self.links += [values[name] or "" for name in values if name in LINKS]
        if tag == "meta" and values.get("http-equiv") == "Content-Security-Policy":
            self.policy = values["content"] or ""

    def handle_data(self, data: str) -> None:
        self.text += data


LINKS = ("src", "href", "xlink:href", "action", "data", "poster", "srcset")


def html_of(material: RunFiles) -> str:
    """The page."""
    return render_html(material, build_numbers(material))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Tags:
    """The page of a run in which nobody says anything strange."""
    return Tags(html_of(read_fixture(tmp_path_factory.mktemp("plain"), "words")))


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a run in which everybody writes a script."""
    return html_of(read_fixture(tmp_path_factory.mktemp("hostile"), HOSTILE[0]))


@pytest.mark.reliability(line=22)
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_adds_no_tag_and_no_attribute(plain: Tags, tmp_path: Path, text: str) -> None:
    """The parser must see just the tags that it sees when the same places hold a plain word."""
    page = Tags(html_of(read_fixture(tmp_path, text)))
    assert page.counts == plain.counts
    assert all(link.startswith("#") for link in page.links)
    shown = " ".join(page.text.split())
    assert shown.count(" ".join(visible(text).split())) > 20  # it is there, as text


@pytest.mark.parametrize(
    ("start", "end", "least"),
    [
        ("<h3>Calibration", '<h2 id="hidden"', 21),
        ('<h2 id="hidden"', '<h2 id="references"', 2),
        ('<h3 id="search"', '<h2 id="audit"', 6),
    ],
)
def test_foreign_text_stands_in_the_new_sections(
    hostile_page: str, start: str, end: str, least: int
) -> None:
    """Names of rules, attacks and arms, labels and answers: without them the test above is void."""
    part = hostile_page[hostile_page.index(start) : hostile_page.index(end)]
    assert part.count("&lt;script&gt;") >= least
    assert "<script" not in part


def test_comments_of_labelling_people_stay_private(material: RunFiles) -> None:
    numbers = build_numbers(material)
    pages = (html_of(material), render_markdown(material, numbers), numbers.model_dump_json())
    assert not any("private" in page for page in pages)


@pytest.mark.reliability(line=22)
def test_page_fetches_nothing(plain: Tags) -> None:
    assert plain.policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert not FETCHING.intersection(tag for tag, *_ in plain.counts)
    assert all(link.startswith("#") for link in plain.links)


def test_style_reaches_nothing_outside(material: RunFiles) -> None:
    page = html_of(material)
    assert "@import" not in page
    assert set(re.findall(r"url\(\s*['\"]?(.)", page)) <= {"#"}


def test_page_is_the_same_each_time(material: RunFiles) -> None:
    assert html_of(material) == html_of(material)


def _outside_code(markdown: str) -> str:
    return re.sub(r"(?ms)^(`{3,})$.*?^\1$", "", markdown)


def _tables(markdown: str) -> list[list[str]]:
    """The tables outside code blocks, as lines."""
    tables: list[list[str]] = []
    before = ""
    for line in _outside_code(markdown).splitlines():
        if line.startswith("|"):
            if not before.startswith("|"):
                tables.append([])
            tables[-1].append(line)
        before = line
    return tables


def _bars(line: str) -> int:
    return len(re.findall(r"(?<!\\)(?:\\\\)*\|", line))


@pytest.mark.reliability(line=22)
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_breaks_no_markdown(tmp_path: Path, text: str) -> None:
    """Every line of a table has as many cells as its head; no raw tag outside code blocks."""
    material = read_fixture(tmp_path, text)
    numbers = build_numbers(material)
    for page in (render_markdown(material, numbers), render_card(material, numbers)):
        tables = _tables(page)
        assert tables
        for table in tables:
            assert {_bars(line) for line in table} == {_bars(table[0])}, table
            assert re.fullmatch(r"[|-]+", table[1])
        outside = _outside_code(page)
        assert "<" not in outside
        assert not re.search(r"(?<!\\)\]\(", outside)


def test_markdown_has_a_heading_for_a_heading_only(tmp_path: Path) -> None:
    material = read_fixture(tmp_path, HOSTILE[-1])
    page = _outside_code(render_markdown(material, build_numbers(material)))
    plain = _outside_code(render_markdown(read_fixture(tmp_path / "b"), build_numbers(material)))
    assert re.findall(r"(?m)^#.*$", page) == re.findall(r"(?m)^#.*$", plain)


def test_nothing_run(tmp_path: Path) -> None:
    """A run of which nothing is there yet has a page that says so in every section."""
    material = read_run(make_config(tmp_path))
    numbers = build_numbers(material)
    page = html_of(material)
    assert page.count("Not run: ") == 14
    assert "not run" in numbers.headline
    assert "Not run" in render_markdown(material, numbers)
    assert "never applicable" not in page


def test_what_was_tried_is_told(tmp_path: Path) -> None:
    """Leaderboard with n, the winner and why, every trial with how it ended; nothing without it."""
    material = read_fixture(tmp_path, "words")
    numbers = build_numbers(material)
    assert numbers.search is not None and numbers.search.best == "trial-001"
    markdown = render_markdown(material, numbers).replace("\\_", "_")
    html = html_of(material)
    for page, start, end in (
        (html, '<h3 id="search"', '<h2 id="audit"'),
        (markdown, "### Search", "## 5 · The teacher"),
    ):
        part = page[page.index(start) : page.index(end)]
        assert "the highest of 2 words" in part and "n = 2" in part and "n = 1" in part
        assert part.count("trial-001") == 3  # as the winner, in the leaderboard, among all
        for state in ("complete", "pruned", "refused", "failed", "running"):
            assert state in part
        assert "no base words" in part and "0.0002" in part
    nothing = read_run(make_config(tmp_path / "nothing"))
    assert build_numbers(nothing).search is None
    assert 'id="search"' not in html_of(nothing)


PARTS = (
    "student/search.json",
    "manifest.json",
    "timings.json",
    "judge/scores.json",
    "judge/summary.json",
    "judge/verdicts.jsonl",
    "judge/calibration.json",
    "judge/hidden.json",
    "judge/hidden_verdicts.jsonl",
    "judge/labels.json",
    "data/quality.json",
    "data/val.jsonl",
    "data/hidden.jsonl",
    "teacher/audit.json",
    "best/choice.json",
    "best/adapter/adapter_config.json",
    "student/lora/result.json",
    "student/lora/metrics.jsonl",
    "answers/base.jsonl",
    "answers/student/lora.jsonl",
    "answers/hidden/lora.jsonl",
)


@pytest.mark.parametrize("part", PARTS)
def test_one_part_missing(tmp_path: Path, part: str) -> None:
    """Whatever is not there, the rest is reported."""
    config = make_run(tmp_path)
    path = RunPaths.of(config).root / part
    path.unlink()
    for _ in range(2):  # with the summary of before, and with one of the remaining files
        material = read_run(config)
        assert "rule by rule" in render_markdown(material, build_numbers(material))
        assert "rule by rule" in html_of(material)
        write_summary(config)
