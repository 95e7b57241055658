"""The optimiser steps after which a training is evaluated; light, for the dry run reads it too."""

_STEPS = 12  # between two evaluations within an epoch, at least
_PER_EPOCH = 4  # evaluations, at most
_PER_TRAINING = 12  # evaluations, at most, unless there are more epochs: each generates answers


def evaluation_steps(steps_per_epoch: int, epochs: int) -> set[int]:
    """The optimiser steps after which a training is evaluated and saved.

    The end of every epoch, and evenly spaced steps within: conditional rules come and go within an
    epoch, and the best weights are those of an evaluation.
    """
    most = min(_PER_EPOCH, _PER_TRAINING // epochs, steps_per_epoch // _STEPS)
    per_epoch = max(1, most)
    return {
        epoch * steps_per_epoch + round(part * steps_per_epoch / per_epoch)
        for epoch in range(epochs)
        for part in range(1, per_epoch + 1)
    }
