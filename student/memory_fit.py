"""Decides before a training how it fits into the memory of its device, and says so in one line."""

from collections.abc import Callable

import torch

from config.console import print
from config.errors import SetupError
from config.training import Checkpointing, StudentSettings
from student.distributed import all_gather, is_sharded, process_rank
from student.dry_step import PeakMeter, cuda_peak, longest_row, measure_passes, optimiser_bytes
from student.memory_plan import (
    LEVELS,
    LOSS_BYTES,
    USUAL_TOKENS,
    MemoryUse,
    PassPlan,
    Rows,
    plan_pass,
    plan_words,
)
from student.trainer import AnswerTrainer


def fit_to_memory(trainer: AnswerTrainer, student: StudentSettings) -> None:
    """Sets what is recomputed and the tokens of a pass: as the settings say, else by memory.

    Without a graphics card nothing is measured: 8,192 tokens, nothing recomputed. Shards of a model
    are not measured either, as a pass needs all processes: 8,192 tokens, everything recomputed.
    Raises SetupError where the longest row does not fit.
    """
    sharded, on_card = is_sharded(trainer.model), trainer.args.device.type == "cuda"
    checkpointing = None if student.checkpointing == "auto" else student.checkpointing
    tokens = None if student.tokens_per_pass == "auto" else student.tokens_per_pass
    if checkpointing not in (None, *trainer.levels):
        raise SetupError(
            f"student {student.name}: checkpointing = {checkpointing}: this model with method "
            f"{student.method.kind} cannot compute activations again; set checkpointing: off"
        )
    if not on_card or sharded or (checkpointing and tokens):
        usual: Checkpointing = trainer.levels[-1] if on_card else "off"
        trainer.set_plan(PassPlan(checkpointing or usual, tokens or USUAL_TOKENS))
        return
    levels = (checkpointing,) if checkpointing else trainer.levels
    plan, reason = measured_plan(trainer, student, levels, tokens, cuda_peak, _free_on_card)
    trainer.set_plan(_same_in_all_processes(plan))
    if process_rank() == 0:
        print(f"{student.name}: {plan_words(trainer.plan)}: {reason}", flush=True)


def measured_plan(
    trainer: AnswerTrainer,
    student: StudentSettings,
    levels: tuple[Checkpointing, ...],
    tokens_per_pass: int | None,
    meter: PeakMeter,
    free_bytes: Callable[[], float],
) -> tuple[PassPlan, str]:
    """The plan by a dry step, and its reason in words. `free_bytes` is read after the dry step."""
    distiller, examples = trainer.task.distiller, trainer.task.train
    rows = longest_row(distiller, examples)
    try:
        use = measure_passes(distiller, rows, levels, meter, trainer.compute_loss_context_manager)
    except torch.OutOfMemoryError:
        use = None
    if use is None:  # behind the handler, which holds the tensors of the pass
        count = rows.passes()[1]
        raise SetupError(
            f"student {student.name}: a pass of {count * rows.length:,} tokens does not fit the "
            f"memory of the card with checkpointing {levels[-1]}; use method qlora or a smaller "
            "base, or end other programs on the card"
        )
    later = optimiser_bytes(trainer.model, student.averaging is not None) + LOSS_BYTES
    use = MemoryUse(use.fixed + later, use.per_token)
    mean = sum(map(distiller.pass_length, examples)) / len(examples)
    sizes = Rows(rows.longest, round(mean * student.batch_size))
    free = free_bytes()
    chosen = levels[0] if len(levels) == 1 else None
    plan = plan_pass(use, free, sizes, chosen, tokens_per_pass)
    return plan, _reason(plan, use, free)


def _reason(plan: PassPlan, use: MemoryUse, free: float) -> str:
    per_token = use.per_token.get(plan.checkpointing, 0.0)
    text = (
        f"measured {per_token / 1e6:.2f} MB a token and {use.fixed / 1e9:.1f} GB beside them, "
        f"{free / 1e9:.1f} GB of the card are free"
    )
    return text if plan.fits else f"{text}, which may be too little"


def _free_on_card() -> float:
    torch.cuda.empty_cache()
    return torch.cuda.mem_get_info()[0]


def _same_in_all_processes(plan: PassPlan) -> PassPlan:
    """The most careful one: a card that others use has less memory."""
    plans = all_gather(plan)
    level = max((other.checkpointing for other in plans), key=LEVELS.index)
    return PassPlan(
        level,
        min(other.tokens_per_pass for other in plans),
        all(other.fits for other in plans),
    )
