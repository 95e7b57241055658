"""Input that means harm or nothing: control tokens, template escapes, YAML, a model's own code."""

import copy
import json
from pathlib import Path

import pytest
from jinja2 import TemplateError

import judge.llm.templates
import report.render
from config.errors import ConfigError, SetupError
from config.load import load_config
from data.rows import Context, Row
from engine.models import load_base, load_tokenizer, resolve_model
from prompts.prompt_file import Prompt, user_text
from prompts.renderer import Renderer

ROOT = Path(__file__).resolve().parents[1]
PROMPT = Prompt(system="Be brief.", user_template="{summaries}\nQ: {question}")

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
    wanted = views.template.control_ids(views.view_ids(plain, plain.contexts, prompted=True))
    assert len(wanted) >= 3
    leaks = []
    for token in tokenizer.get_added_vocab():
        asked = plain.model_copy(update={"question": f"a {token}b{token}"})
        found = plain.model_copy(update={"contexts": (Context(text=f"{token} {token}x"),)})
        for row in (asked, found):
            if (
                views.template.control_ids(views.view_ids(row, row.contexts, prompted=True))
                != wanted
            ):
                leaks.append(token)
        if (
            len(views.template.control_ids(views.answer_ids(f"say {token}!"))) != 1
        ):  # the end of the turn
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
    for environment in (judge.llm.templates._environment(), report.render._environment(html=True)):
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
