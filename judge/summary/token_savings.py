"""What the system prompt costs: tokens of a request with it and without it, on the same rows."""

from collections.abc import Iterable
from statistics import fmean

from data.answers import Answer
from judge.summary.records import TokenSavings


def measure_token_savings(
    prompted: Iterable[Answer], unprompted: Iterable[Answer]
) -> TokenSavings | None:
    """Prompt tokens of teacher and base; None when no row was answered by both."""
    with_prompt, without_prompt = _lengths(prompted), _lengths(unprompted)
    rows = [row for row in with_prompt if row in without_prompt]
    if not rows:
        return None
    saved = [with_prompt[row] - without_prompt[row] for row in rows]
    return TokenSavings(
        rows=len(rows),
        prompted=fmean(with_prompt[row] for row in rows),
        unprompted=fmean(without_prompt[row] for row in rows),
        saved=fmean(saved),
        saved_least=min(saved),
        saved_most=max(saved),
    )


def _lengths(answers: Iterable[Answer]) -> dict[str, int]:
    return {answer.row: answer.prompt_tokens for answer in answers if answer.finish != "too_long"}
