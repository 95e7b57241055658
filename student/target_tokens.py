"""The tokens of an answer that a student learns, and the teacher's probabilities of them."""

from collections.abc import Iterable, Iterator, Mapping

from config.errors import DataError
from data.answers import Answer
from data.top_logprobs import TopLogprobs
from engine.request_builder import RequestBuilder


def answer_token_ids(builder: RequestBuilder, answer: Answer) -> tuple[int, ...]:
    """The token ids to learn: the teacher's own, if they spell the answer in this tokenizer.

    The text is tokenised anew where the teacher has another tokenizer, or where its ids contain
    control tokens of the chat template.
    """
    ids, end = answer.token_ids, builder.renderer.template.end_of_turn
    if ids and builder.renderer.template.control_ids(ids) == (end,) and ids[-1] == end:
        text = builder.renderer.tokenizer.decode(ids[:-1], clean_up_tokenization_spaces=False)
        if str(text).strip() == answer.text:
            return ids
    return builder.renderer.answer_ids(answer.text)


def stored_top_logprobs(
    stored: Mapping[str, TopLogprobs],
    answer: Answer,
    ids: tuple[int, ...],
    builder: RequestBuilder,
) -> TopLogprobs:
    """The teacher's distribution at each token of an answer; `ids`: the tokens to learn.

    Raises DataError where it is missing, or where it is over the tokens of another model.
    """
    top = stored.get(answer.key)
    if top is not None and ids != answer.token_ids:
        raise DataError(
            f"row {answer.row}: its answer does not end with {builder.config.model.name}'s end of "
            "turn, or the teacher has another tokenizer, so its stored probabilities are not of "
            "the tokens to learn; use objective ce or teacher: adapter_off"
        )
    if top is None or len(top.ids) != len(ids):
        raise DataError(
            f"row {answer.row}: no probabilities are stored for each token of its answer; "
            "set teacher.sampling.logprobs and run `unprompted teacher CONFIG generate` again, "
            "or objective.teacher: adapter_off"
        )
    return top


def matching_answers(
    builder: RequestBuilder,
    answers: Iterable[Answer],
    top_logprobs: Mapping[str, TopLogprobs],
    unmatched: list[DataError],
) -> Iterator[Answer]:
    """The dictated answers, and those whose stored probabilities are of the tokens to learn.

    Collects what is wrong with the others in `unmatched`.
    """
    for answer in answers:
        try:
            if not answer.dictated:
                ids = answer_token_ids(builder, answer)
                stored_top_logprobs(top_logprobs, answer, ids, builder)
        except DataError as error:
            unmatched.append(error)
        else:
            yield answer
