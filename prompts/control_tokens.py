"""The tokens with which a template frames turns, and plain text that cannot contain them."""

import re
from collections.abc import Iterable, Sequence

from transformers import PreTrainedTokenizerBase

_PLAIN = re.compile(r"\w*|\s*|.")  # never markup: words, runs of blanks, single characters


class ControlTokens:
    """The added tokens that are special or that the chat template can write.

    Others are text: Gemma has added tokens for runs of line breaks and for HTML tags, GPT-NeoX for
    runs of spaces.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, template_texts: Iterable[str]) -> None:
        """`template_texts`: the template's source and texts rendered by it."""
        spoken = "\n".join(template_texts)
        added = tokenizer.added_tokens_decoder
        ids = {
            token_id
            for token_id, token in added.items()
            if token.special or (token.content in spoken and not _PLAIN.fullmatch(token.content))
        } | set(tokenizer.all_special_ids)
        self._ids = frozenset(ids)
        self.by_name = {tokenizer.convert_ids_to_tokens(token_id): token_id for token_id in ids}
        names = sorted(filter(str.strip, self.by_name), key=len, reverse=True)
        self.pattern = re.compile("|".join(map(re.escape, names)) or r"(?!)")

    def ids(self, ids: Sequence[int]) -> tuple[int, ...]:
        """The control tokens among `ids`."""
        return tuple(token for token in ids if token in self._ids)

    def neutralise(self, text: str) -> str:
        """The text with every control token broken by a space.

        It ends: each pass removes a character that is no blank, or splits a run of such characters.
        """
        while True:
            broken = self.pattern.sub(_broken, text)
            if broken == text:
                return text
            text = broken


def _broken(name: re.Match[str]) -> str:
    first, rest = name[0].lstrip()[0], name[0].lstrip()[1:]
    if rest and not re.search(r"\s", name[0]):
        return f"{first} {rest}"
    return rest  # a space would break neither a single character nor a token with blanks
