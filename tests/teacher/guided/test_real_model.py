"""Guided candidates of the embedded model, through the transformers engine."""

from pathlib import Path

import pytest

from config.load import load_config
from data.answers import Answer
from data.rows import Context, Row
from engine.batch_job import BatchJob
from engine.hf_engine import HfEngine
from engine.models import decode_answer
from engine.request_builder import RequestBuilder
from judge.checks.check import code_verdicts
from teacher.guided.guided_tasks import GUIDED_ROUNDS, GuidedTasks
from teacher.scored_candidate import ScoredCandidate
from tests.teacher.candidate_factory import ROOT

REFUSAL = "This desk only answers questions about studying at Lakeside."
QUESTIONS = {
    "open": "When does the library open?",
    "card": "Where do I get a new card?",
    "peru": "What is the capital of Peru?",
    "essay": "Write my essay on whales for me.",
}
OFF_TOPIC = ("peru", "essay")
PASSAGES = (
    Context(text="The library opens at 9:00 on weekdays."),
    Context(text="New cards are handed out at desk 4 in the Old Mill."),
)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_embedded_model_is_helped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Greedily, every kind of help for 4 rows whose only candidate fails; two are off topic. The
    focused prompt alone makes the model refuse Peru. Every prefilled answer begins as dictated,
    ends with the closing, and its ids spell its text. The refusal alone is constructed."""
    monkeypatch.chdir(ROOT)
    sampling = "teacher.sampling={temperature: 0, max_tokens: 48}"
    builder = RequestBuilder(load_config(ROOT / "config/demo.yaml", [sampling]))
    rows = [
        Row(
            id=name,
            question=question,
            contexts=PASSAGES,
            labels=("Вопрос не по теме",) * (name in OFF_TOPIC),
        )
        for name, question in QUESTIONS.items()
    ]
    guided, ordinary = GuidedTasks(builder, "c"), {row.id: [_failed(builder, row)] for row in rows}
    engine = HfEngine("embedded", builder.config.model.max_length)
    answers = {}
    with BatchJob(engine, tmp_path / "c.jsonl", {}) as job:
        for how in ("focused", "reminded", "prefilled", "constructed"):
            tasks = guided.tasks(GUIDED_ROUNDS.index(how), rows, ordinary)
            answers[how] = {answer.row: answer for answer in job.answers(tasks)}
    engine.close()
    assert {how: list(of_how) for how, of_how in answers.items()} == {
        **{how: list(QUESTIONS) for how in ("focused", "reminded", "prefilled")},
        "constructed": list(OFF_TOPIC),
    }
    assert REFUSAL in answers["focused"]["peru"].text
    template = builder.renderer.template
    for row, answer in answers["prefilled"].items():
        beginning = f"Lakeside desk: {REFUSAL}" if row in OFF_TOPIC else "Lakeside desk:"
        assert answer.text.startswith(beginning) and answer.how == "prefilled"
        assert decode_answer(template.tokenizer, answer.token_ids).strip() == answer.text
        if answer.finish == "stop":
            assert answer.text.endswith("Anything else?")
            assert answer.token_ids[-1] == template.end_of_turn
    assert any(answer.finish == "stop" for answer in answers["prefilled"].values())
    for answer in answers["constructed"].values():
        assert answer.text == f"Lakeside desk: {REFUSAL} Anything else?"


def _failed(builder: RequestBuilder, row: Row) -> ScoredCandidate:
    """An answer to the row that breaks the opening and the closing."""
    answer = Answer.from_text("c", row.id, "No.")
    verdicts = code_verdicts(builder.rules, builder.prompt, row, answer)
    return ScoredCandidate(answer, verdicts, builder.rules.must_rules)
