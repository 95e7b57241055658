"""Chat templates of families that TRL does not ship, written from memory: like theirs."""

_TURNS = "{% for m in messages %}"
_ALTERNATE = (
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate') }}{% endif %}"
)
_LOOP_MESSAGES = (
    "{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] %}"
    "{% set turns = messages[1:] %}{% else %}{% set system = '' %}{% set turns = messages %}"
    "{% endif %}"
)


def _asks(text: str) -> str:
    return "{% if add_generation_prompt %}" + text + "{% endif %}"


def _by_role(system: str, user: str, assistant: str) -> str:
    """The turns of a chat; each text may hold {{ m['content'] }}."""
    return (
        f"{_TURNS}{{% if m['role'] == 'system' %}}{system}{{% elif m['role'] == 'user' %}}{user}"
        f"{{% else %}}{assistant}{{% endif %}}{{% endfor %}}"
    )


_TEXT = "{{ m['content'] }}"
CHATML = f"{_TURNS}<|im_start|>{{{{ m['role'] }}}}\n{_TEXT}<|im_end|>\n{{% endfor %}}" + _asks(
    "<|im_start|>assistant\n"
)
MISTRAL_01 = (
    "{{ bos_token }}"
    + _TURNS
    + _ALTERNATE
    + "{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}"
    "{% else %}{{ m['content'] + eos_token }}{% endif %}{% endfor %}"
)
MISTRAL_03 = (
    _LOOP_MESSAGES + "{{ bos_token }}{% for m in turns %}{% if m['role'] == 'user' %}"
    "{% if loop.last and system %}{{ '[INST] ' + system + '\n\n' + m['content'] + '[/INST]' }}"
    "{% else %}{{ '[INST] ' + m['content'] + '[/INST]' }}{% endif %}"
    "{% else %}{{ ' ' + m['content'] | trim + eos_token }}{% endif %}{% endfor %}"
)
MISTRAL_SMALL = (
    "{% set today = strftime_now('%Y-%m-%d') %}"
    + _LOOP_MESSAGES
    + "{{ bos_token }}[SYSTEM_PROMPT]{{ system or 'You are Mistral Small. The date is ' + today }}"
    "[/SYSTEM_PROMPT]{% for m in turns %}{% if m['role'] == 'user' %}"
    "{{ '[INST]' + m['content'] + '[/INST]' }}{% else %}{{ m['content'] + eos_token }}{% endif %}"
    "{% endfor %}"
)
YANDEX = _by_role("", f" Пользователь: {_TEXT}\n\n", f" Ассистент:[SEP]{_TEXT}</s>") + _asks(
    " Ассистент:[SEP]"
)
GRANITE = (
    "{% if thinking %}{% set rest = ' Think before you answer.' %}{% else %}{% set rest = '' %}"
    "{% endif %}"
    + _LOOP_MESSAGES
    + "<|start_of_role|>system<|end_of_role|>{{ system or 'Knowledge Cutoff Date: April 2024.\n"
    "Today\\'s Date: ' + strftime_now('%B %d, %Y') + '.\nYou are Granite, developed by IBM.' }}"
    "{{ rest }}<|end_of_text|>\n{% for m in turns %}<|start_of_role|>{{ m['role'] }}"
    f"<|end_of_role|>{_TEXT}<|end_of_text|>\n{{% endfor %}}"
    + _asks("<|start_of_role|>assistant<|end_of_role|>")
)
SMOLLM3 = (
    "{% if enable_thinking is not defined %}{% set enable_thinking = true %}{% endif %}"
    "{% set mode = '/think' if enable_thinking else '/no_think' %}"
    + _LOOP_MESSAGES
    + "<|im_start|>system\n## Metadata\n\nKnowledge Cutoff Date: June 2025\n"
    "Today Date: {{ strftime_now('%d %B %Y') }}\nReasoning Mode: {{ mode }}\n\n"
    "## Custom Instructions\n\n{{ system or 'You are a helpful AI assistant.' }}\n\n<|im_end|>\n"
    "{% for m in turns %}{% if m['role'] == 'user' %}<|im_start|>user\n"
    f"{_TEXT}<|im_end|>\n{{% else %}}<|im_start|>assistant\n"
    "{% if not enable_thinking %}<think>\n\n</think>\n{% endif %}"
    f"{_TEXT}<|im_end|>\n{{% endif %}}{{% endfor %}}"
    + _asks("<|im_start|>assistant\n{% if not enable_thinking %}<think>\n\n</think>\n{% endif %}")
)
OLMO2 = (
    "{{ bos_token }}"
    + _by_role(
        f"<|system|>\n{_TEXT}\n",
        f"<|user|>\n{_TEXT}\n",
        f"<|assistant|>\n{_TEXT}{{{{ eos_token }}}}\n",
    )
    + _asks("<|assistant|>\n")
)
FALCON = _by_role(f"{_TEXT}\n\n", f"User: {_TEXT}\n", f"Assistant: {_TEXT}\n") + _asks("Assistant:")
VICUNA = (
    "{{ bos_token }}"
    + _by_role(f"{_TEXT}\n\n", f"USER: {_TEXT} ", f"ASSISTANT: {_TEXT}{{{{ eos_token }}}}")
    + _asks("ASSISTANT:")
)
ZEPHYR = f"{_TURNS}<|{{{{ m['role'] }}}}|>\n{_TEXT}{{{{ eos_token }}}}\n{{% endfor %}}" + _asks(
    "<|assistant|>"
)
GIGACHAT = (
    "{{ bos_token }}{% for m in messages %}{{ m['role'] }}<|role_sep|>"
    f"{_TEXT}<|message_sep|>{{% endfor %}}" + _asks("assistant<|role_sep|>")
)
LLAMA2 = (
    _LOOP_MESSAGES + "{% for m in turns %}{% if m['role'] == 'user' %}{{ bos_token }}[INST] "
    "{% if loop.first and system %}<<SYS>>\n{{ system }}\n<</SYS>>\n\n{% endif %}"
    "{{ m['content'] | trim }} [/INST]{% else %} {{ m['content'] | trim }} {{ eos_token }}"
    "{% endif %}{% endfor %}"
)
DEEPSEEK_V3 = (
    "{{ bos_token }}"
    + _by_role(_TEXT, f"<｜User｜>{_TEXT}", f"<｜Assistant｜>{_TEXT}<｜end▁of▁sentence｜>")
    + _asks("<｜Assistant｜>")
)
DEEPSEEK_V31 = (
    "{{ bos_token }}"
    + _by_role(_TEXT, f"<｜User｜>{_TEXT}", f"<｜Assistant｜></think>{_TEXT}<｜end▁of▁sentence｜>")
    + _asks("<｜Assistant｜>{% if thinking %}<think>{% else %}</think>{% endif %}")
)
GLM4 = f"[gMASK]<sop>{_TURNS}<|{{{{ m['role'] }}}}|>\n{_TEXT}{{% endfor %}}" + _asks(
    "<|assistant|>"
)
PHI4 = f"{_TURNS}<|im_start|>{{{{ m['role'] }}}}<|im_sep|>{_TEXT}<|im_end|>{{% endfor %}}" + _asks(
    "<|im_start|>assistant<|im_sep|>"
)
SEED_OSS = (
    f"{_TURNS}{{{{ bos_token }}}}{{{{ m['role'] }}}}\n{_TEXT}{{{{ eos_token }}}}{{% endfor %}}"
    + _asks(
        "{{ bos_token }}assistant\n{% if thinking_budget == 0 %}<seed:think>\n</seed:think>\n"
        "{% endif %}"
    )
)
QWEN3_THINKING = CHATML.replace("assistant\n{% endif %}", "assistant\n<think>\n{% endif %}")
T_LITE = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nТы T-lite, виртуальный ассистент."
    "<|im_end|>\n{% endif %}" + CHATML
)
