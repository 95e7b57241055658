"""How the best student is served and asked: without a system message, by the user template.

Knows vLLM's command line and the request of an OpenAI-compatible server; starts nothing.
"""

import json
import shlex
from dataclasses import dataclass
from typing import Any

from data.rows import Context, Row
from prompts.library import user_text
from report.gather import Material

_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # what vLLM's --max-lora-rank offers
_ROW = Row(
    id="example",
    question="Your question",
    contexts=(Context(text="The first passage found."), Context(text="The second one.")),
)


@dataclass(frozen=True)
class Serving:
    """Two blocks for a shell."""

    command: str  # starts the server
    request: str  # asks it


def serving(material: Material) -> Serving | None:
    """The commands; None when no student has been chosen and saved."""
    if material.choice is None or material.adapter is None:
        return None
    adapter, name = material.adapter, material.choice.best
    rank = next((offered for offered in _RANKS if offered >= adapter.rank), adapter.rank)
    command = (
        f"vllm serve {shlex.quote(adapter.base)} \\\n"
        f"  --max-model-len {material.config.model.max_length} \\\n"
        f"  --enable-lora --max-lora-rank {rank} \\\n"
        f"  --lora-modules {shlex.quote(f'{name}={adapter.path.resolve()}')}"
    )
    body = json.dumps(_body(material, name), ensure_ascii=False, indent=1)
    request = (
        "curl http://localhost:8000/v1/chat/completions "
        f"-H 'Content-Type: application/json' -d @- <<'JSON'\n{body}\nJSON"
    )
    return Serving(command, request)


def _body(material: Material, name: str) -> dict[str, Any]:
    """A request with no system message: the user turn is the one that the student learnt."""
    sampling, kwargs = material.config.predict.sampling, material.config.model.template_kwargs
    row = _ROW.model_copy(update={"tags": {tag: f"<{tag}>" for tag in material.prompt.tags}})
    body: dict[str, Any] = {
        "model": name,
        "messages": [
            {"role": "user", "content": user_text(material.prompt, row, row.contexts)},
        ],
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
    }
    return body | ({"chat_template_kwargs": kwargs} if kwargs else {})
