"""Adherence by case, on answers to the demo's rules."""

from pathlib import Path

import pytest

from config.load import load_config
from data.answers import Answer
from data.rows import Context, Row
from engine.request_builder import RequestBuilder
from judge.checks.check import code_verdicts
from judge.metrics.scores import score
from student.evaluate import Adherence, adherence
from tests.student.run_factory import ROOT, experiment, tiny_model

OFF_TOPIC, MISSING, VAGUE = "Вопрос не по теме", "document missing", "question too vague"
PASSAGE = "The library opens at nine."
ANSWER = f"Lakeside desk: {PASSAGE} Anything else?"
REFUSAL = (
    "Lakeside desk: This desk only answers questions about studying at Lakeside. Anything else?"
)
PARTIAL = "Lakeside desk: The library opens. I could not find this on our pages. Anything else?"


@pytest.fixture
def builder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RequestBuilder:
    """The demo's prompt and rules."""
    monkeypatch.chdir(ROOT)
    return RequestBuilder(load_config(experiment(tmp_path, tiny_model(tmp_path / "model"))))


def val_rows() -> list[Row]:
    """Six ordinary rows, three off topic, one that the passages do not answer, two too vague."""
    comments = [""] * 9 + [MISSING] + [VAGUE] * 2
    return [
        Row(
            id=f"r{n}",
            question="When does the library open?",
            contexts=(Context(text=PASSAGE),),
            labels=(OFF_TOPIC,) if 6 <= n < 9 else (),
            comment=comment,
        )
        for n, comment in enumerate(comments)
    ]


def measured(builder: RequestBuilder, *texts: str) -> Adherence:
    """The adherence of these answers to the rows, one by one."""
    rows = val_rows()
    answers = [Answer.from_text("s", r.id, text) for r, text in zip(rows, texts, strict=True)]
    return adherence(builder, rows, answers)


def test_one_that_never_refuses(builder: RequestBuilder) -> None:
    """Right on 8 of 12 rows, and on one of three cases: the vague rows count as ordinary, because
    that rule is a should-rule."""
    result = measured(builder, *[ANSWER] * 12)
    assert result.strict == pytest.approx(8 / 12)
    assert result.strict_by_case == pytest.approx((1 + 0 + 0) / 3)
    assert result.passed == {f"r{n}": n < 6 or n >= 10 for n in range(12)}
    assert result.rules["refusal"] == 0 and result.rules["refusal_converse"] == 1


def test_one_that_refuses_everything(builder: RequestBuilder) -> None:
    """Right on the three off-topic rows alone; false alarms on all nine others."""
    result = measured(builder, *[REFUSAL] * 12)
    assert result.strict == pytest.approx(3 / 12)
    assert result.strict_by_case == pytest.approx((0 + 1 + 0) / 3)
    assert result.rules["refusal"] == 1 and result.rules["refusal_converse"] == 0


def test_a_balanced_one_is_the_best_by_case(builder: RequestBuilder) -> None:
    """7 of 12 rows, fewer than the one that never refuses: half of the ordinary and vague ones
    (4 of 8), two of three refusals, the partial answer."""
    texts = [ANSWER] * 4 + [PARTIAL] * 2 + [REFUSAL] * 2 + [ANSWER] + [PARTIAL] + [REFUSAL] * 2
    result = measured(builder, *texts)
    assert result.strict == pytest.approx(7 / 12)
    assert result.strict_by_case == pytest.approx((4 / 8 + 2 / 3 + 1) / 3)


def test_only_cases_with_rows_count(builder: RequestBuilder) -> None:
    """Six ordinary rows: one case, the same number; without answers there is none."""
    rows = val_rows()[:6]
    answers = [Answer.from_text("s", row.id, ANSWER) for row in rows]
    assert adherence(builder, rows, answers)[:2] == (1.0, 1.0)
    assert adherence(builder, rows, [])[:2] == (None, None)


def test_without_conditional_rules_there_is_no_second_number(builder: RequestBuilder) -> None:
    """Then strict adherence decides."""
    ordinary = [rule for rule in builder.rules.rules if not rule.converse]
    builder.rules = builder.rules.model_copy(update={"rules": tuple(ordinary)})
    result = measured(builder, *[ANSWER] * 12)
    assert result.strict == 1.0 and result.strict_by_case is None


def test_it_is_the_judges_strict_score_by_the_rules_in_code(builder: RequestBuilder) -> None:
    """Students are chosen by the score that stands in the report where no model judged."""
    rows = val_rows()
    texts = [ANSWER] * 4 + [PARTIAL] * 2 + [REFUSAL] * 2 + [ANSWER] + [PARTIAL] + [REFUSAL] * 2
    answers = [Answer.from_text("s", r.id, text) for r, text in zip(rows, texts, strict=True)]
    verdicts = [
        verdict
        for row, answer in zip(rows, answers, strict=True)
        for verdict in code_verdicts(builder.rules, builder.prompt, row, answer)
    ]
    by_code = score(builder.rules, rows, verdicts).arms["s"].by_code
    assert by_code is not None
    assert adherence(builder, rows, answers).strict == by_code.rate == pytest.approx(7 / 12)
