"""The rule file: what is refused on loading, which rules are scored, which sentences are left."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from config.errors import ConfigError, DataError
from prompts.rules import RuleFile, load_rules, prompt_sha256
from prompts.uncovered import uncovered

SYSTEM = 'Answer in Russian.\nBe brief, be kind.  Off topic, say: "No." Never shout.'
JUDGED = {"type": "llm", "pass": "Kind.", "fail": "Unkind."}


def _rule(name: str = "kind", **settings: Any) -> dict[str, Any]:
    return {"id": name, "source": "be kind", "check": {"type": "no_repetition"}, **settings}


def _load(folder: Path, *rules: dict[str, Any], **settings: Any) -> RuleFile:
    path = folder / "rules.yaml"
    values = {"version": 1, "prompt_sha256": prompt_sha256(SYSTEM), "rules": list(rules)}
    path.write_text(yaml.safe_dump({**values, **settings}, allow_unicode=True), encoding="utf-8")
    return load_rules(path, SYSTEM)


def test_duplicate_id_is_refused(tmp_path: Path) -> None:
    """Verdicts are keyed by rule id: two rules of one id would be counted as one."""
    with pytest.raises(DataError, match="'kind' occurs twice"):
        _load(tmp_path, _rule(), _rule())


def test_id_of_a_converse_rule_is_taken(tmp_path: Path) -> None:
    """The second rule that a converse rule makes has an id too, and nobody wrote it down."""
    with pytest.raises(DataError, match="'kind_converse' occurs twice"):
        _load(tmp_path, _rule(converse=True), _rule("kind_converse"))


def test_quote_must_occur_in_the_prompt(tmp_path: Path) -> None:
    """A rule that the prompt does not demand must not be held against the model."""
    with pytest.raises(DataError, match="does not occur in the prompt"):
        _load(tmp_path, _rule(source="Answer in verse."))


def test_quote_is_compared_without_line_breaks(tmp_path: Path) -> None:
    """A prompt file folds its lines anywhere; the quote is still word for word."""
    rules = _load(tmp_path, _rule(source="Answer in Russian. Be brief,\n be kind. Off topic"))
    assert rules.rules[0].id == "kind"


def test_changed_prompt_is_refused_and_the_new_hash_told(tmp_path: Path) -> None:
    """Quotes may survive an edit that changes what is demanded; a person has to look."""
    with pytest.raises(DataError, match=prompt_sha256(SYSTEM)):
        _load(tmp_path, _rule(), prompt_sha256=prompt_sha256("the old prompt"))


@pytest.mark.parametrize("definition", ["pass", "fail"])
@pytest.mark.parametrize("value", [None, ""])
def test_judged_rule_defines_pass_and_fail(
    tmp_path: Path, definition: str, value: str | None
) -> None:
    """A judge left to guess what failing means is a different judge each time."""
    check = {key: text for key, text in JUDGED.items() if key != definition}
    if value is not None:
        check[definition] = value
    with pytest.raises(ConfigError, match=definition):
        _load(tmp_path, _rule(check=check))


@pytest.mark.parametrize("shadow", ["nothing", "code"])
def test_shadow_names_a_judged_rule(tmp_path: Path, shadow: str) -> None:
    """A misspelt shadow, or one that no model decides, would measure the judge on nothing."""
    with pytest.raises(DataError, match=f"shadow_llm = '{shadow}' is not an llm rule"):
        _load(tmp_path, _rule(shadow_llm=shadow), _rule("code"), _rule("judged", check=JUDGED))


def test_shadow_of_a_judged_rule_is_accepted(tmp_path: Path) -> None:
    """The rule that it names may stand below it in the file."""
    rules = _load(tmp_path, _rule(shadow_llm="judged"), _rule("judged", check=JUDGED))
    assert rules.rules[0].shadow_llm == "judged"


def test_converse_rule_is_scored_twice(tmp_path: Path) -> None:
    """A refusal where none was due is a failure of its own, with its own denominator."""
    rules = _load(tmp_path, _rule("no", converse=True, severity="should"), _rule())
    listed = [(scored.id, scored.converse, scored.must) for scored in rules.scored_rules()]
    assert listed == [("no", False, False), ("no_converse", True, False), ("kind", False, True)]


@pytest.mark.parametrize(
    "settings",
    [
        {"check": {"type": "regex", "pattern": "("}},
        {"applies": {"code": [{"field": "question", "matches": "("}]}},
    ],
)
def test_bad_regular_expression_is_refused(tmp_path: Path, settings: dict[str, Any]) -> None:
    """Found when the file is read, not after the answers were paid for."""
    with pytest.raises(ConfigError, match=r"pattern '\('"):
        _load(tmp_path, _rule(**settings))


@pytest.mark.parametrize(
    "applies", [{}, {"llm": "?", "code": [{"field": "labels", "matches": "x"}]}]
)
def test_when_a_rule_applies_is_said_in_one_way(tmp_path: Path, applies: dict[str, Any]) -> None:
    """Neither would be due never or always, both have no order: the author has to choose."""
    with pytest.raises(ConfigError, match=r"rules\.0\.applies"):
        _load(tmp_path, _rule(applies=applies))


def test_uncovered_lists_what_no_rule_quotes(tmp_path: Path) -> None:
    """A quote covers the sentences that it spans and the one that it is a part of, no others."""
    rules = _load(tmp_path, _rule(), _rule("off", source='Off topic, say: "No." Never'))
    assert uncovered(rules, SYSTEM) == ["Answer in Russian.", "Never shout."]


def test_whole_prompt_quoted_leaves_nothing(tmp_path: Path) -> None:
    """Spaces and line breaks inside the prompt do not make a sentence uncovered."""
    assert uncovered(_load(tmp_path, _rule(source=SYSTEM)), SYSTEM) == []
