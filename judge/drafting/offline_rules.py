"""Draft rules without a model: every sentence of a prompt against the bank of templates.

The drafts quote the prompt word for word and are valid rules. A person reads each of them before
anything is scored by it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from data.records import digest
from judge.checks.length import sentence_count, word_count
from judge.checks.text import language_of
from judge.drafting.condition import MarkField, RuleCondition, condition_of
from judge.drafting.filter_rules import unique_id
from judge.drafting.phrase_templates import OTHER_CASE, Frame, answer_frame, phrase_checks
from judge.drafting.prompt_sentences import PromptSentence, prompt_sentences
from judge.drafting.rule_bank import template_checks
from judge.drafting.soft_templates import soft_checks
from judge.drafting.source_templates import CITES
from judge.drafting.template_check import TemplateCheck
from prompts.rules import Language, Rule, RuleFile, prompt_sha256
from prompts.uncovered import uncovered

_GENERAL = "no sentence of the prompt matched a template: this rule suits every prompt"


class DraftedRule(NamedTuple):
    """A draft, and what in it is a guess."""

    rule: Rule
    note: str = ""


class _PromptSource(NamedTuple):
    """What every draft of one prompt needs."""

    system: str
    language: Language
    marks: Mapping[MarkField, Sequence[str]]


class _Proposal(NamedTuple):
    sentence: PromptSentence
    check: TemplateCheck


def draft_rules_offline(
    prompt_text: str, marks: Mapping[MarkField, Sequence[str]] | None = None
) -> list[DraftedRule]:
    """Draft rules of a system prompt, at least one, in the order of its sentences.

    `marks`: the labels and comments of the logs. A condition that one of them names is decided by
    it; every other condition becomes a question to a language model, and its rule a `should`.
    Raises ValueError for a prompt without text.
    """
    system = prompt_text.strip()
    if not system:
        raise ValueError("the prompt is empty")
    source = _PromptSource(system, language_of(system), marks or {})
    sentences = prompt_sentences(system)
    frame = answer_frame(sentences)
    proposals = [
        _Proposal(sentence, check)
        for sentence in sentences
        for check in _checks(sentence, frame, source)
    ]
    stated = {
        proposal.check.check["type"] for proposal in proposals if not proposal.check.is_derived
    }
    if any(check.id == CITES for _, check in proposals):
        stated.add("digits_from")
    longest = max(_late_phrases(proposals), key=word_count, default="")
    drafts: list[DraftedRule] = []
    digests: set[str] = set()
    for proposal in proposals:
        if proposal.check.is_derived and proposal.check.check["type"] in stated:
            continue
        draft = _drafted(_widened(proposal, frame, longest), drafts, source)
        content = digest(draft.rule.model_dump(mode="json", include={"check", "applies"}))
        if content not in digests:
            digests.add(content)
            drafts.append(draft)
    return drafts or [_general_rule(system)]


def offline_rule_file(drafts: Sequence[DraftedRule], prompt_text: str) -> RuleFile:
    """The drafts as a rule file of the prompt."""
    system = prompt_text.strip()
    return RuleFile(
        version=1,
        prompt_sha256=prompt_sha256(system),
        language=language_of(system),
        rules=tuple(draft.rule for draft in drafts),
    )


def not_covered(rules: RuleFile, prompt_text: str) -> list[str]:
    """The prompt's demands that no draft quotes, a line each."""
    return [f"not covered: {sentence}" for sentence in uncovered(rules, prompt_text)]


def _checks(
    sentence: PromptSentence, frame: Frame, source: _PromptSource
) -> Iterator[TemplateCheck]:
    in_code = [*phrase_checks(sentence, frame), *template_checks(sentence, source.system)]
    yield from in_code
    soft = soft_checks(sentence.order, sentence.text, source.language)
    yield from (check for check in soft if not (in_code and check.gives_way))


def _late_phrases(proposals: Sequence[_Proposal]) -> Iterator[str]:
    """The fixed phrases that are said in addition to an answer, where their condition holds."""
    for sentence, check in proposals:
        if sentence.condition is not None and check.check["type"] in ("contains", "asks"):
            yield check.check["text"]


def _widened(proposal: _Proposal, frame: Frame, phrase: str) -> _Proposal:
    """The proposal; a limit of length gets the words of the fixed phrases on top."""
    check = proposal.check
    if not check.plus_phrases or not frame.around(phrase):
        return proposal
    added = {
        "max_words": word_count(frame.around(phrase)),
        "max_sentences": sentence_count(f"{frame.opening} It is. {phrase} {frame.closing}") - 1,
    }
    limits = dict(check.check)
    notes = []
    for key in filter(added.get, check.plus_phrases):
        limits[key] += added[key]
        notes.append(f"{key} is {check.check[key]} and {added[key]} for the fixed phrases")
    return proposal._replace(check=check._replace(check=limits, note="; ".join(notes)))


def _drafted(
    proposal: _Proposal, drafts: Sequence[DraftedRule], source: _PromptSource
) -> DraftedRule:
    sentence, check = proposal
    condition: RuleCondition | None = None
    if sentence.condition is not None:
        condition = condition_of(sentence.condition, sentence.text, source.marks, source.language)
    identity = check.id
    if condition and condition.name:
        identity = re.sub(rf"^{OTHER_CASE}(?=_|$)", condition.name, identity)
    values: dict[str, Any] = {
        "id": unique_id(identity, [draft.rule for draft in drafts]),
        "source": sentence.text,
        "severity": "should" if condition and condition.by_model else check.severity,
        "applies": condition.applies if condition else "always",
        "check": check.check,
        "converse": check.converse,
    }
    notes = (check.note, condition.note if condition else "")
    return DraftedRule(Rule.model_validate(values), "; ".join(filter(None, notes)))


def _general_rule(system: str) -> DraftedRule:
    first = prompt_sentences(system)
    source = first[0].text if first else " ".join(system.split())[:200]
    values = {"id": "no_leak", "source": source, "check": {"type": "no_leak", "words": 12}}
    return DraftedRule(Rule.model_validate(values), _GENERAL)
