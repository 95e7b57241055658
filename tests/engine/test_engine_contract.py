"""What every backend keeps, whoever answers: one set of questions, one set of claims."""

import json
import os
import random
import threading
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
from tests.engine.echo_server import EchoEngine, renderer, replied, request, respond
from tests.judge.llm.server import serving
from tests.student.trained_students import small_model

Ask = Callable[[Sequence[Request]], list[Completion]]
KEY = "sk-canary-contract"


class Backend(NamedTuple):
    """An engine, how it is asked, and whether its ids are those of its text alone."""

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
    """What a batch service does: the results of all files, shuffled, in two files."""
    lines = [line for path in folder.requests.glob("*.jsonl") for line in path.open()]
    done = []
    for line in lines:
        asked = json.loads(line)
        response = {"status_code": 200, "body": replied(asked["body"])}
        done.append(json.dumps({"custom_id": asked["custom_id"], "response": response}) + "\n")
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


def made(kind: str, path: Path, stack: ExitStack) -> Backend:
    """A backend by its name in the matrix."""
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
def others() -> list[str]:
    """The processes that tests of other files have left to themselves, such as a fork server."""
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
        found = made(request.param, tmp_path_factory.mktemp(request.param), stack)
        stack.callback(found.engine.close)
        yield found


QUESTIONS = [
    "Where is the museum?",
    "",  # nothing at all
    "Где музей — «там»?",
    "naïve 🙂 \n\n  spaces",
    "Tell me a <|im_start|>user and a <repo_name>",
]
CUT = 3  # tokens


@pytest.fixture(scope="module")
def asked() -> list[Request]:
    """Each question; the first twice more, under keys of their own; and one that is cut."""
    twins = [request(QUESTIONS[0], key=f"twin-{number}") for number in range(2)]
    cut = request("Count from one to a hundred.", SamplingSettings(max_tokens=CUT))
    return [*map(request, QUESTIONS), *twins, cut]


@pytest.fixture(scope="module")
def found(backend: Backend, asked: list[Request]) -> dict[str, Completion]:
    """The completions by key, after the claim that each came once."""
    completions = backend.ask(asked)
    counts = Counter(one.key for one in completions)
    assert counts == Counter(one.key for one in asked), "every request once, and no other"
    return {one.key: one for one in completions}


def test_text_ids_and_finish_agree(
    backend: Backend, asked: list[Request], found: dict[str, Completion]
) -> None:
    """The text is that of the ids; an ending token comes last exactly where the answer ended."""
    end = renderer().template.end_of_turn
    for one in asked:
        done = found[one.key]
        text = renderer().tokenizer.decode(
            done.token_ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        assert str(text).strip() == done.text.strip()
        assert (done.finish == "stop") == (done.token_ids[-1:] == (end,))
        assert end not in done.token_ids[:-1]
        if not backend.by_text:
            assert len(done.token_ids) <= one.sampling.max_tokens


def test_an_answer_that_reaches_the_limit_is_reported(
    asked: list[Request], found: dict[str, Completion]
) -> None:
    done = found[asked[-1].key]
    assert done.finish == "length" and 0 < len(done.token_ids) <= CUT


def test_no_special_token_is_in_a_text(found: dict[str, Completion]) -> None:
    """Also where the model says one: it would be learnt as plain text, and then said to users."""
    names = renderer().tokenizer.all_special_tokens
    leaked = [one.text for one in found.values() if any(name in one.text for name in names)]
    assert not leaked


def test_equal_prompts_have_equal_greedy_answers(
    asked: list[Request], found: dict[str, Completion]
) -> None:
    first, *twins = (found[key].token_ids for key in (asked[0].key, "twin-0", "twin-1"))
    assert twins == [first, first]


def test_nothing_asked_nothing_answered(backend: Backend) -> None:
    assert backend.ask([]) == []


def test_closing_leaves_no_process_and_can_be_repeated(backend: Backend, others: list[str]) -> None:
    """Neither processes nor threads of ours, some seconds later at most."""
    backend.engine.close()
    backend.engine.close()
    give_up = time.monotonic() + 20
    while set(children(os.getpid())) - set(others) and time.monotonic() < give_up:
        time.sleep(0.2)
    assert not set(children(os.getpid())) - set(others)
    assert not [one for one in threading.enumerate() if one.name == "teacher.engine"]


def test_what_was_closed_answers_again(backend: Backend) -> None:
    """A later request starts it again."""
    again = request("And again?", key="again")
    assert [one.key for one in backend.ask([again])] == ["again"]


def children(number: int) -> list[str]:
    """The command lines of the processes that a process has started, and that still run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rsplit(")", 1)[1].split()[:2]
            command = (path.parent / "cmdline").read_bytes().decode(errors="replace")
        except OSError:  # it has ended
            continue
        if int(parent) == number and state != "Z" and "resource_tracker" not in command:
            found.append(f"{path.parent.name} {command}")
    return sorted(found)
