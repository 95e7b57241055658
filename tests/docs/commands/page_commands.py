"""Collects the commands that the pages, the examples and the notebook show, as a reader types them.

Commands stand in shell blocks, in indented blocks, in inline code, as examples of the help, in
comments of the scripts and in cells of the notebook. Knows nothing of how they are run.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from config.checkout import ROOT

PAGES = (
    *(path for path in sorted(ROOT.glob("*.md")) if path.name != "CHANGELOG.md"),
    ROOT / "llms.txt",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").iterdir()),
)
PROGRAMS = "unprompted make python pytest vllm curl torchrun accelerate pip uv docker apt-get iconv"
_PROGRAM = re.compile(
    r"(?:[A-Z_]+=\S+ )*"  # environment variables
    rf"(?:(?:\.venv/bin/)?(?:{PROGRAMS.replace(' ', '|')}|mkdocs)|sky) \S"
    r"|[A-Z_]+=\S+ .*examples/\w+\.sh"
)
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_HEREDOC = re.compile(r"<<'(\w+)'$")
SHELLS = ("bash", "sh", "shell", "console")


@dataclass(frozen=True)
class PageCommand:
    """A command and where it stands. `block`: counts the blocks of a page; None: in a sentence."""

    page: str
    block: int | None
    text: str


def page_commands(path: Path) -> Iterator[PageCommand]:
    """The commands of a page, in its order within its blocks, then those in sentences."""
    page, text = str(path.relative_to(ROOT)), path.read_text("utf-8")
    if path.suffix == ".ipynb":
        blocks, sentences = list(_notebook_blocks(text)), ""
    elif path.parent.name == "examples":
        blocks, sentences = ["\n".join(re.findall(r"^# {3}(\S.*)$", text, re.MULTILINE))], text
    else:
        fences = _FENCE.findall(text)
        blocks = [body for language, body in fences if language in SHELLS]
        blocks += [_examples(body) for language, body in fences if language == "text"]
        sentences = _FENCE.sub("", text)
        blocks += re.findall(r"(?:^ {4}\S.*\n)+", sentences, re.MULTILINE)
    for number, block in enumerate(blocks):
        for line in _logical_lines(block):
            if _PROGRAM.match(line):
                yield PageCommand(page, number, line)
    for span in re.findall(r"`([^`]+)`", sentences):
        line = without_comment(span)
        if _PROGRAM.match(line):
            yield PageCommand(page, None, line)


def without_comment(line: str) -> str:
    """The command alone, with single spaces."""
    return " ".join(re.sub(r"\s+# .*$|^\s*# .*$", "", line).split())


def _logical_lines(block: str) -> Iterator[str]:
    """The commands of a block: continued lines joined, a here-document as a part of its command."""
    lines = iter(block.replace("\\\n", " ").splitlines())
    for line in lines:
        here = _HEREDOC.search(line)
        if here:
            body = [line]
            while body[-1] != here[1]:
                body.append(next(lines))
            yield "\n".join(body)
        else:
            yield without_comment(line)


def _examples(help_text: str) -> str:
    """The lines below `examples:` of a help text."""
    examples = help_text.partition("examples:\n")[2]
    return re.sub(r" {2,}\(.*\)$", "", examples, flags=re.MULTILINE)  # (without CONFIG)


def _notebook_blocks(text: str) -> Iterator[str]:
    """Cells of bash, and lines that begin with `!` or are magics of pip."""
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"])
        if source.startswith("%%bash\n"):
            yield source.partition("\n")[2]
        elif cell["cell_type"] == "code":
            yield "\n".join(re.findall(r"^\s*[!%](.*)$", source, re.MULTILINE))
