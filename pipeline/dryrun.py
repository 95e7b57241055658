"""The dry run: what a run would do, need and cost, and what of it is missing.

No teacher, student or judge is asked, and no model is loaded but for `verbose`. Servers and the hub
are asked once each whether they are there.
"""

from collections.abc import Sequence
from pathlib import Path

from config.load import dump_config
from config.schema import Config
from data.prepare import PreparedSplits, prepare_splits
from data.rows import Row
from data.run_paths import Split
from engine.request_builder import RequestBuilder
from pipeline.plan.cost_lines import RunPlan, config_name
from pipeline.plan.light_builder import light_builder
from pipeline.plan.row_lines import every_row, row_lines
from pipeline.plan.rule_lines import rule_lines, rule_warnings
from pipeline.plan.training_steps import step_warnings
from prompts.prompt_text import logged_prompt
from student.requirements import find_faults, refuse
from teacher.probes.build import build_probes
from teacher.probes.candidates import load_probe_sources


def dry_run(config: Config, *, verbose: bool = False, rows: bool = False) -> str:
    """The rows, rules, steps, tokens, minutes and memory of a run, with warnings at the end.

    `verbose`: also the resolved settings and the preflight, which loads the base. `rows`: also a
    line per row. Raises SetupError where a run would be refused for want of a key, a GPU, a model
    or an arm, and the errors of reading settings, prompt, rules and logs. A server that does not
    answer is a warning here: it may be started before the run.
    """
    faults = find_faults(config)
    refuse([fault.message for fault in faults if fault.refuses and not fault.may_appear])
    prepared = prepare_splits(config.data, Path(), config.seed, logged_prompt(config, Path()))
    builder = light_builder(config)
    splits: dict[Split, Sequence[Row]] = {
        "train": (*prepared.train, *_probes(builder, prepared)),
        "val": prepared.val,
        "hidden": prepared.hidden or (),
    }
    plan = RunPlan(builder, splits)
    warnings = [
        *(fault.message for fault in faults),
        *step_warnings(plan.steps),
        *rule_warnings(builder.rules, builder.prompt, splits, config.probes is not None),
    ]
    lines = [dump_config(config)] * verbose + [config_name(config), *_preflight(config, verbose)]
    lines += ["", *row_lines(config, prepared.quality, plan.tokens)]
    lines += ["", *rule_lines(builder.rules, splits), "", *plan.cost_lines()]
    if rows:
        lines += ["", *every_row(prepared.quality, plan.tokens)]
    lines += [""] * bool(warnings) + [f"warning: {warning}" for warning in warnings]
    return "\n".join(lines)


def _preflight(config: Config, verbose: bool) -> list[str]:
    if not verbose:
        return ["the base itself is checked when the run begins, or here with --verbose"]
    from student.preflight import check_base  # torch

    return [f"preflight: {finding}" for finding in check_base(RequestBuilder(config))]


def _probes(builder: RequestBuilder, prepared: PreparedSplits) -> Sequence[Row]:
    """The probes from the bank, if configured; questions by the model are not counted."""
    config = builder.config
    if config.probes is None:
        return ()
    held_out = [*prepared.val, *(prepared.hidden or ())]
    sources = load_probe_sources(config, builder.prompt, prepared.train, held_out)
    return build_probes(sources, builder.rules, {}).rows
