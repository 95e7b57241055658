"""vLLM and transformers give the same answers: greedily, sampled, with adapters, with scores."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from config.generation import SamplingSettings
from engine.base import Adapter, Completion, Engine, make_request, score_request
from engine.hf_engine import HfEngine
from engine.models import load_base, load_tokenizer, resolve_model
from engine.vllm_engine import VllmEngine
from tests.student.conftest import TrainStudent
from tests.student.test_served_students import answered, surprise
from tests.student.trained_students import ROUNDING

SYSTEM = "You are the desk of the Lakeside university. Answer in one short sentence."
TOPICS = (
    *("the library", "parking", "my exam", "a lost card"),
    *("the gym", "housing", "fees", "Peru"),
)
FORMS = ("Where do I ask about {}?", "Tell me about {}.", "When does {} end?")
LIMIT = 8  # tokens of an answer
# Nats between sums in two orders in float32: measured up to 2e-5. In bfloat16 30 of 48 answers of
# 24 tokens part, each where the two most likely ones are within two steps of its logits, of 0.125.
FLOAT32 = 5e-4
DRAWS = 200


@pytest.fixture(scope="module")
def engines() -> Iterator[tuple[HfEngine, VllmEngine]]:
    """Both in float32, where rounding decides no token; starting vLLM takes 15 s."""
    both = HfEngine("embedded", 256, "float32"), VllmEngine("embedded", 256, dtype="float32")
    yield both
    for engine in both:
        engine.close()


def questions() -> list[tuple[int, ...]]:
    """24 chats behind one system prompt."""
    tokenizer = load_tokenizer(resolve_model("embedded"))
    turns = [
        [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": form.format(topic)},
        ]
        for form in FORMS
        for topic in TOPICS
    ]
    ids = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
    return [tuple(chat) for chat in ids]


def answers(
    engine: Engine, prompts: Sequence[tuple[int, ...]], sampling: SamplingSettings
) -> list[Completion]:
    """In the order of the prompts, with different seeds."""
    requests = [make_request("m", ids, sampling, seed) for seed, ids in enumerate(prompts)]
    by_key = {done.key: done for done in engine.run(requests)}
    return [by_key[request.key] for request in requests]


@pytest.mark.slow
def test_greedy_answers_are_equal(engines: tuple[HfEngine, VllmEngine]) -> None:
    """All 24: tokens, text, finish, log-probabilities, and the five most likely tokens."""
    sampling = SamplingSettings(max_tokens=LIMIT, logprobs=5)
    own, other = (answers(engine, questions(), sampling) for engine in engines)
    assert len({done.token_ids for done in own}) > 10, "not one answer to all"
    for a, b in zip(own, other, strict=True):
        assert (a.token_ids, a.text, a.finish) == (b.token_ids, b.text, b.finish)
        assert a.logprobs == pytest.approx(b.logprobs, abs=FLOAT32)
        assert a.top_logprobs is not None and b.top_logprobs is not None
        assert a.top_logprobs.ids[:, 0].tolist() == b.top_logprobs.ids[:, 0].tolist()
        # stored in float16, whose steps at -8 to -16 are 0.008
        gaps = a.top_logprobs.logprobs.astype(np.float32) - b.top_logprobs.logprobs
        assert np.abs(gaps).max() <= 0.01


@pytest.mark.slow
def test_samples_have_one_distribution(engines: tuple[HfEngine, VllmEngine]) -> None:
    """First tokens of 200 answers by each engine, seeds 0 to 199. χ² of the two samples, of tokens
    that came ten times or more: P > 0.001, which equal distributions miss once in 1,000 seeds.
    That each setting gives the distribution it names: tests/engine/test_token_sampler.py."""
    sampling = SamplingSettings(temperature=1.0, top_p=0.9, max_tokens=1)
    prompt = questions()[0][-8:]  # vLLM reads it 200 times: its cache keeps blocks of 128 tokens
    counts = [
        Counter(done.token_ids[0] for done in answers(engine, [prompt] * DRAWS, sampling))
        for engine in engines
    ]
    total = counts[0] + counts[1]
    frequent = [token for token, count in total.items() if count >= 10]
    assert len(frequent) > 3
    table = [[*(of[t] for t in frequent), DRAWS - sum(of[t] for t in frequent)] for of in counts]
    used = [column for column in zip(*table, strict=True) if sum(column)]
    assert chi2_contingency(np.array(used).T).pvalue > 0.001


@pytest.mark.slow
def test_scores_of_existing_answers_agree(engines: tuple[HfEngine, VllmEngine]) -> None:
    """Of one text after eight prompts, token by token."""
    text = tuple(
        load_tokenizer(resolve_model("embedded")).encode("Please ask at desk 4 in the Old Mill.")
    )
    requests = [score_request("m", ids, text) for ids in questions()[:8]]
    own, other = ({done.key: done.logprobs for done in e.run(requests)} for e in engines)
    for key, logprobs in own.items():
        assert len(logprobs or ()) == len(text)
        assert logprobs == pytest.approx(other[key], abs=FLOAT32)


@pytest.mark.parametrize("name", ["lora", "full"])
def test_transformers_merges_what_vllm_merges(small: str, learn: TrainStudent, name: str) -> None:
    """Each token of an answer is as likely as a forward pass of the trained model says: an adapter,
    and a whole model. test_served_students.py has every method, by the same merge."""
    student, engine = learn(name), HfEngine(small, 256)
    adapter = Adapter(name, student.served, student.sha256, student.method.served)
    actual = answered(engine, adapter)
    engine.close()
    assert surprise(student.model, actual) < ROUNDING
    assert surprise(load_base(small), actual) > 10 * ROUNDING
