"""Epoch-end evaluation: greedy generation on val, scored by the code rules."""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from config.schema import Config
from data.answers import Answer
from data.rows import Row
from data.run_paths import RunPaths
from engine.hf_generation import greedy_answers
from engine.models import TorchModel
from engine.request_builder import RequestBuilder, View
from judge.checks.check import code_verdicts
from judge.metrics.verdict_table import strict
from student.distributed import gather_shards, shard_for_rank

SAMPLES = 3  # val rows whose answers a tracker may show


class Evaluation(NamedTuple):
    """The code rules' verdicts on generated val answers; fields as in `Step`."""

    strict: float | None
    rules: dict[str, float]
    val_rows: int
    samples: list[dict[str, str]]  # fields as in `Sample`


def evaluate(config: Config, builder: RequestBuilder, model: TorchModel) -> Evaluation:
    """Answers the first `predict.eval_rows` val rows without the prompt, and scores the answers."""
    rows = RunPaths.of(config).rows("val")[: config.predict.eval_rows]
    rows = [row for row in rows if builder.fit_contexts(row).fits]
    prompts = shard_for_rank([builder.view_ids(row, View(prompted=False)) for row in rows])
    end, max_tokens = builder.renderer.template.end_of_turn, config.predict.sampling.max_tokens
    generated = gather_shards(greedy_answers(model, prompts, end, max_tokens))
    answers = [
        _answer(builder, row, ids, max_tokens) for row, ids in zip(rows, generated, strict=True)
    ]
    strict_share, rules = adherence(builder, rows, answers)
    shown = SAMPLES if config.shows_samples else 0
    samples = [
        {"row": row.id, "question": row.question, "answer": answer.text}
        for row, answer in list(zip(rows, answers, strict=True))[:shown]
    ]
    return Evaluation(strict_share, rules, len(rows), samples)


def adherence(
    builder: RequestBuilder, rows: Iterable[Row], answers: Iterable[Answer]
) -> tuple[float | None, dict[str, float]]:
    """The share of answers that pass every must-rule, and the adherence by rule, by code rules.

    Undecided answers do not count; None where all are undecided.
    """
    rows_by_id = {row.id: row for row in rows}
    scores: list[bool] = []
    passes: dict[str, list[bool]] = defaultdict(list)
    for answer in answers:
        row = answer.shown(rows_by_id[answer.row])
        verdicts = code_verdicts(builder.rules, builder.prompt, row, answer)
        score = strict(verdicts, builder.rules.must_rules)
        if score is not None:
            scores.append(score)
        for verdict in verdicts:
            if verdict.outcome in ("pass", "fail"):
                passes[verdict.rule].append(verdict.outcome == "pass")
    rules = {rule: sum(outcomes) / len(outcomes) for rule, outcomes in passes.items()}
    return sum(scores) / len(scores) if scores else None, rules


def _answer(builder: RequestBuilder, row: Row, ids: list[int], max_tokens: int) -> Answer:
    text = builder.renderer.tokenizer.decode(ids, skip_special_tokens=True)
    generated = {
        "token_ids": tuple(ids),
        "finish": "length" if len(ids) >= max_tokens else "stop",
        "dropped": builder.fit_contexts(row).dropped,
    }
    return Answer.from_text("student", row.id, str(text).strip()).model_copy(update=generated)
