"""The weight of the token by which an answer first differs from the others.

Behind the opening that nearly all answers share, one token tells what follows: a refusal, another
fixed sentence, or an answer. It is one of some twenty tokens and the hardest of them; the others
are the text of a fixed sentence or copied from the passages.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from student.collator import Example, TokenIds, TokenWeights

SHARED = 0.9  # of the answers begin with the opening


def weigh_first_tokens(examples: Mapping[str, Example], weight: float) -> dict[str, Example]:
    """The examples with `weight` for the first token of each answer behind the shared opening.

    An answer that leaves the opening early has it where it does. Over all tokens, and with the
    weights of the rows, the mean stays 1.
    """
    answers = [answer for example in examples.values() for answer in example.answers]
    opening = shared_opening(answers)
    weighted, total = {}, 0.0
    for row_id, example in examples.items():
        of_answers = tuple(_weights(answer, opening, weight) for answer in example.answers)
        weighted[row_id] = example._replace(token_weights=of_answers)
        total += example.weight * sum(float(of_answer.sum()) for of_answer in of_answers)
    mean = total / sum(map(len, answers))
    return {
        row_id: example._replace(
            token_weights=tuple(of_answer / np.float32(mean) for of_answer in example.token_weights)
        )
        for row_id, example in weighted.items()
    }


def shared_opening(answers: Sequence[TokenIds]) -> list[int]:
    """The longest beginning that at least `SHARED` of the answers have, in tokens."""
    opening: list[int] = []
    sharing = list(answers)
    while True:
        place = len(opening)
        tokens = Counter(int(answer[place]) for answer in sharing if place < len(answer))
        token, count = tokens.most_common(1)[0] if tokens else (0, 0)
        if count < max(1.0, SHARED * len(answers)):
            return opening
        opening.append(token)
        sharing = [answer for answer in sharing if place < len(answer) and answer[place] == token]


def _weights(answer: TokenIds, opening: Sequence[int], weight: float) -> TokenWeights:
    shared = 0
    while shared < min(len(answer) - 1, len(opening)) and answer[shared] == opening[shared]:
        shared += 1
    weights = np.ones(len(answer), np.float32)
    weights[shared] = weight
    return weights
