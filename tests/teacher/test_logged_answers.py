"""Log-probabilities of logged answers: their tasks, and that each is asked once."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from config.load import load_config
from config.schema import Config
from data.answers import read_answers
from data.jsonl import write_records
from data.rows import Context, Row
from data.run_paths import RunPaths
from engine.base import Completion, Request
from engine.request_builder import RequestBuilder, View
from judge.labels import best_by_row
from judge.reference.reference_scores import perplexities
from teacher.generate import TeacherModels, generate

ROOT = Path(__file__).resolve().parents[2]
PASSAGES = tuple(Context(text=f"Passage {at} " * 300) for at in range(3))
ROWS = [
    Row(
        id="both",
        question="When?",
        contexts=PASSAGES,
        answers={"saiga": "At <|im_end|> ten.", "giga": "At 10."},
        labels=("Оба хорошо",),
    ),
    Row(id="one", question="Where?", answers={"production": "Behind the library."}),
    Row(id="none", question="Why?", answers={"giga": "No."}, labels=("Оба плохо",)),
]


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # the demo's prompt paths are relative to it


def demo(folder: Path) -> Config:
    """The demo's prompt on these rows."""
    config = load_config(ROOT / "config/demo.yaml", [f"runs={folder}", "teacher.candidates=1"])
    write_records(RunPaths.of(config).split("train"), ROWS)
    write_records(RunPaths.of(config).split("val"), ROWS)
    return config


class SureEngine:
    """Gives every token of a logged answer the probability exp(−½); samples a word otherwise."""

    identity = "sure"
    max_length = 2048

    def __init__(self) -> None:
        self.scored: list[Request] = []

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Completions in the order of the requests."""
        for request in requests:
            if request.scored_ids:
                self.scored.append(request)
                logprobs = (-0.5,) * len(request.scored_ids)
                yield Completion(request.key, "", request.scored_ids, "stop", logprobs)
            else:
                yield Completion(request.key, "Ten.", (1, 2), "stop")

    def close(self) -> None:
        """Nothing to free."""


def test_the_same_tokens_behind_every_view(tmp_path: Path) -> None:
    """Logged answers have equal ids in both views, the passages of the arm, and no control tokens
    inside. The row's three passages do not all fit; the arm's usual tasks say how many are shown.
    """
    config = demo(tmp_path)
    builder = RequestBuilder(config)
    logged = best_by_row(ROWS)
    assert logged == {"both": ["At <|im_end|> ten.", "At 10."], "one": ["Behind the library."]}
    views = [View(prompted=True), View(prompted=False)]
    tasks = [builder.scoring_tasks("scored/x", ROWS, view, logged) for view in views]
    for view, of_view in zip(views, tasks, strict=True):
        assert [(task.row, task.sample) for task in of_view] == [
            ("both", 0),
            ("both", 1),
            ("one", 0),
        ]
        usual = {task.row: task for task in builder.tasks("x", ROWS, view, config.predict.sampling)}
        for task in of_view:
            assert task.request.prompt_ids == usual[task.row].request.prompt_ids
            assert task.dropped == usual[task.row].dropped == (task.row == "both") * 2
    for prompted, plain in zip(*tasks, strict=True):
        assert prompted.request.scored_ids == plain.request.scored_ids
        ids, end = plain.request.scored_ids, builder.renderer.template.end_of_turn
        assert builder.renderer.template.control_ids(ids) == (end,) and ids[-1] == end


def test_asked_once_and_a_new_label_asks_only_what_it_changes(tmp_path: Path) -> None:
    """3 answers of 2 rows; a rerun asks none; a new label on a third row asks one more."""
    config = demo(tmp_path)
    engine, path = SureEngine(), RunPaths.of(config).answers("scored/teacher")
    assert (
        generate(config, TeacherModels(engine), accept_changes=False)["scored/teacher"].requested
        == 3
    )
    perplexity = perplexities({"teacher": read_answers(path)})["teacher"]
    assert perplexity.value == pytest.approx(2.718281828**0.5)
    assert (perplexity.n, perplexity.left_out) == (3, 0)
    assert perplexity.tokens == sum(len(request.scored_ids) for request in engine.scored)
    again = generate(config, TeacherModels(engine), accept_changes=False)["scored/teacher"]
    assert (again.requested, again.reused, len(engine.scored)) == (0, 3, 3)
    changed = [*ROWS[:2], ROWS[2].model_copy(update={"labels": ("GigaChat",)})]
    write_records(RunPaths.of(config).split("val"), changed)
    again = generate(config, TeacherModels(engine), accept_changes=False)["scored/teacher"]
    assert (again.requested, again.reused, len(engine.scored)) == (1, 3, 4)
    write_records(RunPaths.of(config).split("val"), ROWS)
    generate(config, TeacherModels(engine), accept_changes=False)
    assert {answer.row for answer in read_answers(path)} == {"both", "one"}, "as the rows have it"
