"""The judge's templates: every language has all of them, with the same variables."""

from pathlib import Path
from typing import get_args

import pytest
from jinja2 import Environment, nodes

from config.load import validated
from config.schema import PromptSettings
from config.yaml_file import read_yaml
from judge.llm.prompt import APPLIES, VERDICTS, applies_prompt, reask_body, verdict_prompt
from prompts.prompt_file import load_prompt
from prompts.rules import Language, RuleFile
from tests.judge.factories import llm_check, make_row, make_rule, make_rules
from tests.judge.llm.judge_factory import after_probe, judged, pairs_of
from tests.judge.llm.server import user, verdict

FOLDER = Path("prompts/judge")
LANGUAGES = get_args(Language)
TEMPLATES = {
    "again",
    "applies",
    "draft",
    "pair",
    "reminder",
    "rewrite",
    "role",
    "verdict",
    "verdicts",
}


def used(path: Path) -> set[str]:
    """The variables of a template with what is read of them: rule.source, message, …"""
    tree = Environment().parse(path.read_text(encoding="utf-8"))
    names = {node.name for node in tree.find_all(nodes.Name)}
    dotted = {
        f"{node.node.name}.{node.attr}"
        for node in tree.find_all(nodes.Getattr)
        if isinstance(node.node, nodes.Name)
    }
    return names | dotted


def test_every_language_has_every_template() -> None:
    assert (
        {path.name for path in FOLDER.iterdir() if path.is_dir()} == set(LANGUAGES) == {"en", "ru"}
    )
    for language in LANGUAGES:
        assert {path.stem for path in (FOLDER / language).glob("*.j2")} == TEMPLATES


@pytest.mark.parametrize("template", sorted(TEMPLATES))
def test_the_same_variables_everywhere(template: str) -> None:
    english, russian = (used(FOLDER / language / f"{template}.j2") for language in ("en", "ru"))
    assert english == russian and bool(english) != (template == "pair")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("mode", ["json_schema", "plain"])
def test_rendered(language: Language, mode: str) -> None:
    """Verdict words and the rule's own words stand in every language as they are."""
    examples = [{"answer": "Отстаньте.", "verdict": "fail"}]
    rule = make_rule(
        llm_check(examples=examples),
        source="Отвечай только на русском языке.",
        applies={"llm": "Вопрос по теме?"},
    )
    row = make_row()
    for question, options in (
        (verdict_prompt(rule, row, "Да.", language), VERDICTS),
        (applies_prompt(rule, row, language), APPLIES),
    ):
        body = question.body(mode, "m", 9)  # type: ignore[arg-type]
        role, user_text = (turn["content"] for turn in body["messages"])
        assert rule.source in user_text and all(option in role for option in options)
        assert ("VERDICT: " in role) == (mode == "plain")
        again = [
            reask_body(body, language, "?", problem, "2")["messages"][-1]["content"]
            for problem in ("evidence", "malformed")
        ]
        assert all("2" in text for text in again) and again[0] != again[1]
        cyrillic = [any("а" <= sign <= "я" for sign in text) for text in (role, *again)]
        assert cyrillic == [language == "ru"] * 3
    assert "Отстаньте." in user(verdict_prompt(rule, row, "Да.", language).body("plain", "m", 9))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_rule_file_says_the_language(tmp_path: Path, language: Language) -> None:
    rules = make_rules(make_rule(llm_check()), language=language)
    _, sent, _ = judged(after_probe(lambda b: verdict()), tmp_path, pairs_of(1), rules)
    user_text = user(sent[0])
    assert ("Вынесите вердикт об ответе" in user_text) == (language == "ru")
    assert ("(нет)" in user_text) == (language == "ru") != ("(none)" in user_text)


def test_the_demo_is_judged_in_english() -> None:
    files = {"system": "system_prompt", "rules": "rules", "examples": "examples"}
    paths = {key: f"prompts/lakeside/{name}.yaml" for key, name in files.items()}
    assert load_prompt(PromptSettings(**paths), Path())[1].language == "en"


def test_the_campus_is_judged_in_russian() -> None:
    assert validated(RuleFile, read_yaml(Path("prompts/hse/rules.yaml")), "hse").language == "ru"
