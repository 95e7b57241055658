"""Epoch-end evaluation: greedy generation on val, scored by the code rules."""

from collections import defaultdict
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
from student.records import Sample

SAMPLES = 3  # val rows whose answers a tracker may show


class Evaluation(NamedTuple):
    """The code rules' verdicts on generated val answers."""

    strict: float | None  # share of the decided rows that pass every must-rule
    rules: dict[str, float]  # adherence by rule
    rows: int
    samples: tuple[Sample, ...] = ()


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
    scores: list[bool] = []
    passes: dict[str, list[bool]] = defaultdict(list)
    for row, answer in zip(rows, answers, strict=True):
        verdicts = code_verdicts(builder.rules, builder.prompt, answer.shown(row), answer)
        score = strict(verdicts, builder.rules)
        if score is not None:
            scores.append(score)
        for verdict in verdicts:
            if verdict.outcome in ("pass", "fail"):
                passes[verdict.rule].append(verdict.outcome == "pass")
    shown = SAMPLES if config.shows_samples else 0
    return Evaluation(
        strict=sum(scores) / len(scores) if scores else None,
        rules={rule: sum(values) / len(values) for rule, values in passes.items()},
        rows=len(rows),
        samples=tuple(
            Sample(row=row.id, question=row.question, answer=answer.text)
            for row, answer in zip(rows[:shown], answers, strict=False)
        ),
    )


def _answer(builder: RequestBuilder, row: Row, ids: list[int], max_tokens: int) -> Answer:
    text = builder.renderer.tokenizer.decode(ids, skip_special_tokens=True)
    return Answer(
        key="",  # never stored
        arm="student",
        row=row.id,
        sample=0,
        text=str(text).strip(),
        token_ids=tuple(ids),
        finish="length" if len(ids) >= max_tokens else "stop",
        seed=0,
        prompt_tokens=0,
        dropped=builder.fit_contexts(row).dropped,
    )
