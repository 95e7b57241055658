"""Models and tokenizers: a teacher with other tokens than the base is refused."""

import json
import shutil
from pathlib import Path

import pytest

from config.errors import ConfigError
from config.load import load_config
from engine.factory import teacher_engine
from engine.models import check_same_tokens, load_tokenizer, model_identity, resolve_model
from engine.vllm_engine import VllmEngine

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def sibling(tmp_path: Path) -> Path:
    """A model folder with the embedded model's tokenizer and other weights."""
    folder = tmp_path / "sibling"
    load_tokenizer(resolve_model("embedded")).save_pretrained(folder)
    shutil.copy(Path(resolve_model("embedded")) / "config.json", folder)
    (folder / "model.safetensors").write_bytes(b"other")
    return folder


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def template_of(folder: Path) -> Path:
    """The file that holds the chat template."""
    return next(
        path
        for path in (folder / "chat_template.jinja", folder / "tokenizer_config.json")
        if path.exists() and "<|im_start|>" in path.read_text("utf-8")
    )


def test_the_same_tokens_are_taken(sibling: Path) -> None:
    check_same_tokens(resolve_model("embedded"), str(sibling), {})


def test_another_vocabulary_is_refused(sibling: Path) -> None:
    """Two swapped words: the same size, but every text would be misread."""
    path = sibling / "tokenizer.json"
    values = json.loads(path.read_text("utf-8"))
    words = values["model"]["vocab"]
    words["Ġthe"], words["Ġand"] = words["Ġand"], words["Ġthe"]
    path.write_text(json.dumps(values), "utf-8")
    with pytest.raises(ConfigError, match=r"its vocabulary differs from .*same family, or serve"):
        check_same_tokens(resolve_model("embedded"), str(sibling), {})


def test_another_chat_template_is_refused(sibling: Path) -> None:
    change(template_of(sibling), "<|im_start|>", "<|im_start|> ")
    with pytest.raises(ConfigError, match=r"its chat template differs from"):
        check_same_tokens(resolve_model("embedded"), str(sibling), {})


def test_a_teacher_without_template_is_refused(sibling: Path) -> None:
    (sibling / "chat_template.jinja").unlink(missing_ok=True)
    config = sibling / "tokenizer_config.json"
    values = json.loads(config.read_text("utf-8"))
    values.pop("chat_template", None)
    config.write_text(json.dumps(values), "utf-8")
    with pytest.raises(ConfigError, match=r"its chat template differs from"):
        check_same_tokens(resolve_model("embedded"), str(sibling), {})


def test_the_teachers_model_is_the_one_that_is_named(sibling: Path) -> None:
    """It has its own identity, so its requests have other keys."""
    config = load_config(ROOT / "config/demo.yaml", [f"teacher.model={sibling}"])
    engine = teacher_engine(config, ROOT)
    assert isinstance(engine, VllmEngine)
    base = teacher_engine(load_config(ROOT / "config/demo.yaml"), ROOT)
    assert engine.identity == model_identity(str(sibling)) != base.identity


def test_a_tokenizer_is_loaded_once_until_its_files_change(sibling: Path) -> None:
    """One object for all who ask; a changed template is read again."""
    tokenizer = load_tokenizer(str(sibling))
    assert load_tokenizer(str(sibling)) is tokenizer
    change(template_of(sibling), "<|im_start|>", "<|im_start|> ")
    changed = load_tokenizer(str(sibling))
    assert changed is not tokenizer and "<|im_start|> " in changed.chat_template
