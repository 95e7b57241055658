"""What an optimiser step learns from its rows: text, stored probabilities, or the prompted base.

Knows which forward passes an objective needs and what is compared; sums over answer tokens, the
trainer divides by their number.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from config.objectives import CrossEntropy, Objective, OnPolicy
from engine.sampling import GenerationSettings, sample_answers, token_batches
from student.collator import Batch, Example, collate
from student.forward import (
    Model,
    base_only,
    base_states,
    causal_of,
    head_weight,
    student_states,
)
from student.losses import (
    LossOf,
    cross_entropy,
    divergence,
    flattened,
    stored_and_rest,
    summed_loss,
    text_and_kept,
)
from student.prefix_cache import Prefix, can_share, read_prefix


@dataclass
class Distiller:
    """One objective on one model."""

    model: Model
    objective: Objective
    shared: tuple[int, ...]  # tokens that begin the teacher's view of every row
    drawing: GenerationSettings  # of its own answers, on policy
    room: int  # tokens per forward pass
    _prefix: Prefix | None = None

    def prepared(self, examples: Sequence[Example]) -> list[Example]:
        """The rows with the answers that this step learns: drawn now, on policy."""
        if not isinstance(self.objective, OnPolicy):
            return list(examples)
        prompts = [example.prompt_ids for example in examples]
        learnt = list(examples)
        for drawn in sample_answers(self.model, prompts, self.drawing):
            learnt[drawn.prompt] = examples[drawn.prompt]._replace(answers=(drawn.token_ids,))
        return learnt

    def losses(self, examples: Sequence[Example]) -> Iterator[torch.Tensor]:
        """Summed loss of one forward pass after another, over all `examples`."""
        for chosen in token_batches([self._size(example) for example in examples], self.room):
            yield self._loss([examples[index] for index in chosen])

    def passes(self, examples: Sequence[Example]) -> int:
        """How many forward passes `losses` makes."""
        return sum(
            1 for _ in token_batches([self._size(example) for example in examples], self.room)
        )

    def _size(self, example: Example) -> int:
        prompted = (
            len(example.teacher_prompt_ids) - len(self.shared)
            if self.objective.needs_teacher_pass
            else 0
        )
        return max(example.length, example.length - len(example.prompt_ids) + prompted)

    def _loss(self, examples: Sequence[Example]) -> torch.Tensor:
        device = head_weight(self.model).device
        batch = collate(examples, device)
        prompted = (
            self._teacher_states(examples, device) if self.objective.needs_teacher_pass else None
        )
        return self.loss_of_states(student_states(self.model, batch), batch, prompted)

    def loss_of_states(
        self, states: torch.Tensor, batch: Batch, prompted: torch.Tensor | None
    ) -> torch.Tensor:
        """The summed loss of the student's hidden states [N, D], and of the prompted base's."""
        return summed_loss(states, head_weight(self.model), self._loss_of(batch, prompted))

    def _teacher_states(self, examples: Sequence[Example], device: torch.device) -> torch.Tensor:
        prefix = self._read()
        batch = collate([one.prompted(prefix.length if prefix else 0) for one in examples], device)
        return base_states(self.model, batch, prefix)  # [N, D]

    def _read(self) -> Prefix | None:
        if self._prefix is None and self.shared and can_share(causal_of(self.model).config):
            with base_only(self.model):
                self._prefix = read_prefix(causal_of(self.model), self.shared)
        return self._prefix

    def _loss_of(self, batch: Batch, teacher: torch.Tensor | None) -> LossOf:
        kind, head = self.objective, head_weight(self.model)

        def text(logits: torch.Tensor, part: slice) -> torch.Tensor:
            return cross_entropy(logits, batch.targets[part])

        if isinstance(kind, CrossEntropy):
            return text

        share = 0.0 if isinstance(kind, OnPolicy) else kind.ce_weight
        heat = kind.temperature

        def view(logits: torch.Tensor, part: slice) -> torch.Tensor:
            said: torch.Tensor | float
            if teacher is None:
                assert batch.top_ids is not None and batch.top_logprobs is not None
                theirs = stored_and_rest(batch.top_logprobs[part])
                said, ours = text_and_kept(logits, batch.targets[part], batch.top_ids[part])
            else:
                with torch.no_grad():
                    theirs = torch.nn.functional.linear(teacher[part], head)
                said, ours = text(logits, part) if share else 0.0, logits
            apart = divergence(flattened(theirs, heat), flattened(ours, heat), kind.direction)
            # gradients keep their size (Hinton et al., arXiv 1503.02531)
            return share * said + (1 - share) * heat**2 * apart

        return view


def retention_losses(
    model: Model, examples: Sequence[Example], room: int
) -> Iterator[torch.Tensor]:
    """Summed KL(base ‖ student) on answers that the base gave itself, both without the prompt."""
    device, head = head_weight(model).device, head_weight(model)
    for chosen in token_batches([example.length for example in examples], room):
        batch = collate([examples[index] for index in chosen], device)
        base = base_states(model, batch)

        def apart(logits: torch.Tensor, part: slice, base: torch.Tensor = base) -> torch.Tensor:
            with torch.no_grad():
                theirs = torch.nn.functional.linear(base[part], head)
            return divergence(flattened(theirs, 1.0), flattened(logits, 1.0), "forward")

        yield summed_loss(student_states(model, batch), head, apart)
