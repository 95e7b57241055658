"""Given beginnings: token ids behind the generation prompt, and the answer that comes of them."""

from typing import Any

import numpy as np
import pytest

from config.generation import SamplingSettings
from data.top_logprobs import TopLogprobs
from engine.base import Completion, make_request
from engine.prefill import Prefill
from prompts.renderer import Renderer
from tests.prompts.renderer_factory import ROW, make_renderer
from tests.prompts.template_families import family_renderer

OPENING, CLOSING = "Lakeside desk:", "Anything else?"
SAMPLING = SamplingSettings(temperature=0.7, max_tokens=40, logprobs=5)
NAMES = ("smollm2", "thinks", "Llama 3.1", "Gemma 3", "Qwen2.5")  # of four tokenizers


def renderer_of(name: str) -> Renderer:
    return family_renderer(name) if name[0].isupper() else make_renderer(name)


@pytest.mark.parametrize("name", NAMES)
def test_the_ids_are_those_of_a_server_that_continues_the_message(name: str) -> None:
    """`continue_final_message` of the tokenizer's own template, with the same chat; unless that
    leaves out the empty reasoning of the generation prompt, behind which a local model goes on."""
    renderer = renderer_of(name)
    template, chat = renderer.template, renderer.messages(ROW, True)
    plain = make_request("m", template.prompt_ids(chat), SAMPLING, 0, messages=tuple(chat))
    request = Prefill(template, OPENING, (CLOSING,)).request(plain)
    assert request.messages == (*chat, {"role": "assistant", "content": OPENING})
    server: Any = renderer.tokenizer.apply_chat_template(
        list(request.messages),
        continue_final_message=True,
        return_dict=False,
        **template.kwargs,
    )
    assert (
        (request.prompt_ids == tuple(server)) == template.continues_as_asked == (name != "thinks")
    )
    assert request.prompt_ids[: len(plain.prompt_ids)] == plain.prompt_ids


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_is_the_given_and_the_sampled_tokens(name: str) -> None:
    """Where the model writes the end itself, its ids stay; else they are those of the text."""
    renderer = renderer_of(name)
    template = renderer.template
    prefill = Prefill(template, OPENING, ("See you.", CLOSING))

    def joined(text: str, finish: Any = "stop") -> Completion:
        ids = tuple(renderer.tokenizer.encode(text, add_special_tokens=False))
        ids += (template.end_of_turn,) * (finish == "stop")
        top = TopLogprobs(np.zeros((len(ids), 2), np.int32), np.zeros((len(ids), 2), np.float16))
        return prefill.joined(Completion("k", text, ids, finish, (-1.0,) * len(ids), top))

    whole = joined(f" At 9. See you. {CLOSING}")
    assert whole.text == f"{OPENING} At 9. See you. {CLOSING}"
    assert renderer.tokenizer.decode(whole.token_ids[:-1]).strip() == whole.text
    assert whole.token_ids[: len(prefill.beginning_ids)] == prefill.beginning_ids
    for short in (" At 9.", " At 9. See you.", f" At 9. {CLOSING}"):
        assert joined(short).text == whole.text
        assert joined(short).token_ids == renderer.answer_ids(whole.text)
    cut = joined(" At", "length")
    assert (cut.text, cut.finish) == (f"{OPENING} At", "length"), "no end is given to a cut answer"
    assert cut.token_ids[-1] != template.end_of_turn
    assert (whole.logprobs, whole.top_logprobs) == (None, None), "not all tokens are the model's"
    lost = Completion("k", "", (1, 2), "length")
    assert prefill.joined(lost) == lost, "reasoning without an end is no answer"


def test_the_key_covers_the_given_parts_and_the_limit_all_of_them() -> None:
    """Another beginning or end is another request; together they are as long as any answer."""
    renderer = make_renderer("smollm2")
    template, chat = renderer.template, renderer.messages(ROW, True)
    plain = make_request("m", template.prompt_ids(chat), SAMPLING, 0, messages=tuple(chat))
    parts = [(OPENING, ()), (OPENING, (CLOSING,)), ("", (CLOSING,)), ("Lakeside:", ())]
    requests = [Prefill(template, *part).request(plain) for part in parts]
    assert len({plain.key, *(request.key for request in requests)}) == 5
    both = requests[1]
    dictated_tokens = len(renderer.answer_ids(f"{OPENING} {CLOSING}")) - 1
    assert (both.sampling.max_tokens, both.sampling.logprobs) == (40 - dictated_tokens, None)
    assert both.length <= plain.length and both.sampling.temperature == 0.7
    assert requests[2].messages == plain.messages, "an empty beginning is no message"
