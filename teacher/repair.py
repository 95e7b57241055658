"""One more try for the rows without an obedient candidate.

Shown its best one, the prompted model is told which rules that breaks, and answers again.

What it then says is a candidate like the others, under a number after theirs and an arm that tells
it from them. The student never sees the detour: it learns the answer behind the row's usual view.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from data.rows import Row
from engine.base import make_request
from engine.batch_job import Task
from engine.request_builder import RequestBuilder, View
from judge.llm.templates import render
from prompts.chat_encoder import Message
from teacher.scoring import ScoredCandidate, rank, repaired_arm, standing


def repair_tasks(
    builder: RequestBuilder, arm: str, rows: Mapping[str, Row], drawn: Sequence[ScoredCandidate]
) -> list[Task]:
    """One task per row of which no candidate of `drawn` is obedient and one is known to fail."""
    must = builder.rules.must_rules
    by_row: dict[str, list[ScoredCandidate]] = {}
    for one in drawn:
        by_row.setdefault(one.answer.row, []).append(one)
    tasks = []
    for row, candidates in by_row.items():
        failed = best_failed(candidates, must)
        if failed is not None:
            tasks.append(_task(builder, arm, rows[row], failed))
    return tasks


def best_failed(
    candidates: Sequence[ScoredCandidate], must: Collection[str]
) -> ScoredCandidate | None:
    """The candidate of a row to be mended; None: one is obedient, or there is nothing to mend."""
    standings = [standing(one.verdicts, must) for one in candidates]
    together = list(zip(candidates, standings, strict=True))
    if any(one.answer.usable and its.obedient for one, its in together):
        return None
    failed = [
        one
        for one, its in together
        if one.answer.text.strip() and (its.must_broken or one.answer.finish == "length")
    ]
    return min(failed, key=lambda one: rank(one, must), default=None)


def _task(builder: RequestBuilder, arm: str, row: Row, failed: ScoredCandidate) -> Task:
    """The row's request under a number of its own, with its conversation gone on."""
    teacher, view = builder.config.teacher, View(prompted=True, order=failed.answer.order)
    sample = teacher.candidates
    (task,) = builder.tasks(repaired_arm(arm), [row], view, teacher.sampling, sample)
    messages = tuple(conversation(builder, row, failed))
    ids, seed = builder.renderer.prompt_ids(messages), task.request.seed
    request = make_request(builder.identity, ids, teacher.sampling, seed, messages=messages)
    return replace(task, request=request)


def conversation(builder: RequestBuilder, row: Row, failed: ScoredCandidate) -> list[Message]:
    """The prompted view of the row, the failed candidate, and what is wrong with it."""
    answer, renderer = failed.answer, builder.renderer
    broken = {verdict.rule for verdict in failed.verdicts if verdict.outcome == "fail"}
    complaint = render(
        builder.rules.language,
        "repair",
        broken=[due for due in builder.rules.scored_rules() if due.id in broken],
        cut=answer.finish == "length",
    )
    return [
        *renderer.messages(row, builder.fit_contexts(row).contexts, True, answer.order),
        {"role": "assistant", "content": renderer.neutral(answer.text)},
        {"role": "user", "content": renderer.neutral(complaint)},
    ]
