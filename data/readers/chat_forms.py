"""Forms of logs in which a record is a conversation, or a request with its reply.

OpenAI's chat messages, fine-tuning data, stored completions and evals; ShareGPT; LiteLLM and other
request logs; promptfoo; Gemini.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from data.readers.cells import Malformed
from data.readers.conversation import (
    ChatTurn,
    Conversation,
    Unsupported,
    is_messages,
    message_turns,
    structured,
)
from data.readers.gemini import gemini, is_gemini
from data.readers.log_columns import CONTEXT_NAMES, QUESTION_NAMES, named_column
from data.readers.passages import cell_contexts
from data.readers.payloads import call, reply_turns, request_contexts, request_turns
from data.readers.promptfoo_csv import is_promptfoo_csv, promptfoo_csv
from data.readers.trace_scores import TraceScore

Values = Mapping[str, Any]
Conversations = Iterator[Conversation | Malformed]  # or why a part of the record is none


_REQUESTS = ("request", "messages", "body")
_REPLIES = ("response", "output", "completion", "answer")


class ChatForm(NamedTuple):
    """How one tool writes its logs."""

    name: str
    matches: Callable[[Values], bool]
    conversations: Callable[[Values], Conversations]  # of a record that matches; raises Malformed
    # whether the record is a call of a model; None: every record is. Where a file has calls,
    # records of other kinds, such as the chains around them, are not read.
    is_call: Callable[[Values], bool] | None = None
    has_other_records: bool = False  # such as spans without a model; they are counted, not refused
    scores: Callable[[Values], Iterator[TraceScore]] | None = None  # of a record that matches


def _object(values: Values, key: str) -> Values:
    """The object at a key, also as text; an empty one where there is none. Raises Malformed."""
    value = structured(values.get(key))
    if value is None or isinstance(value, dict):
        return value or {}
    raise Malformed(f"{key}: expected an object, found {type(value).__name__}")


def _is_chat(values: Values) -> bool:
    has_reply = any(key in values for key in (*_REPLIES, "choices"))
    return is_messages(structured(values.get("messages"))) and not has_reply


def _chat(values: Values) -> Conversations:
    yield Conversation(request_turns(values), request_contexts(values))


def _is_preference(values: Values) -> bool:
    return "preferred_output" in values or {"prompt", "chosen", "rejected"} <= values.keys()


def _preference(values: Values) -> Conversations:
    is_openai = "preferred_output" in values
    request = request_turns(values.get("input" if is_openai else "prompt"))
    keys = ("preferred_output", "non_preferred_output") if is_openai else ("chosen", "rejected")
    answers = [reply_turns(_last_message(values.get(key))) for key in keys]
    rejected = next((turn.text for turn in answers[1] if not turn.problem), None)
    yield Conversation((*request, *answers[0]), rejected=rejected, is_call=True)


def _last_message(value: Any) -> Any:
    parsed = structured(value)
    return parsed[-1:] if is_messages(parsed) else value


def _is_pair(values: Values) -> bool:
    return {"prompt", "completion"} <= values.keys()


def _pair(values: Values) -> Conversations:
    yield call(values["prompt"], values["completion"])


def _is_sharegpt(values: Values) -> bool:
    turns = structured(values.get("conversations", values.get("conversation")))
    return isinstance(turns, list) and bool(turns) and isinstance(turns[0], dict)


def _sharegpt(values: Values) -> Conversations:
    turns = message_turns(structured(values.get("conversations", values.get("conversation"))))
    system = values.get("system")
    if isinstance(system, str) and system.strip() and turns[0].role != "system":
        turns = (ChatTurn("system", system), *turns)
    yield Conversation(turns)


def _is_completion(values: Values) -> bool:
    is_object = values.get("object") in ("chat.completion", "response", "text_completion")
    return is_object or ("choices" in values and ("messages" in values or "request" in values))


def _completion(values: Values) -> Conversations:
    keys = ("messages", "input_messages", "input", "request", "prompt")
    key = next((key for key in keys if values.get(key)), None)
    if key is None:
        raise Unsupported("a stored completion without its messages; export the messages as well")
    yield call(values[key], values, system=values.get("instructions"))


def _is_eval(values: Values) -> bool:
    is_item = isinstance(structured(values.get("item")), dict)
    return values.get("object") == "eval.run.output_item" or (is_item and len(values) <= 4)


def _eval(values: Values) -> Conversations:
    item = _object(values, "datasource_item" if "datasource_item" in values else "item")
    sample = _object(values, "sample")
    request = sample.get("input") or item.get("input") or item
    reply = sample.get("output") or sample.get("output_text") or sample.get("choices")
    if reply is None:
        keys = ("output", "response", "answer", "completion", "choices")
        reply = next((item[key] for key in keys if item.get(key)), None)
    yield call(request, reply, request_contexts(item))


def _is_litellm(values: Values) -> bool:
    marks = ("call_type", "request_id", "litellm_call_id", "proxy_server_request", "startTime")
    return (
        "response" in values
        and any(mark in values for mark in marks)
        and ("messages" in values or "proxy_server_request" in values)
    )


def _litellm(values: Values) -> Conversations:
    if values.get("status") in ("failure", "error") or values.get("error_str"):
        raise Unsupported("the request failed, so that there is no answer")
    messages = structured(values.get("messages"))
    request = messages or values.get("proxy_server_request")
    if request in (None, "", {}, []):
        raise Unsupported("a request without messages; set store_prompts_in_spend_logs: true")
    yield call(request, values.get("response"))


def _is_request_log(values: Values) -> bool:
    request = structured(next((values[key] for key in _REQUESTS if key in values), None))
    return isinstance(request, dict | list) and any(key in values for key in _REPLIES)


def _request_log(values: Values) -> Conversations:
    request = next(values[key] for key in _REQUESTS if key in values)
    reply = next(values[key] for key in _REPLIES if key in values)
    yield call(request, reply, system=values.get("system"))


def _is_promptfoo(values: Values) -> bool:
    has_prompt = isinstance(values.get("prompt"), dict) and "raw" in values["prompt"]
    return has_prompt and ("response" in values or "vars" in values)


def _promptfoo(values: Values) -> Conversations:
    raw, reply = values["prompt"]["raw"], values.get("response")
    variables = _object(values, "vars") or _object(_object(values, "testCase"), "vars")
    contexts_name = named_column(variables, CONTEXT_NAMES)
    passages = variables[contexts_name] if contexts_name else None
    contexts = () if contexts_name is None else cell_contexts(passages, contexts_name)
    if is_messages(structured(raw)):
        has_passages = isinstance(passages, str) and passages.strip() in str(raw)
        yield call(raw, reply, () if has_passages else contexts)
        return
    # a prompt of one text: its variable is the question, and the rest the prompt itself
    name = named_column(variables, QUESTION_NAMES)
    if name is None or not isinstance(variables[name], str):
        yield call(raw, reply)
        return
    yield Conversation(
        (ChatTurn("user", variables[name]), *reply_turns(reply)), contexts, is_call=True
    )


CHAT_FORMS = (
    ChatForm("promptfoo results", _is_promptfoo, _promptfoo),
    ChatForm("promptfoo results", is_promptfoo_csv, promptfoo_csv),
    ChatForm("OpenAI preference data", _is_preference, _preference),
    ChatForm("OpenAI evals", _is_eval, _eval),
    ChatForm("OpenAI stored completions", _is_completion, _completion),
    ChatForm("Gemini contents", is_gemini, gemini),
    ChatForm("LiteLLM logs", _is_litellm, _litellm),
    ChatForm("request-response logs", _is_request_log, _request_log),
    ChatForm("ShareGPT conversations", _is_sharegpt, _sharegpt),
    ChatForm("OpenAI chat messages", _is_chat, _chat),
    ChatForm("prompt-completion pairs", _is_pair, _pair),
)
