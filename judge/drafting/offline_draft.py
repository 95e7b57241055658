"""A rule file drafted from a prompt by templates: its text, and its writing for a command."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from config.console import print
from config.errors import DataError
from data.atomic_write import write_text
from judge.checks.applicability import by_model
from judge.drafting.condition import MarkField
from judge.drafting.offline_rules import draft_rules_offline, not_covered, offline_rule_file
from judge.drafting.rule_file_text import READ_ALL, comment_line, refuse_existing, rule_file_text
from prompts.rules import RuleFile, ScoredRule

_HEAD = (
    f"Drafted from the prompt's sentences by templates: {READ_ALL} Rules that need a language "
    "model are `should`, so that runs without one have a strict score."
)


class OfflineDraft(NamedTuple):
    """A drafted rule file."""

    rules: RuleFile
    text: str  # YAML that `load_rules` reads as these rules, each marked as a draft
    notes: tuple[str, ...]  # the prompt's demands without a rule; they end the text as comments


def offline_draft(
    prompt_text: str, marks: Mapping[MarkField, Sequence[str]] | None = None
) -> OfflineDraft:
    """The rule file of a system prompt, by templates; `marks` as for `draft_rules_offline`.

    Raises DataError when the prompt is empty.
    """
    if not prompt_text.strip():
        raise DataError("the system prompt is empty; write it before its rules")
    drafts = draft_rules_offline(prompt_text, marks)
    rules = offline_rule_file(drafts, prompt_text)
    notes = not_covered(rules, prompt_text)
    guesses = {draft.rule.id: draft.note for draft in drafts}
    return OfflineDraft(rules, rule_file_text(rules, _HEAD, guesses, notes), tuple(notes))


def write_offline_draft(
    prompt_text: str, out: Path, marks: Mapping[MarkField, Sequence[str]] | None = None
) -> RuleFile:
    """Writes the rule file and prints what it lacks; returns its rules.

    Raises DataError when the file exists or the prompt is empty.
    """
    refuse_existing(out)
    draft = offline_draft(prompt_text, marks)
    write_text(out, draft.text)
    scored = (ScoredRule(id=rule.id, rule=rule) for rule in draft.rules.rules)
    needing = sum(map(by_model, scored))
    print(f"rules drafted: {len(draft.rules.rules)}, in {out}; {needing} of them need judge.llm")
    for note in draft.notes:
        print(comment_line(note))
    return draft.rules
