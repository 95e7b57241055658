"""How a prompt is split into parts."""

import pytest

from judge.drafting.request_rules import split_text


class TestSplitText:
    text = "\n\n".join(f"Paragraph {n}. " + "It has words. " * n for n in range(1, 9))

    @pytest.mark.parametrize("most", [1, 20, 60, 200, 10_000])
    def test_nothing_is_lost_or_doubled(self, most: int) -> None:
        parts = split_text(self.text, most)
        assert " ".join(parts).split() == self.text.split()
        assert all(len(part) <= most or part.count(".") == 1 for part in parts)

    def test_closing_quotes_stay_with_their_sentence(self) -> None:
        assert split_text('Say: "No." Then stop.', 12) == ['Say: "No."', "Then stop."]
