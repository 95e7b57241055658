"""The programs of docs/serving.md, run as they stand on the page."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PromptTuningConfig, get_peft_model

from config.checkout import ROOT
from data.atomic_write import write_text
from data.run_paths import RunPaths
from engine.embedded import embedded_model
from engine.models import load_base
from prompts.prompt_file import load_prompt, user_text
from report.numbers import build_numbers
from report.render import render_card
from report.run_files import read_run
from tests.report.run_fixture import STUDENT, make_run

PAGE = ROOT / "docs/serving.md"
_RUN = re.compile(
    r"<!-- run by tests/docs/test_serving_page.py -->\n```python\n(.*?)```", re.DOTALL
)


def program(words: str, changes: dict[str, str]) -> str:
    """The page's program that has these words, with other constants."""
    (text,) = [block for block in _RUN.findall(PAGE.read_text("utf-8")) if words in block]
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return str(text)


@contextmanager
def answering(answers: dict[str, str], bodies: list[dict[str, Any]]) -> Iterator[str]:
    """A server that answers a user turn from a table; yields its base URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            bodies.append(body)
            text = answers[body["messages"][-1]["content"]]
            reply = json.dumps({"choices": [{"message": {"content": text}}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: Any) -> None:
            """Prints nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_check_finds_the_student_of_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It asks with the turns of the run, by the card's settings, and counts equal answers.

    20 rows are asked; the server changes one answer of them.
    """
    config = make_run(tmp_path, "{question} {summaries}")  # text that looks like a template
    run, material = RunPaths.of(config), read_run(config)
    write_text(run.best / "README.md", render_card(material, build_numbers(material)))
    prompt, _ = load_prompt(config.prompt, Path())
    stored = [json.loads(line) for line in run.answers(f"student/{STUDENT}").open()]
    texts = {answer["row"]: answer["text"] for answer in stored}
    answers = {user_text(prompt, row): texts[row.id] for row in run.rows("val")}
    answers[user_text(prompt, run.rows("val")[3])] = "Another answer."
    bodies: list[dict[str, Any]] = []
    with answering(answers, bodies) as url:
        changes = {
            '"runs/mine"': repr(str(run.root)),
            '"http://localhost:8000/v1"': repr(url),
            r'"{summaries}\n{question}"': repr(prompt.user_template),
        }
        exec(program("best/README.md", changes), {})
    assert capsys.readouterr().out == "19 of 20 answers are those of the report\n"
    assert {body["model"] for body in bodies} == {STUDENT}
    assert all([turn["role"] for turn in body["messages"]] == ["user"] for body in bodies)
    assert {body["temperature"] for body in bodies} == {config.predict.sampling.temperature}


@pytest.mark.slow
def test_the_program_answers_with_virtual_tokens(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the embedded model, with virtual tokens of random numbers."""
    torch.manual_seed(0)
    base = load_base(str(embedded_model()), dtype=torch.float32)
    settings = PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4)
    get_peft_model(base, settings).save_pretrained(str(tmp_path / "adapter"))
    changes = {
        '"HuggingFaceTB/SmolLM2-135M-Instruct"': repr(str(embedded_model())),
        '"runs/mine/best/adapter"': repr(str(tmp_path / "adapter")),
        "torch.bfloat16": "torch.float32",
        "max_new_tokens=64": "max_new_tokens=8",
    }
    names: dict[str, Any] = {}
    exec(program("PeftModel", changes), names)
    text = names["tokenizer"].decode(names["prompt"]["input_ids"][0])
    assert "Where is the reading room?" in text
    assert names["answer"].shape[1] > names["prompt"]["input_ids"].shape[1]
    assert capsys.readouterr().out.strip()
