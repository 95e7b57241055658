"""A real vLLM server, started once: its tokens, given beginnings, and the serving template."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pytest
from openai import OpenAI

from config.backends import OpenAiBackend
from config.generation import SamplingSettings
from engine.base import Completion
from engine.models import resolve_model
from engine.openai_engine import OpenAiEngine
from engine.openai_messages import ChatCodec
from engine.prefill import Prefill
from prompts.serving_template import serving_template
from tests.engine.echo_model import renderer
from tests.engine.openai_engine_factory import questions
from tests.prompts.renderer_factory import make_renderer
from tests.prompts.test_serving_template import raw_chat

BEGINNING = "Lakeside desk: The office opens"

pytestmark = pytest.mark.slow


class Server(NamedTuple):
    """Where it is, and the name of its model."""

    url: str
    model: str

    def backend(self, same_tokenizer: bool) -> OpenAiBackend:
        return OpenAiBackend(model=self.model, base_urls=(self.url,), same_tokenizer=same_tokenizer)

    def client(self) -> OpenAI:
        return OpenAI(base_url=self.url, api_key="none")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The embedded model with the serving template of a prompt, which changes no other chat."""
    from engine.vllm_server import vllm_server

    folder = tmp_path_factory.mktemp("server")
    model = folder / "model"
    model.mkdir()
    for path in Path(resolve_model("embedded")).iterdir():
        (model / path.name).symlink_to(path)
    (model / "chat_template.jinja").unlink(missing_ok=True)
    template = serving_template(make_renderer("smollm2"))
    (model / "chat_template.jinja").write_text(template or "", "utf-8")
    with vllm_server(str(model), 2048, folder / "server.log") as url:
        yield Server(url, str(model))


def test_the_serving_template_drops_the_prompt(server: Server) -> None:
    """The same number of prompt tokens, and greedily the same answer, with the prompt and without;
    another number with another system message."""
    prompted = make_renderer("smollm2")
    without = raw_chat(prompted, prompted=False)
    chats = [
        without,
        raw_chat(prompted, prompted=True),
        [prompted.prompt_turns[0], *without],
        [{"role": "system", "content": "Answer in one long sentence that rhymes."}, *without],
    ]
    client = server.client()
    assert [model.id for model in client.models.list().data] == [server.model]
    replies = [
        client.chat.completions.create(
            model=server.model, messages=cast(Any, chat), temperature=0, max_tokens=12
        )
        for chat in chats
    ]
    tokens = [reply.usage.prompt_tokens if reply.usage else 0 for reply in replies]
    texts = [reply.choices[0].message.content for reply in replies]
    assert tokens[0] == tokens[1] == tokens[2] != tokens[3]
    assert texts[0] == texts[1] == texts[2]


def test_the_server_reads_the_prefilled_ids(server: Server) -> None:
    """Its own count of prompt tokens and their ids are those of the request, and the answer is the
    beginning with what follows."""
    prefill = Prefill(renderer().template, BEGINNING, ())
    requests = [
        prefill.request(request) for request in questions(3, SamplingSettings(max_tokens=24))
    ]
    backend = server.backend(same_tokenizer=True)
    codec = ChatCodec(backend, renderer(), {})
    completions = list(OpenAiEngine(backend, codec, 2048).run(requests))
    client = server.client()
    replies = [
        client.post("/chat/completions", cast_to=cast(Any, object), body=codec.body(request))
        for request in requests
    ]
    for request, reply in zip(requests, replies, strict=True):
        assert tuple(reply["prompt_token_ids"]) == request.prompt_ids
        assert request.prompt_ids[-len(prefill.beginning_ids) :] == prefill.beginning_ids
    for completion in completions:
        answer = prefill.joined(completion)
        assert answer.text.startswith(BEGINNING) and len(answer.text) > len(BEGINNING)
        assert answer.token_ids[: len(prefill.beginning_ids)] == prefill.beginning_ids


def parting_token(token_ids: Sequence[int], text: str) -> int | None:
    """The place of the first token that does not go on as the text does; None: all do."""
    tokenizer, begun = renderer().tokenizer, ""
    for count in range(1, len(token_ids) + 1):
        begun = str(tokenizer.decode(token_ids[:count], skip_special_tokens=True)).strip()
        if not text.startswith(begun):
            return count - 1
    return None if begun == text else len(token_ids) - 1


def test_a_server_of_the_bases_tokenizer(server: Server) -> None:
    """The embedded model behind HTTP, by ids and by text: the same words, and logprobs.

    Greedily the drawn token is the likeliest one, or in bfloat16 as likely as that; float16 holds
    three digits of its logprob. The server forms its own batches, which round otherwise: answers
    may part where two tokens are as likely, to bfloat16's step of 0.125 at logits of 16 and more.
    """

    def answers(same: bool, sampling: SamplingSettings) -> list[Completion]:
        backend = server.backend(same)
        wanted = questions(4, sampling)
        completions = OpenAiEngine(backend, ChatCodec(backend, renderer(), {}), 2048).run(wanted)
        by_key = {completion.key: completion for completion in completions}
        return [by_key[completion.key] for completion in wanted]

    by_ids = answers(True, SamplingSettings(max_tokens=12, logprobs=5))
    by_text = answers(False, SamplingSettings(max_tokens=12))
    for by_id, by_words in zip(by_ids, by_text, strict=True):
        assert by_id.text.strip() and by_words.text.strip()
        assert by_id.top_logprobs is not None
        parting = parting_token(by_id.token_ids, by_words.text.strip())
        if parting is None:
            assert (by_id.text.strip(), by_id.finish) == (by_words.text.strip(), by_words.finish)
        else:
            likeliest_two = by_id.top_logprobs.logprobs[parting, :2].astype(float)
            assert likeliest_two[0] - likeliest_two[1] <= 0.25, "two steps of bfloat16"
        assert by_id.top_logprobs.ids.shape == (len(by_id.token_ids), 5)
        likeliest = by_id.top_logprobs.logprobs == by_id.top_logprobs.logprobs[:, :1]  # (tokens, 5)
        is_sampled = by_id.top_logprobs.ids == np.array(by_id.token_ids)[:, None]
        assert (likeliest & is_sampled).any(axis=1).all()
        assert by_id.logprobs == pytest.approx(
            by_id.top_logprobs.logprobs[:, 0].tolist(), rel=2e-3, abs=1e-3
        )
