"""promptfoo's table as CSV: a column per variable, then one per provider and prompt.

A column `[provider] label` holds answers, with `[PASS] ` in front of them or the status in a column
behind it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from data.readers.cells import Malformed, shown_keys
from data.readers.conversation import ChatTurn, Conversation, Unsupported
from data.readers.log_columns import CONTEXT_NAMES, QUESTION_NAMES, named_column
from data.readers.passages import cell_contexts

_OUTPUT = re.compile(r"\[[^\]\n]+\] \S")
_STATUS = re.compile(r"\[(PASS|FAIL|ERROR)\] ?")
_OF_OUTPUT = (  # columns behind an output's own
    *("Status", "Score", "Named Scores", "Reasoning", "Grader Reason", "Comment"),
    *("Messages", "RedteamHistory", "RedteamTreeHistory"),
)
_JOINED = "\n---\n"  # between the reason of a failure and the answer, in older versions


class _Output(NamedTuple):
    """One answer with the columns behind it."""

    text: str
    notes: Mapping[str, str]


def distinct_columns(columns: Sequence[str]) -> tuple[str, ...]:
    """The header with numbers behind the columns that promptfoo repeats for each output."""
    if not any(map(_OUTPUT.match, columns)):
        return tuple(columns)
    names = list[str]()
    for column in columns:
        count = sum(name.split(" #")[0] == column for name in names)
        names.append(f"{column} #{count + 1}" if count and column in _OF_OUTPUT else column)
    return tuple(names)


def is_promptfoo_csv(values: Mapping[str, Any]) -> bool:
    """Whether a record is a row of such a table."""
    columns = [column for column in values if _OUTPUT.match(column)]
    has_notes = any(name in values for name in _OF_OUTPUT[:5])
    texts = [values[column] for column in columns]
    return bool(columns) and (
        has_notes or any(isinstance(text, str) and _STATUS.match(text) for text in texts)
    )


def promptfoo_csv(values: Mapping[str, Any]) -> Iterator[Conversation | Malformed]:
    """A conversation per answer, or why it is none. Raises Malformed without a question."""
    columns = list(values)
    first = next(at for at, column in enumerate(columns) if _OUTPUT.match(column))
    variables = {name: values[name] for name in columns[:first] if name != "Description"}
    contexts_name = named_column(variables, CONTEXT_NAMES)
    others = [name for name in variables if name != contexts_name]
    question = named_column(others, QUESTION_NAMES) or (others[0] if len(others) == 1 else None)
    if question is None:
        raise Malformed(
            f"no variable with a usual name of questions among {shown_keys(variables)}; export "
            "the results as JSON"
        )
    contexts = () if contexts_name is None else cell_contexts(variables[contexts_name], "context")
    outputs = _outputs(values, columns[first:])
    for output in outputs:
        if not output.text and len(outputs) > 1:  # a test that this provider was not given
            continue
        try:
            answer = _answer(output)
        except Unsupported as error:
            yield error
            continue
        turns = [ChatTurn("user", str(variables[question] or ""))]
        if answer:
            turns.append(ChatTurn("assistant", answer))
        yield Conversation(tuple(turns), contexts, is_call=True)


def _outputs(values: Mapping[str, Any], columns: Sequence[str]) -> list[_Output]:
    outputs = list[_Output]()
    for column in columns:
        text = str(values[column] or "")
        if _OUTPUT.match(column):
            outputs.append(_Output(text, {}))
        else:
            outputs[-1] = _Output(
                outputs[-1].text, {**outputs[-1].notes, column.split(" #")[0]: text}
            )
    return outputs


def _answer(output: _Output) -> str:
    """The answer without its status. Raises Unsupported where the request failed."""
    match = _STATUS.match(output.text)
    status = output.notes.get("Status") or (match[1] if match else "")
    has_prefix = match is not None and "Status" not in output.notes
    text = output.text[match.end() :] if match is not None and has_prefix else output.text
    if status.upper().startswith("ERROR"):
        raise Unsupported("the request failed, so that there is no answer")
    if (
        status.upper().startswith("FAIL")
        and "Grader Reason" not in output.notes
        and _JOINED in text
    ):
        raise Unsupported(
            "the reason of a failed check stands in front of the answer; export as JSON"
        )
    return text
