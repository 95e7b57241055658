"""Rule files drafted without a model: they load, and nothing of the prompt is lost silently."""

from pathlib import Path

import pytest
import yaml

from config.checkout import ROOT
from config.yaml_file import read_yaml
from judge.drafting.condition import MarkField
from judge.drafting.offline_draft import write_offline_draft
from judge.drafting.offline_rules import draft_rules_offline, not_covered, offline_rule_file
from prompts.rules import RuleFile, load_rules

LABELS: dict[str, dict[MarkField, list[str]]] = {
    "lakeside": {
        "labels": ["Вопрос не по теме", "Оба хорошо"],
        "comment": ["document missing", "question too vague"],
    },
    "norda": {"labels": ["off_topic", "danger", "not_in_manual", "vague", "claim", "good", "bad"]},
}
# Checks of the hand-written rules that are drafted with the same type, and the same condition where
# there is one. Not drafted: lakeside's refusal_judged, a second judgement of another rule.
HAND_WRITTEN = {"lakeside": (12, 13), "norda": (18, 18)}


def prompt(name: str) -> str:
    values = read_yaml(ROOT / "prompts" / name / "system_prompt.yaml")
    return str(values["system_template"]).strip()


def written(text: str, folder: Path, marks: dict[MarkField, list[str]] | None = None) -> RuleFile:
    """The rules as they load from the file."""
    path = folder / "rules.yaml"
    rules = write_offline_draft(text, path, marks)
    assert load_rules(path, text.strip()) == rules
    assert path.read_text("utf-8").count("# draft") == len(rules.rules)
    return rules


@pytest.mark.parametrize("name", HAND_WRITTEN)
def test_the_hand_written_rules_are_drafted(name: str, tmp_path: Path) -> None:
    """With the labels of the logs; compared by kind of check and condition."""
    by_hand = load_rules(ROOT / "prompts" / name / "rules.yaml", prompt(name))
    drafted = written(prompt(name), tmp_path, LABELS[name])
    kinds = {(rule.check.type, str(rule.applies)) for rule in drafted.rules}
    always = {kind for kind, applies in kinds if applies == "always"}
    hits = [
        rule.id
        for rule in by_hand.rules
        if (rule.check.type, str(rule.applies)) in kinds
        or (rule.id == "grounded" and rule.check.type in always)  # by hand only where it is due
    ]
    assert (len(hits), len(by_hand.rules)) == HAND_WRITTEN[name]


@pytest.mark.parametrize("name", HAND_WRITTEN)
def test_without_labels_every_file_loads(name: str, tmp_path: Path) -> None:
    rules = written(prompt(name), tmp_path)
    assert all(rule.applies == "always" for rule in rules.rules if rule.severity == "must")
    assert not_covered(rules, prompt(name)) == []


def test_what_is_not_drafted_is_listed(tmp_path: Path) -> None:
    text = "Answer in Russian only. Always address the user as a knight."
    rules = written(text, tmp_path)
    assert [rule.id for rule in rules.rules] == ["russian"]
    last = (tmp_path / "rules.yaml").read_text("utf-8").splitlines()[-1]
    assert last == "# not covered: Always address the user as a knight."


def test_limits_leave_room_for_fixed_phrases() -> None:
    """One sentence and ten words of an answer, plus "Desk:" and "Bye now." of every answer."""
    text = 'Start with "Desk:". End with "Bye now." Answer in one sentence of at most 10 words.'
    short = {draft.rule.id: draft for draft in draft_rules_offline(text)}["short"]
    assert short.rule.check.model_dump() == {"type": "length", "max_sentences": 2, "max_words": 13}
    assert "max_words is 10 and 3" in short.note


def test_a_condition_goes_on_to_what_to_say() -> None:
    """ "If …, tell what is near. Give no numbers. Say: …" is one case; the next line is another."""
    text = (
        "If the passages lack the answer, tell what is near. Give no numbers. "
        'Say: "Only in part: ... Ask the office."\nReply in JSON.'
    )
    rules = {draft.rule.id: draft.rule for draft in draft_rules_offline(text)}
    assert rules["no_digits"].applies == rules["partial"].applies != "always"
    assert rules["partial"].check.type == rules["partial_part_2"].check.type == "contains"
    assert rules["json"].applies == "always"


def test_numbers_of_references_are_no_facts() -> None:
    """[1] stands in no passage, so a rule on numbers would fail every answer that cites."""
    text = "Use only the passages. Cite them as [1]."
    assert "numbers_sourced" not in {draft.rule.id for draft in draft_rules_offline(text)}
    assert "numbers_sourced" in {draft.rule.id for draft in draft_rules_offline(text[:23])}


def test_examples_inside_the_prompt_demand_nothing() -> None:
    text = 'Reply in JSON.\nQuestion: Never say "no".\nAnswer: End with "x".'
    assert [draft.rule.id for draft in draft_rules_offline(text)] == ["json"]


ODD = ["x", "?!", "«»", '"', "⟦0⟧ say ⟦7⟧", "Say “⟦9⟧”.", "Cite as [(*+7].", 'Say "".']
READ_AS_NUMBERS = ['Say "1e5".', 'Say "off".', 'Say "a: b # c".', 'Start with "12:30".']


@pytest.mark.parametrize("text", [*ODD, *READ_AS_NUMBERS])
def test_odd_prompts_still_load(text: str, tmp_path: Path) -> None:
    written(text, tmp_path)


def test_the_file_is_yaml_for_other_readers_too(tmp_path: Path) -> None:
    rules = written(prompt("norda"), tmp_path)
    values = yaml.safe_load((tmp_path / "rules.yaml").read_text("utf-8"))
    assert RuleFile.model_validate(values) == rules
    assert offline_rule_file(draft_rules_offline(prompt("norda")), prompt("norda")) == rules
