"""The prompt file's user_template in reverse: what was filled in is what comes out."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.readers.turn_template import PromptText, TurnTemplate
from data.rows import Context, Row
from prompts.prompt_file import Prompt, user_text

TEMPLATES = (
    "{summaries}\n\nQuestion: {question}",
    "Question: {question}\n\nContext:\n{summaries}",
    "<docs>{summaries}</docs>\n<q>{question}</q>",
    "Вопрос: {question}\nИсточники: {summaries}\nОтвет:",
)
# no text of a template and no "Content 1: " may occur in what is filled in: then two readings are
# equally right
WORDS = st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=12)
TEXTS = st.lists(WORDS, min_size=1, max_size=6).map(" ".join)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(TEMPLATES), TEXTS, st.lists(TEXTS, max_size=4))
def test_a_filled_template_gives_back_question_and_passages(
    template: str, question: str, passages: list[str]
) -> None:
    prompt = Prompt(system="s", user_template=template)
    row = Row(id="r", question=question, contexts=tuple(Context(text=text) for text in passages))

    split = TurnTemplate(PromptText("s", template)).split(user_text(prompt, row))

    assert split is not None
    assert split.question == question
    assert [context.text for context in split.contexts] == passages


def test_tags_in_front_of_the_template_are_taken_off() -> None:
    template = TurnTemplate(PromptText("s", "{summaries}\nQ: {question}", tags=("role",)))
    split = template.split("role: guest\nContent 1: a\nQ: b")
    assert split is not None and (split.question, split.contexts[0].text) == ("b", "a")


@pytest.mark.parametrize(
    ("template", "turn"),
    [
        ("{summaries}\nQ: {question}", "When do you open?"),  # another template, or none
        ("{summaries}\nQ: {question}", "Content 1: a\nQ: "),  # no question left
        ("{summaries}{question}", "passage question"),  # nothing stands between the two
        ("{summaries}\n\n{question}", "a\n\nb"),  # nor here, but for blank lines
        ("{question} {summaries} {question}", "a b a"),  # two places for the question
        ("Q: {question}", "q: a"),
    ],
)
def test_a_turn_that_cannot_be_split_is_left_whole(template: str, turn: str) -> None:
    assert TurnTemplate(PromptText("s", template)).split(turn) is None


@pytest.mark.parametrize("slot", ["summaries", "contexts", "context"])
def test_every_name_of_the_passages_slot_is_read(slot: str) -> None:
    template = TurnTemplate(PromptText("s", f"Sources:\n{{{slot}}}\nQuestion: {{question}}"))
    split = template.split("Sources:\r\nOpen at nine.\r\n\r\nOr ten.\r\nQuestion: When?")
    assert split is not None and split.question == "When?"
    assert [context.text for context in split.contexts] == ["Open at nine.\n\nOr ten."]


def test_a_passage_may_contain_the_words_in_front_of_the_question() -> None:
    split = TurnTemplate(PromptText("s", "{summaries}\nQuestion: {question}")).split(
        "FAQ\nQuestion: old?\nAnswer: x\nQuestion: new?"
    )
    assert split is not None and split.question == "new?"


def test_passages_as_json_are_several() -> None:
    split = TurnTemplate(PromptText("s", "{contexts}\nQ: {question}")).split('["a", "b"]\nQ: c')
    assert split is not None and [context.text for context in split.contexts] == ["a", "b"]
