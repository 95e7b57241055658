"""The look at val after an epoch: greedy answers of the model in training, by the code rules."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from config.schema import Config
from data.answers import Answer
from data.rows import Row
from data.run_paths import RunPaths
from engine.request_builder import RequestBuilder, View
from engine.sampling import greedy_answers
from judge.checks.check import code_verdicts
from judge.metrics.verdict_table import strict
from student.distributed import joined, share
from student.records import Sample
from student.trainer import Adherence

SAMPLES = 3  # val rows whose answers are shown, where a tracker may show any


def look_at_val(config: Config, builder: RequestBuilder) -> Callable[[Any], Adherence]:
    """A look at val: greedy answers of the model in training, scored by the code rules."""
    shown = SAMPLES if config.shows_samples else 0
    rows = RunPaths.of(config).rows("val")[: config.predict.eval_rows]
    rows = [row for row in rows if builder.kept(row).fits]
    unprompted = View(prompted=False)
    prompts = [builder.view_ids(row, unprompted) for row in rows]
    end, limit = builder.renderer.end_of_turn, config.predict.sampling.max_tokens

    def look(model: Any) -> Adherence:
        drawn = joined(greedy_answers(model, share(prompts), end, limit))
        answers = [_answer(builder, *pair, limit) for pair in zip(rows, drawn, strict=True)]
        scores: list[bool | None] = []
        passed: dict[str, list[bool]] = defaultdict(list)
        for row, answer in zip(rows, answers, strict=True):
            verdicts = code_verdicts(builder.rules, builder.prompt, answer.shown(row), answer)
            scores.append(strict(verdicts, builder.rules))
            for verdict in verdicts:
                if verdict.outcome in ("pass", "fail"):
                    passed[verdict.rule].append(verdict.outcome == "pass")
        decided = [score for score in scores if score is not None]
        found = sum(decided) / len(decided) if decided else None
        rules = {rule: sum(values) / len(values) for rule, values in passed.items()}
        samples = tuple(map(_sample, rows[:shown], answers))
        return Adherence(found, rules, len(rows), samples)

    return look


def _sample(row: Row, answer: Answer) -> Sample:
    return Sample(row=row.id, question=row.question, answer=answer.text)


def _answer(builder: RequestBuilder, row: Row, ids: list[int], limit: int) -> Answer:
    text = builder.renderer.tokenizer.decode(ids, skip_special_tokens=True)
    return Answer(
        key="",  # never stored
        arm="student",
        row=row.id,
        sample=0,
        text=str(text).strip(),
        token_ids=tuple(ids),
        finish="length" if len(ids) >= limit else "stop",
        seed=0,
        prompt_tokens=0,
        dropped=builder.kept(row).dropped,
    )
