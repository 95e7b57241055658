"""How to serve and ask the best student: by the user template, without a system message.

Writes vLLM's command line and a request to an OpenAI-compatible server, or a transformers and peft
program where vLLM cannot serve the student.
"""

import json
import shlex
from dataclasses import dataclass
from typing import Any

from data.rows import Context, Row
from prompts.prompt_file import user_text
from report.run_files import RunFiles, SavedStudent

_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # values of vLLM's --max-lora-rank
_ROW = Row(
    id="example",
    question="Your question",
    contexts=(Context(text="The first passage found."), Context(text="The second one.")),
)


@dataclass(frozen=True)
class ServingGuide:
    """Commands to serve a student and to ask it."""

    command: str  # a shell command that starts a server, or a Python program that answers
    request: str | None  # a shell command that asks the server; None: the program asks


def build_serving_guide(material: RunFiles) -> ServingGuide | None:
    """The guide for the best student; None when none has been chosen and saved."""
    if material.choice is None or material.saved is None:
        return None
    saved, name = material.saved, material.choice.best
    if saved.served == "live":
        return ServingGuide(_program(material, saved), None)
    path = str(saved.path.resolve())
    if saved.served == "folded":
        model = f"{shlex.quote(path)} \\\n  --served-model-name {shlex.quote(name)}"
    else:
        rank = next(rank for rank in _RANKS if rank >= (saved.rank or 0))
        revision = f"  --revision {saved.revision} \\\n" if saved.revision else ""
        model = (
            f"{shlex.quote(saved.base)} \\\n{revision}"
            f"  --enable-lora --max-lora-rank {rank} \\\n"
            f"  --lora-modules {shlex.quote(f'{name}={path}')}"
        )
    command = f"vllm serve {model} \\\n  --max-model-len {material.config.model.max_length}"
    if saved.chat_template:
        command += f" \\\n  --chat-template {shlex.quote(str(saved.chat_template.resolve()))}"
    if material.precision == "float16":  # config.json of most bases names bfloat16
        command += " --dtype float16"
    body = json.dumps(_body(material, name), ensure_ascii=False, indent=1)
    request = (
        "curl http://localhost:8000/v1/chat/completions "
        f"-H 'Content-Type: application/json' -d @- <<'JSON'\n{body}\nJSON"
    )
    return ServingGuide(command, request)


def _program(material: RunFiles, saved: SavedStudent) -> str:
    """A Python program for a student whose virtual tokens only peft supports."""
    body, kwargs = _body(material, saved.method), _template_kwargs(material)
    revision = saved.revision or "main"
    return f"""\
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

base, adapter = {saved.base!r}, {str(saved.path.resolve())!r}
tokenizer = AutoTokenizer.from_pretrained(base, revision={revision!r})
model = AutoModelForCausalLM.from_pretrained(
    base, revision={revision!r}, dtype=torch.{material.precision}
)
model = PeftModel.from_pretrained(model, adapter).eval()
messages = {body["messages"]!r}
prompt = tokenizer.apply_chat_template(
    messages, add_generation_prompt=True, return_tensors="pt", return_dict=True, **{kwargs!r}
)
answer = model.generate(**prompt, max_new_tokens={body["max_tokens"]}, do_sample=False)
print(tokenizer.decode(answer[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True))"""


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
