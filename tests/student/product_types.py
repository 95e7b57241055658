"""Which number types the matrix products of a training have."""

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from config.schema import Config
from student.train import train

# number of tensor arguments in front that are not factors of the product
_PRODUCTS = {"aten::mm": 0, "aten::addmm": 1, "aten::bmm": 0, "aten::baddbmm": 1}
_ATTENTION = "aten::_scaled_dot_product"  # forward and backward: the first three are factors


class ProductTypes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Collects the types of the factors of all matrix products, forward and backward.

    An outer product, as of positions and rotary frequencies, sums nothing and is left out.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.types: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = func.name().split(".")[0]
        factors: tuple[torch.Tensor, ...] = ()
        if name in _PRODUCTS:
            factors = args[_PRODUCTS[name] :]
        elif name.startswith(_ATTENTION):
            factors = args[:3]
        if factors and factors[0].shape[-1] > 1:
            self.types |= {str(factor.dtype) for factor in factors}
        return func(*args, **(kwargs or {}))


def product_types(config: Config) -> set[str]:
    """The types in a real `train()` of the first student, up to its last evaluation."""
    logged: set[str] = set()
    with ProductTypes() as products:
        listeners = [lambda step: logged.update(products.types)]
        train(config, config.students[0], accept_changes=False, listeners=listeners)
    return logged or products.types  # only process 0 logs; the others write no weights either
