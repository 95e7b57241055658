"""Faults of the input and the surroundings that no single room answers for, with their numbers."""

import copy
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from jinja2 import TemplateError

import judge.questions
import report.render
from config.command import run_command
from config.errors import ConfigError, SetupError
from config.load import load_config
from data.answers import read_answers
from data.rows import Context, Row
from engine.job import run_job
from engine.models import load_base, load_tokenizer, resolve_model
from pipeline.manifest import manifest
from prompts.library import Prompt, user_text
from prompts.render import Renderer
from report.numbers import make_numbers
from report.render import render_card, render_html, render_markdown
from tests.fake_engine import FakeEngine, fake_tasks
from tests.judge.runs import after_probe, judged, pairs_of
from tests.judge.server import error
from tests.report.made import gathered

ROOT = Path(__file__).parent.parent
CANARY = "sk-canary-4711"
PROMPT = Prompt(system="Be brief.", user_template="{summaries}\nQ: {question}")

# -- 1: signals in the middle of a batch -----------------------------------------------------------


def stopped(path: Path, paid: Path, seed: int, by: signal.Signals) -> int:
    """The exit code of a command that gets a signal after some completions."""
    child = os.fork()
    if child == 0:
        code = 99
        try:
            engine = FakeEngine(seed, paid, dies_after=20 + seed, dies_by=by)
            run_command(lambda: 0 if run_job(engine, fake_tasks(2000), path, {}) else 1)
        except SystemExit as ended:
            code = int(ended.code or 0)
        finally:
            os._exit(code)  # the child is no second pytest, whatever was raised
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_signals_lose_nothing_and_end_with_their_codes(tmp_path: Path) -> None:
    """20 stops over 2,000 rows, 64 in flight: 143 or 130, 0 lost, 0 doubled, ≤ 1.05 × paid."""
    path, paid, whole = tmp_path / "a.jsonl", tmp_path / "paid", tmp_path / "whole.jsonl"
    for seed in range(20):
        by, code = ((signal.SIGTERM, 143), (signal.SIGINT, 130))[seed % 2]
        assert stopped(path, paid, seed, by) == code
    assert 400 < len(read_answers(path)) < 2000
    run_job(FakeEngine(0, paid), fake_tasks(2000), path, {})
    run_job(FakeEngine(1, tmp_path / "other"), fake_tasks(2000), whole, {})
    assert path.read_bytes() == whole.read_bytes()
    assert paid.stat().st_size <= 1.05 * 2000


# -- 14: special tokens in user text, 4 families of tokenizers -------------------------------------

FAMILIES = {
    "llama": ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|begin_of_text|>"],
    "gemma": ["<start_of_turn>", "<end_of_turn>", "<bos>", "<eos>", "<unused0>"],
    "mistral": ["[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[TOOL_CALLS]", "</s>"],
    "deepseek": ["<｜User｜>", "<｜Assistant｜>", "<｜end▁of▁sentence｜>", "<think>", "</think>"],
}


@pytest.mark.parametrize("family", FAMILIES)
def test_no_control_token_comes_out_of_user_text(family: str) -> None:
    """Every added token × question, passage, answer: 0 leaks. The tokens are those of 4 families,
    on the embedded model's vocabulary."""
    tokenizer = copy.deepcopy(load_tokenizer(resolve_model("embedded")))
    tokenizer.add_tokens(FAMILIES[family], special_tokens=True)
    first, second = FAMILIES[family][:2]
    tokenizer.chat_template = (
        "{% for m in messages %}"
        f"{first}{{{{ m['role'] }}}}: {{{{ m['content'] }}}}{second}<|im_end|>"
        f"{{% endfor %}}{{% if add_generation_prompt %}}{first}assistant: {{% endif %}}"
    )
    views = Renderer(tokenizer, PROMPT)
    plain = Row(id="r", question="When?", contexts=(Context(text="At nine."),))
    wanted = views.control_ids(views.view(plain, plain.contexts, prompted=True))
    assert len(wanted) >= 3
    leaks = []
    for token in tokenizer.get_added_vocab():
        asked = plain.model_copy(update={"question": f"a {token}b{token}"})
        found = plain.model_copy(update={"contexts": (Context(text=f"{token} {token}x"),)})
        for row in (asked, found):
            if views.control_ids(views.view(row, row.contexts, prompted=True)) != wanted:
                leaks.append(token)
        if len(views.control_ids(views.answer_ids(f"say {token}!"))) != 1:  # the end of the turn
            leaks.append(token)
    assert leaks == []


# -- 16: templates ---------------------------------------------------------------------------------

ESCAPES = [
    f"{{{{ {expression} }}}}"
    for expression in (
        "''.__class__.__mro__[1].__subclasses__()",
        "().__class__.__bases__[0]",
        "''.__class__",
        "x.__init__.__globals__",
        "x.__class__.__init__.__globals__['os']",
        "self.__init__.__globals__.__builtins__",
        "self._TemplateReference__context.cycler.__init__.__globals__.os.popen('id').read()",
        "cycler.__init__.__globals__.os.popen('id').read()",
        "joiner.__init__.__globals__.os",
        "namespace.__init__.__globals__.os",
        "lipsum.__globals__['os'].popen('id').read()",
        "lipsum.__globals__.__builtins__.open('/etc/passwd').read()",
        "config.items()",
        "request.application.__globals__",
        "url_for.__globals__",
        "get_flashed_messages.__globals__",
        "''|attr('__class__')",
        "''|attr('\\x5f\\x5fclass\\x5f\\x5f')",
        "(''|attr('__class__')).mro()",
        "['__class__']|map('attr', '__class__')|list|first|attr('__mro__')",
        "'{0.__class__.__init__.__globals__}'.format(x)",
        "'{0.__class__}'.format(1)",
        "'%s'|format(x.__class__)",
        "'{a.__class__}'.format_map({'a': 1})",
        "[].append.__self__.__class__",
        "(x.append)(1)",
        "[1].append(2) or 'appended'",
        "{'a': 1}.update({'b': 2}) or 'updated'",
        "range(10000000)|list",
        "undefined_name",
    )
]


@pytest.mark.parametrize("payload", ESCAPES)
def test_a_template_cannot_leave_its_sandbox(payload: str) -> None:
    """30 payloads in the judge's and the report's environments: refused, or nothing but a name."""
    for environment in (judge.questions._environment(), report.render._environment(html=True)):
        try:
            said = environment.from_string(payload).render(x=[1])
        except (TemplateError, OverflowError):
            continue
        assert not any(word in said for word in ("class", "module", "root:", "uid=", "appended"))


def test_text_that_looks_like_a_template_stays_as_it_is() -> None:
    """50 questions with braces, and the 30 payloads, are the same bytes in the user's turn."""
    braces = [f"{'{}' * (at % 4 + 1)} {{0.__class__}} {{{at}}} question" for at in range(50)]
    for text in [*braces, *ESCAPES]:
        row = Row(id="r", question=text, contexts=(Context(text=text),))
        assert user_text(PROMPT, row, row.contexts) == f"Content 1: {text}\nQ: {text}"


# -- 17: YAML --------------------------------------------------------------------------------------

REFUSED = {
    "a key twice": "name: a\nname: b\n",
    "a nested key twice": "model:\n  name: embedded\n  max_length: 1\n  max_length: 2\n",
    "a quoted key twice": "name: a\n'name': b\n",
    "a key twice in a list": "students:\n  - {name: a, name: b}\n",
    "a call": "name: !!python/object/apply:os.getcwd []\n",
    "a new object": "name: !!python/object/new:os.system [id]\n",
    "a name": "name: !!python/name:os.system\n",
    "a module": "name: !!python/module:os\n",
    "an unknown tag": "name: !secret x\n",
    "an unknown key": "nam: a\n",
    "an unknown nested key": "teacher: {candidate: 3}\n",
    "a tab": "model:\n\tname: embedded\n",
    "two documents": "name: a\n---\nname: b\n",
    "not a number": "students: [{name: a, learning_rate: .nan}]\n",
    "a word for a number": "teacher: {candidates: two}\n",
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_yaml_that_cannot_mean_what_it_says_is_refused(tmp_path: Path, text: str) -> None:
    """15 files: one line each, that names the file or the setting."""
    path = tmp_path / "c.yaml"
    path.write_text(f"extends: {ROOT / 'config/demo.yaml'}\n{text}", "utf-8")
    with pytest.raises(ConfigError) as refused:
        load_config(path, [])
    assert "\n" not in str(refused.value)


# -- 18: code in a model's folder ------------------------------------------------------------------


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


def test_weights_that_are_pickles_are_refused(tmp_path: Path) -> None:
    """A .bin can run code when it is loaded."""
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(SetupError, match=r"no \*\.safetensors there; .* can run code"):
        resolve_model(str(tmp_path))


# -- 23: the network -------------------------------------------------------------------------------


def test_the_guard_guards() -> None:
    """A look-up and a connection are refused and told of, as the next test relies on."""
    code = (
        "import socket\n"
        "for call in (lambda: socket.create_connection(('pypi.org', 443)),\n"
        "             lambda: socket.socket().connect(('192.0.2.1', 80))):\n"
        "    try: call()\n"
        "    except OSError as error: print(error)\n"
        "socket.getaddrinfo('localhost', 80)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], env=guarded(Path("/dev/null")), capture_output=True, text=True
    )
    assert said.stdout.count("guarded: ") == 2 and said.returncode == 0, said.stderr


def guarded(log: Path) -> dict[str, str]:
    """An environment in which no Python connects anywhere but to this machine."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return {**kept, "PYTHONPATH": str(ROOT / "tests/guard"), "GUARD_LOG": str(log)}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_default_run_tries_no_connection(tmp_path: Path) -> None:
    """Logs to selected answers with the guard in every process: nothing is even looked up."""
    log, runs = tmp_path / "tried", f"runs={tmp_path / 'runs'}"
    config = tmp_path / "c.yaml"
    data = {}
    for split in ("train", "val"):
        rows = json.loads((ROOT / f"data/lakeside/{split}.json").read_text("utf-8"))[20:26]
        (tmp_path / f"{split}.json").write_text(json.dumps(rows), "utf-8")
        data[split] = {"kind": "campus", "path": str(tmp_path / f"{split}.json")}
    settings = {"extends": str(ROOT / "config/demo.yaml"), "data": {**data, "hidden": None}}
    config.write_text(yaml.safe_dump(settings))
    for command in (
        ["pipeline.prepare", str(config), runs],
        ["tests.fake_teacher", str(config), "generate", runs],
        ["teacher", str(config), "select", runs],
    ):
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env={**guarded(log), "PAID": str(tmp_path / "paid")},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    assert not log.exists() or log.read_text() == ""


# -- 19: secrets -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 404, 422, 429, 500])
def test_a_key_that_a_server_repeats_is_kept_nowhere(
    tmp_path: Path,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Stored replies, verdicts, the error's line, what is printed and what is logged."""
    monkeypatch.setenv("JUDGE_TEST_KEY", CANARY)
    said = [""]
    try:
        verdicts, _, _ = judged(
            after_probe(lambda body: error(status, f"Incorrect key {CANARY}, Bearer {CANARY}")),
            tmp_path,
            pairs_of(3),
        )
        said += [verdict.model_dump_json() for verdict in verdicts]
    except SetupError as stopped:
        said.append(str(stopped))
    said += [path.read_text("utf-8") for path in tmp_path.rglob("*") if path.is_file()]
    printed = capfd.readouterr()
    assert not [text for text in (*said, printed.out, printed.err, caplog.text) if CANARY in text]


def test_a_key_of_the_environment_is_in_no_file_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The resolved settings, the manifest, the report's three forms, the model card."""
    for name in ("OPENAI_API_KEY", "WANDB_API_KEY", "HF_TOKEN"):
        monkeypatch.setenv(name, CANARY)
    monkeypatch.chdir(ROOT)
    material = gathered(tmp_path)
    numbers = make_numbers(material)
    sinks = {
        "settings": yaml.safe_dump(material.config.model_dump(mode="json")),
        "manifest": json.dumps(manifest(load_config(ROOT / "config/demo.yaml", []))),
        "html": render_html(material, numbers),
        "markdown": render_markdown(material, numbers),
        "json": numbers.model_dump_json(),
        "card": render_card(material, numbers),
    }
    assert [name for name, text in sinks.items() if CANARY in text] == []
    assert all(len(text) > 100 for text in sinks.values())
