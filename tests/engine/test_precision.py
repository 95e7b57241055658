"""The number type of every kind of device, by what torch says of it."""

import pytest
import torch

from config.errors import SetupError
from config.generation import Dtype
from engine.models import model_identity, resolve_model
from engine.precision import local_device, precision


class Device:
    """Makes torch report a device."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, gpu: bool, bfloat16: bool) -> None:
        def multiplies_bfloat16(including_emulation: bool = True) -> bool:
            return bfloat16 or including_emulation

        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", multiplies_bfloat16)
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": bfloat16})


def apple(monkeypatch: pytest.MonkeyPatch, macos: int) -> None:
    """Makes torch report Apple silicon with this macOS, and no CUDA."""
    Device(monkeypatch, gpu=False, bfloat16=False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(
        torch.backends.mps, "is_macos_or_newer", lambda major, minor: macos >= major
    )


@pytest.mark.parametrize(("macos", "expected"), [(13, "float16"), (14, "bfloat16")])
def test_apples_gpu_answers_in_what_it_multiplies(
    monkeypatch: pytest.MonkeyPatch, macos: int, expected: str
) -> None:
    """Training runs on the CPU there, in float32 on one without bfloat16."""
    apple(monkeypatch, macos)
    assert local_device() == "mps"
    assert precision("auto", "mps") == expected
    assert precision("float16", "mps") == "float16"
    assert precision("auto") == "float32"


def test_bfloat16_on_an_old_macos_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    apple(monkeypatch, 13)
    with pytest.raises(SetupError, match=r"macOS 14 on; set model.dtype: auto"):
        precision("bfloat16", "mps")


@pytest.mark.parametrize(("gpu", "device"), [(True, "cuda"), (False, "cpu")])
def test_cuda_comes_first(monkeypatch: pytest.MonkeyPatch, gpu: bool, device: str) -> None:
    Device(monkeypatch, gpu, bfloat16=True)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert local_device() == device


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
