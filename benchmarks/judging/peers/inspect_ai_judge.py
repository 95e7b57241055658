"""inspect_ai's model_graded_qa on the items: `python inspect_ai_judge.py ITEMS URL IN_FLIGHT`.

The answers are there already, so an unscored log of them is made first, untimed, and `score` is
timed: a third of the time that `eval` takes with the same scorer. Retries and caches are
inspect_ai's defaults. Prints wall_s, cpu_s and scored as JSON for the last of two runs; the
first, of few items, warms up.
"""

import json
import sys
import time
from pathlib import Path

from inspect_ai import Task, eval, score
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.log import EvalLog, write_eval_log
from inspect_ai.model import GenerateConfig, Model, ModelOutput, get_model
from inspect_ai.scorer import model_graded_qa
from inspect_ai.solver import Generate, Solver, TaskState, solver


@solver
def given() -> Solver:
    """Answers with the logged answer."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        state.output = ModelOutput.from_content("logged", state.metadata["given"])
        return state

    return solve


def sample(line: str) -> Sample:
    """One item as inspect_ai takes it."""
    item = json.loads(line)
    passages = "\n\n".join(item["contexts"])
    return Sample(
        input=f"{item['question']}\n\n{passages}",
        target=item["criterion"],
        metadata={"given": item["answer"]},
    )


def answered(samples: list[Sample]) -> EvalLog:
    """The log of a run that has answers and no scores."""
    task = Task(dataset=MemoryDataset(samples), solver=given())
    (log,) = eval(task, model="mockllm/model", display="none", score=False)
    return log


def judged(log: EvalLog, grader: Model) -> dict[str, float]:
    """Seconds until the scored log is on disk, and samples with a grade."""
    begun, cpu = time.perf_counter(), time.process_time()
    scored = score(log, model_graded_qa(model=grader), display="none")
    write_eval_log(scored, Path("scored.eval").absolute().as_posix())
    wall_s, cpu_s = time.perf_counter() - begun, time.process_time() - cpu
    if scored.status != "success":
        raise SystemExit(f"inspect_ai: {scored.status}: {scored.error}")
    graded = scored.results.scores[0].scored_samples
    return {"wall_s": wall_s, "cpu_s": cpu_s, "scored": graded}


def main() -> None:
    """Warms up, measures, prints."""
    path, url, in_flight = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    samples = [sample(line) for line in path.read_text(encoding="utf-8").splitlines()]
    config = GenerateConfig(max_connections=in_flight, temperature=0, max_tokens=256)
    grader = get_model("openai-api/bench/fixed", base_url=url, api_key="none", config=config)
    judged(answered(samples[:in_flight]), grader)
    print(json.dumps(judged(answered(samples), grader)))


if __name__ == "__main__":
    main()
