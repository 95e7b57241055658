"""Code and pickles in a model folder are never executed."""

import json
from pathlib import Path

import pytest

from config.errors import SetupError
from engine.models import load_base, load_tokenizer, resolve_model


@pytest.mark.reliability(line=18)
@pytest.mark.parametrize("kind", ["llama", "of_its_own"])
def test_a_models_own_code_is_never_run(tmp_path: Path, kind: str) -> None:
    """`auto_map` in config and tokenizer of a known and an unknown model type."""
    source, folder = Path(resolve_model("embedded")), tmp_path / "model"
    folder.mkdir()
    for file in source.iterdir():
        (folder / file.name).symlink_to(file)
    own = {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Own", "AutoTokenizer": "own.Own"}
    for name in ("config.json", "tokenizer_config.json"):
        values = {**json.loads((source / name).read_text("utf-8")), "auto_map": own}
        if name == "config.json":
            values["model_type"] = kind
        (folder / name).unlink()
        (folder / name).write_text(json.dumps(values), "utf-8")
    ran = tmp_path / "ran"
    (folder / "own.py").write_text(f"open({str(ran)!r}, 'w')\nclass Own: pass\n")
    for load in (load_tokenizer, load_base):
        try:
            load(resolve_model(str(folder)))
        except SetupError as error:
            assert "\n" not in str(error)
    assert not ran.exists()
    if kind == "of_its_own":
        with pytest.raises(SetupError, match="cannot be loaded"):
            load_base(str(folder))


@pytest.mark.reliability(line=18)
def test_weights_that_are_pickles_are_refused(tmp_path: Path) -> None:
    """A .bin can run code when it is loaded."""
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(SetupError, match=r"no \*\.safetensors there; .* can run code"):
        resolve_model(str(tmp_path))
