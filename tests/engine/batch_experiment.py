"""A small experiment whose teacher answers by batch files."""

from pathlib import Path

from config.checkout import ROOT
from config.load import load_config
from config.schema import Config
from data.jsonl import write_records
from data.rows import Context, Row
from data.run_paths import RunPaths


def experiment(folder: Path, *changes: str) -> Config:
    """The demo's prompt on three rows, by batch files of one round; no answer obeys its rules."""
    config = load_config(
        ROOT / "config/demo.yaml",
        [
            *("name=t", f"runs={folder}", "teacher.candidates=3", "teacher.guided=false"),
            *("teacher.sampling.logprobs=null", "teacher.engine={kind: batch, model: m}"),
            *changes,
        ],
    )
    run, passage = RunPaths.of(config), (Context(text="The museum opens at ten."),)
    rows = [
        Row(id=name, question=f"When does the museum open, {name}?", contexts=passage, labels=())
        for name in "abc"
    ]
    write_records(run.split("train"), rows)
    write_records(run.split("val"), [rows[0].model_copy(update={"id": "v"})])
    return config
