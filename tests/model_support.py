"""What works with which model family: the table of docs/models.md.

`python -m tests.model_support` writes the table into the page anew.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import transformers

from config.checkout import ROOT
from config.errors import UnpromptedError
from data.atomic_write import write_text
from student.base_checks import check_config
from tests.prompts.template_families import TEMPLATES, TemplateRow, template_row
from tests.student.architectures import ARCHITECTURES, ArchitectureRow, expected_row

PAGE = ROOT / "docs/models.md"
_BEGIN, _END = "<!-- table: begin -->\n", "<!-- table: end -->\n"

# Model families with their chat template and architecture. Templates and architectures that are
# in no pair get a row of their own.
PAIRS: tuple[tuple[str, str, str], ...] = (
    ("Llama 3", "Llama 3", "Llama"),
    ("Llama 3.1, 3.3", "Llama 3.1", "Llama"),
    ("Llama 3.2", "Llama 3.2", "Llama"),
    ("Llama 2", "Llama 2", "Llama"),
    ("YandexGPT 5 Lite", "YandexGPT 5 Lite", "Llama"),
    ("Qwen2.5", "Qwen2.5", "Qwen2"),
    ("T-lite", "T-lite", "Qwen2"),
    ("Qwen3", "Qwen3", "Qwen3"),
    ("Qwen3, mixture of experts", "Qwen3", "Qwen3-MoE"),
    ("Qwen3 Instruct 2507", "Qwen3 Instruct 2507", "Qwen3"),
    ("Qwen3 Thinking 2507", "Qwen3 Thinking 2507", "Qwen3"),
    ("Qwen3.5", "Qwen3.5", "Qwen3.5"),
    ("Gemma 2", "Gemma, Gemma 2", "Gemma 2"),
    ("Gemma 3 1B", "Gemma 3", "Gemma 3"),
    ("Gemma 3 4B and larger", "Gemma 3", "Gemma 3, with vision"),
    ("Gemma 4", "Gemma 4", "Gemma 4"),
    ("Mistral 7B 0.1", "Mistral 0.1", "Mistral, sliding window"),
    ("Mistral 7B 0.3", "Mistral 0.3", "Mistral"),
    ("Mistral Small 3", "Mistral Small 3", "Mistral"),
    ("Phi-3", "Phi-3", "Phi-3"),
    ("Phi-3.5", "Phi-3.5", "Phi-3"),
    ("Phi-4", "Phi-4", "Phi-4"),
    ("Command R", "Cohere", "Cohere"),
    ("Command R7B", "Cohere2", "Cohere 2"),
    ("DeepSeek-V3", "DeepSeek-V3", "DeepSeek-V3"),
    ("DeepSeek-V3.1", "DeepSeek-V3.1", "DeepSeek-V3"),
    ("DeepSeek-R1", "DeepSeek-R1", "DeepSeek-V3"),
    ("DeepSeek-R1-Distill-Llama", "DeepSeek-R1-Distill", "Llama"),
    ("DeepSeek-R1-Distill-Qwen", "DeepSeek-R1-Distill", "Qwen2"),
    ("Falcon", "Falcon", "Falcon"),
    ("Falcon-H1", "Falcon-H1", "Falcon-H1"),
    ("GLM-4", "GLM-4", "GLM-4"),
    ("gpt-oss", "gpt-oss", "gpt-oss"),
    ("GPT-NeoX", "GPT-NeoX", "GPT-NeoX"),
    ("Granite 3", "Granite 3", "Granite"),
    ("LFM2", "LFM2", "LFM2"),
    ("LFM2.5", "LFM2.5", "LFM2"),
    ("OLMo 2", "OLMo-2", "OLMo 2"),
    ("SmolLM3", "SmolLM3", "SmolLM3"),
    ("Zephyr", "Zephyr", "Mistral"),
    ("Vicuna", "Vicuna", "Llama"),
    ("Qwen2.5-VL", "Qwen2.5-VL", "Qwen2.5-VL"),
    ("Qwen3-VL", "Qwen3-VL", "Qwen3-VL"),
    ("SmolVLM", "SmolVLM", "SmolVLM"),
    ("Idefics3", "Idefics3", "Idefics3"),
    ("LLaVA-NeXT", "LLaVA-NeXT", "LLaVA-NeXT"),
)

# Models with images, of which a config is enough to be refused
VISION: dict[str, Callable[[], Any]] = {
    "Qwen2.5-VL": transformers.Qwen2_5_VLConfig,
    "Qwen3-VL": transformers.Qwen3VLConfig,
    "SmolVLM": transformers.SmolVLMConfig,
    "Idefics3": transformers.Idefics3Config,
    "LLaVA-NeXT": transformers.LlavaNextConfig,
}
_METHOD_KINDS = 6  # of `expected_row`


def support_table() -> str:
    """The table in Markdown, a row per model family."""
    lines = [
        "| family | chat template | thinking | date | several answers to a prompt "
        "| a shared prompt is | refused methods |",
        "|---|---|---|---|---|---|---|",
    ]
    for family, template, architecture in _families():
        cells = [
            *_template_cells(template_row(template) if template else None),
            *_architecture_cells(architecture),
        ]
        lines.append(f"| {family} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _families() -> Iterator[tuple[str, str | None, str | None]]:
    """Family, its template and its architecture; None: we have not tested it."""
    yield from PAIRS
    templates, architectures = ({pair[place] for pair in PAIRS} for place in (1, 2))
    yield from ((name, name, None) for name in TEMPLATES if name not in templates)
    yield from ((name, None, name) for name in ARCHITECTURES if name not in architectures)


def _template_cells(row: TemplateRow | None) -> tuple[str, str, str]:
    if row is None:
        return "not tested", "", ""
    if not row.works:
        reason = row.refusal.removeprefix(f"model '{row.family}': ")
        reason = reason.removeprefix(f"model '{row.family}' ").split("; ")[0]
        return "refused: " + reason.replace("|", "\\|").replace("\n", "\\n"), "", ""
    works = "works"
    if row.system_role == "first_user":
        works = "works with `model.system_role: first_user`"
    switches = (f"`{name}: {json.dumps(value)}`" for name, value in row.thinking.items())
    thinking = ", ".join(switches)
    return works, thinking and f"off: {thinking}", "pinned" if row.writes_date else ""


def _architecture_cells(name: str | None) -> tuple[str, str, str]:
    if name is None:
        return "not tested", "", ""
    if name in VISION:
        return _vision_cells(VISION[name]())
    row: ArchitectureRow = expected_row(name)
    if len(row.refused) == _METHOD_KINDS:
        return "refused", "", "all"
    rows = "in one row" if row.shares_rows else "one per row"
    return rows, "computed once" if row.reuses_prefix else "computed per row", _kinds(row.refused)


def _vision_cells(config: Any) -> tuple[str, str, str]:
    """The cells of a model of which the config alone is refused. Fails where it is not."""
    with TemporaryDirectory() as folder:
        config.save_pretrained(folder)
        try:
            check_config(str(Path(folder)), max_length=16)
        except UnpromptedError:
            return "refused", "", "all"
    raise AssertionError(f"{config.model_type} is not refused")


def _kinds(refused: tuple[str, ...]) -> str:
    return ", ".join(refused).replace("p_tuning", "p_tuning, prompt_tuning")


def page_with(table: str, page: str) -> str:
    """The page with this table in place of its own."""
    before, rest = page.split(_BEGIN)
    return f"{before}{_BEGIN}\n{table}\n{_END}{rest.split(_END)[1]}"


if __name__ == "__main__":
    write_text(PAGE, page_with(support_table(), PAGE.read_text("utf-8")))
