"""The rows of a chat: each question with the turns before it, rendered as the arm's rows in a run.

Knows no model and no terminal.
"""

from typing import NamedTuple

from config.errors import DataError
from config.schema import Config
from data.rows import Context, Row, Turn
from engine.base import Request
from engine.request_builder import RequestBuilder, View
from prompts.prompt_file import user_text


class Question(NamedTuple):
    """A question of the chat."""

    row: Row  # with the passages that fit
    request: Request
    dropped: int  # passages that did not fit, those of earlier turns included


class ChatSession:
    """One chat with one arm."""

    def __init__(self, config: Config, prompted: bool) -> None:
        """`prompted`: the system prompt is sent too. Raises the errors of `RequestBuilder`."""
        self._builder = RequestBuilder(config, identity="chat")  # no answer is stored by its key
        self._view = View(prompted=prompted)
        self._turns: list[Turn] = []
        self._contexts: list[Context] = []  # of the next question
        self._tags: dict[str, str] = {}
        self._asked = 0

    def add_context(self, text: str) -> int:
        """Adds a passage to the next question; returns their number.

        Raises DataError where the prompt's user turn has no place for passages.
        """
        row = Row(id="chat", question="question")
        prompt = self._builder.prompt
        with_passage = row.model_copy(update={"contexts": (Context(text="passage"),)})
        if user_text(prompt, row) == user_text(prompt, with_passage):
            raise DataError("/context: the user_template of this prompt has no place for passages")
        self._contexts.append(Context(text=text))
        return len(self._contexts)

    def set_tag(self, name: str, value: str) -> None:
        """Sets a tag of all later questions. Raises DataError for one that the prompt lacks."""
        tags = self._builder.prompt.tags
        if name not in tags:
            known = f"it has {', '.join(tags)}" if tags else "prompt.tags is empty"
            raise DataError(f"/tag {name}: no tag of the user turn; {known}")
        self._tags[name] = value

    def reset(self) -> None:
        """Forgets the turns and the passages; tags stay."""
        self._turns.clear()
        self._contexts.clear()

    def ask(self, question: str) -> Question:
        """The request for the answer to the next question, with the passages added for it.

        Raises DataError where it does not fit `model.max_length` even without passages.
        """
        self._asked += 1
        row = Row(
            id=f"chat {self._asked}",
            question=question,
            contexts=tuple(self._contexts),
            tags=self._tags,
            history=tuple(self._turns),
        )
        builder = self._builder
        fitted = builder.fit_contexts(row)
        if not fitted.fits:
            raise DataError(
                f"the chat is longer than model.max_length = {builder.config.model.max_length} "
                f"allows with an answer ({builder.budget} tokens are left for it): /reset forgets "
                "the earlier turns"
            )
        self._contexts.clear()
        sampling = builder.config.predict.sampling
        request = builder.task("chat", row, self._view, sampling, self._asked).request
        dropped = fitted.dropped + fitted.dropped_from_history(row)
        return Question(fitted.apply(row), request, dropped)

    def add_answer(self, question: Question, answer: str) -> None:
        """Remembers a turn for the questions behind it."""
        row = question.row
        self._turns.append(Turn(question=row.question, answer=answer, contexts=row.contexts))
