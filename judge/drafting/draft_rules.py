"""`python -m judge CONFIG draft-rules`: a first rule file for a prompt, to be edited by a person.

A model cuts the prompt into rules; what does not quote the prompt or has no valid check is dropped
and counted. Nobody should score by rules that no person has read.
"""

import argparse
import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from config.errors import ConfigError, DataError
from config.judging import ServerSettings
from config.schema import Config
from data.atomic_write import write_text
from judge.checks.text import language_of
from judge.drafting.ask import Replies, Unread, ask_for_rules
from judge.drafting.sift import Sifted, sift
from judge.llm.fence import cleaned
from prompts.prompt_file import read_prompt
from prompts.rules import Rule, RuleFile, prompt_sha256, uncovered
from wire.client import RetryPolicy

_NOTE = 160  # characters of a note


def draft_rules_command(config: Config, arguments: argparse.Namespace) -> int:
    """Writes the draft and says what it lacks; returns 0."""
    draft(config, Path(arguments.out or config.prompt.rules), RetryPolicy())
    return 0


def draft(config: Config, out: Path, patience: RetryPolicy) -> RuleFile:
    """Writes a rule file that `load_rules` accepts.

    Raises DataError when the file exists or no rule is left, ConfigError without a server to ask,
    and what `ask_for_rules` raises.
    """
    server = config.judge.llm
    if not isinstance(server, ServerSettings):
        raise ConfigError(
            f"judge.llm = {server!r}: drafting rules needs a capable model; name a server "
            "with judge.llm: {kind: server, base_url: …, model: …}"
        )
    if out.exists():
        raise DataError(f"{out}: is there already and is not overwritten; name another --out FILE")
    system = read_prompt(config.prompt, Path()).system
    replies = asyncio.run(ask_for_rules(system, server, config.judge, patience))
    sifted = sift(replies.drafted, system)
    notes = list(_notes(replies, sifted))
    if not sifted.rules:
        why = "; ".join(notes) or "every list of rules that it wrote is empty"
        raise DataError(f"{server.model} drafted no usable rule: {why}")
    rules = RuleFile(
        version=1,
        prompt_sha256=prompt_sha256(system),
        language=language_of(system),
        rules=sifted.rules,
    )
    left = uncovered(rules, system)
    write_text(out, _text(rules, server.model, notes, left))
    print(f"rules drafted: {len(rules.rules)}, in {out}; {replies.asked} questions asked")
    print("\n".join([*notes, *_uncovered(left)]))
    return rules


def _notes(replies: Replies, sifted: Sifted) -> Iterator[str]:
    """What came to nothing, with counts and, where it helps, the first case."""
    for reason, count in sifted.reasons().items():
        first = next(one for one in sifted.dropped if one.reason == reason)
        example = f"{first.id} ({first.detail})" if first.detail else first.id
        yield _line(f"dropped, {reason}: {count}, the first {example}")[:_NOTE]
    for part in replies.unread:
        yield _line(_unread(part))


def _unread(part: Unread) -> str:
    return f"no rules of {len(part.part)} characters ({part.reason}): {part.part[:60]}"


def _uncovered(left: Sequence[str]) -> Iterator[str]:
    yield f"sentences of the prompt that no rule quotes: {len(left)}"
    yield from (_line(f"- {sentence}") for sentence in left)


def _text(rules: RuleFile, model: str, notes: Sequence[str], left: Sequence[str]) -> str:
    values = {
        "version": rules.version,
        "prompt_sha256": rules.prompt_sha256,
        "language": rules.language,
        "rules": [_written(rule) for rule in rules.rules],
    }
    body = yaml.safe_dump(values, allow_unicode=True, sort_keys=False, width=100)
    head = _line(
        f"A draft by {model}: read every rule against the prompt, mend it, add what lacks."
    )
    comments = "".join(f"# {line}\n" for line in (*notes, *_uncovered(left)))
    return f"# {head}\n{body}\n{comments}"


def _written(rule: Rule) -> dict[str, Any]:
    """A rule as a person would write it: defaults left out, the severity aside."""
    values = rule.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    first = {"id": rule.id, "source": rule.source, "severity": rule.severity}
    return {**first, **{key: values[key] for key in values if key not in first}}


def _line(text: str) -> str:
    """One line that a YAML comment and a terminal can show."""
    return " ".join(cleaned(text).split())
