"""A server that judges by row and rule, whatever other rules it is asked about beside."""

import json
import re
import zlib
from collections.abc import Callable
from typing import Any

from prompts.rules import Rule, RuleFile
from tests.judge.factories import llm_check, make_rule, make_rules
from tests.judge.llm.judge_factory import after_probe
from tests.judge.llm.server import Respond, Sent, error, is_probe, output_mode, user, verdict

Body = dict[str, Any]
Say = Callable[[str, str], str]  # row and rule → verdict
_KIND = re.compile(r"^pass: Kind (\w+)\.$", re.MULTILINE)
_ROW = re.compile(r"Question (\w+)\?")


def kind_rule(name: str, **settings: Any) -> Rule:
    """A rule whose id the server can read off its definition."""
    sees = settings.pop("sees", ["question", "contexts", "answer"])
    return make_rule(llm_check(**{"pass": f"Kind {name}.", "sees": sees}), id=name, **settings)


def kind_rules(names: str) -> RuleFile:
    """A rule for each letter."""
    return make_rules(*map(kind_rule, names))


def rules_of(body: Body) -> list[str]:
    """The rules that a request asks about."""
    return _KIND.findall(user(body))


def by_hash(row: str, rule: str) -> str:
    """Any verdict, the same every time."""
    return ("pass", "fail", "cannot_judge")[zlib.crc32(f"{row}/{rule}".encode()) % 3]


def judgement(word: str = "pass", evidence: tuple[str, ...] = ()) -> dict[str, Any]:
    """A well-formed value in a reply about several rules."""
    return {"evidence": list(evidence), "reasoning": f"So it is: {word}.", "verdict": word}


def lines(rule: str, word: str) -> str:
    """The same in plain text."""
    return f"EVIDENCE {rule}: none\nREASONING {rule}: So it is: {word}.\nVERDICT {rule}: {word}"


def reply(body: Body, say: Say) -> Sent:
    """A well-formed reply in the form that was asked for."""
    rule_ids = rules_of(body)
    row = (_ROW.findall(user(body)) or [""])[0]  # not every rule sees the question
    words = {rule: say(row, rule) for rule in rule_ids}
    plain = output_mode(body) == "plain"
    if len(rule_ids) > 1 and plain:
        return Sent("\n\n".join(lines(rule, word) for rule, word in words.items()))
    if len(rule_ids) > 1:
        return together({rule: judgement(word) for rule, word in words.items()})
    (word,) = words.values()
    return Sent(f"REASONING: So it is: {word}.\nVERDICT: {word}") if plain else alone(word)


def together(values: dict[str, Any]) -> Sent:
    """A reply about several rules in JSON."""
    return Sent(json.dumps(values))


def alone(word: str) -> Sent:
    """A reply about one rule in JSON."""
    return Sent(json.dumps(judgement(word)))


def holding(mode: str, respond: Respond) -> Respond:
    """The server knows one form of reply and refuses all others."""

    def answer(body: Body) -> Sent:
        if output_mode(body) != mode:
            return error(400, "unsupported")
        return verdict() if is_probe(body) else respond(body)

    return answer


def first_time(batch: Callable[[Body], Sent], say: Say = by_hash) -> Respond:
    """What is asked about several rules gets `batch`, what is asked about one a good reply."""
    return after_probe(lambda body: batch(body) if len(rules_of(body)) > 1 else reply(body, say))
