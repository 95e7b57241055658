"""The control tokens of chat templates, as texts spell them, and their removal from a text.

Of every family that is served in the open: a judge of any of them reads the text. Tags of thoughts
stay: they begin no turn, and a rule may be about an answer that shows its thoughts.
"""

import re

_LONGEST = 68  # characters of a token
_BRACKETS = (  # Mistral; GLM; BERT and YandexGPT
    "INST|TOOL_CALLS|TOOL_CONTENT|AVAILABLE_TOOLS|TOOL_RESULTS|SYSTEM_PROMPT|MODEL_SETTINGS|THINK"
    "|IMG|IMG_BREAK|IMG_END|PREFIX|MIDDLE|SUFFIX|ARGS|CALL_ID|AUDIO|BEGIN_AUDIO"
    "|[gs]?MASK|CLS|SEP|PAD|UNK|BOS|EOS|NL"
)
_ANGLES = (  # sentence and turn of all; Gemma; InternLM; GLM; Qwen; Cohere; Baichuan; StarCoder, T5
    r"s|bos|eos|pad|unk|mask|sop|eop|eoh|eoa|eosys|start_of_turn|end_of_turn|start_of_image"
    r"|end_of_image|image_soft_token|unused\d{1,4}|TOKENS_UNUSED_\d{1,4}|reserved_\d{1,4}"
    r"|SPECIAL_\d{1,4}|extra_id_\d{1,4}|mask:\d{1,4}|(?:begin|end)(?:ning)?_of_(?:sentence|text)"
    r"|tool_call|tool_response|tools|role|seed:[a-z_]{1,24}|[A-Z]{2,8}_TOKEN"
    r"|fim_(?:prefix|middle|suffix|pad)|repo_name|file_sep"
)
_TOKEN = (
    r"(?:<[|｜][^<>|｜]{0,64}[|｜]>"  # <|im_end|> and the like, DeepSeek's full-width bars included
    r"|<\|[a-z_]{1,32}>|<[a-z_]{1,32}\|>"  # Gemma 4: <|turn> … <turn|>
    rf"|\[\|[^\[\]|]{{0,64}}\|\]|</?(?:{_ANGLES})>|\[/?(?:{_BRACKETS})\]|<</?SYS>>)"
)
_FIRST = re.compile(_TOKEN, re.IGNORECASE)
_ENDS = re.compile(r"[>\]]")
# Falcon's >>QUESTION<< and MiniMax's ]~b] and [e~[ overlap with brackets: a space breaks them.
_ODD = re.compile(r">(?=>[A-Z]{4,16}<<)|\](?=~!?b[\[\]])|\[(?=e~\[)", re.IGNORECASE)


def without_chat_tokens(text: str) -> str:
    """The text without the tokens, from left to right, and without those that removing one joins.

    A stack of characters, so that the time grows with the length of the text and not with the depth
    to which tokens are nested.
    """
    shown: list[str] = []
    start = 0
    for match in _ENDS.finditer(text) if _FIRST.search(text) else ():
        shown += text[start : match.end()]
        start = match.end()
        length = _token_length(shown)
        if length:
            del shown[-length:]
    return _ODD.sub(r"\g<0> ", "".join(shown) + text[start:])


def _token_length(shown: list[str]) -> int:
    """The characters of the token at the end; 0: none is there."""
    window = "".join(shown[-_LONGEST:])
    start = window.rfind("<" if window[-1] == ">" else "[")
    if window[start - 1 : start] == "<" and window.endswith(">>"):
        start -= 1  # <<SYS>>
    return len(window) - start if start >= 0 and _FIRST.fullmatch(window, start) else 0
