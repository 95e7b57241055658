"""Agreement of a score that was chosen on other questions than the one it is tested on.

A threshold or a combination of rules that was chosen on the labels agrees with them by chance too.
"""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from judge.metrics.agreement import kappas
from judge.metrics.stats import cluster_sums


class LeftOut(NamedTuple):
    """The verdict on each answer by the score that the other questions chose."""

    passed: tuple[bool, ...]
    choices: dict[str, int]  # score → questions that it was chosen for, the most frequent first


def leave_one_question_out(
    gold: Sequence[bool], scores: Mapping[str, Sequence[bool]], questions: Sequence[Hashable]
) -> LeftOut:
    """The verdicts of several scores [n] by name, each chosen without the question (Stone 1974).

    Chosen is the highest κ on all answers to other questions; of equal ones, the first by order.
    """
    if not gold:
        return LeftOut((), {})
    names, places = (
        list(scores),
        {question: n for n, question in enumerate(dict.fromkeys(questions))},
    )
    a, b = np.array(gold, dtype=bool), np.array(list(scores.values()), dtype=bool)  # [n], [S, n]
    cells = np.stack([a & b, ~a & b, a & ~b, ~a & ~b], axis=1)  # [S, 4, n], as Confusion
    flat, _ = cluster_sums(cells.reshape(-1, len(gold)).astype(np.float64), questions)
    sums = flat.reshape(len(names), 4, -1)  # [S, 4, G]
    others = np.moveaxis(sums.sum(axis=-1, keepdims=True) - sums, 1, -1)  # [S, G, 4]
    best = np.nan_to_num(kappas(others), nan=0.0).argmax(axis=0)  # [G]
    chosen = [int(best[places[question]]) for question in questions]
    choices = Counter(names[score] for score in best)
    passed = tuple(bool(b[score, answer]) for answer, score in enumerate(chosen))
    return LeftOut(passed, dict(choices.most_common()))
