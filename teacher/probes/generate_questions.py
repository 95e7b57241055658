"""Has the model write questions for probes, each time after a few examples from the bank.

Each reply is one question; whether it is near another one is checked at selection. A small model
may write questions of another kind: a row's `origin` names the author.
"""

import random
import re
from collections import defaultdict
from collections.abc import Iterable

from config.generation import SamplingSettings
from config.schema import Config
from data.answers import Answer, read_answers
from data.near_duplicates import near_duplicates
from data.records import digest
from data.rows import normalise_question
from data.run_paths import RunPaths
from data.visible_text import has_visible_text
from engine.base import Engine
from engine.batch_job import Task, run_job
from engine.request_builder import RequestBuilder
from prompts.probe_bank import ProbeBank, ProbeKind

_EXAMPLES = 4  # questions of the bank in each request
_MAX_CHARACTERS = 300
_SAMPLING = SamplingSettings(temperature=1.0, max_tokens=80)
_LIST_MARK = re.compile(r"^(?:[-*•]|\d+[.)]|(?:question|вопрос)\s*:)\s*", re.IGNORECASE)


def generate_questions(
    config: Config, bank: ProbeBank, engine: Engine, accept_changes: bool
) -> dict[str, list[str]]:
    """Kind → the distinct questions that the model wrote, from as many requests as the floor.

    Kinds without a description get none. Raises as `run_job` does.
    """
    assert config.probes is not None  # the caller asks for probes
    builder, path = RequestBuilder(config), RunPaths.of(config).answers("probes")
    tasks = [
        _task(builder, bank, name, sample)
        for name, kind in bank.kinds.items()
        if kind.topic is not None
        for sample in range(config.probes.floor)
    ]
    fingerprint = {
        "model": builder.identity,
        "chat template": builder.renderer.template.sha256,
        "bank": digest(bank.model_dump(mode="json")),
        "floor": config.probes.floor,
        "seed": config.seed,
    }
    run_job(engine, tasks, path, fingerprint, accept_changes)
    by_kind: dict[str, list[Answer]] = defaultdict(list)
    for answer in read_answers(path):
        by_kind[answer.row].append(answer)
    return {name: _new_questions(kind, by_kind[name], config) for name, kind in bank.kinds.items()}


def _task(builder: RequestBuilder, bank: ProbeBank, name: str, sample: int) -> Task:
    kind, seed = bank.kinds[name], builder.config.seed
    rng = random.Random(f"{seed} {name} {sample}")
    shown = rng.sample(kind.questions, min(_EXAMPLES, len(kind.questions)))
    examples = "\n".join(f"- {text}" for text in shown)
    text = bank.request.replace("{topic}", kind.topic or "").replace("{examples}", examples)
    message = {"role": "user", "content": builder.renderer.template.neutralise(text)}
    request = builder.request([message], _SAMPLING, rng.randrange(2**31))
    return Task("probes", name, sample, request)


def _new_questions(kind: ProbeKind, answers: Iterable[Answer], config: Config) -> list[str]:
    """The distinct complete questions that copy none of the bank's."""
    bank = {normalise_question(text) for text in kind.questions}
    questions = {
        normalise_question(text): text for text in map(_parse_question, answers) if text is not None
    }
    copies = {key for key, _, _ in near_duplicates(questions, bank, config.data.near_duplicate)}
    return [text for key, text in questions.items() if key and key not in copies]


def _parse_question(answer: Answer) -> str | None:
    """The first line without list mark and quotes; None when it cannot be a question."""
    lines = [line.strip() for line in answer.text.splitlines() if has_visible_text(line)]
    if not answer.usable or not lines:
        return None
    text = _LIST_MARK.sub("", lines[0]).strip(" \"'«»“”")
    return text if 0 < len(text) <= _MAX_CHARACTERS and "{" not in text else None
