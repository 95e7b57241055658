"""`unprompted serve` as a user starts it, with vLLM and a student that learnt one answer."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, cast

import pytest
from openai import NotFoundError, OpenAI

from config.checkout import ROOT
from config.errors import DataError, SetupError, UsageError
from config.load import load_config
from data.atomic_write import write_text
from engine.vllm_server import START_TIMEOUT_S
from prompts.prompt_file import read_prompt
from serving.serve import main
from student.records import StudentChoice
from tests.serving.model_stub import ModelStub, listener, running
from tests.student.chat_settings import chat_settings
from tests.student.trained_students import ANSWER, small_model, train_student

PROGRAM = """
import signal, sys
from config.cli import run_command
from serving.serve import main
signal.signal(signal.SIGINT, signal.default_int_handler)
run_command(lambda: main(sys.argv[1:]))
"""


def test_the_student_answers_an_old_client(tmp_path: Path) -> None:
    """With the prompt in the request and without; Ctrl-C ends it and vLLM, with exit code 0."""
    model = small_model(tmp_path)
    settings = chat_settings(
        tmp_path, model, train_student(model, "lora", tmp_path / "student").served
    )
    prompt = read_prompt(load_config(settings).prompt, ROOT)
    question: list[Any] = [{"role": "user", "content": "Say hi."}]
    log = (tmp_path / "serve.log").open("w+")
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(settings), "--port", "0"],
        cwd=ROOT,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=os.environ | {"VLLM_CPU_KVCACHE_SPACE": "1"},
    )
    try:
        url = _address(process, log)
        client = OpenAI(base_url=url, api_key="none", max_retries=0)
        chats = [question, [{"role": "system", "content": prompt.system}, *question]]
        texts = []
        for chat in chats:
            reply = client.chat.completions.create(
                model="any" if len(chat) > 1 else "s",
                messages=cast(Any, chat),
                temperature=0,
                max_tokens=12,
            )
            texts.append(reply.choices[0].message.content)
        assert texts == [ANSWER, ANSWER]
        with pytest.raises(NotFoundError, match="start with --with-base"):
            client.chat.completions.create(model="prompted", messages=cast(Any, question))
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        log.close()


def test_a_vllm_that_runs_already(tmp_path: Path) -> None:
    """With its log and its shadows. SIGTERM ends it with exit code 143."""
    settings, traffic = chat_settings(tmp_path, "embedded"), tmp_path / "traffic.jsonl"
    choice = StudentChoice(best="s", why="the only one", ranked=())
    write_text(tmp_path / "c" / "best" / "choice.json", choice.model_dump_json())
    prompt = read_prompt(load_config(settings).prompt, ROOT)
    chat = [{"role": "system", "content": prompt.system}, {"role": "user", "content": "Say hi."}]
    with running(ModelStub().app(), listener()) as backend, (tmp_path / "out").open("w+") as log:
        options = ["--backend", f"{backend}/v1", "--port", "0", "--shadow", "1"]
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(settings), *options, "--log", str(traffic)],
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            client = OpenAI(base_url=_address(process, log), api_key="none", max_retries=0)
            reply = client.chat.completions.create(model="any", messages=cast(Any, chat))
            assert reply.choices[0].message.content == "s read user: Say hi."
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 143
        finally:
            process.kill()
    (line,) = map(json.loads, traffic.read_text("utf-8").splitlines())
    assert line["shadow"]["content"].startswith("embedded read system: ")


def _address(process: "subprocess.Popen[bytes]", log: Any) -> str:
    """The address in the banner; fails with the output where vLLM does not start in its time."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        log.seek(0)
        banner = re.search(r"(http://\S+/v1) serves", log.read())
        if banner:
            return banner[1]
        time.sleep(0.2)
    log.seek(0)
    raise AssertionError(log.read())


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--shadow", "1.5", "--log", "x"], "--shadow 1.5: is no share"),
        (["--prompted-share", "-1"], "--prompted-share -1.0: is no share"),
        (["--shadow", "0.1"], "--shadow 0.1: the second answers are for the log; add --log FILE"),
    ],
)
def test_options_that_cannot_be(options: list[str], line: str) -> None:
    with pytest.raises(UsageError, match=re.escape(line)):
        main(["config/demo.yaml", *options])


def test_a_taken_port_is_said_before_anything_starts(tmp_path: Path) -> None:
    settings = chat_settings(tmp_path, "embedded")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SetupError, match=f"--port {port}: cannot listen: .*name another one"):
            main([str(settings), "--port", str(port)])


def test_no_student_yet(tmp_path: Path) -> None:
    settings = chat_settings(tmp_path, "embedded")
    with pytest.raises(DataError, match=r"choice\.json: not there; run"):
        main([str(settings), "--port", "0"])


def test_virtual_tokens_have_no_server(tmp_path: Path) -> None:
    settings = chat_settings(tmp_path, "embedded")
    choice = StudentChoice(best="s", why="the only one", ranked=())
    write_text(tmp_path / "c" / "best" / "choice.json", choice.model_dump_json())
    with pytest.raises(SetupError, match="virtual tokens of prompt_tuning; use `unprompted chat`"):
        main([str(settings), "--port", "0", "students.0.method={kind: prompt_tuning}"])
