"""The steps that are compared: ours, SFTTrainer's, and one with TRL's GKD loss, on the same ids."""

import tempfile
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy
import torch
from datasets import Dataset
from trl import SFTConfig, SFTTrainer
from trl.experimental.gkd import GKDTrainer

from config.objectives import CrossEntropy, Distillation
from config.peft_methods import LoraMethod
from data.top_logprobs import TopLogprobs
from engine.models import load_tokenizer, resolve_model
from engine.precision import has_bfloat16
from engine.sampling import GenerationSettings
from student.collator import Example, collate
from student.distiller import Distiller
from student.forward import base_only, base_states, causal_of, head_weight
from student.model import load_student
from student.prefix_cache import read_prefix

Step = Callable[[], None]


class Lengths(NamedTuple):
    """Tokens of the parts of a row, and rows a step."""

    system: int
    own: int
    answer: int
    rows: int

    @property
    def prompted(self) -> int:
        """Tokens that the teacher's pass reads of a row: prompt, and own ones with the answer."""
        return self.system + self.own

    @property
    def four_alone(self) -> int:
        """Tokens of four answers as four rows."""
        return 4 * (self.own + self.answer)

    @property
    def four_shared(self) -> int:
        """Tokens of four answers to one row."""
        return self.own + 4 * self.answer


class Made(NamedTuple):
    """A model to be trained."""

    model: Any
    tokenizer: Any
    device: torch.device

    @classmethod
    def embedded(cls, device: str) -> "Made":
        """The embedded model's weights with LoRA r 32 on every linear layer."""
        resolved = resolve_model("embedded")
        model = load_student(resolved, LoraMethod(), seed=0).to(device)
        return cls(model, load_tokenizer(resolved), torch.device(device))


class Steps:
    """Makes steps, each a forward and a backward pass of one optimiser step."""

    def __init__(self, made: Made, lengths: Lengths) -> None:
        self._made = made
        self._lengths = lengths
        self._numbers = numpy.random.default_rng(0)
        self._system = self._ids(lengths.system)
        self._rows = [self._row(1) for _ in range(lengths.rows)]

    def ours(self, objective: CrossEntropy | Distillation) -> Step:
        """One of our objectives on all rows."""
        return self._step(objective, self._rows)

    def branched(self) -> Step:
        """Cross-entropy on a quarter of the rows with four answers each."""
        return self._step(CrossEntropy(), [self._row(4) for _ in range(self._lengths.rows // 4)])

    def teacher(self, reuses: bool) -> Step:
        """The base's pass over prompted rows, whole or behind the prefix.

        Behind the prefix stand `own` tokens, the answer among them.
        """
        model, prefix = self._made.model, None
        if reuses:
            with base_only(model), torch.no_grad(), self._autocast():
                prefix = read_prefix(causal_of(model), self._system)
        skipped = len(self._system) if reuses else 0
        asked = self._lengths.prompted - self._lengths.answer
        rows = [
            row._replace(teacher_prompt_ids=row.teacher_prompt_ids[:asked]) for row in self._rows
        ]
        batch = collate([row.prompted(skipped) for row in rows], self._made.device)

        def step() -> None:
            with self._autocast():
                base_states(model, batch, prefix)

        return step

    def gkd(self) -> Step:
        """TRL's loss as its trainer takes it, full logits of both; the teacher sees the prompt."""
        model, size = self._made.model, self._lengths.answer
        own = self._tensor([[*row.prompt_ids, *row.answers[0]] for row in self._rows])
        prompted = self._tensor([[*row.teacher_prompt_ids, *row.answers[0]] for row in self._rows])

        def step() -> None:
            with self._autocast():
                with base_only(model), torch.no_grad():
                    theirs = model(input_ids=prompted, use_cache=False).logits
                model.train()
                ours = model(input_ids=own, use_cache=False).logits
                loss = GKDTrainer.generalized_jsd_loss(
                    ours[:, -size - 1 : -1], theirs[:, -size - 1 : -1], beta=0.0
                )
            torch.autograd.backward(loss)
            model.zero_grad()

        return step

    def losses(self) -> tuple[Step, Step]:
        """Loss and backward pass alone, from hidden states on: of ours from stored probabilities,
        and TRL's from the logits of both."""
        head = head_weight(self._made.model)
        tokens, width = self._lengths.rows * self._lengths.answer, head.shape[1]
        batch = collate(self._rows, self._made.device)
        made = torch.Generator().manual_seed(0)
        states = [torch.randn(tokens, width, generator=made).to(head) for _ in range(2)]  # [N, D]
        model, kind = self._made.model, Distillation(direction="forward")
        teaching = Distiller(model, kind, (), GenerationSettings((0,), 1), room=1)

        def ours() -> None:
            hidden = states[0].clone().requires_grad_()
            torch.autograd.backward(teaching.loss_of_states(hidden, batch, None))

        def trl() -> None:
            hidden = states[0].clone().requires_grad_()
            logits, theirs = (torch.nn.functional.linear(one, head) for one in (hidden, states[1]))
            shape = (self._lengths.rows, self._lengths.answer, -1)
            loss = GKDTrainer.generalized_jsd_loss(
                logits.view(shape), theirs.detach().view(shape), beta=0.0
            )
            torch.autograd.backward(loss)

        return ours, trl

    def sft(self, answers: int) -> Step:
        """SFTTrainer's own step: as many answers as ours, each a row of its own, none padded."""
        rows = self._rows
        if answers > 1:
            wide = [self._row(answers) for _ in range(self._lengths.rows // answers)]
            rows = [row._replace(answers=(one,)) for row in wide for one in row.answers]
        ids = [[*row.prompt_ids, *row.answers[0]] for row in rows]
        masks = [[0] * len(row.prompt_ids) + [1] * len(row.answers[0]) for row in rows]
        settings = SFTConfig(
            output_dir=tempfile.mkdtemp(),
            per_device_train_batch_size=len(rows),
            bf16=has_bfloat16(),
            use_cpu=self._made.device.type == "cpu",
            max_length=None,
            report_to="none",
            gradient_checkpointing=False,
            dataloader_pin_memory=False,
        )
        trainer = SFTTrainer(
            model=self._made.model,
            args=settings,
            train_dataset=Dataset.from_dict({"input_ids": ids, "completion_mask": masks}),
            processing_class=self._made.tokenizer,
        )
        batch = next(iter(trainer.get_train_dataloader()))
        trainer.current_gradient_accumulation_steps = 1  # as its loop sets it

        def step() -> None:
            trainer.training_step(self._made.model, dict(batch))
            self._made.model.zero_grad()

        return step

    def _step(self, objective: CrossEntropy | Distillation, rows: list[Example]) -> Step:
        model = self._made.model
        teaching = Distiller(
            model, objective, self._system, GenerationSettings((0,), 1), room=1 << 20
        )
        tokens = sum(row.answer_tokens for row in rows)

        def step() -> None:
            model.train()
            with self._autocast():
                losses = list(teaching.losses(rows))
            for loss in losses:
                torch.autograd.backward(loss / tokens)
            model.zero_grad()

        return step

    def _row(self, answers: int) -> Example:
        own = self._ids(self._lengths.own)
        texts = tuple(self._ids(self._lengths.answer) for _ in range(answers))
        tops = tuple(self._top(len(text)) for text in texts)
        return Example(own, texts, tops, (*self._system, *own))

    def _top(self, size: int) -> TopLogprobs:
        words = len(self._made.tokenizer)
        ids = numpy.stack([self._numbers.choice(words, 20, replace=False) for _ in range(size)])
        return TopLogprobs(
            ids.astype(numpy.int32), numpy.tile(-numpy.arange(1, 21) / 2 - 1, (size, 1))
        )

    def _ids(self, count: int) -> tuple[int, ...]:
        words = len(self._made.tokenizer)
        return tuple(int(one) for one in self._numbers.integers(100, words, count))

    def _tensor(self, rows: list[list[int]]) -> torch.Tensor:
        return torch.tensor(rows, device=self._made.device)  # [B, T]

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._made.device.type, torch.bfloat16, enabled=has_bfloat16())
