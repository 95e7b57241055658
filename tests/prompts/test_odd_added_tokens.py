"""Neutralising ends and leaks nothing, whatever the added tokens are: blanks, single characters.

GPT-NeoX has 23 added tokens that are runs of spaces. A tokenizer of words stands in for it.
"""

from collections.abc import Sequence

from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from transformers import PreTrainedTokenizerFast

from prompts.control_tokens import ControlTokens

ALPHABET = " \n\t<|>aё\u3000[]"
NAMES = st.lists(st.text(ALPHABET, min_size=1, max_size=5), min_size=1, max_size=6, unique=True)
NEOX = [" " * length for length in range(2, 25)] + ["<|endoftext|>"]


def make_tokenizer(names: Sequence[str], special: bool) -> PreTrainedTokenizerFast:
    """One token per character, and the added ones."""
    vocabulary = {character: number for number, character in enumerate(ALPHABET)}
    model = Tokenizer(WordLevel({**vocabulary, "?": len(vocabulary)}, unk_token="?"))
    model.pre_tokenizer = Split("", "isolated")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=model)
    added = [AddedToken(name, normalized=False, special=special) for name in names]
    tokenizer.add_tokens(added, special_tokens=special)
    return tokenizer


@settings(max_examples=300, derandomize=True, deadline=None)
@given(NAMES, st.booleans(), st.text(ALPHABET, max_size=24), st.data())
@example(NEOX, False, "a  a   a", None)
@example(NEOX, True, "a  a   a" + " " * 60, None)
@example(["<", "<|", "|>", " <", "a "], True, "<<||>> < a <|a|>", None)
def test_it_ends_and_leaks_nothing(
    names: list[str], special: bool, text: str, data: st.DataObject | None
) -> None:
    """A text with each token in it, and the tokens in a row. A second pass changes nothing.

    Tokens of blanks alone are text: they begin no turn, and no text could do without blanks.
    """
    tokenizer = make_tokenizer(names, special)
    order = names if data is None else data.draw(st.permutations(names))
    template = "".join(names)  # the template can write them all
    control = ControlTokens(tokenizer, [template])
    for hostile in (text, text.join(order), "".join(order) * 3):
        neutral = control.neutralise(hostile)
        assert control.neutralise(neutral) == neutral
        ids = control.ids(tokenizer.encode(neutral, add_special_tokens=False))
        leaked = tokenizer.convert_ids_to_tokens(ids)
        assert [name for name in leaked if name.strip()] == []


def test_the_runs_of_spaces_of_gpt_neox_stay_text() -> None:
    control = ControlTokens(make_tokenizer(NEOX, special=False), ["<|endoftext|>{{ x }}  "])
    text = "def f():\n    return  1"
    assert control.neutralise(text) == text
    assert control.neutralise("a<|endoftext|>  b") == "a< |endoftext|>  b"
