"""The bytes of a request: those of `json`, under whose hash the stored replies are found again."""

import json

from hypothesis import given
from hypothesis import strategies as st

from judge.llm.request import build_request

LEAVES = st.none() | st.booleans() | st.integers() | st.text()
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner)
)


@given(st.dictionaries(st.text(), VALUES))
def test_any_text_in_any_shape(body: dict[str, object]) -> None:
    plain = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    assert build_request(body).data == plain.encode()


def test_temperatures() -> None:
    for heat in (0.0, 0.1, 0.7, 1.0, 2.0, 0.1 + 0.2, 1 / 3, 0.001):
        assert build_request({"t": heat}).data == b'{"t":%s}' % repr(heat).encode()


def test_half_a_character_is_a_question_mark() -> None:
    """UTF-8 cannot say a lone surrogate; the rest goes as it is."""
    body = {"model": "м", "messages": [{"role": "user", "content": "a\ud800б\U0001f600"}]}
    sent = build_request(body).data
    assert sent == '{"model":"м","messages":[{"role":"user","content":"a?б\U0001f600"}]}'.encode()


def test_a_russian_letter_counts_as_two_bytes() -> None:
    """Tokenizers cut Russian finer than English: by characters it would look half as dear."""
    english, russian = (
        build_request({"messages": [{"content": text}]}) for text in ("word" * 100, "слов" * 100)
    )
    assert (english.estimated_tokens, russian.estimated_tokens) == (100, 200)
