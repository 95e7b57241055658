"""The training objectives: cross-entropy, stored probabilities, the prompted base, on-policy KL.

Decides which forward passes an objective needs and which distributions it compares. At the tokens
of a dictated answer, which the teacher did not choose, every objective is the cross-entropy. Losses
are weighted by row and summed over answer tokens; the trainer divides by their number.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from config.training import CrossEntropy, Objective, OnPolicy
from engine.attention_support import supports_prefix_cache, supports_shared_prompt
from engine.hf_generation import AnswerSource, generate_answers, token_batches
from engine.models import TorchModel
from engine.prefix_cache import PrefixCache, compute_prefix
from engine.token_sampler import GenerationSettings
from student.collator import Batch, Example, TokenIds, collate
from student.forward import base_only, base_states, causal_model, student_states
from student.head import Head
from student.losses import (
    LossFunction,
    chunk_positions,
    cross_entropy,
    divergence,
    nll_and_buckets,
    stored_buckets,
    summed_loss,
    tempered_logprobs,
)
from student.packing import pack, packed_width
from student.prefetch import device_batches


class ForwardPass(NamedTuple):
    """One pass of the student, and one of its teacher, over the same answer tokens."""

    batch: Batch  # the student's
    states: torch.Tensor  # [N, D] of the student
    teacher: torch.Tensor | None  # [N, D] of the prompted base, if the objective needs them


@dataclass
class Distiller:
    """One objective on one model."""

    model: TorchModel
    objective: Objective
    shared_prompt: TokenIds  # tokens that the teacher's view of every row starts with
    sampling: GenerationSettings  # of the student's on-policy answers
    tokens_per_pass: int  # of a forward pass, padding included
    draw: AnswerSource = generate_answers  # of the student's on-policy answers
    packed: bool = False  # whether rows share one without padding between them
    _prefix: PrefixCache | None = None

    def with_answers(self, examples: Sequence[Example]) -> list[Example]:
        """The examples with the answers of this step: on policy, the student samples new ones."""
        if not isinstance(self.objective, OnPolicy):
            return list(examples)
        prompts = [tuple(example.prompt_ids.tolist()) for example in examples]
        sampled = list(examples)
        for answer in self.draw(self.model, prompts, self.sampling):
            ids = np.array(answer.token_ids, np.int32)
            sampled[answer.prompt] = examples[answer.prompt]._replace(answers=(ids,), dictated=())
        return sampled

    def losses(self, examples: Sequence[Example]) -> Iterator[torch.Tensor]:
        """The summed loss of each forward pass over `examples`."""
        for batch, states, teacher in self.passes(examples):
            head = Head(causal_model(self.model))  # after the pass, which unshards it
            loss = loss_function(self.objective, batch, teacher, head)
            chunk = chunk_positions(states.device, head.vocabulary, teacher is not None)
            yield summed_loss(states, head, loss, chunk)

    def passes(self, examples: Sequence[Example]) -> Iterator[ForwardPass]:
        """The forward passes over `examples`, one at a time."""
        device = causal_model(self.model).device
        prefix = self._cached_prefix() if self.objective.needs_teacher_pass else None
        skipped = prefix.length if prefix else 0
        for batch, prompted in device_batches(self._collated(examples, skipped), device):
            teacher = None if prompted is None else base_states(self.model, prompted, prefix)
            yield ForwardPass(batch, student_states(self.model, batch), teacher)

    def count_passes(self, examples: Sequence[Example]) -> int:
        """The number of forward passes that `losses` makes."""
        return sum(1 for _ in self._pass_rows(examples))

    def _pass_rows(self, examples: Sequence[Example]) -> Iterator[list[Example]]:
        """The rows of each pass. Where answers cannot share a prompt, each is a row of its own."""
        rows = list(examples)
        if not supports_shared_prompt(causal_model(self.model)):
            rows = [row for example in examples for row in example.single_answers()]
        lengths = [self.pass_length(row) for row in rows]
        for indices in pass_indices(lengths, self.tokens_per_pass, self.packed):
            yield [rows[index] for index in indices]

    def pass_length(self, example: Example) -> int:
        """Positions of the longer of the two passes: the student's, and the teacher's if any."""
        if not self.objective.needs_teacher_pass:
            return example.length
        prompt_length = len(example.teacher_prompt_ids) - self._prefix_length()
        return example.length + max(0, prompt_length - len(example.prompt_ids))

    def _collated(
        self, examples: Sequence[Example], skipped: int
    ) -> Iterator[tuple[Batch, Batch | None]]:
        """The student's batch of each pass, and its teacher's without the first tokens, if any."""
        for rows in self._pass_rows(examples):
            prompted = None
            if self.objective.needs_teacher_pass:
                prompted = self._batch([example.teacher_view(skipped) for example in rows])
            yield self._batch(rows), prompted

    def _batch(self, rows: Sequence[Example]) -> Batch:
        return collate_pass(rows, self.tokens_per_pass, self.packed)

    def _cached_prefix(self) -> PrefixCache | None:
        if self._prefix is None and self._prefix_length():
            with base_only(self.model):
                self._prefix = compute_prefix(causal_model(self.model), self.shared_prompt)
        return self._prefix

    def _prefix_length(self) -> int:
        """Tokens that the teacher's passes leave out; 0 where its layers cannot read a cache."""
        possible = supports_prefix_cache(causal_model(self.model))
        return len(self.shared_prompt) if possible else 0


def loss_function(
    objective: Objective, batch: Batch, teacher_states: torch.Tensor | None, head: Head
) -> LossFunction:
    """The weighted loss by logits, given the teacher's hidden states [N, D] if any."""

    def text_loss(logits: torch.Tensor, part: slice) -> torch.Tensor:
        return batch.weights[part] * cross_entropy(logits, batch.targets[part])

    if isinstance(objective, CrossEntropy):
        return text_loss

    ce_weight = 0.0 if isinstance(objective, OnPolicy) else objective.ce_weight
    temperature, direction = objective.temperature, objective.direction

    def distillation_loss(logits: torch.Tensor, part: slice) -> torch.Tensor:
        targets, dictated = batch.targets[part], batch.dictated[part]
        nll = torch.zeros(len(targets), device=logits.device)
        if teacher_states is None:
            assert batch.top_ids is not None and batch.top_logprobs is not None
            teacher = stored_buckets(batch.top_logprobs[part], logits.shape[-1], temperature)
            nll, student = nll_and_buckets(logits, targets, batch.top_ids[part], temperature)
        else:
            with torch.no_grad():
                teacher = tempered_logprobs(head(teacher_states[part]), temperature)
            if ce_weight or batch.any_dictated:
                nll = cross_entropy(logits, targets)
            student = tempered_logprobs(logits, temperature)
        kl = divergence(teacher, student, direction)
        # T² keeps the size of the gradients (Hinton et al., arXiv 1503.02531)
        mixture = ce_weight * nll + (1 - ce_weight) * temperature**2 * kl
        return batch.weights[part] * torch.where(dictated, nll, mixture)

    return distillation_loss


def pass_indices(lengths: Sequence[int], tokens_per_pass: int, packed: bool) -> Iterable[list[int]]:
    """Indices of the rows of each pass."""
    if packed:
        return pack(lengths, tokens_per_pass)
    return token_batches(lengths, tokens_per_pass)


def collate_pass(rows: Sequence[Example], tokens_per_pass: int, packed: bool) -> Batch:
    """The batch of a pass."""
    if not packed:
        return collate(rows)
    length = sum(row.length for row in rows)
    return collate(rows, packed_width=packed_width(length, tokens_per_pass))


def retention_losses(
    model: TorchModel, examples: Sequence[Example], tokens_per_pass: int, packed: bool = False
) -> Iterator[torch.Tensor]:
    """Summed KL(base ‖ student) on the base's own answers, both without the prompt, by pass."""
    causal, objective = causal_model(model), OnPolicy(direction="forward")
    lengths = [example.length for example in examples]
    collated = (
        (collate_pass([examples[index] for index in indices], tokens_per_pass, packed),)
        for indices in pass_indices(lengths, tokens_per_pass, packed)
    )
    for (batch,) in device_batches(collated, causal.device):
        teacher, states, head = (
            base_states(model, batch),
            student_states(model, batch),
            Head(causal),
        )
        loss = loss_function(objective, batch, teacher, head)
        chunk = chunk_positions(states.device, head.vocabulary, whole_distributions=True)
        yield summed_loss(states, head, loss, chunk)
