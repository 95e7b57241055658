"""Dictated answers are hard targets, and rows have weights, in every objective.

On a random two-layer model in float32, where sums in another order differ by about 1e-6.
"""

import numpy as np
import pytest
import torch

from config.training import Distillation, Objective, OnPolicy
from student.collator import Example, collate
from student.forward import causal_model, student_states
from student.head import Head
from tests.student.test_distiller import (
    assert_same,
    each_objective,
    gradients,
    loss_of,
    new_distiller,
)
from tests.student.tiny_model import ROWS, row

# the second of three answers to one row; the only answer to another
MIXED = [
    ROWS[0]._replace(
        dictated=(False, True, False),
        top_logprobs=(ROWS[0].top_logprobs[0], None, ROWS[0].top_logprobs[2]),
        weight=3.0,
    ),
    ROWS[1]._replace(dictated=(True,), top_logprobs=(None,), weight=0.5),
    ROWS[2],
]
each_distillation = pytest.mark.parametrize(
    "objective",
    [
        Distillation(ce_weight=0.25),
        Distillation(ce_weight=0.0, temperature=2.0, direction="reverse"),
        Distillation(teacher="adapter_off", ce_weight=0.25),
        Distillation(teacher="adapter_off", ce_weight=0.0, direction="jsd"),
    ],
    ids=["stored", "stored, warm", "adapter off", "adapter off, without text"],
)


def summed(
    *parts: tuple[float, tuple[float, torch.Tensor]],
) -> tuple[float, torch.Tensor]:
    """The weighted sum of losses, and of their gradients."""
    loss = sum(weight * loss for weight, (loss, _) in parts)
    grads = [weight * grad for weight, (_, grad) in parts]
    return loss, torch.stack(grads).sum(0)


@each_distillation
def test_a_dictated_answer_is_learnt_by_its_text_alone(objective: Distillation) -> None:
    """Loss and gradients = the objective on the teacher's own answers + −log p of the others'
    tokens, which stand in the same passes and store no probabilities."""
    teachers_own = [
        row(ROWS[0].prompt_ids, ROWS[0].answers[0], ROWS[0].answers[2]),
        ROWS[2],
    ]
    dictated = [row(ROWS[0].prompt_ids, ROWS[0].answers[1]), ROWS[1]]
    unweighted = [example._replace(weight=1.0) for example in MIXED]
    expected = summed(
        (1.0, loss_of(new_distiller(objective), teachers_own)), (1.0, by_hand(dictated))
    )
    assert_same(loss_of(new_distiller(objective), unweighted), expected)


def by_hand(examples: list[Example]) -> tuple[float, torch.Tensor]:
    """Σ −log p(target), from all logits at once."""
    model = new_distiller(Distillation()).model
    batch = collate(examples)
    logits = Head(causal_model(model))(student_states(model, batch)).float()
    loss = -torch.log_softmax(logits, -1)[torch.arange(len(batch.targets)), batch.targets].sum()
    torch.autograd.backward(loss)
    return float(loss.detach()), gradients(model)


@each_distillation
def test_nothing_but_dictated_answers(objective: Distillation) -> None:
    """No answer of the pass has stored probabilities: the loss is still that of the text."""
    dictated = [e._replace(dictated=(True,) * len(e.answers)) for e in ROWS]
    bare = [e._replace(top_logprobs=(None,) * len(e.answers)) for e in dictated]
    assert_same(loss_of(new_distiller(objective), bare), by_hand(ROWS))


@each_objective
def test_weights_are_of_rows(objective: Objective) -> None:
    """3 · the first row + 0.5 · the second + the third, each alone in a distiller of its own.

    On policy, no answer stays dictated: the student samples its own.
    """
    alone = [
        (example.weight, loss_of(new_distiller(objective), [example._replace(weight=1.0)]))
        for example in MIXED
    ]
    assert [weight for weight, _ in alone] == [3.0, 0.5, 1.0]
    assert_same(loss_of(new_distiller(objective), MIXED), summed(*alone))


@each_distillation
def test_weights_are_of_tokens(objective: Distillation) -> None:
    """The loss is linear in them: with weights w it is Σ w_t times the loss of token t alone."""
    answer, top = ROWS[1].answers[0], ROWS[1].top_logprobs[0]
    single = ROWS[1]._replace(answers=(answer,), top_logprobs=(top,), dictated=(), weight=2.0)
    weights = np.linspace(0.5, 8.0, len(answer), dtype=np.float32)
    alone = [
        (float(weight), loss_of(new_distiller(objective), [single._replace(token_weights=(unit,))]))
        for weight, unit in zip(weights, np.eye(len(answer), dtype=np.float32), strict=True)
    ]
    weighted = single._replace(token_weights=(weights,))
    assert_same(loss_of(new_distiller(objective), [weighted]), summed(*alone))


@each_objective
def test_passes_change_no_weight_and_no_dictated_answer(objective: Objective) -> None:
    """One padded pass = a pass for each row = a pass for each answer."""
    together = loss_of(new_distiller(objective), MIXED)
    assert_same(loss_of(new_distiller(objective, tokens_per_pass=1), MIXED), together)
    single = [part for example in MIXED for part in example.single_answers()]
    assert_same(loss_of(new_distiller(objective), single), together)


def test_on_policy_answers_are_never_dictated() -> None:
    """The answers of a step are the student's own, with the row's weight."""
    torch.manual_seed(3)
    sampled = new_distiller(OnPolicy()).with_answers(MIXED)
    assert [example.dictated for example in sampled] == [()] * 3
    assert [example.weight for example in sampled] == [3.0, 0.5, 1.0]
    assert not collate([e._replace(top_logprobs=()) for e in sampled]).dictated.any()
