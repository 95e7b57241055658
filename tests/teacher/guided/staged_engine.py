"""A prompted model that obeys only with a certain kind of help, with real token ids."""

from collections import Counter
from collections.abc import Iterable, Iterator

from data.answers import How
from engine.base import Completion, Request
from engine.request_builder import RequestBuilder
from tests.engine.fake_engine import fake_top_logprobs
from tests.teacher.candidate_factory import BAD, GOOD, REMINDER

# behind the beginning; the passages say ten, not 99
_CONTINUATION = {
    True: " The museum opens at ten.",
    False: " The museum opens at 99 in the morning.",
}


class StagedEngine:
    """Obeys from the kind of help on that the question names: "… obeys reminded"."""

    identity = "staged"
    max_length = 4096

    def __init__(self, builder: RequestBuilder) -> None:
        self._template = builder.renderer.template
        self.requests: Counter[tuple[str, How]] = Counter()  # at a temperature: question and help

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """The text depends on the question and on what stands around it."""
        for request in requests:
            prompt = self._template.tokenizer.decode(request.prompt_ids)
            how = _help(prompt)
            question = prompt.rsplit("Question: ", 1)[1].split("<|im_end|>")[0].split("\n\n")[0]
            if request.sampling.temperature > 0:
                self.requests[question, how] += 1
            obeys = question.endswith(how) and "You are the help desk" in prompt
            text = _CONTINUATION[obeys] if how == "prefilled" else GOOD if obeys else BAD
            ids = (*self._template.text_ids(text), self._template.end_of_turn)
            width = request.sampling.logprobs
            top = fake_top_logprobs(ids, width) if width else None
            yield Completion(request.key, text, ids, "stop", top_logprobs=top)

    def close(self) -> None:
        """Nothing to free."""


def _help(prompt: str) -> How:
    if not prompt.endswith("assistant\n"):
        return "prefilled"
    if REMINDER in prompt:
        return "reminded"
    return "sampled" if "too vague" in prompt else "focused"
