"""Commands of the pages that need no run, or another program: curl, iconv, pytest, the hub."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from config.checkout import ROOT
from data.atomic_write import write_text
from report.numbers import build_numbers
from report.render import render_card
from report.run_files import read_run
from tests.docs.commands.catalogue import read_catalogue
from tests.docs.commands.conftest import play_scenario
from tests.docs.commands.desk import Desk
from tests.report.hub_stub import TOKEN, StubHub
from tests.report.run_fixture import make_run

CATALOGUE = read_catalogue()


def test_push(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To a local hub, with the token of the environment: a repository each, with the card."""
    config = make_run(tmp_path)
    material = read_run(config)
    best = tmp_path / "runs/made/best"
    (best / "adapter/adapter_model.safetensors").write_bytes(b"weights")
    write_text(best / "README.md", render_card(material, build_numbers(material)))
    write_text(tmp_path / "my.yaml", config.model_dump_json())
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    hub = StubHub()
    server = hub.serve()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    variables = {"HF_ENDPOINT": address, "HF_TOKEN": TOKEN, "NO_PROXY": "127.0.0.1"}
    try:
        play_scenario(Desk(tmp_path, variables), "push")
    finally:
        server.shutdown()
        server.server_close()
    assert set(hub.repos) == {"me/desk-lora", "me/desk"}
    assert all("README.md" in repo.files for repo in hub.repos.values())


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_request_of_a_client(tmp_path: Path) -> None:
    """The shell sends the body whole: its \\n stays one of JSON. Only the port is another."""
    bodies: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"choices": []}')

        def log_message(self, *_: Any) -> None:
            """Prints nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (command,) = CATALOGUE.run["request"]
    command = command.replace("localhost:8000", f"127.0.0.1:{server.server_port}")
    try:
        ended = Desk(tmp_path, {"no_proxy": "127.0.0.1"}).type(command)
    finally:
        server.shutdown()
        server.server_close()
    assert (ended.code, ended.out) == (0, '{"choices": []}'), ended
    assert bodies[0]["model"] == "mine" and bodies[0]["temperature"] == 0
    text = "Content 1: The library opens at nine.\nWhen does it open?"
    assert bodies[0]["messages"] == [{"role": "user", "content": text}]


@pytest.mark.skipif(shutil.which("iconv") is None, reason="iconv is not installed")
def test_a_code_page_becomes_utf_8(tmp_path: Path) -> None:
    """docs/logs.md names the command for tables in cp1251."""
    source, target = tmp_path / "logs.csv", tmp_path / "utf-8.csv"
    source.write_bytes("вопрос;ответ\n".encode("cp1251"))
    (command,) = CATALOGUE.run["encoding"]
    assert Desk(tmp_path).type(f"{command} {source} > {target}").code == 0
    assert target.read_text("utf-8") == "вопрос;ответ\n"


def test_try_rules_prints_what_the_page_shows() -> None:
    """docs/rules.md: the lines of one rule on Norda's logs, long answers cut with an ellipsis."""
    page = (ROOT / "docs/rules.md").read_text("utf-8")
    (shown,) = re.findall(r"```text\n(\d+ rows of train and val.*?)```", page, re.DOTALL)
    printed = Desk(ROOT).type("unprompted judge config/norda.yaml try-rules").out.splitlines()
    head, rule = (part.splitlines() for part in shown.strip().split("\n\n"))
    assert head == printed[:1]
    first = printed.index(rule[0])
    for line, expected in zip(printed[first:], rule, strict=False):
        assert line.startswith(expected.removesuffix(" …")), expected


def test_one_test_is_chosen() -> None:
    """CONTRIBUTING.md: the words of its command find tests, and those pass."""
    (command,) = CATALOGUE.run["one_test"]
    words = [sys.executable, *shlex.split(command)[1:], "-p", "no:cacheprovider"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout


def test_the_generated_pages_are_written(tmp_path: Path) -> None:
    """Each module by its name in a copy of the checkout, in one process: it writes its page again,
    and the pages of today come out."""
    copy = tmp_path / "checkout"
    left_out = shutil.ignore_patterns(".*", "runs", "__pycache__", "benchmarks", "site", "shared")
    shutil.copytree(ROOT, copy, ignore=left_out)
    pages = {path: path.read_bytes() for path in (copy / "docs").rglob("*.*")}
    modules = {re.findall(r"-m (\S+)", command)[0] for command in CATALOGUE.run["pages"]}
    for path in pages:
        if path.suffix == ".json":
            path.unlink()  # else a module that writes nothing would pass
    loop = f"for name in {sorted(modules)}: runpy.run_module(name, run_name='__main__')"
    words = [sys.executable, "-c", f"import runpy\n{loop}"]
    done = subprocess.run(words, cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [path for path, text in pages.items() if path.read_bytes() != text] == []


@pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed")
def test_the_options_of_the_server_are_vllms() -> None:
    """Looked up in its source: its parser takes six seconds to import."""
    lines = [line for group in CATALOGUE.not_run.values() for line in group if "vllm serve" in line]
    options = {option for line in lines for option in re.findall(r" --([\w-]+)", line)}
    spec = find_spec("vllm")
    assert spec is not None and spec.submodule_search_locations is not None
    (package,) = map(Path, spec.submodule_search_locations)
    files = [package / "engine/arg_utils.py", *package.glob("entrypoints/**/cli_args.py")]
    source = "".join(path.read_text("utf-8") for path in files)
    names = {option.replace("-", "_") for option in options}
    assert len(names) == 7
    assert [name for name in names if not re.search(rf"\b{name}\b", source)] == []
