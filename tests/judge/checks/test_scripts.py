"""The checks and metrics that compare words, in seventeen scripts."""

import pytest

from data.sentences import sentences
from judge.checks.check import code_verdicts
from judge.checks.links import urls
from judge.checks.number_mentions import numbers
from judge.checks.text import fold, words
from judge.reference.overlap import lexical_grounding
from judge.reference.rouge import rouge
from tests.judge.factories import PROMPT, make_answer, make_row, make_rule, make_rules
from tests.scripts import SCRIPTS, Script

EACH_SCRIPT = pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
GROUNDED = make_rules(make_rule({"type": "words_from", "min": 0.7}))


def _is_grounded(answer: str, passage: str) -> bool:
    row = make_row("r", (passage,))
    (verdict,) = code_verdicts(GROUNDED, PROMPT, row, make_answer(answer, "r"))
    return verdict.outcome == "pass"


@EACH_SCRIPT
def test_a_verbatim_copy_is_grounded_and_a_text_from_elsewhere_is_not(script: Script) -> None:
    """Also where all words are short, as in Hebrew, or single characters, as in Chinese."""
    assert _is_grounded(script.text, f"{script.elsewhere} {script.text}")
    assert _is_grounded(script.same, script.text)
    assert not _is_grounded(script.elsewhere, script.text)


@EACH_SCRIPT
def test_rouge_is_1_of_the_text_itself_and_0_of_other_words(script: Script) -> None:
    assert rouge(script.text, [script.text]) == (1.0, 1.0, 1.0)
    assert rouge(script.text, [script.elsewhere]) == (0.0, 0.0, 0.0)
    assert rouge(script.text, [script.other]).rouge1 < 1.0


@EACH_SCRIPT
def test_lexical_grounding_of_a_copy_is_1(script: Script) -> None:
    row = make_row("r", (script.text, script.elsewhere), question="?")
    for text in (script.text, script.elsewhere):
        mean = lexical_grounding([(row, make_answer(text, "r"))])
        assert mean is None or mean.value == 1.0


@EACH_SCRIPT
def test_word_limits_count_words_or_characters(script: Script) -> None:
    for limit, outcome in ((script.words, "pass"), (script.words - 1, "fail")):
        rules = make_rules(make_rule({"type": "length", "max_words": limit}))
        row = make_row("r")
        (verdict,) = code_verdicts(rules, PROMPT, row, make_answer(script.text, "r"))
        assert verdict.outcome == outcome


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("图书馆九点开门。请带卡！谢谢", 3),
        ("「開いていますか。」はい。", 2),
        ("他说：“九点！”然后走了。", 2),
        ("पुल यहाँ है। वह बंद है।", 2),
        ("متى تفتح؟ في التاسعة.", 2),
        ("Что?! Да… Нет.", 3),
        ("真的吗？！是的。", 2),
        ("ቤቱ ክፍት ነው። ና።", 2),
    ],
)
def test_sentences_end_at_the_marks_of_their_script(text: str, count: int) -> None:
    assert len(sentences(text)) == count


def test_numbers_are_equal_in_the_digits_of_every_script() -> None:
    assert numbers("١٢ و ٣٫٥ و ١٠٬٠٠٠") == numbers("12, 3.5, 10,000")
    assert numbers("१२ बजे") == numbers("１２時") == numbers("๑๒ น.") == {"12"}


def test_words_are_folded_over_stress_and_points() -> None:
    assert fold("За́мок") == fold("замок") == fold("ЗАМО́К")
    assert fold("ѓ й ї") == "ѓ й ї"  # letters of their own keep their marks
    assert words("की") != words("का")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("见https://a.cn/x。谢谢", ["https://a.cn/x"]),
        ("请访问https://a.cn/x查看（https://b.cn/y）", ["https://a.cn/x", "https://b.cn/y"]),
        ("访问hse.ru查看，或hse.ru/plan。", ["hse.ru", "hse.ru/plan"]),
        ("https://zh.test/wiki/北京 和", ["https://zh.test/wiki/北京"]),
        ("https://a.kr/x에서 보세요", ["https://a.kr/x"]),
        ("ดูที่https://a.test/xครับ", ["https://a.test/x"]),
        ("देखें https://a.test/x।", ["https://a.test/x"]),
        ("https://ru.test/вики/Дом.", ["https://ru.test/вики/Дом"]),
    ],
)
def test_links_end_where_text_without_spaces_goes_on(text: str, expected: list[str]) -> None:
    assert urls(text) == expected
