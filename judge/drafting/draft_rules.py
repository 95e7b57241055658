"""`python -m judge CONFIG draft-rules`: a first rule file for a prompt, to be edited by a person.

A model splits the prompt into rules. Rules that do not quote the prompt or have no valid check are
rejected and counted. A person must read every rule before it is used for scoring.
"""

import argparse
import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from config.console import print
from config.errors import ConfigError, DataError
from config.judging import ServerSettings
from config.schema import Config
from data.atomic_write import write_text
from judge.checks.text import language_of
from judge.drafting.filter_rules import FilteredRules, filter_rules
from judge.drafting.request_rules import RequestedRules, request_rules
from judge.llm.fence import cleaned
from prompts.prompt_file import read_prompt
from prompts.rules import Rule, RuleFile, prompt_sha256
from prompts.uncovered import uncovered
from wire.client import RetryPolicy

_NOTE_CHARACTERS = 160


def draft_rules_command(config: Config, arguments: argparse.Namespace) -> int:
    """Writes the draft and prints what it lacks; returns 0."""
    draft_rules(config, Path(arguments.out or config.prompt.rules), RetryPolicy())
    return 0


def draft_rules(config: Config, out: Path, retry: RetryPolicy) -> RuleFile:
    """Writes a rule file that `load_rules` accepts.

    Raises DataError when the file exists or no rule is accepted, ConfigError without a judging
    server, and as `request_rules` does.
    """
    server = config.judge.llm
    if not isinstance(server, ServerSettings):
        raise ConfigError(
            f"judge.llm = {server!r}: drafting rules needs a capable model on a server; add to the "
            "command judge.llm='{kind: server, base_url: http://localhost:8000/v1, model: NAME}'"
        )
    if out.exists():
        raise DataError(f"{out}: exists and is not overwritten; name another --out FILE")
    system = read_prompt(config.prompt, Path()).system
    requested = asyncio.run(request_rules(system, server, config.judge, retry))
    filtered = filter_rules(requested.rules, system)
    notes = list(_notes(requested, filtered))
    if not filtered.accepted:
        why = "; ".join(notes) or "every list of rules that it wrote is empty"
        raise DataError(f"{server.model} drafted no usable rule: {why}")
    rules = RuleFile(
        version=1,
        prompt_sha256=prompt_sha256(system),
        language=language_of(system),
        rules=filtered.accepted,
    )
    sentences = uncovered(rules, system)
    notes.append(f"demands of the prompt that no rule quotes: {len(sentences)}")
    notes += (_line(f"- {sentence}") for sentence in sentences)
    write_text(out, _file_text(rules, server.model, notes))
    print(f"rules drafted: {len(rules.rules)}, in {out}; {requested.requests} requests")
    print("\n".join(notes))
    return rules


def _notes(requested: RequestedRules, filtered: FilteredRules) -> Iterator[str]:
    """Rejected rules with counts and the first case, and parts without rules."""
    for reason, count in filtered.reasons().items():
        first = next(rule for rule in filtered.rejected if rule.reason == reason)
        example = f"{first.id} ({first.detail})" if first.detail else first.id
        yield _line(f"rejected, {reason}: {count}, the first {example}")[:_NOTE_CHARACTERS]
    for text, reason in requested.skipped:
        yield _line(f"no rules of {len(text)} characters ({reason}): {text[:60]}")


def _file_text(rules: RuleFile, model: str, notes: Sequence[str]) -> str:
    values = rules.model_dump(include={"version", "prompt_sha256", "language"})
    values["rules"] = [_rule_values(rule) for rule in rules.rules]
    body = yaml.safe_dump(values, allow_unicode=True, sort_keys=False, width=100)
    head = _line(
        f"Drafted by {model}: read every rule against the prompt, correct it, add what is missing."
    )
    comments = "".join(f"# {note}\n" for note in notes)
    return f"# {head}\n{body}\n{comments}"


def _rule_values(rule: Rule) -> dict[str, Any]:
    """A rule as a person would write it: without defaults, except the severity."""
    values = rule.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    first = {"id": rule.id, "source": rule.source, "severity": rule.severity}
    return {**first, **{key: values[key] for key in values if key not in first}}


def _line(text: str) -> str:
    """One line that a YAML comment and a terminal can show."""
    return " ".join(cleaned(text).split())
