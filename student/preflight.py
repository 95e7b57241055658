"""The preflight: whether everything that a run computes with the base is what the base computes.

Every command that asks a model or trains runs it before its first request or step. The chat
template is checked when the `RequestBuilder` is made. Then the base is loaded once: it must be a
whole causal model, read as many tokens as the settings say, and answer both views of a question. A
base that passes is recorded in the run's folder and not loaded again until something changes.
"""

import gc
import math
import os
from collections.abc import Sequence
from importlib.metadata import version

import torch

from config.errors import ConfigError, SetupError, UnpromptedError
from config.schema import Config
from data.atomic_write import write_text
from data.fingerprint import Fingerprint
from data.jsonl import read_record
from data.records import Record, digest
from data.rows import Row
from data.run_paths import RunPaths
from engine.hf_generation import (
    GeneratedAnswer,
    GenerationSettings,
    answer_logprobs,
    generate_answers,
)
from engine.models import TorchModel
from engine.precision import precision
from engine.request_builder import RequestBuilder
from prompts.reasoning import cut_reasoning
from student.base_checks import (
    check_causal,
    check_config,
    check_vocabulary,
    context_length,
    load_checked_base,
)

QUESTION = Row(id="preflight", question="What is 2 + 2?")
_TOKENS = 8  # of an answer to it
# Mean distance in nats of a token's logprob between generation in a padded batch with a cache and a
# plain pass. Rounding to 8-bit mantissas in another order makes 0.1 of it.
_TOLERANCE = {"float32": 1e-3}
_ROUNDED_TOLERANCE = 0.3


class PreflightResult(Record):
    """What was found about a base that passed."""

    fingerprint: Fingerprint
    findings: tuple[str, ...]


def preflight(config: Config) -> tuple[str, ...]:
    """Checks the base, prints one line, and returns what was found.

    A base that passed with the same settings and packages is not checked again. Of several training
    processes only the first one checks. Raises ConfigError, DataError or SetupError, in one line.
    """
    builder = RequestBuilder(config)
    if int(os.environ.get("RANK", "0")) > 0:  # set by torchrun, before the processes are a group
        return ()
    fingerprint = _fingerprint(builder)
    path = RunPaths.of(config).preflight / f"{digest(fingerprint)[:12]}.json"
    if path.exists():
        findings = read_record(path, PreflightResult).findings
    else:
        findings = check_base(builder)
        result = PreflightResult(fingerprint=fingerprint, findings=findings)
        write_text(path, result.model_dump_json(indent=1) + "\n")
    print(f"preflight: {'; '.join(findings)}", flush=True)
    return findings


def check_base(builder: RequestBuilder) -> tuple[str, ...]:
    """What was found about the base, as short phrases; writes nothing.

    Raises ConfigError, DataError or SetupError, in one line, where a run could not be exact.
    """
    try:
        return (*_check_model(builder), *_template_findings(builder))
    except UnpromptedError:
        raise
    except Exception as error:  # of transformers or peft, for an architecture they do not support
        line = (str(error).strip().splitlines() or [""])[0][:200]
        raise SetupError(
            f"model.name = {builder.config.model.name}: its code fails in the preflight "
            f"({type(error).__name__}: {line}); use another model"
        ) from error
    finally:
        gc.collect()
        torch.cuda.empty_cache()  # for the engine that is started next; no effect without CUDA


def _fingerprint(builder: RequestBuilder) -> Fingerprint:
    """Everything that a check's outcome depends on."""
    config = builder.config
    students = {
        digest([student.method.model_dump(), student.objective.model_dump()])
        for student in config.students
    }
    return {
        "model": builder.identity,
        "precision": precision(),
        "max_length": config.model.max_length,
        "budget": builder.budget,
        "chat template": builder.renderer.template.sha256,
        "prompt": builder.prompt.sha256,
        "students": sorted(students),
        **{package: version(package) for package in ("torch", "transformers", "peft")},
    }


def _check_model(builder: RequestBuilder) -> tuple[str, ...]:
    prompts = [builder.renderer.view_ids(QUESTION, prompted) for prompted in (True, False)]
    _check_room(builder, prompts)
    settings = builder.config.model
    config = check_config(builder.model, settings.max_length)
    model = load_checked_base(builder.model)
    check_vocabulary(
        model, builder.renderer.tokenizer, (*prompts[0], builder.renderer.template.end_of_turn)
    )
    check_causal(model, prompts[1])
    end = builder.renderer.template.end_of_turn
    settings_of_answers = GenerationSettings((end,), _TOKENS, logprobs=True)
    for answer in generate_answers(model, prompts, settings_of_answers):
        _check_answer(builder, answer)
        _check_generation(model, prompts[answer.prompt], answer)
    own_stops = model.generation_config.eos_token_id
    stops_itself = end in (own_stops if isinstance(own_stops, list) else [own_stops])
    return (
        f"{settings.name} ({type(model).__name__}, {precision()})",
        f"context {context_length(config) or 'without limit'}",
        f"end of turn {_token(builder, end)}"
        + ("" if stops_itself else ", which generation_config.json does not name: tell a server"),
    )


def _check_room(builder: RequestBuilder, prompts: Sequence[tuple[int, ...]]) -> None:
    """Raises ConfigError where not even a short question without passages fits the budget."""
    longest, settings = max(map(len, prompts)), builder.config
    if longest > builder.budget:
        answer = settings.model.max_length - builder.budget
        raise ConfigError(
            f"model.max_length = {settings.model.max_length}: the system prompt with its worked "
            f"examples and a short question takes {longest} tokens and an answer up to {answer}; "
            f"set it to {longest + answer} at least, or shorten them"
        )


def _check_answer(builder: RequestBuilder, answer: GeneratedAnswer) -> None:
    """Raises ConfigError for numbers that are none, and for an answer that opens with reasoning."""
    name = builder.config.model.name
    if not all(map(math.isfinite, answer.logprobs or ())):
        raise ConfigError(
            f"model.name = {name}: its log-probabilities are not finite in {precision()}; use "
            "another number type or model"
        )
    text = builder.renderer.tokenizer.decode(answer.token_ids, skip_special_tokens=False)
    reasoning = cut_reasoning(text)
    if reasoning.was_cut or not reasoning.separable:
        raise ConfigError(
            f"model.name = {name}: it opens its answer with reasoning ({text[:40]!r}), although "
            "its template's thinking is off; use a model that answers without, such as the "
            "instruct version"
        )


def _check_generation(model: TorchModel, prompt: tuple[int, ...], answer: GeneratedAnswer) -> None:
    """Raises ConfigError where padding or the cache changes what the model computes."""
    plain = answer_logprobs(model, prompt, answer.token_ids)
    gaps = [abs(a - b) for a, b in zip(plain, answer.logprobs or (), strict=True)]
    distance = sum(gaps) / len(gaps)
    if distance > _TOLERANCE.get(precision(), _ROUNDED_TOLERANCE):
        raise ConfigError(
            f"model.name = {model.name_or_path}: {type(model).__name__} answers otherwise in a "
            f"padded batch than alone ({distance:.2g} nats a token), so evaluation would be wrong; "
            "use another model"
        )


def _template_findings(builder: RequestBuilder) -> tuple[str, ...]:
    template = builder.renderer.template
    return (f"frame without a system prompt {template.unprompted_frame!r}",)


def _token(builder: RequestBuilder, token_id: int) -> str:
    return str(builder.renderer.tokenizer.convert_ids_to_tokens(token_id))
