"""The real hub client against a local server of the hub's protocol; bytes are compared.

Each large file goes by LFS in a process of its own setting, and by xet in one test: the client
decides at import.
"""

import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from config.errors import ConfigError, DataError, SetupError
from config.peft_methods import LoraMethod
from config.schema import Config
from config.training import StudentSettings
from data.atomic_write import write_text
from data.run_paths import RunPaths
from report.push import push_best
from tests.report.hub_stub import CUT, TOKEN, StubHub, StubRepo
from tests.report.run_fixture import STUDENT, make_run
from tests.report.test_serving_decision_section import teach

REPO = "me/student"
WEIGHTS = os.urandom(300_000)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[StubHub]:
    """A running hub with large files by LFS, which the environment names, with a token."""
    stub = StubHub()
    server = stub.serve()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    yield stub
    server.shutdown()
    server.server_close()


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A run whose best student has weights."""
    settings = make_run(tmp_path)
    (RunPaths.of(settings).best / "adapter/adapter_model.safetensors").write_bytes(WEIGHTS)
    return settings


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_private_repository_with_the_students_bytes(
    hub: StubHub, config: Config, capfd: pytest.CaptureFixture[str]
) -> None:
    """At the top, as peft and vLLM read an adapter; no answers, no token in what is printed."""
    best = RunPaths.of(config).best
    write_text(best / "hidden_answers.jsonl", "private")
    push_best(config, REPO)
    repo = hub.repos[REPO]
    assert repo.private and repo.commits == 1
    assert set(repo.files) == {
        *("README.md", "adapter_config.json", "adapter_model.safetensors", "chat_template.jinja"),
    }
    assert repo.files["adapter_model.safetensors"] == sha256(WEIGHTS)
    assert hub.large[sha256(WEIGHTS)] == WEIGHTS
    assert repo.files["chat_template.jinja"] == (best / "chat_template.jinja").read_bytes()
    card = repo.files["README.md"]
    assert isinstance(card, bytes) and b"--lora-modules lora=me/student" in card
    assert str(best.resolve()).encode() not in card
    out, err = capfd.readouterr()
    assert "a new repository is private" in out and "pushed: http://127.0.0.1:" in out
    assert "(private: " in out and TOKEN not in out + err


def test_a_second_push_makes_no_commit(
    hub: StubHub, config: Config, capfd: pytest.CaptureFixture[str]
) -> None:
    """Only what has changed is sent, and by one commit."""
    push_best(config, REPO)
    push_best(config, REPO)
    assert hub.repos[REPO].commits == 1 and hub.requests["lfs"] == 1
    assert "nothing to push: " in capfd.readouterr().out
    write_text(RunPaths.of(config).chat_template, "another")
    push_best(config, REPO)
    assert hub.repos[REPO].commits == 2 and hub.requests["lfs"] == 1
    assert hub.repos[REPO].files["chat_template.jinja"] == b"another"


def test_a_student_of_another_method_replaces_the_files_of_the_former(
    hub: StubHub, config: Config
) -> None:
    """Else transformers would load the former's adapter on top; the user's own files stay."""
    push_best(config, REPO)
    repo = hub.repos[REPO]
    repo.files |= {"LICENSE": b"mine", ".gitattributes": b"x"}
    best = StudentSettings(name=STUDENT, method=LoraMethod(kind="dora"))
    merged = config.model_copy(update={"students": (best, *config.students[1:])})
    folder = RunPaths.of(config).best / "merged"
    write_text(folder / "config.json", "{}")
    write_text(folder / "chat_template.jinja", "the tokenizer's own")
    (folder / "model.safetensors").write_bytes(WEIGHTS[:1000])
    push_best(merged, REPO)
    assert set(repo.files) == {
        *("LICENSE", ".gitattributes", "README.md", "config.json", "model.safetensors"),
        *("chat_template.jinja", "adapter/adapter_config.json"),
        "adapter/adapter_model.safetensors",
    }
    assert repo.files["chat_template.jinja"] == b"{{ messages }}", "the one that leaves it out"


def test_warnings_before_the_upload(
    hub: StubHub, config: Config, capfd: pytest.CaptureFixture[str]
) -> None:
    """A public repository shows the prompt; a student that should not be served is pushed."""
    hub.repos[REPO] = StubRepo(private=False)
    teach(config, selected=20, taught=60)
    push_best(config, REPO)
    out = capfd.readouterr().out
    assert "warning: do not serve this model: Only 20 of 48 train rows" in out
    assert "warning: me/student is public: everybody can read the system prompt" in out
    assert "(public)" in out


def test_large_files_by_xet(
    hub: StubHub, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As huggingface_hub sends them by default; its own local store gives the same bytes back."""
    import hf_xet

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    hub.xet = f"local://{tmp_path}/store"
    (tmp_path / "store").mkdir()
    push_best(config, REPO)
    assert hub.repos[REPO].files["adapter_model.safetensors"] == sha256(WEIGHTS)
    weights, back = (
        RunPaths.of(config).best / "adapter/adapter_model.safetensors",
        tmp_path / "back",
    )
    (info,) = hf_xet.hash_files([str(weights)])
    with hf_xet.XetSession().new_file_download_group(endpoint=hub.xet) as group:
        group.start_download_file(hf_xet.XetFileInfo(info.hash, len(WEIGHTS)), str(back))
    assert back.read_bytes() == WEIGHTS


def test_a_refusal_of_the_xet_store(
    hub: StubHub, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """hf_xet has errors of its own: a token that may not write, a store that is a file."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    hub.failures["xet"] = [403] * 9
    with pytest.raises(SetupError, match=r"connection failed .*403 Forbidden.* same command"):
        push_best(config, REPO)
    hub.failures.clear()
    hub.xet = f"local://{tmp_path}/file"
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(SetupError, match=r"me/student: the upload failed .*Not a directory"):
        push_best(config, REPO)
    assert hub.repos[REPO].commits == 0


@pytest.mark.parametrize("request_name", ["create", "preupload", "lfs", "commit"])
@pytest.mark.parametrize("failure", [503, CUT])
def test_a_passing_failure(hub: StubHub, config: Config, request_name: str, failure: int) -> None:
    """One answer of 503, and a connection that ends: repeated, and one commit at most."""
    hub.failures[request_name] = [failure]
    push_best(config, REPO)
    assert hub.repos[REPO].commits == 1 and hub.large[sha256(WEIGHTS)] == WEIGHTS


def test_a_conflict_passes(hub: StubHub, config: Config) -> None:
    """Another commit at the same time."""
    hub.failures["commit"] = [409]
    push_best(config, REPO)
    assert hub.repos[REPO].commits == 1


@pytest.mark.parametrize(
    ("failures", "words"),
    [
        ({"create": [401]}, "HTTP 401: .* does not accept the token; set HF_TOKEN"),
        ({"create": [403]}, "HTTP 403: the token may not write to me/student; .* access to me"),
        ({"student": [404]}, "HTTP 404: .* knows no me/student; check OWNER"),
        ({"commit": [412, 412]}, "HTTP 412: me/student is being changed .*run the same command"),
        ({"commit": [400]}, "HTTP 400 .*planned 400"),
        ({"validate-yaml": [400]}, "HTTP 400 .*planned 400"),
        ({"create": [500, 502]}, "HTTP 502 .*run the same command again"),
        ({"lfs": [403]}, "HTTP 403: the token may not write"),
    ],
)
def test_a_refusal_is_one_line(
    hub: StubHub, config: Config, failures: dict[str, list[int]], words: str
) -> None:
    hub.failures = failures
    with pytest.raises(SetupError, match=words) as raised:
        push_best(config, REPO)
    assert TOKEN not in str(raised.value)


def test_a_token_that_is_wrong_or_missing(
    hub: StubHub, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_wrong4711")
    with pytest.raises(SetupError, match="HTTP 401") as raised:
        push_best(config, REPO)
    assert "hf_wrong4711" not in str(raised.value)
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    hub.requests.clear()
    with pytest.raises(SetupError, match=r"HF_TOKEN: no token .*hf auth login"):
        push_best(config, REPO)
    assert not hub.requests


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "http://nowhere.invalid"])
def test_a_hub_that_cannot_be_reached(
    hub: StubHub, config: Config, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """The discard port, where nobody listens, and a name that RFC 2606 keeps free."""
    monkeypatch.setenv("HF_ENDPOINT", address)
    with pytest.raises(SetupError, match=f"{address}: the connection failed .*HF_ENDPOINT"):
        push_best(config, REPO)


@pytest.mark.parametrize("repo", ["student", "a/b/c", "me/", "me/x y", "me/..", "https://h/me/x"])
def test_a_malformed_id_is_refused_first(hub: StubHub, config: Config, repo: str) -> None:
    with pytest.raises(ConfigError, match=r"REPO_ID = .*OWNER/NAME"):
        push_best(config, repo)
    assert not hub.requests


def test_nothing_to_push_yet(hub: StubHub, config: Config) -> None:
    RunPaths.of(config).choice.unlink()
    with pytest.raises(DataError, match=r"no best student yet; run `unprompted run CONFIG`"):
        push_best(config, REPO)
    assert not hub.requests
