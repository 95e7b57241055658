"""`unprompted judge CONFIG draft-rules`: a first rule file for a prompt, to be edited by a person.

A judging server splits the prompt into rules. Rules that do not quote the prompt or have no valid
check are rejected and counted. Without a server, templates are matched to the prompt's sentences. A
person must read every rule before it is used for scoring.
"""

import argparse
import asyncio
from collections.abc import Iterator
from pathlib import Path

from config.console import print
from config.errors import DataError, UnpromptedError
from config.judging import ServerSettings
from config.schema import Config
from data.atomic_write import write_text
from data.prepare import prepare_splits
from judge.checks.text import language_of
from judge.drafting.condition import MarkField, logged_marks
from judge.drafting.filter_rules import FilteredRules, filter_rules
from judge.drafting.offline_draft import write_offline_draft
from judge.drafting.request_rules import RequestedRules, request_rules
from judge.drafting.rule_file_text import READ_ALL, comment_line, refuse_existing, rule_file_text
from prompts.prompt_file import read_prompt
from prompts.prompt_text import logged_prompt
from prompts.rules import RuleFile, prompt_sha256
from prompts.uncovered import uncovered
from wire.client import RetryPolicy

_NOTE_CHARACTERS = 160


def draft_rules_command(config: Config, arguments: argparse.Namespace) -> int:
    """Writes the draft and prints what it lacks; returns 0."""
    out = Path(arguments.out or config.prompt.rules)
    server = config.judge.llm
    if isinstance(server, ServerSettings):
        draft_rules(config, server, out, RetryPolicy())
    else:
        print(
            f"judge.llm: {server}: no server to draft with, so templates are matched to "
            "the prompt's sentences"
        )
        refuse_existing(out)
        system = read_prompt(config.prompt, Path()).system
        write_offline_draft(system, out, _marks_of_logs(config))
    return 0


def _marks_of_logs(config: Config) -> dict[MarkField, list[str]]:
    """The labels and comments of train; none where the logs cannot be read yet."""
    data = config.data.model_copy(update={"hidden": None})
    try:
        prompt = logged_prompt(config, Path())
        return logged_marks(prepare_splits(data, Path(), config.seed, prompt).train)
    except UnpromptedError as error:
        print(f"no labels decide when a rule is due, as the logs cannot be read: {error}")
        return {}


def draft_rules(config: Config, server: ServerSettings, out: Path, retry: RetryPolicy) -> RuleFile:
    """Writes a rule file that `load_rules` accepts, drafted by the server's model.

    Raises DataError when the file exists or no rule is accepted, and as `request_rules` does.
    """
    refuse_existing(out)
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
    notes += (comment_line(f"- {sentence}") for sentence in sentences)
    head = f"Drafted by {server.model}: {READ_ALL}"
    write_text(out, rule_file_text(rules, head, notes=notes))
    print(f"rules drafted: {len(rules.rules)}, in {out}; {requested.requests} requests")
    print("\n".join(notes))
    return rules


def _notes(requested: RequestedRules, filtered: FilteredRules) -> Iterator[str]:
    """Rejected rules with counts and the first case, and parts without rules."""
    for reason, count in filtered.reasons().items():
        first = next(rule for rule in filtered.rejected if rule.reason == reason)
        example = f"{first.id} ({first.detail})" if first.detail else first.id
        yield comment_line(f"rejected, {reason}: {count}, the first {example}")[:_NOTE_CHARACTERS]
    for text, reason in requested.skipped:
        yield comment_line(f"no rules of {len(text)} characters ({reason}): {text[:60]}")
