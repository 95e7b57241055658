"""Bodies of requests, and completions from replies of every shape, through the OpenAI engine."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from config.backends import OpenAiBackend
from config.errors import SetupError
from config.generation import SamplingSettings
from engine.openai_messages import ChatCodec
from engine.prefill import Prefill
from tests.engine.echo_model import renderer, reply_to, request, respond
from tests.engine.openai_engine_factory import completions_from, engine_at, questions
from tests.judge.llm.server import Sent, serving

OFFICE = ("The office.", "stop")


def tokens_of(reply: dict[str, Any]) -> list[dict[str, Any]]:
    """The tokens of a reply with their logprobs."""
    return list(reply["choices"][0]["logprobs"]["content"])


def with_first_id(reply: dict[str, Any], token_id: int) -> None:
    """Replaces the first token id of a reply's answer."""
    choice = reply["choices"][0]
    choice["token_ids"] = [token_id, *choice["token_ids"][1:]]


HUGE_ID = "token_id:1000000000000000000"


class TestBody:
    def test_another_model_is_sent_what_every_server_knows(self) -> None:
        """Messages and sampling; the seed if it has an effect."""
        with serving(respond) as served:
            engine = engine_at(served.url)
            list(engine.run(questions(1)))
            list(
                engine.run(questions(1, SamplingSettings(temperature=0.7, top_p=0.9, max_tokens=9)))
            )
            greedy, sampled = served.bodies
        known = {"model", "messages", "max_tokens", "temperature", "top_p"}
        assert set(greedy) == known and set(sampled) == known | {"seed"}
        assert (sampled["temperature"], sampled["top_p"], sampled["max_tokens"]) == (0.7, 0.9, 9)
        assert [turn["role"] for turn in greedy["messages"]] == ["system", "user"]

    def test_vllm_is_asked_for_tokens_in_the_bases_template(self) -> None:
        with serving(respond) as served:
            engine = engine_at(served.url, same_tokenizer=True)
            requests = questions(1, SamplingSettings(max_tokens=9, logprobs=4))
            list(engine.run([replace(request, stop_ids=(2,)) for request in requests]))
            body = served.bodies[0]
        assert body["stop_token_ids"] == [2]
        assert body["chat_template_kwargs"] == {"enable_thinking": False}
        assert body["return_token_ids"] and body["logprobs"] and body["top_logprobs"] == 4

    def test_vllm_goes_on_from_a_given_beginning(self) -> None:
        """The last message is the beginning; without one the server is asked as ever."""
        backend = OpenAiBackend(model="m", base_urls=("http://x/v1",), same_tokenizer=True)
        codec = ChatCodec(backend, renderer(), {})
        plain = request("When?", SamplingSettings(max_tokens=40))
        prefill = Prefill(renderer().template, "Lakeside desk:", ())
        body = codec.body(prefill.request(plain))
        assert body["messages"][-1] == {"role": "assistant", "content": "Lakeside desk:"}
        assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)
        assert "continue_final_message" not in codec.body(plain)

    def test_a_reasoning_model_gets_what_the_settings_leave(self) -> None:
        """Another limit and no temperature; both make other requests, with other answers."""
        reasoning: dict[str, Any] = {
            "max_tokens_field": "max_completion_tokens",
            "extra_body": {"temperature": None, "top_p": None, "seed": None, "effort": "low"},
        }
        with serving(lambda body: Sent("At nine.")) as served:
            engine = engine_at(served.url, **reasoning)
            list(engine.run(questions(1, SamplingSettings(temperature=0.7, max_tokens=9))))
            plain = engine_at(served.url)
            (body,) = served.bodies
        assert set(body) == {"model", "messages", "max_completion_tokens", "effort"}
        assert body["max_completion_tokens"] == 9 and engine.identity != plain.identity


class TestTokens:
    def test_probabilities_by_falling_likelihood(self) -> None:
        """The sampled token is the third most likely of four, and the server lists it first."""
        wanted = questions(3, SamplingSettings(max_tokens=9, logprobs=4))
        for done in completions_from(respond, wanted, same_tokenizer=True):
            assert done.top_logprobs is not None and done.logprobs == (-1.25,) * len(done.token_ids)
            assert done.top_logprobs.ids.shape == (len(done.token_ids), 4)
            assert (np.diff(done.top_logprobs.logprobs.astype(float), axis=1) <= 0).all()
            assert done.top_logprobs.ids[:, 1].tolist() == list(done.token_ids), (
                "-0.5, own, -1.5, -2.5"
            )

    @pytest.mark.parametrize(
        ("spoil", "line"),
        [
            (lambda reply: reply.pop("prompt_token_ids"), "returns no token ids"),
            (lambda reply: reply["choices"][0].pop("token_ids"), "returns no token ids"),
            (lambda reply: reply.update(prompt_token_ids=[1, 2]), "other token ids of the same"),
            (
                lambda reply: reply["choices"][0]["logprobs"]["content"].pop(),
                r"returns 8 logprobs for 9 tokens",
            ),
            (lambda reply: tokens_of(reply)[2].pop("logprob"), "a token without its logprob"),
            (lambda reply: tokens_of(reply)[2].pop("top_logprobs"), "0 to 2 top_logprobs"),
            (lambda reply: tokens_of(reply)[2]["top_logprobs"].pop(), "1 to 2 top_logprobs"),
            (lambda reply: tokens_of(reply)[2].update(top_logprobs=None), "0 to 2 top_logprobs"),
            (
                lambda reply: [token.update(top_logprobs=[]) for token in tokens_of(reply)],
                "0 to 0 top_logprobs",
            ),
            (
                lambda reply: tokens_of(reply)[0]["top_logprobs"][1].update(token=" the"),
                r"token ' the' where vLLM writes its id",
            ),
            (
                lambda reply: tokens_of(reply)[0]["top_logprobs"][1].update(token="7"),
                r"token '7' where vLLM writes its id",
            ),
            (
                lambda reply: tokens_of(reply)[0]["top_logprobs"][1].update(token=HUGE_ID),
                r"token 'token_id:1000000000000000000' where vLLM writes its id",
            ),
            (lambda reply: with_first_id(reply, 10**30), "a number that is no token id"),
            (lambda reply: with_first_id(reply, -1), "a number that is no token id"),
            (lambda reply: tokens_of(reply)[2].update(logprob=float("nan")), "the logprob nan"),
            (lambda reply: tokens_of(reply)[2].update(logprob=float("-inf")), "the logprob -inf"),
            (lambda reply: tokens_of(reply)[2].update(logprob=3.5), "the logprob 3.5"),
            (
                lambda reply: tokens_of(reply)[0]["top_logprobs"][1].update(logprob=-1e300),
                "the logprob -1e.300",
            ),
        ],
    )
    def test_a_server_of_other_tokens_is_refused(
        self, spoil: Callable[[dict[str, Any]], Any], line: str
    ) -> None:
        """Each reply is checked against the settings."""

        def other(body: dict[str, Any]) -> Sent:
            reply = reply_to(body)
            spoil(reply)
            return Sent(raw=json.dumps(reply).encode())

        long = [request("one two three four five six", SamplingSettings(max_tokens=9, logprobs=2))]
        with pytest.raises(SetupError, match=f"{line}.*same_tokenizer: false"):
            completions_from(other, long, same_tokenizer=True)


ENDS: list[tuple[str | None, dict[str, Any], str]] = [
    ("stop", {}, "stop"),
    ("eos_token", {}, "stop"),
    ("STOP", {}, "stop"),
    ("end_turn", {}, "stop"),
    ("length", {}, "length"),
    ("MAX_TOKENS", {}, "length"),
    ("max_tokens", {}, "length"),
    ("model_length", {}, "length"),
    ("error", {}, "length"),
    ("tool_calls", {}, "length"),
    (None, {"completion_tokens": 39}, "stop"),
    (None, {"completion_tokens": 40}, "length"),
    (None, {}, "length"),
]


class TestEnds:
    @pytest.mark.parametrize(("word", "usage", "finish"), ENDS)
    @pytest.mark.parametrize("same_tokenizer", [False, True])
    def test_only_an_answer_that_ended_by_itself_is_whole(
        self, word: str | None, usage: dict[str, Any], finish: str, same_tokenizer: bool
    ) -> None:
        """Of 40 tokens at most. Any other answer has no end-of-turn token and is never learnt."""

        def ended(body: dict[str, Any]) -> Sent:
            reply = {**reply_to(body), "usage": usage}
            reply["choices"][0]["finish_reason"] = word
            if same_tokenizer and finish == "length":
                reply["choices"][0]["token_ids"] = reply["choices"][0]["token_ids"][:-1]
            return Sent(raw=json.dumps(reply).encode())

        (done,) = completions_from(ended, questions(1), same_tokenizer=same_tokenizer)
        end = renderer().template.end_of_turn
        assert done.finish == finish and (end in done.token_ids) == (finish == "stop")
        assert done.text == "You said: Question number 0?"

    def test_an_unknown_word_is_named_once(self, capsys: pytest.CaptureFixture[str]) -> None:
        completions_from(lambda body: Sent("x", finish="network_error"), questions(5))
        line = capsys.readouterr().err
        assert line.count("\n") == 1 and "finish_reason 'network_error', no known end" in line

    @pytest.mark.parametrize(
        ("content", "text", "finish"),
        [
            ("<think>\nTwo sentences.\n</think>\n\nThe office.", "The office.", "stop"),
            ("Two sentences.\n</think>\n\nThe office.", "The office.", "stop"),
            ("<think>Two sentences", "", "length"),
            ([{"type": "thinking", "thinking": "Two."}, {"text": "The office."}], *OFFICE),
            (None, "", "stop"),
        ],
    )
    def test_reasoning_is_no_answer(self, content: Any, text: str, finish: str) -> None:
        message = {"content": content, "reasoning_content": "Two sentences."}
        raw = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode()
        (done,) = completions_from(lambda body: Sent(raw=raw), questions(1))
        assert (done.text, done.finish) == (text, finish)

    def test_reasoning_among_token_ids_is_not_learnt(self) -> None:
        """The echo of the question: its ids cannot be cut where the text can."""
        thinking = [request("<think>Two.</think> The office.")]
        (done,) = completions_from(respond, thinking, same_tokenizer=True)
        assert done.finish == "length"
