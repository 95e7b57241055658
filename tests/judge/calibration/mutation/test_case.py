"""Edits that neither break nor satisfy a rule."""

from judge.calibration.mutation.case import insert_sentence, retype


def test_insert_sentence_keeps_both_ends() -> None:
    assert insert_sentence("Да. Раз. Ещё?", "Два.") == "Да. Раз. Два. Ещё?"
    assert insert_sentence("Да.", "Два.") == "Да. Два."


def test_retype_gives_another_text() -> None:
    for kind in ("contains", "json"):
        assert retype(kind, 'Он - "тут". Да.') != 'Он - "тут". Да.'
