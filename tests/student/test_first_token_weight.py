"""The first token behind the shared opening counts more, and the mean weight stays 1."""

import numpy as np
import pytest

from config.errors import ConfigError
from config.load import validated
from config.training import StudentSettings
from student.collator import Example, TokenIds, collate
from student.first_token_weight import shared_opening, weigh_first_tokens

REFUSAL, ANSWER, SHORT, OTHER = (7, 8, 30, 31, 2), (7, 8, 50, 51, 52, 53, 2), (7, 2), (9, 60, 2)


def ids(*tokens: int) -> TokenIds:
    return np.array(tokens, np.int32)


def examples(*answers: tuple[int, ...]) -> dict[str, Example]:
    return {f"r{n}": Example(ids(1), (ids(*answer),)) for n, answer in enumerate(answers)}


def test_the_opening_is_what_nine_of_ten_answers_begin_with() -> None:
    """18 of 20 is 90 %, and so the opening; the 16 refusals among these are 80 %, and are not."""
    answers = [ids(*REFUSAL)] * 16 + [ids(*ANSWER)] * 2 + [ids(*OTHER)] * 2
    assert shared_opening(answers) == [7, 8]
    assert shared_opening([*answers, ids(*OTHER)]) == []  # 18 of 21 is 86 %
    assert shared_opening([ids(*REFUSAL)]) == list(REFUSAL)
    assert shared_opening([]) == []


def test_only_the_token_behind_the_opening_has_the_weight() -> None:
    """Before scaling: 8 for token 30 of the refusal and 50 of the answer, 1 for all others. An
    answer that leaves the opening early has it there, one that is all opening at its end token."""
    many = [REFUSAL] * 20 + [ANSWER] * 20 + [SHORT, OTHER, (7, 8)]
    weighted = weigh_first_tokens(examples(*many), 8.0)
    raw = {row: e.token_weights[0] / e.token_weights[0].min() for row, e in weighted.items()}
    assert raw["r0"].tolist() == [1, 1, 8, 1, 1]
    assert raw["r20"].tolist() == [1, 1, 8, 1, 1, 1, 1]
    assert raw["r40"].tolist() == [1, 8]
    assert raw["r41"].tolist() == [8, 1, 1]
    assert raw["r42"].tolist() == [1, 8]


@pytest.mark.parametrize("weight", [0.5, 1.0, 8.0])
def test_the_mean_weight_stays_one(weight: float) -> None:
    """With rows of weights 2 and 0.5, whose mean over tokens is 1: 1/3 of the tokens are in rows of
    weight 2, 2/3 in rows of 0.5. All batches together then weigh as much as without weights."""
    of_rows = {
        "a": Example(ids(1), (ids(*REFUSAL), ids(*REFUSAL)), weight=2.0),
        "b": Example(ids(1), (ids(*REFUSAL), ids(7, 8, *range(40, 53))), weight=0.5),
    }
    weighted = weigh_first_tokens(of_rows, weight)
    batch = collate(list(weighted.values()))
    assert batch.weights.mean().item() == pytest.approx(1.0)
    assert batch.weights.shape == batch.targets.shape


def test_a_weight_of_one_changes_nothing() -> None:
    plain = list(examples(REFUSAL, ANSWER).values())
    weighted = list(weigh_first_tokens(examples(REFUSAL, ANSWER), 1.0).values())
    assert collate(weighted).weights.tolist() == collate(plain).weights.tolist() == [1.0] * 12


def test_the_single_answers_of_a_row_keep_their_own_weights() -> None:
    both = Example(ids(1), (ids(*REFUSAL), ids(*ANSWER)))
    weighted = weigh_first_tokens({"r": both, **examples(*[REFUSAL, ANSWER] * 5)}, 8.0)["r"]
    single = weighted.single_answers()
    assert [e.token_weights[0].tolist() for e in single] == [
        w.tolist() for w in weighted.token_weights
    ]
    assert collate(single).weights.tolist() == collate([weighted]).weights.tolist()


def test_on_policy_is_refused_in_one_line() -> None:
    settings = {"name": "s", "first_token_weight": 8, "objective": {"kind": "on_policy"}}
    with pytest.raises(ConfigError, match="first_token_weight = 8 weighs the teacher's answers"):
        validated(StudentSettings, settings, "students")
