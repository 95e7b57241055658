"""inspect_ai's model_graded_qa on the items: `python inspect_ai_judge.py ITEMS URL IN_FLIGHT`.

The answers exist already, so an unscored log of them is built first, untimed, and only `score` is
timed: it takes a third of the time of `eval` with the same scorer. Retries and caches are
inspect_ai's defaults. Prints wall_s, cpu_s and scored as JSON for the second run; the first, of a
few items, warms up.
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
def logged_answer() -> Solver:
    """Outputs the logged answer."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        state.output = ModelOutput.from_content("logged", state.metadata["answer"])
        return state

    return solve


def read_sample(line: str) -> Sample:
    """An item as a sample."""
    item = json.loads(line)
    passages = "\n\n".join(item["contexts"])
    return Sample(
        input=f"{item['question']}\n\n{passages}",
        target=item["criterion"],
        metadata={"answer": item["answer"]},
    )


def answer_log(samples: list[Sample]) -> EvalLog:
    """The log of a run with answers and without scores."""
    task = Task(dataset=MemoryDataset(samples), solver=logged_answer())
    (log,) = eval(task, model="mockllm/model", display="none", score=False)
    return log


def judge_log(log: EvalLog, grader: Model) -> dict[str, float]:
    """Seconds until the scored log is on disk, and the number of samples with a grade."""
    start, cpu_start = time.perf_counter(), time.process_time()
    scored = score(log, model_graded_qa(model=grader), display="none")
    write_eval_log(scored, Path("scored.eval").absolute().as_posix())
    wall_s, cpu_s = time.perf_counter() - start, time.process_time() - cpu_start
    if scored.status != "success":
        raise SystemExit(f"inspect_ai: {scored.status}: {scored.error}")
    graded = scored.results.scores[0].scored_samples
    return {"wall_s": wall_s, "cpu_s": cpu_s, "scored": graded}


def main() -> None:
    """Warms up, measures, prints."""
    path, url, in_flight = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    samples = [read_sample(line) for line in path.read_text(encoding="utf-8").splitlines()]
    config = GenerateConfig(max_connections=in_flight, temperature=0, max_tokens=256)
    grader = get_model("openai-api/bench/fixed", base_url=url, api_key="none", config=config)
    judge_log(answer_log(samples[:in_flight]), grader)
    print(json.dumps(judge_log(answer_log(samples), grader)))


if __name__ == "__main__":
    main()
