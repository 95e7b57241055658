"""The items to judge by one rule: lakeside's questions and passages with logged answers.

Answers to other questions are used too, so that there are enough items.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from config.checkout import ROOT
from config.log_formats import CampusLogs
from data.answers import Answer
from data.readers.logs import read_logs
from data.rows import Row
from prompts.check_settings import LlmCheck
from prompts.prompt_file import Prompt
from prompts.rules import Rule, RuleFile, prompt_sha256

PROMPT = Prompt(system="Use only the passages.", user_template="{summaries}{question}")
PASSES = "Everything that the answer says is in the passages."
FAILS = "The answer says something that the passages do not hold."
_CHECK = LlmCheck.model_validate({"type": "llm", "pass": PASSES, "fail": FAILS})
RULES = RuleFile(
    version=1,
    prompt_sha256=prompt_sha256(PROMPT.system),
    rules=(Rule(id="faithful", source=PROMPT.system, check=_CHECK),),
)


class Item(NamedTuple):
    """A row and an answer to judge."""

    row: Row
    answer: Answer


def make_items(count: int) -> list[Item]:
    """`count` different items: every answer with its own question first, then with others."""
    return [item for item, _ in zip(_all_items(), range(count), strict=False)]


def _all_items() -> Iterator[Item]:
    logs = [CampusLogs(path=f"data/lakeside/{split}.json") for split in ("train", "val")]
    rows = [row for settings in logs for row in read_logs(settings, ROOT).rows]
    known = set()
    for shift in range(len(rows)):
        for number, row in enumerate(rows):
            for system, text in rows[(number + shift) % len(rows)].answers.items():
                key = (row.question, row.contexts, text.strip())  # some rows ask the same
                if text.strip() and key not in known:
                    known.add(key)
                    answer = Answer.from_text(f"{system}/{shift}", row.id, text)
                    yield Item(row, answer)


def write_items(path: Path, items: list[Item]) -> None:
    """Writes the items for a peer as JSON lines: question, contexts, answer, criterion."""
    lines = [
        {
            "question": item.row.question,
            "contexts": [context.text for context in item.row.contexts],
            "answer": item.answer.text,
            "criterion": f"{PROMPT.system} Met: {PASSES} Not met: {FAILS}",
        }
        for item in items
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
