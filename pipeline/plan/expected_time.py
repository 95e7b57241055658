"""How long each stage of a run will probably take, from its prepared rows."""

from config.schema import Config
from data.rows import Row
from data.run_paths import RunPaths, Split
from pipeline.plan.cost_lines import RunPlan
from pipeline.plan.light_builder import light_builder

_MOST_ROWS = 5000  # counting the tokens of more takes longer than the answer is worth
# seconds of stages that call no model, most of them imports
_SHORT_S = {
    "data": 3.0,
    "manifest": 5.0,
    "teacher probes": 10.0,
    "teacher select": 8.0,
    "judge calibrate": 5.0,
    "judge hidden": 5.0,
    "report": 5.0,
}


def expected_stage_seconds(config: Config, most_rows: int = _MOST_ROWS) -> dict[str, float]:
    """Likely seconds by stage; stages that cannot be estimated are left out.

    Empty for more than `most_rows`. Raises the errors of reading prompt, rules and tokenizer.
    """
    run = RunPaths.of(config)
    splits: dict[Split, list[Row]] = {}
    for split in ("train", "val", "hidden"):
        splits[split] = run.rows(split)
        if sum(map(len, splits.values())) > most_rows:
            return {}
    return _SHORT_S | RunPlan(light_builder(config), splits).stage_seconds()
