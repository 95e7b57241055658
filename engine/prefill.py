"""Prefill: a request gives the beginning of the answer, and the model goes on from there.

The beginning stands as token ids behind the generation prompt; a server gets it as the last message
of the chat. The answer is the beginning with its continuation, and with the end that the prompt
demands where the model stopped before it.
"""

from dataclasses import replace

from data.records import digest
from engine.base import Completion, Request
from engine.models import decode_answer
from prompts.chat_rendering import Message
from prompts.chat_template import ChatTemplate


class Prefill:
    """The given parts of one answer."""

    def __init__(self, template: ChatTemplate, beginning: str, endings: tuple[str, ...]) -> None:
        """`endings`: the sentences with which the answer must end, in their order."""
        self.beginning_ids = template.beginning_ids(beginning)
        self._template = template
        self._beginning = template.neutralise(beginning)
        self._endings = tuple(map(template.neutralise, endings))

    def request(self, request: Request) -> Request:
        """The request for the continuation; its key covers the given parts.

        No log-probabilities are stored: the model did not choose the given tokens. Beginning,
        continuation and endings together have at most as many tokens as an ordinary answer.
        """
        chat = request.messages
        if self._beginning:
            turn: Message = {"role": "assistant", "content": self._beginning}
            chat = (*chat, turn)
        dictated = " ".join((self._beginning, *self._endings))
        limit = request.sampling.max_tokens - len(self._template.beginning_ids(dictated))
        sampling = request.sampling.model_copy(
            update={"max_tokens": max(1, limit), "logprobs": None}
        )
        return replace(
            request,
            key=digest(["prefilled", request.key, self._beginning, self._endings]),
            prompt_ids=(*request.prompt_ids, *self.beginning_ids),
            sampling=sampling,
            messages=chat,
        )

    def joined(self, completion: Completion) -> Completion:
        """The whole answer. `completion`: the continuation, without reasoning.

        Its ids are those of the model where it wrote the end itself, else those of the text.
        """
        if completion.finish != "stop" and not completion.text:
            return completion  # reasoning without an end, or no request: no answer to join
        ids = (*self.beginning_ids, *completion.token_ids)
        is_whole = completion.finish == "stop"
        tokenizer = self._template.tokenizer
        text = decode_answer(tokenizer, ids[:-1] if is_whole else ids).strip()
        if is_whole and (whole := self._with_endings(text)).split() != text.split():
            text, ids = whole, self._template.answer_ids(whole)
        return replace(completion, text=text, token_ids=ids, logprobs=None, top_logprobs=None)

    def _with_endings(self, text: str) -> str:
        """The text with the endings that it lacks, one space between them."""
        tail: list[str] = []
        for ending in reversed(self._endings):
            text = text.removesuffix(ending).rstrip()
            tail.insert(0, ending)
        return " ".join(filter(None, (text, *tail)))
