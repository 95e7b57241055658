"""Students on other bases than the teacher's: its token ids, else its text; never its probabilities
over other tokens."""

from pathlib import Path

import numpy
import pytest
import yaml
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from config.errors import DataError
from config.load import load_config
from data.answers import Answer
from data.run_paths import RunPaths
from data.top_logprobs import TopLogprobs
from engine.models import load_tokenizer, resolve_model
from engine.request_builder import RequestBuilder
from student.dataset import answer_ids, stored_tops
from student.search.search import search
from tests.student.test_train import ROOT, experiment, saved_model, tiny_model

TEXT = "Lakeside desk: the library opens at nine."


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def other_model(folder: Path) -> Path:
    """A tiny model whose 300 tokens are its own; only how turns are marked is the embedded's."""
    embedded = load_tokenizer(resolve_model("embedded"))
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],  # ids as in the embedded
        show_progress=False,
    )
    made.train_from_iterator([TEXT * 5], trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|im_end|>")
    tokenizer.chat_template = embedded.chat_template
    return saved_model(folder, tokenizer)


def builder(folder: Path, model: Path) -> RequestBuilder:
    """The demo on a model, in a folder."""
    return RequestBuilder(load_config(experiment(folder, model)))


@pytest.fixture(scope="module")
def askings(tmp_path_factory: pytest.TempPathFactory) -> tuple[RequestBuilder, RequestBuilder]:
    """On the teacher's tokenizer, and on another one."""
    folder = tmp_path_factory.mktemp("bases")
    same, other = tiny_model(folder / "same"), other_model(folder / "other")
    return builder(folder / "a", same), builder(folder / "b", other)


def drawn(same: RequestBuilder) -> Answer:
    """The answer letter by letter: tokens that no tokenizer makes of its text, but a model may."""
    letters = [same.renderer.tokenizer.encode(letter)[0] for letter in TEXT]
    ids = (*letters, same.renderer.end_of_turn)
    return Answer(
        key="k",
        arm="candidates/train",
        row="r0",
        sample=0,
        text=TEXT,
        token_ids=ids,
        finish="stop",
        seed=0,
        prompt_tokens=1,
    )


def test_ids_where_they_mean_the_text_else_the_text(
    askings: tuple[RequestBuilder, RequestBuilder],
) -> None:
    """The same tokenizer learns what was drawn; another one, where those ids are other letters,
    what was said. Both end with their own end of a turn, here of the same number."""
    same, other = askings
    record = drawn(same)
    assert answer_ids(same, record) == record.token_ids != same.renderer.answer_ids(TEXT)
    assert same.renderer.end_of_turn == other.renderer.end_of_turn
    learnt = answer_ids(other, record)
    assert learnt == other.renderer.answer_ids(TEXT) != record.token_ids
    assert other.renderer.tokenizer.decode(learnt[:-1]) == TEXT


def test_probabilities_over_other_tokens_are_refused(
    askings: tuple[RequestBuilder, RequestBuilder],
) -> None:
    """Also where the other model's answer has just as many tokens."""
    same, other = askings
    record = drawn(same)
    count = len(record.token_ids)
    tops = {
        "k": TopLogprobs(
            numpy.zeros((count, 3), numpy.int32), numpy.zeros((count, 3), numpy.float16)
        )
    }
    assert list(stored_tops(tops, [record], same)) == ["k"]
    as_long = len(answer_ids(other, record))
    size = (as_long, 3)
    tops = {"k": TopLogprobs(numpy.zeros(size, numpy.int32), numpy.zeros(size, numpy.float16))}
    with pytest.raises(DataError, match="has other tokens than the teacher"):
        stored_tops(tops, [record], other)
    with pytest.raises(DataError, match="no probabilities are stored"):
        stored_tops({}, [record], same)


@pytest.mark.slow
def test_a_search_among_bases(tmp_path: Path) -> None:
    """Each learns, once, as there is nothing else to try; the leaderboard has a line for each; a
    winner on another base is a run of its own."""
    same, other = tiny_model(tmp_path / "same"), other_model(tmp_path / "other")
    path = experiment(tmp_path / "run", same)
    values = yaml.safe_load(path.read_text("utf-8"))
    values["students"][0]["epochs"] = 2
    values["search"] = {"trials": 6, "models": [str(same), str(other)]}
    values["model"]["max_length"] = 8192  # the prompt has four times as many tokens in the other
    path.write_text(yaml.safe_dump(values), "utf-8")
    config = load_config(path)
    found = search(config, False)
    assert {cell.model for cell in found.leaderboard} == {str(same), str(other)}
    states = [trial.state for trial in found.trials]
    assert sorted(states) == ["complete"] * 2 + ["refused"] * 6
    assert {(trial.reason or "")[:17] for trial in found.trials if trial.state == "refused"} == {
        "tried before, as "
    }
    losses = {cell.model: cell.val_loss or 0 for cell in found.leaderboard}
    assert losses[str(other)] < losses[str(same)] - 3, "300 words are easier than 49,152: ln"
    best = load_config(RunPaths.of(config).search.with_name("best.yaml"))
    assert best.model.name == str(other)
    assert best.name == f"t-{found.best}"
