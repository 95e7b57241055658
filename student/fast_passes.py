"""Makes the passes of a training on a graphics card fast: packed rows, and compiled layers.

Both are tried before the training and left out, in one line, where they fail or are not exact.
"""

from config.console import print
from config.errors import first_line
from config.training import StudentSettings
from student.compiled_layers import compile_layers, uncompile_layers
from student.distributed import is_sharded
from student.dry_step import run_passes, untouched
from student.exactness import packing_fault
from student.forward import causal_model
from student.memory_fit import fit_to_memory
from student.trainer import AnswerTrainer


def prepare_passes(trainer: AnswerTrainer, student: StudentSettings) -> None:
    """Packs, decides by a measured pass what fits into memory, then compiles.

    Layers that are not compiled take more memory, so the decision is careful.
    """
    pack_passes(trainer, student)
    fit_to_memory(trainer, student)
    compile_passes(trainer, student)


def pack_passes(trainer: AnswerTrainer, student: StudentSettings) -> None:
    """Rows share packed passes from now on, on a card and where that is exact."""
    if trainer.args.device.type != "cuda":
        return
    sharded = "every process has a part of each weight" if is_sharded(trainer.model) else None
    fault = sharded or packing_fault(trainer.model, student)
    trainer.task.distiller.packed = fault is None
    fault = fault or _fault_of_a_pass(trainer)
    trainer.task.distiller.packed = fault is None
    if fault:
        print(f"{student.name}: passes are padded: {fault}", flush=True)


def compile_passes(trainer: AnswerTrainer, student: StudentSettings) -> None:
    """Decoder layers run compiled in packed passes from now on, where a compiler can do it."""
    if not trainer.task.distiller.packed:
        return
    causal = causal_model(trainer.model)
    compile_layers(causal)
    fault = _fault_of_a_pass(trainer)
    if fault:
        uncompile_layers(causal)
        print(f"{student.name}: layers are not compiled: {fault}", flush=True)


def _fault_of_a_pass(trainer: AnswerTrainer) -> str | None:
    """What goes wrong in a forward and backward pass over the shortest row, if anything."""
    distiller = trainer.task.distiller
    shortest = min(trainer.task.train, key=distiller.pass_length)
    try:
        with untouched(distiller):
            run_passes(distiller, [shortest], trainer.compute_loss_context_manager)
    except Exception as error:  # a compiler's, a driver's; what is not theirs comes again later
        line = first_line(error)
        return f"a pass fails ({type(error).__name__}: {line})"
    return None
