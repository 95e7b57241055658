"""What every objective must hold: how rows are laid out and filled changes no loss or gradient.

All on a random two-layer model in float32, where sums in another order differ by about 1e-6.
"""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from peft import IA3Config, PrefixTuningConfig, PromptEncoderConfig, PromptTuningConfig

from config.training import CrossEntropy, Distillation, Objective, OnPolicy
from data.top_logprobs import TopLogprobs
from engine.hf_generation import generate_answers
from engine.prefix_cache import common_prefix, compute_prefix
from engine.token_sampler import GenerationSettings
from student.collator import NO_TOKENS, Example, TokenIds, collate
from student.distiller import Distiller, retention_losses
from student.forward import base_only, base_states, causal_model, student_states
from student.head import Head
from student.losses import cross_entropy, summed_loss
from tests.student.tiny_model import ROWS, SYSTEM, WORDS, row, tiny, token_ids

BOUND = 1e-5  # the issue's, on losses and gradient norms


def close(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Equal up to the order of float32 sums."""
    return torch.allclose(one, other, rtol=BOUND, atol=BOUND)


OBJECTIVES: dict[str, Objective] = {
    "ce": CrossEntropy(),
    "kl stored": Distillation(),
    "kl stored, reverse, warm": Distillation(direction="reverse", temperature=2.0, ce_weight=0.0),
    "kl stored, jsd": Distillation(direction="jsd", ce_weight=0.0),
    "kl adapter off": Distillation(teacher="adapter_off"),
    "on policy": OnPolicy(),
    "on policy, jsd": OnPolicy(direction="jsd"),
}
each_objective = pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)


def new_distiller(objective: Objective, tokens_per_pass: int = 4096) -> Distiller:
    """The objective on a new model."""
    sampling = GenerationSettings((2,), 5, temperature=1.0)
    return Distiller(tiny(), objective, SYSTEM, sampling, tokens_per_pass)


def loss_of(distiller: Distiller, examples: Sequence[Example]) -> tuple[float, torch.Tensor]:
    """Summed loss, and the gradients of all trained weights, flat."""
    distiller.model.zero_grad()
    total = 0.0
    for loss in distiller.losses(examples):
        torch.autograd.backward(loss)
        total += float(loss.detach())
    return total, gradients(distiller.model)


def gradients(model: torch.nn.Module) -> torch.Tensor:
    """Of all trained weights, flat."""
    return torch.cat(
        [weight.grad.flatten() for weight in model.parameters() if weight.grad is not None]
    )


def assert_same(actual: tuple[float, torch.Tensor], expected: tuple[float, torch.Tensor]) -> None:
    """Losses, gradients and gradient norms agree."""
    assert actual[0] == pytest.approx(expected[0], rel=BOUND)
    assert close(actual[1], expected[1])
    assert float(actual[1].norm()) == pytest.approx(float(expected[1].norm()), rel=BOUND)
    assert actual[1].norm() > 1e-3, "without gradients nothing would be compared"


@each_objective
def test_padding_and_forward_passes_change_nothing(objective: Objective) -> None:
    """All rows in one padded pass = each row in a pass of its own."""
    assert_same(
        loss_of(new_distiller(objective), ROWS),
        loss_of(new_distiller(objective, tokens_per_pass=1), ROWS),
    )


@each_objective
def test_a_row_with_three_answers_is_three_rows(objective: Objective) -> None:
    """The prompt read once: every answer sees it and itself, as if it stood there alone."""
    prompt, answers = ROWS[0].prompt_ids, ROWS[0].answers
    alone = [row(prompt, answer) for answer in answers]
    assert_same(
        loss_of(new_distiller(objective), ROWS[:1]), loss_of(new_distiller(objective), alone)
    )


@each_objective
def test_the_prefix_is_what_reading_it_each_time_gives(objective: Objective) -> None:
    """Keys and values of the system prompt from the store = the whole prompt read with each row."""
    whole = replace(new_distiller(objective), shared_prompt=NO_TOKENS)
    assert_same(loss_of(new_distiller(objective), ROWS), loss_of(whole, ROWS))


@each_objective
def test_checkpointing_changes_nothing(objective: Objective) -> None:
    """Activations made a second time are the same ones; the base is asked with its prefix."""
    checked = new_distiller(objective)
    causal = causal_model(checked.model)
    causal.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    checked.model.train()  # there is no dropout, and only in training is anything checkpointed
    assert_same(loss_of(checked, ROWS), loss_of(new_distiller(objective), ROWS))


VIRTUAL = {
    "prompt tuning": PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3),
    "p-tuning": PromptEncoderConfig(
        task_type="CAUSAL_LM", num_virtual_tokens=3, encoder_hidden_size=16
    ),
    "prefix tuning": PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3),
    "ia3": IA3Config(task_type="CAUSAL_LM", init_ia3_weights=False),
}
each_method = pytest.mark.parametrize("method", VIRTUAL.values(), ids=VIRTUAL)


@each_method
def test_our_pass_is_pefts_own(method: object) -> None:
    """Logits at the predicting places = those of peft's forward on each answer alone."""
    model = tiny(adapter=method)
    with torch.no_grad():
        states = student_states(model, collate(ROWS))
        logits = Head(causal_model(model))(states)
        expected = []
        for example in ROWS:
            for answer in example.answers:
                ids = torch.tensor([[*example.prompt_ids, *answer]])
                out = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
                expected.append(out[0, -len(answer) - 1 : -1])
    assert close(logits, torch.cat(expected))


@each_method
def test_every_method_reads_several_answers_alike(method: object) -> None:
    """Virtual tokens stand before prompt and answers alike, also where a row has several."""
    shared, separate = tiny(adapter=method), tiny(adapter=method)
    alone = [row(ROWS[0].prompt_ids, answer) for answer in ROWS[0].answers]
    sampling = GenerationSettings((2,), 5, temperature=1.0)
    assert_same(
        loss_of(Distiller(shared, CrossEntropy(), NO_TOKENS, sampling, 999), ROWS[:1]),
        loss_of(Distiller(separate, CrossEntropy(), NO_TOKENS, sampling, 999), alone),
    )


@each_method
def test_with_the_adapter_off_it_is_the_base(method: object) -> None:
    """Invariant 7, to the bit: the teacher in training is the model that nobody has touched."""
    model = tiny(adapter=method)
    batch = collate(ROWS)
    off = base_states(model, batch)
    assert torch.equal(off, student_states(tiny().unload(), batch))
    assert not torch.allclose(off, student_states(model, batch), atol=1e-3)


@each_method
def test_with_the_adapter_off_it_answers_as_the_base(method: object) -> None:
    """Retention learns from these answers: virtual tokens must not stand before them either."""
    model, prompts = tiny(adapter=method), [tuple(example.prompt_ids.tolist()) for example in ROWS]
    greedy = GenerationSettings((2,), 8)
    with base_only(model):
        off = list(generate_answers(model, prompts, greedy))
    assert off == list(generate_answers(tiny().unload(), prompts, greedy))
    assert off != list(generate_answers(model, prompts, greedy))


def test_the_loss_is_the_long_way_in_float64() -> None:
    """kl with the adapter off, by peft's whole forward on whole prompts, one answer at a time."""
    teacher = new_distiller(Distillation(teacher="adapter_off", ce_weight=0.25))
    computed, _ = loss_of(teacher, ROWS)
    model = teacher.model.double()
    total = 0.0
    for example in ROWS:
        for answer in example.answers:
            size = len(answer)
            student = _logits(model, example.prompt_ids, answer)
            with model.disable_adapter():
                theirs = _logits(model, example.teacher_prompt_ids, answer)
            p, q = torch.log_softmax(theirs, -1), torch.log_softmax(student, -1)
            total += 0.75 * float((p.exp() * (p - q)).sum())
            total -= 0.25 * float(q[range(size), list(answer)].sum())
    assert computed == pytest.approx(total, rel=BOUND)


@torch.no_grad()
def _logits(
    model: torch.nn.Module, prompt: Sequence[int] | TokenIds, answer: Sequence[int] | TokenIds
) -> torch.Tensor:
    ids = torch.tensor([[*prompt, *answer]])
    logits: torch.Tensor = model(input_ids=ids).logits[0, -len(answer) - 1 : -1]
    return logits


def test_stored_becomes_full_as_everything_is_stored() -> None:
    """K → V: with all words kept the stored distribution gives the loss of the whole one."""
    objective = Distillation(ce_weight=0.0)
    whole = new_distiller(Distillation(teacher="adapter_off", ce_weight=0.0))
    full, _ = loss_of(whole, ROWS[1:])
    apart = []
    for kept in (5, 20, WORDS):
        stored = []
        for example in ROWS[1:]:
            states = base_states(whole.model, collate([example.teacher_view(0)]))
            logs = torch.log_softmax(Head(causal_model(whole.model))(states), -1).topk(kept)
            top = TopLogprobs(logs.indices.numpy(), logs.values.detach().numpy())
            stored.append(example._replace(top_logprobs=(top,)))
        apart.append(abs(loss_of(new_distiller(objective), stored)[0] - full))
    assert apart[0] > apart[1] > apart[2]
    assert apart[2] < 1e-4, "a bucket that holds nothing must weigh nothing"


@pytest.mark.parametrize("chunk", [1, 3, 7, 128])
def test_projection_in_chunks_is_the_whole(chunk: int) -> None:
    """Loss, gradient of the hidden states and of the head: any chunk = all logits at once."""
    causal = tiny().unload().requires_grad_(True)
    hidden, weight = torch.randn(9, 32, requires_grad=True), causal.lm_head.weight
    targets = torch.arange(9)

    def of(logits: torch.Tensor, part: slice) -> torch.Tensor:
        return cross_entropy(logits, targets[part])

    computed = summed_loss(hidden, Head(causal), of, chunk) * 3.0
    expected = cross_entropy(hidden @ weight.T, targets).sum() * 3.0
    grads = torch.autograd.grad(computed, (hidden, weight))
    for actual, other in zip(grads, torch.autograd.grad(expected, (hidden, weight)), strict=True):
        assert close(actual, other)
    assert float(computed.detach()) == pytest.approx(float(expected.detach()), rel=1e-6)


def test_a_prefix_serves_any_number_of_rows() -> None:
    """Computed once, expanded, never grown: the second batch sees what the first one saw."""
    model = tiny()
    with base_only(model):
        prefix = compute_prefix(causal_model(model), SYSTEM)
    behind = [example.teacher_view(len(SYSTEM)) for example in ROWS]
    for chosen in (behind, behind[:1], behind):
        computed = base_states(model, collate(chosen), prefix)
        whole = [one.teacher_view(0) for one in ROWS[: len(chosen)]]
        assert close(computed, base_states(model, collate(whole)))


def test_the_shared_prefix_leaves_every_row_a_token() -> None:
    """Also where one prompt is the beginning of another."""
    for prompts, prefix in (
        ([(1, 2, 3, 4), (1, 2, 3, 5, 6)], [1, 2, 3]),
        ([(1, 2), (1, 2, 3)], [1]),
        ([(1, 2), (3, 4)], []),
        ([(1, 2, 3)], [1, 2]),
    ):
        assert common_prefix(list(map(token_ids, prompts))).tolist() == prefix


def test_retention_is_nothing_while_nothing_has_changed() -> None:
    """KL(base ‖ student) of a fresh adapter is 0; of another one it is not, and has a gradient."""
    rows = [
        Example(token_ids((5, 6)), (token_ids((7, 2)),)),
        Example(token_ids((8,)), (token_ids((9, 10, 2)),)),
    ]
    model = tiny()
    for weight in (w for name, w in model.named_parameters() if "lora_B" in name):
        torch.nn.init.zeros_(weight)
    assert sum(float(loss.detach()) for loss in retention_losses(model, rows, 99)) == pytest.approx(
        0.0, abs=1e-5
    )
    changed = tiny()
    losses = list(retention_losses(changed, rows, 1))
    assert len(losses) == 2 and all(float(loss.detach()) > 1e-3 for loss in losses)
    sum(losses).backward()  # type: ignore[union-attr]
    assert gradients(changed).norm() > 1e-3


def test_on_policy_answers_are_the_students_own() -> None:
    """Drawn from it unprompted, with the same random state the same ones, ended or at the limit."""
    teacher = new_distiller(OnPolicy())
    torch.manual_seed(3)
    first = teacher.with_answers(ROWS)
    torch.manual_seed(3)
    again = teacher.with_answers(ROWS)
    for sampled, repeated, example in zip(first, again, ROWS, strict=True):
        assert sampled.answers[0].tolist() == repeated.answers[0].tolist()
        assert len(sampled.answers) == 1 and 1 <= len(sampled.answers[0]) <= 5
        assert sampled.prompt_ids is example.prompt_ids


def test_drawing_follows_the_models_own_distribution() -> None:
    """First tokens of 4,000 answers against the softmax: χ² per degree of freedom is near 1."""
    model = tiny()
    prompt = (5, 6, 7)
    drawn = generate_answers(model, [prompt] * 4000, GenerationSettings((2,), 1, temperature=1.0))
    counts = torch.bincount(torch.tensor([one.token_ids[0] for one in drawn]), minlength=WORDS)
    p = torch.softmax(_logits(model, prompt, (0,))[0], -1)
    chi = float(((counts - 4000 * p) ** 2 / (4000 * p)).sum()) / (WORDS - 1)
    assert chi < 1.6  # P(χ²₄₉ / 49 > 1.6) < 0.005
