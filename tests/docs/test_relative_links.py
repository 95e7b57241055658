"""Links of the pages outside `docs/` lead to files that are there."""

import re
from pathlib import Path

import pytest

from config.checkout import ROOT

# read on a forge or by an assistant, so no site builder checks them
PAGES = ("README.md", "README.ru.md", "llms.txt", "SKILL.md", "CONTRIBUTING.md")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def relative_links(page: Path) -> list[str]:
    """The targets of links and pictures that stand in the repository, without anchors."""
    text = _FENCED.sub("", page.read_text("utf-8"))
    targets = [link.partition("#")[0] for link in _LINK.findall(text) if "://" not in link]
    return [target for target in targets if target]


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_files(name: str) -> None:
    missing = [link for link in relative_links(ROOT / name) if not (ROOT / link).is_file()]
    assert missing == []


def test_there_are_links() -> None:
    """README and llms.txt name every page; SKILL.md names none yet."""
    assert sum(len(relative_links(ROOT / name)) for name in PAGES) > 40
