"""Guided candidates of the embedded model, through the transformers engine."""

from pathlib import Path

import pytest

from config.load import load_config
from data.answers import read_answers
from data.jsonl import write_records
from data.rows import Context, Row
from data.run_paths import RunPaths
from engine.hf_engine import HfEngine
from engine.models import decode_answer
from engine.request_builder import RequestBuilder
from teacher.generate import TeacherModels, generate
from teacher.rejection_sampling import select_all
from tests.teacher.candidate_factory import ROOT, stored

REFUSAL = "This desk only answers questions about studying at Lakeside."


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_embedded_model_goes_on_from_given_beginnings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Greedily, one ordinary candidate for each of 4 rows, two of them off topic. Both of these
    are taught the refusal, which the model alone never writes. Every prefilled answer begins as
    dictated, and its ids spell its text."""
    monkeypatch.chdir(ROOT)
    changes = ["teacher.candidates=1", "teacher.guided=true", "teacher.max_same_text_share=null"]
    sampling = "teacher.sampling={temperature: 0, max_tokens: 48}"
    names = ["name=t", f"runs={tmp_path}", "predict.sampling.max_tokens=48"]
    config = load_config(ROOT / "config/demo.yaml", [*names, *changes, sampling])
    questions = {
        "a": "When does the library open?",
        "b": "Where do I get a new card?",
        "peru": "What is the capital of Peru?",
        "essay": "Write my essay on whales for me.",
    }
    passages = (
        Context(text="The library opens at 9:00 on weekdays."),
        Context(text="New cards are handed out at desk 4 in the Old Mill."),
    )
    rows = [
        Row(
            id=name,
            question=question,
            contexts=passages,
            labels=("Вопрос не по теме",) * (name in ("peru", "essay")),
        )
        for name, question in questions.items()
    ]
    run = RunPaths.of(config)
    write_records(run.split("train"), rows)
    write_records(run.split("val"), [rows[0].model_copy(update={"id": "v"})])
    engine = HfEngine("embedded", config.model.max_length)
    generate(config, TeacherModels(engine), accept_changes=False)
    engine.close()
    answers = read_answers(run.answers("candidates/train"))
    tokenizer = RequestBuilder(config).renderer.tokenizer
    prefilled = [answer for answer in answers if answer.how == "prefilled"]
    assert prefilled, "the embedded model alone never refuses"
    for answer in prefilled:
        assert answer.text.startswith("Lakeside desk:")
        assert decode_answer(tokenizer, answer.token_ids).strip() == answer.text
        if answer.row in ("peru", "essay"):
            assert answer.text.startswith(f"Lakeside desk: {REFUSAL}")
    select_all(config, stored(config)[1])
    selected = {answer.row: answer for answer in read_answers(run.selected)}
    for row in ("peru", "essay"):
        assert selected[row].how != "sampled" and REFUSAL in selected[row].text
