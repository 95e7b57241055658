"""What works with which model family, found by running it: the table of docs/models.md.

`python -m tests.model_support` writes the table into the page anew.
"""

import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import transformers

from config.checkout import ROOT
from config.errors import UnpromptedError
from config.generation import SystemRole
from config.peft_methods import (
    FullMethod,
    Ia3Method,
    LoraMethod,
    Method,
    PrefixTuningMethod,
    PromptTuningMethod,
    PTuningMethod,
)
from config.training import CrossEntropy, Distillation, StudentSettings
from data.atomic_write import write_text
from prompts.renderer import Renderer
from student.attention_support import supports_prefix_cache, supports_shared_prompt
from student.base_checks import check_causal, check_config, load_checked_base
from student.exactness import check_exact
from student.generation_check import check_batch
from student.model import load_student
from tests.prompts.renderer_factory import PROMPT
from tests.prompts.template_families import TEMPLATES, Family, family_tokenizer
from tests.student.architectures import ARCHITECTURES

PAGE = ROOT / "docs/models.md"
_BEGIN, _END = "<!-- table: begin -->\n", "<!-- table: end -->\n"
_DAYS = date(2024, 7, 26), date(2025, 1, 9)
_IDS = tuple(range(16, 40))
_SYSTEM_ROLES: tuple[SystemRole, ...] = ("system", "first_user")

METHODS: tuple[Method, ...] = (
    LoraMethod(rank=4),
    LoraMethod(kind="dora", rank=4),
    Ia3Method(),
    PTuningMethod(virtual_tokens=3),
    PromptTuningMethod(virtual_tokens=3),
    PrefixTuningMethod(virtual_tokens=3),
    FullMethod(),
)

# Model families with their chat template and architecture. Templates and architectures that are
# in no pair get a row of their own.
PAIRS: tuple[tuple[str, str, str], ...] = (
    ("Llama 3", "Llama 3", "Llama"),
    ("Llama 3.1, 3.3", "Llama 3.1", "Llama"),
    ("Llama 3.2", "Llama 3.2", "Llama"),
    ("Qwen2.5", "Qwen2.5", "Qwen2"),
    ("Qwen3", "Qwen3", "Qwen3"),
    ("Qwen3, mixture of experts", "Qwen3", "Qwen3-MoE"),
    ("Qwen3 Instruct 2507", "Qwen3 Instruct 2507", "Qwen3"),
    ("Qwen3.5", "Qwen3.5", "Qwen3.5"),
    ("Gemma 2", "Gemma, Gemma 2", "Gemma 2"),
    ("Gemma 3 1B", "Gemma 3", "Gemma 3"),
    ("Gemma 3 4B and larger", "Gemma 3", "Gemma 3, with vision"),
    ("Gemma 4", "Gemma 4", "Gemma 4"),
    ("Phi-3", "Phi-3", "Phi-3"),
    ("Phi-3.5", "Phi-3.5", "Phi-3"),
    ("Command R", "Cohere", "Cohere"),
    ("Command R7B", "Cohere2", "Cohere 2"),
    ("DeepSeek-V3", "DeepSeek-V3", "DeepSeek-V3"),
    ("DeepSeek-R1-Distill-Llama", "DeepSeek-R1-Distill", "Llama"),
    ("DeepSeek-R1-Distill-Qwen", "DeepSeek-R1-Distill", "Qwen2"),
    ("gpt-oss", "gpt-oss", "gpt-oss"),
    ("LFM2", "LFM2", "LFM2"),
    ("LFM2.5", "LFM2.5", "LFM2"),
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


class TemplateSupport(NamedTuple):
    """What a chat template needs; `refusal` says why it cannot be used."""

    system_role: SystemRole | None = None
    thinking: str = ""  # the argument that turns it off
    writes_date: bool = False
    refusal: str = ""


class ArchitectureSupport(NamedTuple):
    """What can be computed exactly with an architecture."""

    shares_rows: bool  # several answers in one row
    caches_prompt: bool
    refused: tuple[str, ...]  # methods


def template_support(family: Family) -> TemplateSupport:
    """Tries a family's template with the system prompt in either place."""
    tokenizer, refusals = family_tokenizer(family), []
    for role in _SYSTEM_ROLES:
        try:
            renderer = Renderer(tokenizer, PROMPT, family.kwargs, role, _DAYS[0])
        except UnpromptedError as error:
            refusals.append(re.sub(r"^model '[^']*'[:,]? *", "", str(error)))
            continue
        other = Renderer(tokenizer, PROMPT, family.kwargs, role, _DAYS[1])
        chat = [{"role": "user", "content": "a"}]
        texts = {one.template.rendering.text(chat) for one in (renderer, other)}
        switches = [
            f"`{name}: {str(value).lower()}`"
            for name, value in renderer.template.kwargs.items()
            if name not in family.kwargs and not re.search("date", name)
        ]
        return TemplateSupport(role, ", ".join(switches), len(texts) > 1)
    return TemplateSupport(refusal=refusals[0].split("; use ")[0])


def architecture_support(make: Callable[[], Any], folder: Path) -> ArchitectureSupport:
    """Runs the preflight's checks on a tiny random model with every method."""
    make().save_pretrained(folder)
    try:
        check_config(str(folder), max_length=16)
        base = load_checked_base(str(folder))
        check_causal(base, _IDS)
        check_batch(base, _IDS, end=2)
    except UnpromptedError:
        return ArchitectureSupport(False, False, tuple(method.kind for method in METHODS))
    refused = []
    for method in METHODS:
        objective = Distillation(teacher="adapter_off") if method.adapter_off else CrossEntropy()
        student = StudentSettings(name="student", method=method, objective=objective)
        try:
            check_exact(load_student(str(folder), method, 0, _IDS[:4]), student)
        except UnpromptedError:
            refused.append(method.kind)
    return ArchitectureSupport(
        supports_shared_prompt(base), supports_prefix_cache(base), tuple(refused)
    )


def support_table() -> str:
    """The table in Markdown, a row per model family."""
    templates = {name: template_support(family) for name, family in TEMPLATES.items()}
    architectures = {}
    for name, make in (ARCHITECTURES | VISION).items():
        with TemporaryDirectory() as folder:
            architectures[name] = architecture_support(make, Path(folder))
    lines = [
        "| family | chat template | thinking | date | several answers to a prompt "
        "| a shared prompt is | refused methods |",
        "|---|---|---|---|---|---|---|",
    ]
    for family, template, architecture in _families():
        cells = [
            *_template_cells(templates[template] if template else None),
            *_architecture_cells(architectures[architecture] if architecture else None),
        ]
        lines.append(f"| {family} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _families() -> Iterator[tuple[str, str | None, str | None]]:
    """Family, its template and its architecture; None: we have not tested it."""
    yield from PAIRS
    templates, architectures = ({pair[place] for pair in PAIRS} for place in (1, 2))
    yield from ((name, name, None) for name in TEMPLATES if name not in templates)
    yield from ((name, None, name) for name in ARCHITECTURES if name not in architectures)


def _template_cells(support: TemplateSupport | None) -> tuple[str, str, str]:
    if support is None:
        return "not tested", "", ""
    if support.refusal:
        return "refused: " + support.refusal.replace("|", "\\|"), "", ""
    works = "works"
    if support.system_role == "first_user":
        works = "works with `model.system_role: first_user`"
    thinking = f"off: {support.thinking}" if support.thinking else ""
    return works, thinking, "pinned" if support.writes_date else ""


def _architecture_cells(support: ArchitectureSupport | None) -> tuple[str, str, str]:
    if support is None:
        return "not tested", "", ""
    if len(support.refused) == len(METHODS):
        return "refused", "", "all"
    rows = "in one row" if support.shares_rows else "one per row"
    cached = "computed once" if support.caches_prompt else "computed per row"
    return rows, cached, ", ".join(support.refused)


def page_with(table: str, page: str) -> str:
    """The page with this table in place of its own."""
    before, rest = page.split(_BEGIN)
    return f"{before}{_BEGIN}\n{table}\n{_END}{rest.split(_END)[1]}"


if __name__ == "__main__":
    write_text(PAGE, page_with(support_table(), PAGE.read_text("utf-8")))
