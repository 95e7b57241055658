"""Drafted rules that are accepted, and why others are rejected."""

from typing import Any

import pytest

from judge.drafting.check_catalogue import rules_schema
from judge.drafting.filter_rules import filter_rules
from tests.judge.drafting.draft_factory import LINK, drafted
from tests.judge.factories import SYSTEM


def test_quotes_must_occur() -> None:
    """Line breaks and spaces do not count; words, case and order do."""
    good = [drafted(), drafted(source=LINK.replace(" ", "\n  "), id="again")]
    bad = [LINK.lower(), "Give a link only if it is good.", "", " ", None, 7, ["Give a link"]]
    filtered = filter_rules([*good, *(drafted(source=source) for source in bad)], SYSTEM)
    assert [rule.id for rule in filtered.accepted] == ["links", "again"]
    assert filtered.reasons() == {"quote not in the prompt": len(bad)}


@pytest.mark.parametrize(
    "check",
    [
        {"type": "vibes"},
        {"type": "regex", "pattern": "("},
        {"type": "regex"},
        {"type": "length"},
        {"type": "contains", "text": ""},
        {"type": "script_share", "alphabet": "greek", "min": 0.9},
        {"type": "words_from", "min": 2},
        {"type": "llm", "pass": "It is polite."},
        {"type": "json", "text": "one too many"},
        "urls_from",
        None,
    ],
)
def test_invalid_checks(check: Any) -> None:
    filtered = filter_rules([drafted(check=check)], SYSTEM)
    assert filtered.accepted == () and filtered.reasons() == {"invalid check": 1}


def test_no_rules() -> None:
    drafts = ["links", None, 3, drafted(severity="maybe"), drafted(applies=["never"])]
    assert filter_rules(drafts, SYSTEM).reasons() == {"not a rule": 5}


def test_ids_are_made_unique_and_well_formed() -> None:
    checks = [{"type": "length", "max_words": n} for n in range(1, 6)]
    ids = ["No Links!", "no_links", "no-links", "Ссылки", ""]
    drafts = [
        drafted(id=identity, check=check) for identity, check in zip(ids, checks, strict=True)
    ]
    filtered = [rule.id for rule in filter_rules(drafts, SYSTEM).accepted]
    assert filtered == ["no_links", "no_links_2", "no_links_3", "rule", "rule_2"]


def test_duplicates() -> None:
    filtered = filter_rules([drafted(), drafted(id="other")], SYSTEM)
    assert len(filtered.accepted) == 1 and filtered.reasons() == {"duplicate": 1}


def test_conditions_in_words() -> None:
    filtered = filter_rules(
        [drafted(applies=" Does it ask for a page? "), drafted(applies="Always")], SYSTEM
    )
    conditions = [rule.applies for rule in filtered.accepted]
    assert conditions[1] == "always" and not isinstance(conditions[0], str)
    assert conditions[0].llm == "Does it ask for a page?"


def test_what_strict_servers_make_of_a_rule() -> None:
    """Every parameter is there, null where it does not belong."""
    check = rules_schema()["properties"]["rules"]["items"]["properties"]["check"]
    full = dict.fromkeys(check["required"]) | {"type": "contains", "text": "desk"}
    (rule,) = filter_rules([drafted(check=full)], SYSTEM).accepted
    assert rule.check.model_dump() == {"type": "contains", "text": "desk"}
