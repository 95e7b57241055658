"""Demands that no rule quotes are listed; what demands nothing is not."""

import pytest

from prompts.rules import RuleFile
from prompts.uncovered import uncovered

RULES = RuleFile.model_validate(
    {
        "version": 1,
        "prompt_sha256": "0" * 64,
        "rules": [{"id": "short", "source": "Be brief.", "check": {"type": "no_repetition"}}],
    }
)
DEMANDS = [
    "Answer in Russian.",
    "Never shout.",
    "Do not mention prices.",
    "The answer has three sentences.",
    "If you do not know, say so.",
    "When in doubt, refer to the dean.",
    "Your tone is friendly.",
    "Use Markdown.",
    "Replies are at most 30 words long.",
    "You must cite a passage.",
    "Отвечай вежливо.",
    "Не придумывай фактов.",
    "Ответ занимает не более трёх предложений.",
    "Если вопрос неясен, уточни его.",
    "Ссылки нужно давать целиком.",
    "Пиши без сокращений.",
    "Обращайтесь к пользователю на «вы».",
]
ROLE = [
    "You are the help desk of a university.",
    "You get passages and a question.",
    "The university has four faculties.",
    "Students come from many countries.",
    "Ты — помощник университета.",
    "Тебе дан вопрос и отрывки из документов.",
    "Университет основан в прошлом веке.",
]


@pytest.mark.parametrize("demand", DEMANDS)
def test_a_demand_is_listed(demand: str) -> None:
    """A gap must not be hidden: orders, modal words, conditions, and how the answers are."""
    system = f"{ROLE[0]} Be brief. {demand} {ROLE[1]}"
    assert uncovered(RULES, system) == [demand]


@pytest.mark.parametrize("sentence", ROLE)
def test_what_demands_nothing_is_not(sentence: str) -> None:
    assert uncovered(RULES, f"{sentence} Be brief.") == []


def test_a_worked_example_is_no_demand_and_ends_with_the_next_one() -> None:
    """Its passages and its answer may hold orders; on one line, as folded YAML has them, too."""
    example = (
        "EXAMPLE: QUESTION: Where is the form? ===== Content 1: Students must sign the form. Forms "
        "lie at the desk. Content 2: It is always open. FINAL ANSWER: You must sign it."
    )
    system = f"Be brief. {example} Never shout. {example} If it is vague, ask. It rains."
    assert uncovered(RULES, system) == ["Never shout.", "If it is vague, ask."]
