"""The chat template to serve a student with: it leaves out the prompt that the student was trained
without, so that a client that goes on sending it gets the same answers as one that does not.
"""

import json

from prompts.renderer import Renderer

# `turns` are those of the prompt: the system turn and, behind it, the worked examples. Left out are
# all of them or the system turn alone, where a chat begins with exactly these. A content may be a
# text, nothing or, from some servers, a list of parts. The last line strips nothing behind it: what
# follows is rendered as at the start of a template.
_LEAVE_OUT = """\
{{%- set unprompted_turns = {turns} -%}}
{{%- set unprompted = namespace(same=0) -%}}
{{%- for turn in unprompted_turns -%}}
{{%- if unprompted.same == loop.index0 < messages | length -%}}
{{%- set content = messages[loop.index0]['content'] -%}}
{{%- set parts = [] if content is string else content or [] -%}}
{{%- set text = content if content is string else parts | map(attribute='text') | join -%}}
{{%- if messages[loop.index0]['role'] == turn['role'] and text | trim == turn['content'] | trim -%}}
{{%- set unprompted.same = loop.index -%}}
{{%- endif -%}}
{{%- endif -%}}
{{%- endfor -%}}
{{%- if unprompted.same < messages | length -%}}
{{%- if unprompted.same == unprompted_turns | length -%}}
{{%- set messages = messages[unprompted.same:] -%}}
{{%- elif unprompted.same -%}}
{{%- set messages = messages[1:] -%}}
{{%- endif -%}}
{{%- endif %}}
"""


def serving_template(renderer: Renderer) -> str | None:
    """The template's source; None where the prompt stands in a user turn, with the question."""
    if not renderer.prompt_turns:
        return None
    turns = json.dumps(renderer.prompt_turns, ensure_ascii=False)
    return _LEAVE_OUT.format(turns=turns) + renderer.template.rendering.source
