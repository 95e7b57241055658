"""Paths of logs that may be ids of datasets: told in the settings check when they are neither."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from data.readers.hub_dataset import hub_dataset_fault
from student.requirements import find_faults
from tests.pipeline.plan_experiment import make_experiment


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty caches in a folder of the test."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "datasets"))
    return tmp_path


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A hub with the one dataset `org/real`; the paths that it was asked for."""
    requests: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            is_real = self.path.startswith("/api/datasets/org/real")
            self.send_response(200 if is_real else 404)
            if not is_real:
                self.send_header("X-Error-Code", "RepoNotFound")
            self.end_headers()
            self.wfile.write(b'{"id": "org/real"}' if is_real else b"{}")

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    endpoint = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr("huggingface_hub.hf_api.constants.ENDPOINT", endpoint)
    yield requests
    server.shutdown()
    server.server_close()


def test_a_real_id_is_no_fault(tmp_path: Path, hub: list[str]) -> None:
    assert hub_dataset_fault("data.train", "org/real", tmp_path) is None
    assert "/api/datasets/org/real" in hub


def test_a_mistyped_path_is_told_with_what_was_tried(tmp_path: Path, hub: list[str]) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/train.jsonl").write_text("{}")
    fault = hub_dataset_fault("data.train", "logs/trian", tmp_path)
    assert fault is not None and "\n" not in fault
    assert fault.startswith(
        f"data.train = logs/trian: there is no file or folder {tmp_path}/logs/trian (did you mean "
        "logs/train.jsonl?), and no dataset of this id in the cache or on the hub ("
    )
    assert "correct the path, or download the dataset: hf download" in fault


def test_offline_the_hub_is_not_asked(
    tmp_path: Path, hub: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    fault = hub_dataset_fault("data.train", "org/real", tmp_path)
    assert fault is not None and "HF_HUB_OFFLINE is set, so that the hub was not asked" in fault
    assert not hub


@pytest.mark.parametrize("place", ["hub/datasets--org--mine", "datasets/org___mine", "org/mine"])
def test_what_is_on_this_machine_is_no_fault_and_asks_nobody(
    tmp_path: Path, hub: list[str], place: str
) -> None:
    (tmp_path / place).mkdir(parents=True)
    assert hub_dataset_fault("data.train", "org/mine", tmp_path) is None
    assert not hub


@pytest.mark.parametrize("path", ["logs/train.jsonl", "logs.jsonl", "a/b/c", "./logs/train"])
def test_paths_that_are_no_id_are_left_to_the_reader(
    tmp_path: Path, hub: list[str], path: str
) -> None:
    assert hub_dataset_fault("data.train", path, tmp_path) is None
    assert not hub


def test_the_settings_check_refuses_it_until_the_rows_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run whose rows are stored goes on without its logs; the line is then a warning."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    config = make_experiment(tmp_path, data={"train": "lgos/train"})
    (fault,) = find_faults(config)
    assert fault.refuses and fault.message.startswith("data.train = lgos/train: there is no file")
    quality = tmp_path / "runs/t/data/quality.json"
    quality.parent.mkdir(parents=True)
    quality.write_text("{}")
    assert [fault.refuses for fault in find_faults(config)] == [False]
