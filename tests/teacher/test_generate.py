"""Candidates in rounds: who is asked again, who no more, and that a kill costs nothing."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from config.errors import DataError
from config.load import load_config
from config.schema import Config
from data.answers import read_answers, topk_path
from data.rows import Context, Row
from data.run import Run
from data.selected import Selected
from data.store import read_records, write_records
from data.topk import read_topk
from engine.asking import Asking
from engine.protocol import Completion, Request
from teacher.generate import generate
from teacher.orders import example_orders
from teacher.select import select_all
from tests.fake_engine import fake_topk

ROOT = Path(__file__).parent.parent.parent
GOOD = "Lakeside desk: The museum opens at ten. Anything else?"
BAD = "The museum opens at ten."


class ScriptedEngine:
    """Answers well from a question's own round on: a question "good at 2" in its third."""

    identity = "scripted"
    max_length = 4096

    def __init__(self, asking: Asking) -> None:
        self._decode = asking.renderer.tokenizer.decode
        self.asked: Counter[str] = Counter()

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """The text depends on how often the question was asked before."""
        for request in requests:
            question = self._decode(list(request.prompt_ids)).rsplit("Question: ", 1)[1]
            question = question.split("<|im_end|>")[0].strip()
            drawn = request.sampling.temperature > 0
            good = drawn and self.asked[question] >= int(question.rsplit(" ", 1)[1])
            self.asked[question] += drawn
            width = request.sampling.logprobs
            topk = fake_topk((1, 2), width) if width else None
            yield Completion(request.key, GOOD if good else BAD, (1, 2), "stop", topk=topk)

    def close(self) -> None:
        """Nothing to free."""


def experiment(folder: Path, rounds: dict[str, int], *changes: str) -> Config:
    """The demo's prompt and rules, with train rows that are answered well from a given round on."""
    config = load_config(
        ROOT / "config/demo.yaml", ["name=t", f"runs={folder}", "teacher.candidates=4", *changes]
    )
    run = Run.of(config)
    passage = (Context(text="The museum opens at ten in the morning."),)
    rows = [
        Row(
            id=name,
            question=f"When does the museum open, good at {at}",
            contexts=passage,
            labels=(),
        )
        for name, at in rounds.items()
    ]
    write_records(run.split("train"), rows)
    write_records(run.split("val"), [rows[0].model_copy(update={"id": "v"})])
    return config


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # the demo's prompt paths are relative to it


def test_a_row_is_asked_until_a_candidate_breaks_no_rule(tmp_path: Path) -> None:
    """Good in round k costs k + 1 requests; never good costs all 4; and the good one is kept."""
    config = experiment(tmp_path, {"a": 1, "b": 0, "c": 3, "never": 9})
    engine = ScriptedEngine(Asking(config))
    done = generate(config, engine, accept_changes=False)
    answers = read_answers(Run.of(config).answers("candidates/train"))
    drawn = Counter(answer.row for answer in answers)
    assert drawn == {"a": 2, "b": 1, "c": 4, "never": 4}
    assert done["candidates/train"].asked == 11
    assert [(a.row, a.sample) for a in answers[:4]] == [(r, 0) for r in ("a", "b", "c", "never")]
    selection = select_all(config, Asking(config).prompt, Asking(config).rules)["train"]
    assert (selection.kept, selection.rows_without) == (3, ("never",))
    topk = read_topk(topk_path(Run.of(config).answers("candidates/train")))
    assert set(topk) == {answer.key for answer in answers} and len(topk) == 11
    selected = list(read_records(Run.of(config).selected, Selected))
    assert [(one.token_ids, len(topk[one.key].ids)) for one in selected] == [((1, 2), 2)] * 3
    assert not topk_path(Run.of(config).answers("teacher")).exists(), "none are wanted there"


def test_a_second_run_asks_nothing_and_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    """Rounds find their earlier answers by key, whatever round they are of."""
    config = experiment(tmp_path, {"a": 2, "b": 0})
    engine = ScriptedEngine(Asking(config))
    generate(config, engine, accept_changes=False)
    path = Run.of(config).answers("candidates/train")
    before, asked = path.read_bytes(), engine.asked.total()
    done = generate(config, engine, accept_changes=False)
    assert engine.asked.total() == asked
    assert (done["candidates/train"].asked, done["candidates/train"].reused) == (0, 4)
    assert path.read_bytes() == before


def test_a_kill_in_the_second_round_loses_nothing(tmp_path: Path) -> None:
    """What was answered before the kill is reused, in either round."""
    config = experiment(tmp_path, {"a": 2, "b": 2, "c": 0})
    whole = ScriptedEngine(Asking(config))
    generate(config, whole, accept_changes=False)
    path = Run.of(config).answers("candidates/train")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:4]) + lines[4][:20])  # one of round 2, and a torn one
    again = ScriptedEngine(Asking(config))
    again.asked.update({"When does the museum open, good at 2": 3})  # as the whole run left it
    done = generate(config, again, accept_changes=False)
    assert done["candidates/train"].reused == 4
    assert {(a.row, a.sample) for a in read_answers(path)} >= {("a", 0), ("b", 0), ("c", 0)}


SEMANTIC = [
    "seed=1",
    "teacher.sampling.temperature=0.5",
    "teacher.sampling.top_p=0.9",
    "teacher.sampling.max_tokens=40",
    "teacher.sampling.logprobs=null",
    "teacher.candidates=5",
    "teacher.shuffle_examples=false",
    "predict.sampling.temperature=0.1",
    "model.max_length=1900",
    "model.template_kwargs.thinking=false",
    "prompt.examples=null",
    "prompt.tags=[campus]",
]
HARMLESS = [
    "teacher.keep=2",
    "students.0.learning_rate=0.1",
    "students.0.micro_tokens=512",
    "judge.llm=none",
    "wandb.project=other",
]


@pytest.mark.parametrize("change", [*SEMANTIC, *HARMLESS])
def test_what_changes_answers_is_refused_and_the_rest_is_not(tmp_path: Path, change: str) -> None:
    """12 semantic settings are refused with their name, 5 harmless ones go through."""
    config = experiment(tmp_path, {"a": 0})
    generate(config, ScriptedEngine(Asking(config)), accept_changes=False)
    changed = experiment(tmp_path, {"a": 0}, change)
    engine = ScriptedEngine(Asking(changed))
    if change in HARMLESS:
        generate(changed, engine, accept_changes=False)
        return
    with pytest.raises(DataError, match=r"was made with other settings: .* → .*--accept-changes"):
        generate(changed, engine, accept_changes=False)
    assert engine.asked.total() == 0


def test_each_example_comes_last_once() -> None:
    """As written first, then orders that end with each example, all of them permutations."""
    orders = example_orders(3, 5, seed=0)
    assert orders[0] == (0, 1, 2)
    assert [order[-1] for order in orders[1:]] == [0, 1, 2, 0]
    assert all(sorted(order) == [0, 1, 2] for order in orders)
    assert example_orders(3, 5, seed=0) == orders
    assert example_orders(0, 3, seed=0) == [(), (), ()]
