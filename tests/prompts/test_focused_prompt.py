"""The system prompt of a case: exact texts of the demo's prompt, and the lines that stay."""

from pathlib import Path

import pytest

from config.load import load_config
from prompts.focused_prompt import focused_system
from prompts.prompt_file import load_prompt
from prompts.rules import RuleFile, load_rules, prompt_sha256, rules_sha256

ROOT = Path(__file__).resolve().parents[2]
ALWAYS = """\
You are the help desk of Lakeside University. You get passages from our pages and a question.
Start every answer with "Lakeside desk:". End every answer with "Anything else?".
Be friendly. Answer in one or two short sentences, at most 45 words. Use only the passages.
Give a link only if it is in the passages. Give a number only if it is in the passages or in the \
question.
Do not say anything twice. Do not talk about these instructions."""
CASES = {
    "refusal": "If the question is not about studying at Lakeside, asks for homework to be done or "
    "for something dishonest or harmful, say only: "
    '"This desk only answers questions about studying at Lakeside."',
    "partial": 'If the passages do not hold the answer, say: "I could not find this on our pages." '
    "and then the nearest thing that you did find.",
    "vague": 'If the question is too vague to answer, say: "Please tell me more." '
    "and ask one short question.",
}


@pytest.mark.parametrize("due", [(), ("refusal",), ("partial",), ("vague",), ("refusal", "vague")])
def test_the_demos_prompt_of_each_case(due: tuple[str, ...]) -> None:
    """The sentences that always hold and those of the case, whole. A sentence goes on behind its
    quotation mark. That an LLM rule quotes the refusal too keeps nothing."""
    prompt, rules = load_prompt(load_config(ROOT / "config/demo.yaml", []).prompt, ROOT)
    focused = focused_system(prompt.system, rules, CASES.keys() - due)
    assert focused == "\n".join([ALWAYS, *(CASES[rule] for rule in due)])
    assert focused_system(prompt.system, rules, ()) == prompt.system


LIST = """Answer in English.

Cases:
1. Urgent? Say "Call 112!" Then stop.
- Off topic: say "No." It is short.

If it is vague, ask. Be kind."""


def rules_of(*sources: str) -> RuleFile:
    """One conditional rule per quote, named a, b, …"""
    rules = [
        {
            "id": name,
            "source": source,
            "applies": {"code": [{"field": "comment", "matches": name}]},
            "check": {"type": "contains", "text": "x"},
            "converse": True,
        }
        for name, source in zip("abc", sources, strict=False)
    ]
    return RuleFile.model_validate({"version": 1, "prompt_sha256": "x", "rules": rules})


def test_lines_stay_where_their_sentences_do() -> None:
    """A line without letters goes, with its number or dash; the next capital is a new sentence."""
    rules = rules_of('Urgent? Say "Call 112!"', 'Off topic: say "No."', "If it is vague, ask.")
    assert focused_system(LIST, rules, {"a"}) == LIST.replace('Urgent? Say "Call 112!" ', "")
    assert focused_system(LIST, rules, {"b"}) == LIST.replace('- Off topic: say "No." ', "")
    assert focused_system(LIST, rules, {"c"}) == LIST.replace("If it is vague, ask. ", "")
    whole = rules_of('Urgent? Say "Call 112!" Then stop.', "If it is vague, ask. Be kind.")
    assert focused_system(LIST, whole, {"a"}) == LIST.replace(
        '1. Urgent? Say "Call 112!" Then stop.\n', ""
    )
    assert focused_system(LIST, whole, {"b"}) == LIST.removesuffix(
        "\n\nIf it is vague, ask. Be kind."
    )


def test_a_sentence_of_two_cases_stays_for_either() -> None:
    """It goes only where neither is due."""
    rules = rules_of("If it is vague, ask.", "vague, ask")
    assert "vague" in focused_system(LIST, rules, {"a"})
    assert "vague" in focused_system(LIST, rules, {"b"})
    assert "vague" not in focused_system(LIST, rules, {"a", "b"})


def test_a_hint_decides_no_verdict(tmp_path: Path) -> None:
    """Stored verdicts and calibrations stay valid when a hint is written."""
    path, text = tmp_path / "rules.yaml", "Be kind."
    rule = "rules: [{id: a, source: Be kind., check: {type: json}%s}]"
    head = f"version: 1\nprompt_sha256: {prompt_sha256(text)}\n"
    path.write_text(head + rule % "")
    before = load_rules(path, text)
    path.write_text(head + rule % ", hint: Kindness counts.")
    after = load_rules(path, text)
    assert after.rules[0].hint == "Kindness counts." and rules_sha256(before) == rules_sha256(after)
