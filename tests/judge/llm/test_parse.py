"""How JSON is read: 16 shapes that are none, and the shapes that are. Plain text: test_replies."""

import json

import pytest

from judge.llm.parse import first_unfounded, read_reply
from judge.llm.parsed_reply import Unreadable
from judge.llm.prompt import VERDICTS

GOOD = {"evidence": ["да"], "reasoning": "Так.", "verdict": "pass"}

MALFORMED = {
    "prose": "The answer is fine, pass.",
    "cut": json.dumps(GOOD)[:-9],
    "two objects": json.dumps(GOOD) * 2,
    "text after": json.dumps(GOOD) + " Hope this helps!",
    "single quotes": str(GOOD),
    "list": json.dumps([GOOD]),
    "string": '"pass"',
    "no verdict": json.dumps({"evidence": [], "reasoning": "x"}),
    "verdict null": json.dumps({**GOOD, "verdict": None}),
    "verdict unknown": json.dumps({**GOOD, "verdict": "passed with honours"}),
    "verdict boolean": json.dumps({**GOOD, "verdict": True}),
    "verdict list": json.dumps({**GOOD, "verdict": ["pass"]}),
    "evidence text": json.dumps({**GOOD, "evidence": "да"}),
    "extra key": json.dumps({**GOOD, "score": 10}),
    "verdict twice": '{"evidence": [], "reasoning": "", "verdict": "pass", "verdict": "fail"}',
    "not a number": '{"evidence": [], "reasoning": NaN, "verdict": "pass"}',
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
def test_sixteen_shapes_are_unreadable(text: str) -> None:
    with pytest.raises(Unreadable):
        read_reply(text, "json_schema", VERDICTS)


def test_there_are_sixteen() -> None:
    assert len(MALFORMED) == 16


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(GOOD),
        f"\n {json.dumps(GOOD, indent=2)}\n",
        f"```json\n{json.dumps(GOOD)}\n```",
        f'<think>It says {{"verdict": "fail"}}</think>\n{json.dumps(GOOD)}',
        json.dumps({**GOOD, "verdict": " PASS"}),
    ],
)
def test_readable(text: str) -> None:
    assert read_reply(text, "json_object", VERDICTS).verdict == "pass"


def test_evidence_is_compared_folded() -> None:
    data = ["Приём — «с 10:00»,", "ещё вечером."]
    assert first_unfounded(['прием - "с 10:00"', "ЕЩЁ ВЕЧЕРОМ"], data) is None
    assert first_unfounded(["Приём … вечером"], data) is None
    assert first_unfounded(["Приём", "с 11:00"], data) == 2
    assert first_unfounded(["", "..."], data) is None
