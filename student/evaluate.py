"""Evaluation during training: greedy generation on val, scored by the code rules."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import NamedTuple

from config.schema import Config
from data.answers import Answer
from data.rows import Row
from engine.hf_generation import AnswerSource, generate_answers, greedy_answers
from engine.models import TorchModel
from engine.request_builder import RequestBuilder, View
from judge.checks.check import code_verdicts
from judge.metrics.trained_optimism import strict_cases
from judge.metrics.verdict_table import complete_strict
from student.distributed import gather_shards, shard_for_rank

SAMPLES = 3  # val rows whose answers a tracker may show


class Evaluation(NamedTuple):
    """The code rules' verdicts on generated val answers; fields as in `Step`."""

    strict: float | None
    strict_by_case: float | None
    rules: dict[str, float]
    passed: dict[str, bool]
    val_rows: int
    samples: list[dict[str, str]]  # fields as in `Sample`


class Adherence(NamedTuple):
    """How well the answers to some rows obey the rules in code; answers without all of their
    verdicts do not count. `strict` is the judge's score “strict by the rules in code”."""

    strict: float | None  # share that passes every must-rule; None where all are undecided
    strict_by_case: float | None  # mean of the cases' shares; None without conditional must-rules
    rules: dict[str, float]  # share that passes, by rule
    passed: dict[str, bool]  # row id → whether its last answer passes every must-rule


def evaluate(
    config: Config,
    builder: RequestBuilder,
    rows: Sequence[Row],
    model: TorchModel,
    draw: AnswerSource = generate_answers,
) -> Evaluation:
    """Answers these val rows without the prompt, and scores the answers."""
    rows = [row for row in rows if builder.fit_contexts(row).fits]
    prompts = shard_for_rank([builder.view_ids(row, View(prompted=False)) for row in rows])
    end, max_tokens = builder.renderer.template.end_of_turn, config.predict.sampling.max_tokens
    generated = gather_shards(greedy_answers(model, prompts, end, max_tokens, draw))
    answers = [
        _answer(builder, row, ids, max_tokens) for row, ids in zip(rows, generated, strict=True)
    ]
    measured = adherence(builder, rows, answers)
    shown = SAMPLES if config.shows_samples else 0
    samples = [
        {"row": row.id, "question": row.question, "answer": answer.text}
        for row, answer in list(zip(rows, answers, strict=True))[:shown]
    ]
    return Evaluation(**measured._asdict(), val_rows=len(rows), samples=samples)


def adherence(builder: RequestBuilder, rows: Iterable[Row], answers: Iterable[Answer]) -> Adherence:
    """The adherence of answers to these rows.

    The cases of `strict_by_case` are the rows on which no conditional must-rule is due, and for
    each such rule the rows on which it is. A model that refuses everything or nothing fails one.
    """
    rows_by_id = {row.id: row for row in rows}
    scores: dict[str | None, list[bool]] = defaultdict(list)  # by case, see `strict_cases`
    all_scores: list[bool] = []
    passed: dict[str, bool] = {}
    passes: dict[str, list[bool]] = defaultdict(list)
    for answer in answers:
        row = answer.shown(rows_by_id[answer.row])
        verdicts = code_verdicts(builder.rules, builder.prompt, row, answer)
        score = complete_strict(verdicts, builder.rules.must_rules)
        if score is not None:
            all_scores.append(score)
            passed[answer.row] = score
            for case in strict_cases(builder.rules, row):
                scores[case].append(score)
        for verdict in verdicts:
            if verdict.outcome in ("pass", "fail"):
                passes[verdict.rule].append(verdict.outcome == "pass")
    by_case = fmean(map(fmean, scores.values())) if scores else None
    rules = {rule: fmean(outcomes) for rule, outcomes in passes.items()}
    return Adherence(fmean(all_scores) if all_scores else None, by_case, rules, passed)


def _answer(builder: RequestBuilder, row: Row, ids: list[int], max_tokens: int) -> Answer:
    text = builder.renderer.tokenizer.decode(ids, skip_special_tokens=True)
    generated = {
        "token_ids": tuple(ids),
        "finish": "length" if len(ids) >= max_tokens else "stop",
        "dropped": builder.fit_contexts(row).dropped,
    }
    return Answer.from_text("student", row.id, str(text).strip()).model_copy(update=generated)
