"""A fused layer computes what peft's own forward pass computes, values and gradients."""

import copy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest
import torch
from peft import LoraConfig
from peft.helpers import disable_input_dtype_casting
from peft.tuners import lora
from torch import nn

from student.fused_lora import fuse_lora, lora_linear

IN, OUT, TOKENS = 48, 80, 24
FUSED_NODE = "_LoraLinearBackward"


class FourBits(nn.Module):
    """A base layer as bitsandbytes' `Linear4bit`, whose name it has: its weight is indices into a
    table, which `dequantize_4bit` below looks up."""

    in_features, out_features, bias = IN, OUT, None

    def __init__(self) -> None:
        super().__init__()
        indices = torch.randint(16, (OUT, IN), dtype=torch.uint8)
        self.weight = nn.Parameter(indices, requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """In the type of the inputs."""
        weight: Any = self.weight
        weight.quant_state = torch.linspace(-1, 1, 16)
        return nn.functional.linear(x, dequantize_4bit(weight, weight.quant_state).to(x.dtype))


def dequantize_4bit(weight: torch.Tensor, quant_state: torch.Tensor) -> torch.Tensor:
    """[out, in]."""
    return quant_state[weight.int()]


FourBits.__name__ = "Linear4bit"


def lora_layer(rank: int = 8, base: nn.Module | None = None, **settings: Any) -> Any:
    """peft's layer with random float32 factors, in training mode."""
    torch.manual_seed(0)
    config = LoraConfig(r=rank, lora_alpha=12, init_lora_weights=False, **settings)
    base = (base or nn.Linear(IN, OUT)).requires_grad_(False)
    return lora.Linear(base, "default", config, r=rank, lora_alpha=12).train()


def fused(layer: Any) -> Any:
    """The same layer, fused on CPU."""
    twin = copy.deepcopy(layer)
    fuse_lora(twin, devices=("cpu",))
    return twin


def random_inputs(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Inputs that need a gradient."""
    inputs = torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float32)
    return inputs.to(dtype).requires_grad_()


def results(layer: Any, inputs: torch.Tensor, autocast: bool = False) -> list[torch.Tensor]:
    """Outputs, and the gradients of inputs and factors for a fixed gradient of the outputs."""
    inputs = inputs.detach().requires_grad_(inputs.requires_grad)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        outputs = layer(inputs)
    sources = [inputs] if inputs.requires_grad else []
    sources += [layer.lora_A["default"].weight, layer.lora_B["default"].weight]
    gradient = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(2))
    assert outputs.grad_fn is not None
    node: str = outputs.grad_fn.name()
    assert (FUSED_NODE in node) == hasattr(layer, "fused_devices"), node
    return [outputs.detach(), *torch.autograd.grad(outputs, sources, gradient.to(outputs.dtype))]


def assert_close(layer: Any, inputs: torch.Tensor, limit: float, autocast: bool = False) -> None:
    """Types are equal, and the relative distance of every result is below a limit."""
    expected = results(layer, inputs, autocast)
    computed = results(fused(layer), inputs, autocast)
    for ours, theirs in zip(computed, expected, strict=True):
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
        assert float((ours - theirs).norm() / theirs.norm()) < limit


@pytest.mark.parametrize("rslora", [False, True])
@pytest.mark.parametrize("rank", [1, 8, 64])
@pytest.mark.parametrize("bias", [False, True])
def test_values_and_gradients_are_pefts(rank: int, rslora: bool, bias: bool) -> None:
    """1e-5: sums in another order, in float32. 1e-2: bfloat16 rounds by up to 2⁻⁹, two or three
    times on the way to each result; peft rounds after each product and sum."""
    layer = lora_layer(rank, nn.Linear(IN, OUT, bias=bias), use_rslora=rslora)
    assert_close(layer, random_inputs(2, TOKENS, IN), 1e-5)
    layer.base_layer.to(torch.bfloat16)
    for autocast in (False, True):
        assert_close(layer, random_inputs(TOKENS, IN, dtype=torch.bfloat16), 1e-2, autocast)


def test_it_rounds_no_more_than_peft() -> None:
    """bfloat16 under autocast, against float32 on the same weights: each distance is at most
    peft's (measured 0.86 to 0.98 of it), as products are rounded only after they are added."""
    layer = lora_layer(32, nn.Linear(576, 768))
    layer.base_layer.to(torch.bfloat16)
    inputs = random_inputs(256, 576, dtype=torch.bfloat16)
    exact = results(copy.deepcopy(layer).float(), inputs.detach().float().requires_grad_())
    ours, theirs = (
        [
            float((value.float() - truth).norm())
            for value, truth in zip(results(module, inputs, autocast=True), exact, strict=True)
        ]
        for module in (fused(layer), layer)
    )
    assert all(our <= 1.02 * their for our, their in zip(ours, theirs, strict=True))


def test_inputs_of_any_form() -> None:
    """Strided, wider than the type of autocast, without a gradient, one vector, none at all."""
    layer = lora_layer()
    assert_close(layer, random_inputs(IN, TOKENS).t(), 1e-5)
    assert_close(layer, random_inputs(TOKENS, 3, IN).transpose(0, 1), 1e-5)
    assert_close(layer, random_inputs(TOKENS, IN), 1e-2, autocast=True)
    assert_close(layer, random_inputs(TOKENS, IN).detach(), 1e-5)
    assert_close(layer, random_inputs(IN), 1e-5)
    assert fused(layer)(random_inputs(0, IN)).shape == (0, OUT)


def test_the_gradient_of_a_sum_has_no_strides() -> None:
    """An expanded gradient is read as it is."""
    layer, inputs = lora_layer(), random_inputs(TOKENS, IN)
    expected, computed = (
        torch.autograd.grad(module(inputs).sum(), inputs)[0] for module in (layer, fused(layer))
    )
    assert torch.allclose(computed, expected, rtol=1e-5, atol=1e-5)


def test_gradients_are_those_of_finite_differences() -> None:
    """gradcheck in float64."""
    base = nn.Linear(5, 6, dtype=torch.float64).requires_grad_(False)
    inputs, down, up = (
        torch.randn(shape, dtype=torch.float64, requires_grad=True)
        for shape in ((2, 3, 5), (4, 5), (6, 4))
    )
    assert torch.autograd.gradcheck(
        lambda *tensors: lora_linear(tensors[0], base, tensors[1], tensors[2], 1.7),
        (inputs, down, up),
    )


@pytest.mark.filterwarnings("ignore:Unsupported layer type")  # peft knows only real ones
def test_a_base_in_four_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes through its own forward pass, and its weight is unpacked for the backward pass.

    Here without bitsandbytes, of which one function is asked.
    """
    library = ModuleType("bitsandbytes.functional")
    monkeypatch.setattr(library, "dequantize_4bit", dequantize_4bit, raising=False)
    monkeypatch.setitem(sys.modules, "bitsandbytes", ModuleType("bitsandbytes"))
    monkeypatch.setitem(sys.modules, "bitsandbytes.functional", library)
    layer = lora_layer(base=FourBits())
    assert_close(layer, random_inputs(TOKENS, IN), 1e-5)
    assert_close(layer, random_inputs(TOKENS, IN, dtype=torch.bfloat16), 1e-2, autocast=True)


@pytest.mark.parametrize("bias", [False, True])
def test_bitsandbytes(bias: bool) -> None:
    """Its NF4 layer with doubly quantised scales, as qlora loads it, under autocast and without."""
    quantised = pytest.importorskip("bitsandbytes").nn.Linear4bit(
        128, 64, bias=bias, compute_dtype=torch.bfloat16, quant_type="nf4"
    )
    quantised.requires_grad_(False).to("cpu")
    config = LoraConfig(r=8, lora_alpha=12, init_lora_weights=False)
    kind = import_module("peft.tuners.lora.bnb").Linear4bit
    layer = kind(quantised, "default", config, r=8, lora_alpha=12).train()
    inputs = random_inputs(TOKENS, 128, dtype=torch.bfloat16)
    for autocast in (False, True):
        assert_close(layer, inputs, 1e-2, autocast)
    eager = fused(layer)
    traced = torch.compile(eager, fullgraph=True, backend="aot_eager")
    outputs = [module(inputs) for module in (eager, traced)]
    assert torch.equal(*outputs)
    assert torch.equal(*(torch.autograd.grad(each.sum(), inputs)[0] for each in outputs))


# -- memory --------------------------------------------------------------------------------------


@contextmanager
def saved_bytes(*weights: torch.Tensor) -> Iterator[dict[int, int]]:
    """Bytes by storage of all that is saved for the backward pass, weights left out."""
    own = {weight.untyped_storage().data_ptr() for weight in weights}
    sizes: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield sizes


def test_one_input_is_saved_and_no_copy_of_it() -> None:
    """Three layers on one input in bfloat16, as of queries, keys and values: the input once, and of
    each layer x Aᵀ and both factors in the type of the products.

    peft alone keeps a copy of the input for each layer, in float32 without autocast; under autocast
    and told to cast nothing, as little.
    """
    rank, tokens = 4, 512
    layers = nn.ModuleList([lora_layer(rank) for _ in range(3)])
    for layer in layers:
        layer.base_layer.to(torch.bfloat16)
    inputs = random_inputs(tokens, IN, dtype=torch.bfloat16)
    size, rest = 2 * tokens * IN, 3 * 2 * (tokens * rank + rank * IN + OUT * rank)

    def saved(modules: Any, autocast: bool) -> int:
        with (
            torch.autocast("cpu", torch.bfloat16, enabled=autocast),
            saved_bytes(*modules.parameters()) as sizes,
        ):
            outputs = [module(inputs) for module in modules]
        del outputs
        return sum(sizes.values())

    assert saved(fused(layers), autocast=False) == size + rest
    assert saved(fused(layers), autocast=True) == size + rest
    assert saved(layers, autocast=True) == 3 * size + rest
    assert saved(layers, autocast=False) > 6 * size
    with disable_input_dtype_casting(layers):
        assert saved(layers, autocast=True) == size + rest


# -- what stays peft's ---------------------------------------------------------------------------


def is_fused(layer: Any) -> bool:
    """Whether a forward pass of the layer is that of one function."""
    node = layer(random_inputs(TOKENS, IN)).grad_fn
    return node is not None and FUSED_NODE in node.name()


@pytest.mark.parametrize(
    "settings", [{"lora_dropout": 0.1}, {"use_dora": True}, {"lora_bias": True}]
)
def test_other_adapters_are_left_to_peft(settings: dict[str, Any]) -> None:
    """Dropout, DoRA, a trained bias of the adapter: the same numbers to the bit."""
    layer = lora_layer(**settings)
    twin = fused(layer)
    assert not is_fused(twin)
    torch.manual_seed(3)
    expected = layer(random_inputs(TOKENS, IN))
    torch.manual_seed(3)
    assert torch.equal(twin(random_inputs(TOKENS, IN)), expected)


def test_other_states_are_left_to_peft() -> None:
    """Two adapters at once, none, a merged one, a trained base, generation, another device."""
    layer = fused(lora_layer())
    assert is_fused(layer)
    layer.update_layer("second", 4, 8, LoraConfig(r=4, init_lora_weights=False))
    assert is_fused(layer), "only the first acts"
    layer.set_adapter(["default", "second"])
    assert not is_fused(layer)
    layer.set_adapter("second")
    layer.delete_adapter("default")
    assert is_fused(layer)
    layer.merge()
    assert not is_fused(layer)
    layer.unmerge()
    layer.enable_adapters(False)
    assert not is_fused(layer)
    layer.enable_adapters(True)
    layer.base_layer.requires_grad_(True)
    assert not is_fused(layer)
    layer.base_layer.requires_grad_(False)
    with torch.no_grad():
        layer.eval()
        plain = copy.deepcopy(layer)
        fuse_lora(plain, devices=())
        assert torch.equal(layer(random_inputs(TOKENS, IN)), plain(random_inputs(TOKENS, IN)))
    assert not is_fused(plain)
