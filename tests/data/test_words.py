"""Words in seventeen scripts, and the spellings that count as one word."""

import json
import unicodedata
from pathlib import Path

import pytest

from config.log_formats import DataSettings
from data.near_duplicates import near_duplicates
from data.prepare import prepare_splits
from data.rows import normalise_question
from data.words import fold_letters, split_hyphenated, split_terms, split_words
from tests.scripts import SCRIPTS, Script

EACH_SCRIPT = pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)


@EACH_SCRIPT
def test_words_are_counted_as_by_hand(script: Script) -> None:
    assert len(split_words(fold_letters(script.text))) == script.words


@EACH_SCRIPT
def test_the_same_question_in_another_spelling_is_one(script: Script) -> None:
    """Case, punctuation, canonical form, omissible marks; the whole text decomposed, too."""
    assert normalise_question(script.same) == normalise_question(script.text)
    decomposed = unicodedata.normalize("NFD", script.text)
    assert normalise_question(decomposed) == normalise_question(script.text)


def test_half_width_and_full_width_letters_are_one() -> None:
    assert normalise_question("ｶﾞﾗｽ ＡＢＣ") == normalise_question("ガラス abc")


@EACH_SCRIPT
def test_one_letter_mark_or_tone_makes_another_question(script: Script) -> None:
    assert normalise_question(script.other) != normalise_question(script.text)


@EACH_SCRIPT
def test_a_question_nearly_repeats_itself_and_nothing_from_elsewhere(script: Script) -> None:
    text, elsewhere = map(normalise_question, (script.text, script.elsewhere))
    assert len(list(near_duplicates([text], [text, elsewhere], 0.5))) == 2  # by words and trigrams


def test_no_row_of_another_question_is_removed(tmp_path: Path) -> None:
    """34 different questions: each script's text and the one that is a mark apart."""
    questions = [text for script in SCRIPTS.values() for text in (script.text, script.other)]
    lines = [json.dumps({"q": question}) + "\n" for question in questions]
    (tmp_path / "l.jsonl").write_text("".join(lines))
    logs = {"kind": "table", "path": "l.jsonl", "fields": {"question": "q"}}
    splits = prepare_splits(DataSettings.model_validate({"train": logs}), tmp_path, 0)
    assert len(splits.train) + len(splits.val) == len(questions) == 34
    assert not splits.quality.duplicates_removed and not splits.quality.leaks_removed


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Что-то из-за COVID-19", ["что-то", "из-за", "covid-19"]),
        ("да--нет - ну", ["да", "нет", "ну"]),
        ("__init__ и snake_case", ["init", "и", "snake_case"]),  # Markdown writes _emphasis_
        ("iPhone15手机-壳", ["iphone15", "手", "机", "壳"]),
        ("สูง ๑๒๐ ซม.", ["สู", "ง", "๑๒๐", "ซ", "ม"]),  # digits are one number
        ("सह-लेखक", ["सह-लेखक"]),
        ("\u0301 о\u0301", ["о"]),  # a mark without a letter is no word
        ("क्‍ष = क्ष", ["क्ष", "क्ष"]),  # a joiner only changes the shape
        ("🙂👩‍👧 ok", ["ok"]),
    ],
)
def test_edges_of_words(text: str, words: list[str]) -> None:
    assert split_hyphenated(fold_letters(unicodedata.normalize("NFC", text))) == words


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("図書館。wi-fi は", ["図書", "書館", "wi-fi", "は"]),  # not 館は: a mark lies between
        ("wi-fi and tea", ["wi-fi", "and", "tea"]),
        ("", []),
    ],
)
def test_characters_are_compared_in_pairs(text: str, terms: list[str]) -> None:
    assert split_terms(text) == terms
