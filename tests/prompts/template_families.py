"""Chat templates of model families with small tokenizers of their special tokens.

TRL ships most templates; the others are written from memory.
"""

from collections.abc import Sequence
from datetime import date
from importlib.resources import files
from typing import Any, NamedTuple, get_args

from tokenizers import AddedToken, Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from transformers import PreTrainedTokenizerFast

from config.errors import UnpromptedError
from config.generation import SystemRole
from prompts.prompt_file import Prompt, WorkedExample
from prompts.renderer import Renderer
from tests.prompts import remembered_templates as remembered


class Family(NamedTuple):
    """A template with the added tokens of its tokenizer."""

    template: str
    special: Sequence[str]
    eos: str
    bos: str | None = None
    text_tokens: Sequence[str] = ()  # added tokens that are not special


def _trl(name: str) -> str:
    return (files("trl") / "chat_templates" / f"{name}.jinja").read_text(encoding="utf-8")


_CHATML = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
_QWEN = (
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "</tool_response>",
)
_LLAMA = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
_GEMMA = ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>")
_GEMMA_TEXT = ("\n\n", "\n\n\n", "  ", "   ", "<table>", "<h1>", "</h1>", "<b>")
_DEEPSEEK = ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>")
_COHERE = (
    *("<BOS_TOKEN>", "<|START_OF_TURN_TOKEN|>", "<|END_OF_TURN_TOKEN|>", "<|SYSTEM_TOKEN|>"),
    *("<|USER_TOKEN|>", "<|CHATBOT_TOKEN|>", "<|START_RESPONSE|>", "<|END_RESPONSE|>"),
    *("<|START_THINKING|>", "<|END_THINKING|>"),
)
_PHI = ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "<|endoftext|>")
_GPTOSS = ("<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|return|>", "<|startoftext|>")
_GLM = ("<|endoftext|>", "[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>")
_GEMMA4 = ("<bos>", "<eos>", "<|turn>", "<turn|>", "<|channel>", "<channel|>", "<|think|>")
_NEOX_TEXT = tuple(" " * count for count in range(24, 1, -1))
_MISTRAL = ("<s>", "</s>", "[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]")


def _qwen(name: str) -> Family:
    return Family(_trl(name), _CHATML, "<|im_end|>", text_tokens=_QWEN)


TEMPLATES: dict[str, Family] = {
    "Llama 3": Family(_trl("llama3"), _LLAMA, "<|eot_id|>", "<|begin_of_text|>"),
    "Llama 3.1": Family(_trl("llama3_1"), _LLAMA, "<|eot_id|>", "<|begin_of_text|>"),
    "Llama 3.2": Family(_trl("llama3_2"), _LLAMA, "<|eot_id|>", "<|begin_of_text|>"),
    "Qwen2.5": _qwen("qwen2_5"),
    "Qwen2.5-VL": _qwen("qwen2_5_vl"),
    "Qwen3": _qwen("qwen3"),
    "Qwen3 Instruct 2507": _qwen("qwen3_instruct_2507"),
    "Qwen3-VL": _qwen("qwen3_vl"),
    "Qwen3.5": _qwen("qwen3_5_think"),
    "Qwen3.5, thinking off by default": _qwen("qwen3_5_nothink"),
    "Qwen3.6": _qwen("qwen3_6"),
    "Qwen3.8": _qwen("qwen3_8"),
    "Gemma, Gemma 2": Family(_trl("gemma"), _GEMMA, "<eos>", "<bos>", _GEMMA_TEXT),
    "Gemma 3": Family(_trl("gemma3"), _GEMMA, "<eos>", "<bos>", _GEMMA_TEXT),
    "Gemma 4": Family(_trl("gemma4_v5"), _GEMMA4, "<eos>", "<bos>", _GEMMA_TEXT),
    "Phi-3": Family(_trl("phi3"), _PHI, "<|endoftext|>"),
    "Phi-3.5": Family(_trl("phi3_5"), _PHI, "<|endoftext|>"),
    "Cohere": Family(_trl("cohere"), _COHERE, "<|END_OF_TURN_TOKEN|>", "<BOS_TOKEN>"),
    "Cohere2": Family(_trl("cohere2"), _COHERE, "<|END_OF_TURN_TOKEN|>", "<BOS_TOKEN>"),
    "DeepSeek-R1": Family(_trl("deepseekv3"), _DEEPSEEK, _DEEPSEEK[1], _DEEPSEEK[0], _QWEN[:2]),
    "DeepSeek-R1-Distill": Family(
        _trl("deepseek_r1_distill"), _DEEPSEEK, _DEEPSEEK[1], _DEEPSEEK[0], _QWEN[:2]
    ),
    "GLM-4.5": Family(_trl("glm4moe"), _GLM, "<|endoftext|>", text_tokens=_QWEN),
    "gpt-oss": Family(_trl("gptoss"), _GPTOSS, "<|return|>", "<|startoftext|>"),
    "LFM2": Family(_trl("lfm2_v2"), ("<|startoftext|>", *_CHATML), "<|im_end|>", "<|startoftext|>"),
    "LFM2.5": Family(
        _trl("lfm2_2_5_v2"), ("<|startoftext|>", *_CHATML), "<|im_end|>", "<|startoftext|>"
    ),
    "Nemotron 3 Nano": _qwen("nemotron_3_nano"),
    "Nemotron 3 Super": _qwen("nemotron_3_super"),
    "Nemotron 3 Ultra": _qwen("nemotron_3_ultra"),
    "Nemotron 3.5": _qwen("nemotron_3_5_lightning"),
    "SmolVLM": Family(_trl("smolvlm"), (*_CHATML, "<end_of_utterance>"), "<end_of_utterance>"),
    "Idefics3": Family(
        _trl("idefics3"), (*_LLAMA, "<end_of_utterance>"), "<end_of_utterance>", _LLAMA[0]
    ),
    "LLaVA-NeXT": Family(_trl("llava_next"), ("<s>", "</s>"), "</s>", "<s>"),
    "Muse Glimmer": Family(_trl("muse_glimmer"), _GPTOSS, "<|end|>", "<|startoftext|>"),
    "Mistral 0.1": Family(remembered.MISTRAL_01, _MISTRAL[:2], "</s>", "<s>"),
    "Mistral 0.3": Family(remembered.MISTRAL_03, _MISTRAL, "</s>", "<s>"),
    "Mistral Small 3": Family(remembered.MISTRAL_SMALL, _MISTRAL, "</s>", "<s>"),
    "YandexGPT 5 Lite": Family(remembered.YANDEX, ("<s>", "</s>", "[SEP]"), "</s>", "<s>"),
    "Granite 3": Family(
        remembered.GRANITE,
        ("<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>"),
        "<|end_of_text|>",
    ),
    "SmolLM3": Family(remembered.SMOLLM3, _CHATML, "<|im_end|>", text_tokens=_QWEN),
    "OLMo-2": Family(remembered.OLMO2, ("<|endoftext|>",), "<|endoftext|>", "<|endoftext|>"),
    "Falcon": Family(remembered.FALCON, ("<|endoftext|>",), "<|endoftext|>"),
    "Falcon-H1": Family(remembered.CHATML, _CHATML, "<|im_end|>"),
    "Vicuna": Family(remembered.VICUNA, ("<s>", "</s>"), "</s>", "<s>"),
    "Zephyr": Family(remembered.ZEPHYR, ("<s>", "</s>"), "</s>", "<s>"),
    "GigaChat": Family(
        remembered.GIGACHAT, ("<s>", "</s>", "<|role_sep|>", "<|message_sep|>"), "<|message_sep|>"
    ),
    "T-lite": Family(remembered.T_LITE, _CHATML, "<|im_end|>", text_tokens=_QWEN),
    "Llama 2": Family(remembered.LLAMA2, ("<s>", "</s>"), "</s>", "<s>"),
    "DeepSeek-V3": Family(remembered.DEEPSEEK_V3, _DEEPSEEK, _DEEPSEEK[1], _DEEPSEEK[0]),
    "DeepSeek-V3.1": Family(
        remembered.DEEPSEEK_V31, _DEEPSEEK, _DEEPSEEK[1], _DEEPSEEK[0], _QWEN[:2]
    ),
    "GLM-4": Family(remembered.GLM4, _GLM, "<|endoftext|>"),
    "Phi-4": Family(remembered.PHI4, (*_CHATML, "<|im_sep|>"), "<|im_end|>"),
    "Seed-OSS": Family(
        remembered.SEED_OSS,
        ("<seed:bos>", "<seed:eos>", "<seed:think>", "</seed:think>"),
        "<seed:eos>",
        "<seed:bos>",
    ),
    "Qwen3 Thinking 2507": Family(remembered.QWEN3_THINKING, _CHATML, "<|im_end|>"),
    "GPT-NeoX": Family("", ("<|endoftext|>",), "<|endoftext|>", None, _NEOX_TEXT),
    "ChatML on GPT-NeoX's tokens": Family(
        remembered.CHATML, _CHATML, "<|im_end|>", text_tokens=_NEOX_TEXT
    ),
}
PROMPT = Prompt(
    system="Be brief.\n\n- Say Lakeside.",
    user_template="{summaries}\nQ: {question}",
    examples=(
        WorkedExample(question="Open?", contexts=("Open at 9.",), answer="At 9."),
        WorkedExample(question="Where?", answer="In room 2."),
    ),
)


class TemplateRow(NamedTuple):
    """What one family's template and tokenizer allow."""

    family: str
    works: bool
    system_role: SystemRole | None  # where the prompt goes; None: refused in both places
    thinking: dict[str, Any]  # argument that switches thinking off; empty: none needed
    writes_date: bool  # pinned for a run
    refusal: str  # the line with which the family is refused; empty: it works


def template_row(name: str) -> TemplateRow:
    """The row of a family in the table of models."""
    refusals = []
    for system_role in get_args(SystemRole):
        try:
            template = family_renderer(name, system_role).template
        except UnpromptedError as error:
            refusals.append(str(error))
            continue
        thinking = {key: value for key, value in template.kwargs.items() if key != "date_string"}
        return TemplateRow(name, True, system_role, thinking, template.date is not None, "")
    return TemplateRow(name, False, None, {}, False, refusals[-1])


def family_renderer(name: str, system_role: SystemRole = "system") -> Renderer:
    """Raises the line with which a family is refused."""
    tokenizer = family_tokenizer(TEMPLATES[name])
    tokenizer.name_or_path = name
    return Renderer(tokenizer, PROMPT, {}, system_role, date(2026, 11, 27))


def family_tokenizer(family: Family) -> Any:
    """A byte-level tokenizer without merges, with the family's added tokens."""
    alphabet = sorted(ByteLevel.alphabet())
    model = Tokenizer(BPE({character: at for at, character in enumerate(alphabet)}, []))
    model.pre_tokenizer = ByteLevel(add_prefix_space=False)
    model.decoder = ByteLevelDecoder()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=model, eos_token=family.eos, bos_token=family.bos
    )
    tokenizer.add_tokens([AddedToken(name, special=True) for name in family.special], True)
    tokenizer.add_tokens([AddedToken(name, normalized=False) for name in family.text_tokens])
    tokenizer.chat_template = family.template
    return tokenizer
