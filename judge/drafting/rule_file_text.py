"""The text of a drafted rule file, with comments for the person who edits it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from config.errors import DataError
from config.yaml_file import dump_yaml
from data.stored_file import is_stored
from judge.llm.fence import cleaned
from prompts.rules import Rule, RuleFile

READ_ALL = "read every rule against the prompt, correct it, add what is missing."


def refuse_existing(out: Path) -> None:
    """Raises DataError when there is a file already: people's work is not overwritten."""
    if is_stored(out):
        raise DataError(f"{out}: exists and is not overwritten; name another --out FILE")


def rule_file_text(
    rules: RuleFile, head: str, guesses: Mapping[str, str] | None = None, notes: Sequence[str] = ()
) -> str:
    """YAML that `load_rules` reads as these rules.

    `head` is a comment on top; `notes` stand at the end. With `guesses` (rule id → what to look at,
    or nothing) every rule is marked as a draft.
    """
    values = rules.model_dump(include={"version", "prompt_sha256", "language"})
    parts = [f"# {comment_line(head)}\n", dump_yaml(values), "rules:\n"]
    for rule in rules.rules:
        if guesses is not None:
            guess = guesses.get(rule.id)
            parts.append(f"# draft: {comment_line(guess)}\n" if guess else "# draft\n")
        parts.append(dump_yaml([_rule_values(rule)], compact=True))
    parts += ["\n" * bool(notes), *(f"# {comment_line(note)}\n" for note in notes)]
    return "".join(parts)


def comment_line(text: str) -> str:
    """One line that a YAML comment and a terminal can show."""
    return " ".join(cleaned(text).split())


def _rule_values(rule: Rule) -> dict[str, Any]:
    """A rule as a person would write it: without defaults, except the severity."""
    values = rule.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    first = {"id": rule.id, "source": rule.source, "severity": rule.severity}
    return {**first, **{key: values[key] for key in values if key not in first}}
