"""Scripted replies, read as a careful reader reads them: none wrongly, none needlessly unread."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from judge.llm.parse import answer_text, read_by_rule, read_reply
from judge.llm.parsed_reply import ParsedReply, Unreadable
from judge.llm.prompt import APPLIES, PAIR, VERDICTS
from judge.llm.request import Mode
from wire.completion import Reply

LINES = (Path(__file__).parent / "replies.jsonl").read_text("utf-8").splitlines()
SCRIPTED: list[dict[str, Any]] = [json.loads(line) for line in LINES]
OPTIONS = {"verdict": VERDICTS, "applies": APPLIES, "pair": PAIR}


def parsed(scripted: dict[str, Any]) -> dict[str, ParsedReply]:
    """The readable replies by rule; a reply about one rule is under ""."""
    mode: Mode = "plain" if scripted["mode"] == "plain" else "json_schema"
    options = OPTIONS[scripted.get("options", "verdict")]
    try:
        text = answer_text(Reply(scripted["text"], "stop"), mode)
        if "rules" in scripted:
            return read_by_rule(text, mode, options, scripted["rules"])
        return {"": read_reply(text, mode, options)}
    except Unreadable:
        return {}


@pytest.mark.parametrize("scripted", SCRIPTED, ids=lambda scripted: str(scripted["id"]))
def test_each_is_read_as_meant(scripted: dict[str, Any]) -> None:
    truth = scripted["truth"]
    by_rule = truth if isinstance(truth, dict) else {"": truth}
    replies = parsed(scripted)
    verdicts = {
        rule: replies[rule].verdict if rule in replies else "unreadable" for rule in by_rule
    }
    assert verdicts == by_rule
    contradictory = any(reply.contradicts_itself for reply in replies.values())
    assert contradictory == scripted.get("contradictory", False)
    if "evidence" in scripted:
        assert replies[""].evidence == scripted["evidence"]


def test_there_are_enough_of_each_kind_in_two_languages() -> None:
    texts = {scripted["text"] for scripted in SCRIPTED}
    assert len(texts) == len(SCRIPTED) >= 180
    truths = Counter(
        verdict
        for scripted in SCRIPTED
        for verdict in (
            scripted["truth"].values()
            if isinstance(scripted["truth"], dict)
            else [scripted["truth"]]
        )
    )
    assert min(truths[truth] for truth in ("pass", "fail", "unreadable")) >= 50
    russian = [
        scripted for scripted in SCRIPTED if re.search("[а-яё]{3}", scripted["text"].lower())
    ]
    assert len(russian) >= 40
