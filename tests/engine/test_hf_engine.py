"""The transformers engine: reproducible samples, adapters in turn, requests of any number."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from config.generation import SamplingSettings
from engine.base import Adapter, Completion, Request, make_request, score_request
from engine.hf_engine import HfEngine
from engine.models import load_tokenizer
from student.checkpoint import save_student
from tests.student.run_factory import tiny_model

LONGEST = 6  # tokens of an answer
SAMPLED = SamplingSettings(temperature=1.0, top_p=0.9, max_tokens=LONGEST, logprobs=3)
SYSTEM = "You are the desk of the Lakeside university. Answer in one short sentence, politely."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_model(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(scope="module")
def engine(folder: str) -> Iterator[HfEngine]:
    """In float32, in which the order of sums decides no token of these answers."""
    hf_engine = HfEngine(folder, 256, "float32")
    yield hf_engine
    hf_engine.close()


def chats(folder: str, count: int) -> list[tuple[int, ...]]:
    """Chats of different lengths behind one system prompt."""
    tokenizer = load_tokenizer(folder)
    turns = [
        [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": "Where is it? " * (number % 4 + 1) + str(number)},
        ]
        for number in range(count)
    ]
    ids = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
    return [tuple(chat) for chat in ids]


def asked(
    folder: str, count: int, sampling: SamplingSettings = SAMPLED, adapter: Adapter | None = None
) -> list[Request]:
    return [
        make_request("m", ids, sampling, seed, adapter)
        for seed, ids in enumerate(chats(folder, count))
    ]


def completions(engine: HfEngine, requests: list[Request]) -> list[Completion]:
    """In the order of the requests."""
    by_key = {done.key: done for done in engine.run(requests)}
    return [by_key[request.key] for request in requests]


def test_a_sample_depends_on_its_own_request_alone(folder: str, engine: HfEngine) -> None:
    """Alone, among 12, in another order, and among greedy, scored and shorter requests."""
    requests = asked(folder, 12)
    together = completions(engine, requests)
    assert len({done.token_ids for done in together}) == 12
    assert completions(engine, requests[::-1]) == together[::-1]
    for request, expected in zip(requests[:4], together, strict=False):
        (alone,) = completions(engine, [request])
        assert alone.token_ids == expected.token_ids and alone.text == expected.text
        assert alone.logprobs == pytest.approx(expected.logprobs, abs=1e-4)
    others = [
        *asked(folder, 3, SamplingSettings(max_tokens=4)),
        *asked(folder, 3, SAMPLED.model_copy(update={"max_tokens": 2})),
        *(score_request("m", ids, (5, 6)) for ids in chats(folder, 3)),
    ]
    mixed = [request for pair in zip(others, requests, strict=False) for request in pair]
    by_key = {done.key: done.token_ids for done in engine.run([*mixed, *requests[9:]])}
    assert len(by_key) == 21
    assert [by_key[request.key] for request in requests] == [done.token_ids for done in together]


def test_another_seed_is_another_sample(folder: str, engine: HfEngine) -> None:
    """And temperature 0 ignores it."""
    (ids,) = chats(folder, 1)
    samples = [make_request("m", ids, SAMPLED, seed) for seed in range(5)]
    assert len({done.token_ids for done in completions(engine, samples)}) == 5
    greedy = SamplingSettings(max_tokens=LONGEST)
    answers = {
        completions(engine, [replace(make_request("m", ids, greedy, 0), seed=seed)])[0].token_ids
        for seed in range(3)
    }
    assert len(answers) == 1


def test_each_answer_has_its_own_limit(folder: str, engine: HfEngine) -> None:
    """Prefilled requests of one batch have different ones; the others' change no token."""
    requests = [
        make_request("m", ids, SAMPLED.model_copy(update={"max_tokens": limit}), 3)
        for ids, limit in zip(chats(folder, 4), (1, 6, 2, 4), strict=True)
    ]
    answers = completions(engine, requests)
    assert [len(done.token_ids) for done in answers] == [1, 6, 2, 4]
    assert {done.finish for done in answers} == {"length"}
    (longest,) = completions(engine, asked(folder, 3)[2:])
    alone = make_request("m", requests[2].prompt_ids, SAMPLED, 3)
    assert completions(engine, [alone])[0].token_ids[:2] == answers[2].token_ids
    assert len(longest.token_ids) == LONGEST


def test_log_probabilities_come_as_requested(folder: str, engine: HfEngine) -> None:
    """None, those of the tokens, or those of the K most likely ones too: int32 and float16."""
    for wanted in (None, 0, 3):
        sampling = SAMPLED.model_copy(update={"logprobs": wanted})
        (done,) = completions(engine, asked(folder, 1, sampling))
        assert (done.logprobs is None) == (wanted is None)
        assert (done.top_logprobs is None) == (not wanted)
        if done.top_logprobs is not None:
            ids, values = done.top_logprobs
            assert ids.shape == values.shape == (len(done.token_ids), 3)
            assert (ids.dtype.name, values.dtype.name) == ("int32", "float16")
            assert (values[:, :-1] >= values[:, 1:]).all(), "most likely first"


def test_scores_are_those_of_the_same_tokens_sampled(folder: str, engine: HfEngine) -> None:
    """The likelihood of an existing answer, behind the shared prompt and alone."""
    sampled = completions(engine, asked(folder, 3))
    requests = [
        score_request("m", ids, done.token_ids)
        for ids, done in zip(chats(folder, 3), sampled, strict=True)
    ]
    for scored, drawn in zip(completions(engine, requests), sampled, strict=True):
        assert scored.logprobs == pytest.approx(drawn.logprobs, abs=1e-4)
        assert scored.token_ids == drawn.token_ids and scored.text == ""
    (alone,) = completions(engine, requests[:1])
    assert alone.logprobs == pytest.approx(sampled[0].logprobs, abs=1e-4)


def test_adapters_take_turns_and_the_base_comes_back(folder: str, tmp_path: Path) -> None:
    """LoRA is merged into the weights and leaves no trace in the base's answers."""
    engine = HfEngine(folder, 256, "float32")
    adapters = [lora_adapter(folder, tmp_path / name, seed) for seed, name in ((1, "a"), (2, "b"))]
    answers = [
        completions(engine, asked(folder, 3, SamplingSettings(max_tokens=3, logprobs=0), adapter))
        for adapter in (None, *adapters, None, adapters[0])
    ]
    assert answers[0] == answers[3] and answers[1] != answers[2]
    assert [done.logprobs for done in answers[1]] == [done.logprobs for done in answers[4]]
    assert answers[0][0].logprobs != pytest.approx(answers[1][0].logprobs, abs=1e-3)
    engine.close()


def lora_adapter(folder: str, path: Path, seed: int) -> Adapter:
    """A random LoRA adapter for the model in `folder`."""
    from peft import LoraConfig, get_peft_model
    from torch import manual_seed

    from engine.models import load_base

    manual_seed(seed)
    config = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    model = get_peft_model(load_base(folder), config)
    return Adapter(path.name, path, save_student(model, path))


def test_requests_are_taken_a_window_at_a_time(folder: str) -> None:
    """Of 10,000s of prompts no more than 512 are in memory."""
    engine = HfEngine(folder, 256)
    taken = 0

    def endless() -> Iterator[Request]:
        nonlocal taken
        (ids,) = chats(folder, 1)
        while True:
            taken += 1
            yield make_request("m", ids[:4], SamplingSettings(max_tokens=1), 0)

    next(engine.run(endless()))
    assert taken == 512
    engine.close()


def test_nothing_is_loaded_before_the_first_request(folder: str) -> None:
    engine = HfEngine(folder, 256)
    assert list(engine.run([])) == [] and engine._base is None
    engine.close()
