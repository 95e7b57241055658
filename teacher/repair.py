"""Repair: one more try for rows without a candidate that passes the must-rules.

The prompted model is shown its best candidate and told which rules it breaks, and answers again.
The new answer is a candidate like the others, with the next sample number and an arm of its own.
The student never sees this turn: it learns the answer behind the row's usual view.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from data.rows import Row
from engine.batch_job import Task
from engine.request_builder import RequestBuilder, View
from judge.llm.templates import render
from prompts.chat_rendering import Message
from teacher.scored_candidate import ScoredCandidate, repair_arm


def repair_tasks(
    builder: RequestBuilder,
    arm: str,
    rows: Sequence[Row],
    candidates: Mapping[str, Sequence[ScoredCandidate]],
) -> list[Task]:
    """One task per row of which no candidate passes the must-rules and one is known to fail.

    `candidates`: by row id.
    """
    teacher = builder.config.teacher
    tasks = []
    for row in rows:
        failed = best_failed(candidates[row.id])
        if failed is None:
            continue
        view = View(prompted=True, order=failed.answer.order)
        (task,) = builder.tasks(repair_arm(arm), [row], view, teacher.sampling, teacher.candidates)
        messages = conversation(builder, row, failed)
        request = builder.request(messages, teacher.sampling, task.request.seed)
        tasks.append(replace(task, request=request))
    return tasks


def best_failed(candidates: Sequence[ScoredCandidate]) -> ScoredCandidate | None:
    """The candidate of a row to repair; None: one passes, or none is known to fail."""
    if any(
        candidate.answer.usable and candidate.rule_counts.passes_must_rules
        for candidate in candidates
    ):
        return None
    failed = [
        candidate
        for candidate in candidates
        if candidate.answer.text.strip()
        and (candidate.rule_counts.must_broken or candidate.answer.finish == "length")
    ]
    return min(failed, key=lambda candidate: candidate.rank, default=None)


def conversation(builder: RequestBuilder, row: Row, failed: ScoredCandidate) -> list[Message]:
    """The prompted view of the row, the failed candidate, and the rules that it breaks."""
    answer, renderer = failed.answer, builder.renderer
    broken = {verdict.rule for verdict in failed.verdicts if verdict.outcome == "fail"}
    complaint = render(
        builder.rules.language,
        "repair",
        broken=[rule for rule in builder.rules.scored_rules() if rule.id in broken],
        cut=answer.finish == "length",
    )
    return [
        *renderer.messages(builder.fit_contexts(row).apply(row), True, answer.order),
        {"role": "assistant", "content": renderer.template.neutralise(answer.text)},
        {"role": "user", "content": renderer.template.neutralise(complaint)},
    ]
