"""A hub id is one commit of it: found in the cache, part of the identity, and passed on."""

import json
import time
from pathlib import Path
from typing import Any

import huggingface_hub
import huggingface_hub.constants
import pytest

from config.errors import ConfigError, SetupError
from config.peft_methods import LoraMethod
from engine.check_hub import tokenizer_folder
from engine.hub_snapshot import HubCommit, hub_commit, hub_snapshot
from engine.models import load_base, load_tokenizer, model_identity, resolve_model
from student.checkpoint import save_student
from student.model import load_student
from tests.student.run_factory import tiny_model
from tests.student.trained_students import SMALL

COMMITS = ("a" * 40, "b" * 40)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub cache with two commits of a model; the main branch is the second one."""
    folder = tmp_path / "models--some--tiny"
    for commit in COMMITS:
        tiny_model(folder / "snapshots" / commit)
    (folder / "refs").mkdir()
    for name, commit in (("main", COMMITS[1]), ("v1", COMMITS[0])):
        (folder / "refs" / name).write_text(commit)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    hub_snapshot.cache_clear()
    return tmp_path


def test_a_revision_is_a_commit_of_its_own() -> None:
    """Branch, tag and commit lead to a commit's folder, and two commits are two models."""
    main, tag = resolve_model("some/tiny"), resolve_model("some/tiny", "v1")
    assert hub_commit(main) == HubCommit("some/tiny", COMMITS[1])
    assert hub_commit(tag) == HubCommit("some/tiny", COMMITS[0])
    assert resolve_model("some/tiny", COMMITS[0]) == tag
    assert model_identity(main) != model_identity(tag)


def test_what_is_loaded_is_that_commit(tmp_path: Path) -> None:
    """Weights and tokenizer come from its folder; the adapter names hub id and commit, no folder of
    this machine."""
    resolved = resolve_model("some/tiny", "v1")
    assert load_base(resolved).name_or_path == load_tokenizer(resolved).name_or_path == resolved
    student = load_student(resolved, LoraMethod(**SMALL), 0)
    save_student(student, tmp_path / "adapter")
    saved = json.loads((tmp_path / "adapter" / "adapter_config.json").read_bytes())
    assert saved["base_model_name_or_path"] == "some/tiny"
    assert saved["revision"] == COMMITS[0]


@pytest.mark.parametrize("name", ["embedded", "{folder}"])
def test_a_folder_has_no_revision(tmp_path: Path, name: str) -> None:
    """Its weights are its identity."""
    name = name.format(folder=tmp_path)
    with pytest.raises(ConfigError, match=r"model.revision = v1: .* remove model.revision"):
        resolve_model(name, "v1")


@pytest.mark.parametrize(("name", "revision"), [("some/tiny", "v2"), ("no/model", None)])
def test_what_the_hub_lacks_is_refused(name: str, revision: str | None) -> None:
    """In one line with the way out."""
    with pytest.raises(SetupError, match=f"model.name = {name}.* cannot be fetched: .* a folder$"):
        resolve_model(name, revision)


def test_a_hub_out_of_reach_is_told_in_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own client tries for more than a minute; what was downloaded before goes on working."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    start = time.monotonic()
    with pytest.raises(SetupError, match=r"the hub http://127.0.0.1:9 cannot be reached; .* `hf"):
        resolve_model("no/model")
    assert hub_commit(resolve_model("some/tiny")) == HubCommit("some/tiny", COMMITS[1])
    assert time.monotonic() - start < 20  # 78 s before


def test_a_plan_fetches_no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a model whose config alone is cached, as after a plan of this commit."""
    download, patterns = huggingface_hub.snapshot_download, list[str]()

    def record(hub_id: str, **options: Any) -> str:
        patterns.extend(options["allow_patterns"])
        return str(download(hub_id, **options))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", record)
    assert hub_commit(str(tokenizer_folder("some/tiny", COMMITS[0]))) == HubCommit(
        "some/tiny", COMMITS[0]
    )
    assert "*.json" in patterns and not [name for name in patterns if "safetensors" in name]


def test_unsafe_weights_of_the_hub_are_refused(cache: Path) -> None:
    """Nothing but safetensors is downloaded."""
    folder = cache / "models--some--tiny" / "snapshots" / COMMITS[1]
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(SetupError, match=r"no \*.safetensors there"):
        resolve_model("some/tiny")
