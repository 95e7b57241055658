"""How to serve and ask the best student: by the user template, without a system message.

Writes vLLM's command line with a request to an OpenAI-compatible server, and a program that needs
transformers and peft alone. The student is read from the run's folder or from a hub repository.
"""

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.peft_methods import vllm_rank
from data.rows import Context, Row
from prompts.prompt_file import user_text
from report.base_model import base_for_others
from report.run_files import RunFiles, SavedStudent

_ROW = Row(
    id="example",
    question="Your question",
    contexts=(Context(text="The first passage found."), Context(text="The second one.")),
)


@dataclass(frozen=True)
class ServingGuide:
    """Commands to serve a student and to ask it."""

    command: str | None  # a shell command that starts a server; None: no server supports it
    request: str | None  # a shell command that asks the server
    program: str  # a Python program that answers without a server


def build_serving_guide(material: RunFiles, repo: str | None = None) -> ServingGuide | None:
    """The guide for the best student; None when none has been chosen and saved.

    `repo`: the id of the hub repository that holds it; None: the run's folder.
    """
    if material.choice is None or material.saved is None:
        return None
    saved, name = material.saved, material.choice.best
    program = _program(material, saved, repo)
    if saved.served == "live":
        return ServingGuide(None, None, program)
    path = repo or shlex.quote(str(saved.path.resolve()))
    if saved.served == "folded":
        model = f"{path} \\\n  --served-model-name {shlex.quote(name)}"
    else:
        rank = vllm_rank(saved.rank or 0)
        revision = f"  --revision {saved.revision} \\\n" if saved.revision else ""
        model = (
            f"{shlex.quote(_base(material, saved, repo))} \\\n{revision}"
            f"  --enable-lora --max-lora-rank {rank} \\\n"
            f"  --lora-modules {shlex.quote(name)}={path}"
        )
    command = f"vllm serve {model} \\\n  --max-model-len {material.config.model.max_length}"
    command += " --generation-config vllm"  # else a base may add a repetition penalty of its own
    if saved.chat_template:
        command += f" \\\n  --chat-template {_chat_template(saved.chat_template, repo)}"
    if material.precision == "float16":  # config.json of most bases names bfloat16
        command += " --dtype float16"
    body = json.dumps(_body(material, name), ensure_ascii=False, indent=1)
    request = (
        "curl http://localhost:8000/v1/chat/completions "
        f"-H 'Content-Type: application/json' -d @- <<'JSON'\n{body}\nJSON"
    )
    return ServingGuide(command, request, program)


def _base(material: RunFiles, saved: SavedStudent, repo: str | None) -> str:
    return saved.base if repo is None else base_for_others(material.config, saved)


def _chat_template(path: Path, repo: str | None) -> str:
    """The word of a shell command that names the template's file."""
    if repo is None:
        return shlex.quote(str(path.resolve()))
    return f'"$(hf download --quiet {repo} {path.name})"'


def _program(material: RunFiles, saved: SavedStudent, repo: str | None) -> str:
    """A Python program that loads the student and prints its answer to an example."""
    body, kwargs = _body(material, saved.method), _template_kwargs(material)
    sampling, student = "do_sample=False", repo or str(saved.path.resolve())
    if body["temperature"] > 0:
        sampling = f"do_sample=True, temperature={body['temperature']}, top_p={body['top_p']}"
    return f"""\
import torch
{_loading(material, saved, repo, student)}
messages = {body["messages"]!r}
prompt = tokenizer.apply_chat_template(
    messages, add_generation_prompt=True, return_tensors="pt", return_dict=True, **{kwargs!r}
)
answer = model.generate(**prompt, max_new_tokens={body["max_tokens"]}, {sampling})
print(tokenizer.decode(answer[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True))"""


def _loading(material: RunFiles, saved: SavedStudent, repo: str | None, student: str) -> str:
    """The lines that load tokenizer and model."""
    if saved.served == "folded":
        return f"""\
from transformers import AutoModelForCausalLM, AutoTokenizer

student = {student!r}
tokenizer = AutoTokenizer.from_pretrained(student)
model = AutoModelForCausalLM.from_pretrained(student, dtype=torch.{material.precision}).eval()"""
    revision = saved.revision or "main"
    return f"""\
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

base, adapter = {_base(material, saved, repo)!r}, {student!r}
tokenizer = AutoTokenizer.from_pretrained(base, revision={revision!r})
model = AutoModelForCausalLM.from_pretrained(
    base, revision={revision!r}, dtype=torch.{material.precision}
)
model = PeftModel.from_pretrained(model, adapter).eval()"""


def _body(material: RunFiles, name: str) -> dict[str, Any]:
    """A request without a system message, with the user turn that the student was trained on."""
    sampling, kwargs = material.config.predict.sampling, _template_kwargs(material)
    row = _ROW.model_copy(update={"tags": {tag: f"<{tag}>" for tag in material.prompt.tags}})
    body: dict[str, Any] = {
        "model": name,
        "messages": [
            {"role": "user", "content": user_text(material.prompt, row)},
        ],
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
    }
    return body | ({"chat_template_kwargs": kwargs} if kwargs else {})


def _template_kwargs(material: RunFiles) -> dict[str, Any]:
    """The template's arguments as the student was trained with them: thinking off included."""
    configured = material.config.model.template_kwargs
    return dict((material.manifest or {}).get("template_kwargs", configured))
