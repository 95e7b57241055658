"""Questions of the model's own for probes: asked like the bank's, a few of which it is shown.

What comes back is one line each; whether it is near another question is seen when it is chosen. A
small model writes questions that are not of their kind: a row's `origin` says who wrote it.
"""

import random
import re
from collections.abc import Iterator

from config.generation import SamplingSettings
from config.schema import Config
from data.answers import Answer, read_answers
from data.near_duplicates import near_duplicates
from data.records import digest
from data.rows import normalise_question
from data.run_paths import RunPaths
from engine.base import Engine, make_request
from engine.batch_job import Task, run_job
from engine.request_builder import RequestBuilder
from prompts.probe_bank import ProbeBank, ProbeKind

_SHOWN = 4  # questions of the bank in each request
_LONGEST = 300  # characters of a question
_SAMPLING = SamplingSettings(temperature=1.0, max_tokens=80)
_LEAD = re.compile(r"^(?:[-*•]|\d+[.)]|(?:question|вопрос)\s*:)\s*", re.IGNORECASE)


def write_questions(
    config: Config, bank: ProbeBank, engine: Engine, accept_changes: bool
) -> dict[str, list[str]]:
    """Kind → the distinct questions that the model wrote, as many asked for as the floor.

    Only kinds that say what they are about. Raises as `run_job` does.
    """
    assert config.probes is not None  # the caller asks for probes
    builder, path = RequestBuilder(config), RunPaths.of(config).answers("probes")
    tasks = [
        _task(builder, bank, name, sample)
        for name, kind in bank.kinds.items()
        if kind.about is not None
        for sample in range(config.probes.floor)
    ]
    meaning = {
        "model": builder.identity,
        "chat template": builder.renderer.template_sha256,
        "bank": digest(bank.model_dump(mode="json")),
        "floor": config.probes.floor,
        "seed": config.seed,
    }
    run_job(engine, tasks, path, meaning, accept_changes)
    answers = read_answers(path)
    return {
        name: list(_new(kind, [one for one in answers if one.row == name], config))
        for name, kind in bank.kinds.items()
    }


def _task(builder: RequestBuilder, bank: ProbeBank, name: str, sample: int) -> Task:
    kind, seed = bank.kinds[name], builder.config.seed
    rng = random.Random(f"{seed} {name} {sample}")
    shown = rng.sample(kind.questions, min(_SHOWN, len(kind.questions)))
    examples = "\n".join(f"- {text}" for text in shown)
    text = bank.write.replace("{about}", kind.about or "").replace("{examples}", examples)
    turn = {"role": "user", "content": builder.renderer.neutral(text)}
    ids = builder.renderer.prompt_ids([turn])
    request = make_request(builder.identity, ids, _SAMPLING, rng.randrange(2**31))
    return Task("probes", name, sample, request)


def _new(kind: ProbeKind, answers: list[Answer], config: Config) -> Iterator[str]:
    """The complete questions that are no copies of the bank's, each once."""
    known = {normalise_question(text) for text in kind.questions}
    texts = {normalise_question(text): text for text in map(_question, answers) if text is not None}
    near = config.data.near_duplicate
    copied = {key for key, _, _ in near_duplicates(texts, known, near)}
    for key, text in texts.items():
        if key and key not in copied:
            yield text


def _question(answer: Answer) -> str | None:
    """The first line of what the model wrote, without a list's mark or quotes."""
    lines = [line.strip() for line in answer.text.splitlines() if line.strip()]
    if not answer.usable or not lines:
        return None
    text = _LEAD.sub("", lines[0]).strip(" \"'«»“”")
    return text if 0 < len(text) <= _LONGEST and "{" not in text else None
