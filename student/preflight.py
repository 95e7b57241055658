"""The preflight: whether everything that a run computes with the base is what the base computes.

Every command that asks a model or trains runs it before its first request or step. The chat
template is checked when the `RequestBuilder` is made. Then the base is loaded: it must be a whole
causal model, read as many tokens as the settings say, answer both views of a question, and give the
students' training passes its own log-probabilities. A base that passes is recorded in the run's
folder and not loaded again until something changes.
"""

import gc
import os
from collections.abc import Sequence
from importlib.metadata import version

import torch

from config.console import print
from config.errors import ConfigError, SetupError, UnpromptedError, first_line
from config.schema import Config
from config.tracker_check import check_trackers
from config.training import StudentSettings
from data.atomic_write import write_text
from data.fingerprint import Fingerprint
from data.jsonl import read_stored_record
from data.records import Record, digest
from data.rows import Row
from data.run_paths import RunPaths
from engine.precision import has_gpu, precision
from engine.request_builder import RequestBuilder
from student.base_checks import (
    check_causal,
    check_config,
    check_vocabulary,
    context_length,
    load_checked_base,
)
from student.exactness import TOLERANCE, check_exact, packing_fault
from student.generation_check import check_generation
from student.model import load_student
from student.requirements import device_faults, refuse

_QUESTION = Row(id="preflight", question="What is 2 + 2?")


class PreflightResult(Record):
    """What was found about a base that passed."""

    fingerprint: Fingerprint
    findings: tuple[str, ...]


def preflight(config: Config) -> tuple[str, ...]:
    """Checks the base, prints one line, and returns what was found.

    A base that passed with the same settings and packages is not checked again. Of several training
    processes only the first one checks. Raises ConfigError, DataError or SetupError, in one line.
    """
    if int(os.environ.get("RANK", "0")) > 0:  # set by torchrun, before the processes are a group
        return ()
    refuse(list(device_faults(config)))
    check_trackers(config)
    builder = RequestBuilder(config)
    fingerprint = _fingerprint(builder)
    path = RunPaths.of(config).preflight / f"{digest(fingerprint)[:12]}.json"
    stored = read_stored_record(path, PreflightResult)
    if stored is not None:
        findings = stored.findings
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
        return (
            *_check_model(builder),
            _check_students(builder),
            *_template_findings(builder),
        )
    except UnpromptedError:
        raise
    except Exception as error:  # of transformers or peft, for an architecture they do not support
        line = first_line(error)
        raise SetupError(
            f"model.name = {builder.config.model.name}: its code fails in the preflight "
            f"({type(error).__name__}: {line}); use another model: docs/models.md lists those that "
            "work"
        ) from error
    finally:
        _free_memory()


def _fingerprint(builder: RequestBuilder) -> Fingerprint:
    """Everything that a check's outcome depends on."""
    config = builder.config
    return {
        "model": builder.identity,
        "precision": precision(config.model.dtype),
        "max_length": config.model.max_length,
        "budget": builder.budget,
        "chat template": builder.renderer.template.sha256,
        "prompt": builder.prompt.sha256,
        "students": sorted(_distinct_students(config)),
        **{package: version(package) for package in ("torch", "transformers", "peft")},
    }


def _check_model(builder: RequestBuilder) -> tuple[str, ...]:
    template, settings = builder.renderer.template, builder.config.model
    prompts = [builder.renderer.view_ids(_QUESTION, prompted) for prompted in (True, False)]
    _check_room(builder, prompts)
    config = check_config(builder.model, settings.max_length)
    model = load_checked_base(builder.model, settings.dtype)
    check_vocabulary(model, template.tokenizer, (*prompts[0], template.end_of_turn))
    check_causal(model, prompts[1])
    check_generation(model, template, prompts)
    own_stops = model.generation_config.eos_token_id
    stops_itself = template.end_of_turn in (
        own_stops if isinstance(own_stops, list) else [own_stops]
    )
    end = template.tokenizer.convert_ids_to_tokens(template.end_of_turn)
    return (
        f"{settings.name} ({type(model).__name__}, {precision(settings.dtype)})",
        f"context {context_length(config) or 'without limit'}",
        f"end of turn {end}"
        + ("" if stops_itself else ", which generation_config.json does not name: tell a server"),
    )


def _check_room(builder: RequestBuilder, prompts: Sequence[tuple[int, ...]]) -> None:
    """Raises ConfigError where not even a short question without passages fits the budget."""
    longest, length = max(map(len, prompts)), builder.config.model.max_length
    answer = length - builder.budget
    if longest > builder.budget:
        raise ConfigError(
            f"model.max_length = {length}: the system prompt with its worked examples and a short "
            f"question takes {longest} tokens, and an answer up to {answer}; set it to "
            f"{longest + answer} at least, or shorten them"
        )


def _check_students(builder: RequestBuilder) -> str:
    """Raises ConfigError where a student's passes are not what its model computes."""
    packing = ""
    for student in _distinct_students(builder.config).values():
        _free_memory()
        dtype, system_ids = builder.config.model.dtype, builder.renderer.system_ids
        model = load_student(builder.model, student.method, 0, system_ids, dtype)
        check_exact(model.to("cuda" if has_gpu() else "cpu"), student)
        if has_gpu():
            fault = packing_fault(model, student)
            packing += f", {student.name} {f'padded: {fault}' if fault else 'packed'}"
        del model
    names = ", ".join(student.name for student in builder.config.students)
    return f"training passes of {names} exact to {TOLERANCE:g} nats{packing}"


def _distinct_students(config: Config) -> dict[str, StudentSettings]:
    """The first student of each kind of pass: its size and optimisation change no computation."""
    students: dict[str, StudentSettings] = {}
    for student in config.students:
        method = student.method.model_dump(mode="json", exclude={"rank", "alpha", "dropout"})
        students.setdefault(digest([method, student.needs_adapter_off]), student)
    return students


def _template_findings(builder: RequestBuilder) -> tuple[str, ...]:
    template, settings = builder.renderer.template, builder.config.model
    own = [
        f"{name}: {value!r}"
        for name, value in template.kwargs.items()
        if name not in settings.template_kwargs
    ]
    place = "a turn of its own" if settings.system_role == "system" else "the first user turn"
    return (
        f"template arguments set by itself {', '.join(own) or 'none'}",
        f"date {template.date or 'none'}",
        f"system prompt in {place}",
        f"frame without it {template.unprompted_frame!r}",
    )


def _free_memory() -> None:
    """For what is loaded next; a model can hold itself in a circle."""
    gc.collect()
    torch.cuda.empty_cache()  # no effect without CUDA
