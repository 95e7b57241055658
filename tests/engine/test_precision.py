"""The number type of every kind of device, by what torch says of it."""

import pytest
import torch

from config.errors import SetupError
from config.generation import Dtype
from engine.models import model_identity, resolve_model
from engine.precision import precision


class Device:
    """Makes torch report a device."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, gpu: bool, bfloat16: bool) -> None:
        def multiplies_bfloat16(including_emulation: bool = True) -> bool:
            return bfloat16 or including_emulation

        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", multiplies_bfloat16)
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": bfloat16})


@pytest.mark.parametrize(
    ("gpu", "bfloat16", "expected"),
    [
        (True, True, "bfloat16"),
        (True, False, "float16"),  # T4, V100: they only emulate bfloat16
        (False, True, "bfloat16"),
        (False, False, "float32"),
    ],
)
def test_auto_is_what_the_hardware_multiplies(
    monkeypatch: pytest.MonkeyPatch, gpu: bool, bfloat16: bool, expected: str
) -> None:
    """Emulation does not count: it is slower than float32."""
    Device(monkeypatch, gpu, bfloat16)
    assert precision("auto") == expected
    assert precision("float32") == "float32"


@pytest.mark.parametrize(
    ("gpu", "dtype", "line"),
    [
        (True, "bfloat16", r"model.dtype = bfloat16: .* capability is below 8.* model.dtype: auto"),
        (False, "float16", r"model.dtype = float16: a CPU .* set model.dtype: auto"),
    ],
)
def test_what_the_device_lacks_is_refused(
    monkeypatch: pytest.MonkeyPatch, gpu: bool, dtype: Dtype, line: str
) -> None:
    """In one line with the way out."""
    Device(monkeypatch, gpu, bfloat16=False)
    with pytest.raises(SetupError, match=line):
        precision(dtype)


def test_a_chosen_type_is_another_model() -> None:
    """Its answers round otherwise; `auto` keeps the identity of the weights."""
    embedded = resolve_model("embedded")
    dtypes: tuple[Dtype, ...] = ("auto", "bfloat16", "float32")
    assert len({model_identity(embedded, dtype) for dtype in dtypes}) == 3
    assert model_identity(embedded) == model_identity(embedded, "auto")
