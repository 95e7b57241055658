"""The contract of every backend: the same requests and assertions for each engine."""

import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

from config.backends import BatchBackend, OpenAiBackend, RayBackend
from config.generation import SamplingSettings
from engine.base import Completion, Engine, Request
from engine.hf_engine import HfEngine
from engine.openai_batch import BatchEngine, BatchFolder
from engine.openai_engine import OpenAiEngine
from engine.openai_messages import ChatCodec
from engine.ray_engine import RayEngine
from tests.engine.echo_model import EchoEngine, renderer, reply_to, request, respond
from tests.judge.llm.server import serving
from tests.student.trained_students import small_model

Ask = Callable[[Sequence[Request]], list[Completion]]
KEY = "sk-canary-contract"


class Backend(NamedTuple):
    """An engine, how to run it, and whether its ids are derived from its text."""

    engine: Engine
    ask: Ask
    by_text: bool = False


def direct(engine: Engine) -> Backend:
    return Backend(engine, lambda requests: list(engine.run(requests)))


def of_chat(settings: OpenAiBackend) -> Backend:
    chat = ChatCodec(settings, renderer(), {})
    engine = OpenAiEngine(settings, chat, 2048)
    return direct(engine)._replace(by_text=not settings.same_tokenizer)


def send(folder: BatchFolder) -> None:
    """A batch service: the results of all files, shuffled, in two files."""
    lines = [line for path in folder.requests.glob("*.jsonl") for line in path.open()]
    done = []
    for line in lines:
        sent = json.loads(line)
        response = {"status_code": 200, "body": reply_to(sent["body"])}
        done.append(json.dumps({"custom_id": sent["custom_id"], "response": response}) + "\n")
    random.Random(0).shuffle(done)
    folder.results.mkdir(exist_ok=True)
    for number in range(2):
        (folder.results / f"{len(done)}-{number}.jsonl").write_text("".join(done[number::2]))


def batched(path: Path) -> Backend:
    settings = BatchBackend(model="m", shard_rows=3)
    chat, folder = ChatCodec(settings, renderer(), {}), BatchFolder(path, settings.shard_rows)
    engine = BatchEngine(folder, chat, 2048)

    def ask(requests: Sequence[Request]) -> list[Completion]:
        folder.write(requests, chat)
        send(folder)
        return list(engine.run(requests))

    return Backend(engine, ask, by_text=True)


def make_backend(kind: str, path: Path, stack: ExitStack) -> Backend:
    """A backend by its parameter name."""
    if kind.startswith("openai"):
        urls = tuple(stack.enter_context(serving(respond)).url for _ in range(2))
        same = kind.endswith("ids")
        return of_chat(OpenAiBackend(model="m", base_urls=urls, same_tokenizer=same))
    if kind == "batch":
        return batched(path)
    if kind == "hf":
        return direct(HfEngine(small_model(path), 2048))
    if kind == "ray":
        return direct(RayEngine(RayBackend(workers=2, batch_rows=4), EchoEngine, "echo", 2048))
    if kind == "vllm":
        from engine.vllm_engine import VllmEngine

        return direct(VllmEngine("embedded", 2048))
    return direct(EchoEngine())


no_ray = pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed: .[ray]")


@pytest.fixture(scope="module", autouse=True)
def other_processes() -> list[str]:
    """Processes left over from other test files, such as a fork server."""
    return children(os.getpid())


@pytest.fixture(
    scope="module",
    params=[
        "fake",
        "hf",
        "openai-text",
        "openai-ids",
        "batch",
        pytest.param("ray", marks=no_ray),
        pytest.param("vllm", marks=pytest.mark.slow),
    ],
)
def backend(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Backend]:
    with ExitStack() as stack:
        tested = make_backend(request.param, tmp_path_factory.mktemp(request.param), stack)
        stack.callback(tested.engine.close)
        yield tested


QUESTIONS = [
    "Where is the museum?",
    "",  # nothing at all
    "Где музей — «там»?",
    "naïve 🙂 \n\n  spaces",
    "Tell me a <|im_start|>user and a <repo_name>",
]
CUT = 3  # tokens


@pytest.fixture(scope="module")
def requests() -> list[Request]:
    """Each question; the first one twice more, with other keys; and one that is truncated."""
    twins = [request(QUESTIONS[0], key=f"twin-{number}") for number in range(2)]
    cut = request("Count from one to a hundred.", SamplingSettings(max_tokens=CUT))
    return [*map(request, QUESTIONS), *twins, cut]


@pytest.fixture(scope="module")
def completions_by_key(backend: Backend, requests: list[Request]) -> dict[str, Completion]:
    """The completions by key, after a check that each came once."""
    completions = backend.ask(requests)
    counts = Counter(completion.key for completion in completions)
    assert counts == Counter(completion.key for completion in requests), (
        "every request once, and no other"
    )
    return {completion.key: completion for completion in completions}


def test_text_ids_and_finish_agree(
    backend: Backend, requests: list[Request], completions_by_key: dict[str, Completion]
) -> None:
    """The text decodes the ids; the end-of-turn token comes last in complete answers only."""
    end = renderer().template.end_of_turn
    for echo_request in requests:
        done = completions_by_key[echo_request.key]
        text = renderer().tokenizer.decode(
            done.token_ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        assert str(text).strip() == done.text.strip()
        assert (done.finish == "stop") == (done.token_ids[-1:] == (end,))
        assert end not in done.token_ids[:-1]
        if not backend.by_text:
            assert len(done.token_ids) <= echo_request.sampling.max_tokens


def test_an_answer_that_reaches_the_limit_is_reported(
    requests: list[Request], completions_by_key: dict[str, Completion]
) -> None:
    done = completions_by_key[requests[-1].key]
    assert done.finish == "length" and 0 < len(done.token_ids) <= CUT


def test_no_special_token_is_in_a_text(completions_by_key: dict[str, Completion]) -> None:
    """Even if the model generates one: students would learn it as plain text."""
    names = renderer().tokenizer.all_special_tokens
    leaked = [
        completion.text
        for completion in completions_by_key.values()
        if any(name in completion.text for name in names)
    ]
    assert not leaked


def test_equal_prompts_have_equal_greedy_answers(
    requests: list[Request], completions_by_key: dict[str, Completion]
) -> None:
    first, *twins = (
        completions_by_key[key].token_ids for key in (requests[0].key, "twin-0", "twin-1")
    )
    assert twins == [first, first]


def test_nothing_asked_nothing_answered(backend: Backend) -> None:
    assert backend.ask([]) == []


def test_closing_leaves_no_process_and_can_be_repeated(
    backend: Backend, other_processes: list[str]
) -> None:
    """No child process after a few seconds."""
    backend.engine.close()
    backend.engine.close()
    give_up = time.monotonic() + 20
    while set(children(os.getpid())) - set(other_processes) and time.monotonic() < give_up:
        time.sleep(0.2)
    assert not set(children(os.getpid())) - set(other_processes)


def test_what_was_closed_answers_again(backend: Backend) -> None:
    """A later request starts the engine again."""
    again = request("And again?", key="again")
    assert [completion.key for completion in backend.ask([again])] == ["again"]


def children(number: int) -> list[str]:
    """The command lines of the running child processes of a process."""
    commands = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rsplit(")", 1)[1].split()[:2]
            command = (path.parent / "cmdline").read_bytes().decode(errors="replace")
        except OSError:  # it has ended
            continue
        if int(parent) == number and state != "Z" and "resource_tracker" not in command:
            commands.append(f"{path.parent.name} {command}")
    return sorted(commands)
