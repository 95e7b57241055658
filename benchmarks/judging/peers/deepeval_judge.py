"""deepeval's GEval on the items: `python deepeval_judge.py ITEMS URL IN_FLIGHT`.

The evaluation steps are given, so that a verdict is one call as with the other judges. Retries,
timeouts and cache are deepeval's defaults; telemetry is off. Prints wall_s, cpu_s and scored as
JSON for the second run; the first, of a few items, warms up.
"""

import json
import os
import sys
import time
from pathlib import Path

os.environ["DEEPEVAL_TELEMETRY_OPT_OUT"] = "1"  # read at import
os.environ["DEEPEVAL_NO_INSPECT_PROMPT"] = "1"

from deepeval import evaluate
from deepeval.evaluate import AsyncConfig, DisplayConfig
from deepeval.metrics import GEval
from deepeval.models import LocalModel
from deepeval.test_case import LLMTestCase, SingleTurnParams

QUIET = DisplayConfig(show_indicator=False, print_results=False, inspect_after_run=False)


def read_case(line: str) -> tuple[LLMTestCase, str]:
    """An item as a test case, and its criterion."""
    item = json.loads(line)
    test_case = LLMTestCase(
        input=item["question"], actual_output=item["answer"], retrieval_context=item["contexts"]
    )
    return test_case, item["criterion"]


def judge_cases(
    cases: list[LLMTestCase], criterion: str, url: str, in_flight: int
) -> dict[str, float]:
    """Seconds, and the number of cases with a score."""
    metric = GEval(
        name="faithful",
        evaluation_steps=[criterion],
        evaluation_params=[
            SingleTurnParams.INPUT,
            SingleTurnParams.ACTUAL_OUTPUT,
            SingleTurnParams.RETRIEVAL_CONTEXT,
        ],
        model=LocalModel(model="fixed", base_url=url, api_key="none"),
        async_mode=True,
    )
    start, cpu_start = time.perf_counter(), time.process_time()
    result = evaluate(
        cases,
        [metric],
        async_config=AsyncConfig(run_async=True, max_concurrent=in_flight),
        display_config=QUIET,
    )
    wall_s, cpu_s = time.perf_counter() - start, time.process_time() - cpu_start
    scores = [data.score for case in result.test_results for data in case.metrics_data or ()]
    scored = sum(score is not None for score in scores)
    return {"wall_s": wall_s, "cpu_s": cpu_s, "scored": scored}


def main() -> None:
    """Warms up, measures, prints."""
    path, url, in_flight = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    read = [read_case(line) for line in path.read_text(encoding="utf-8").splitlines()]
    cases, criterion = [test_case for test_case, _ in read], read[0][1]
    judge_cases(cases[:in_flight], criterion, url, in_flight)
    print(json.dumps(judge_cases(cases, criterion, url, in_flight)))


if __name__ == "__main__":
    main()
