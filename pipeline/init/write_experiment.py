"""Writes an experiment: reads the prompt and the logs, and drafts the rules."""

import argparse
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from config.console import print
from config.errors import ConfigError, UnpromptedError, UsageError
from config.judging import ServerSettings
from config.load import load_config, validated
from config.log_formats import AutoLogs
from config.schema import Config, PromptSettings
from config.yaml_file import parse_yaml
from data.atomic_write import write_text
from data.readers.recognise import scan_source
from data.readers.recognised_logs import RecognisedLogs
from data.readers.turn_template import PromptText
from data.rows import Row
from data.stored_file import make_folder
from judge.drafting.draft_rules import draft_rules_command
from pipeline.init.experiment_files import (
    ExperimentNames,
    LogSize,
    experiment_text,
    prompt_file_text,
)
from prompts.editor_schemas import schema_line, write_schemas
from prompts.prompt_file import DEFAULT_TEMPLATE, Prompt, read_prompt
from prompts.prompt_text import prompt_text

_PROMPT, _RULES, _EXPERIMENT = "prompt.yaml", "rules.yaml", "experiment.yaml"
_SCHEMAS = ".unprompted"  # folder of the schemas that editors read
# MiB of a card from which LoRA on a model fits, by docs/hardware.md
_GPU_MODELS = {20_000: "Qwen/Qwen3-4B-Instruct-2507", 10_000: "Qwen/Qwen3-1.7B"}


class NewExperiment(NamedTuple):
    """What the user has named."""

    logs: str
    prompt: str | None  # None: the system prompt stands in the logs
    model: str | None  # None: by the first card
    name: str | None  # None: the folder's name
    folder: Path
    judge: ServerSettings | None

    @property
    def keeps_prompt_file(self) -> bool:
        """Whether the user's prompt file is used as it is."""
        return self.prompt is not None and self.prompt.lower().endswith((".yaml", ".yml", ".json"))


def judge_server(url: str | None, model: str | None, key_env: str) -> ServerSettings | None:
    """The judging server; None where none is named. Raises UsageError where half of it is."""
    if url is None and model is None:
        return None
    if url is None or model is None:
        missing = "--judge-url" if url is None else "--judge-model"
        raise UsageError(f"unprompted init: {missing} is missing; a judge needs both")
    values = {"base_url": url, "model": model, "api_key_env": key_env}
    return validated(ServerSettings, values, "--judge-url, --judge-model")


def write_experiment(new: NewExperiment) -> None:
    """Writes the files and prints what it read, and the next commands.

    Raises ConfigError for files that are there already, for a name that no run can have, and where
    no system prompt is known, and DataError for unusable logs; all before it writes any file. The
    rules are drafted last, which raises what `draft_rules_command` raises.
    """
    _refuse_existing(new)
    prompt = None
    if new.prompt is not None:
        prompt = read_prompt(PromptSettings(system=new.prompt, rules=""), Path())
    text = None if prompt is None else prompt_text(prompt)
    form, size = _scan(new.logs, text)
    print(form.line())
    for note in form.notes(text):
        print(note)
    if prompt is None:
        prompt = _logged_prompt(form)
    names = ExperimentNames(
        name=new.name or _run_name(new.folder),
        prompt=new.prompt if new.keeps_prompt_file and new.prompt else str(new.folder / _PROMPT),
        rules=str(new.folder / _RULES),
        logs=new.logs,
        model=new.model or _usual_model(),
    )
    settings = experiment_text(names, size, len(prompt.system), new.judge)
    validated(Config, parse_yaml(settings, _EXPERIMENT), "unprompted init")
    _write_files(new, names, prompt, settings)
    _draft_rules(new.folder / _EXPERIMENT, names.rules)


def _scan(logs: str, prompt: PromptText | None) -> tuple[RecognisedLogs, LogSize]:
    """What the logs are, and how long their rows."""
    questions, answers = [0], [0]

    def add(row: Row) -> None:
        texts = [row.question, *(context.text for context in row.contexts)]
        texts += [text for turn in row.history for text in (turn.question, turn.answer)]
        questions[0] = max(questions[0], sum(map(len, texts)))
        answers[0] = max([answers[0], *map(len, row.answers.values())])

    form = scan_source(AutoLogs(path=logs), Path(), add, prompt).form
    assert form is not None  # it is None only where the settings name the form
    return form, LogSize(form.rows, questions[0], answers[0])


def _logged_prompt(form: RecognisedLogs) -> Prompt:
    """The system prompt of most logged requests. Raises ConfigError where there is none."""
    if form.system is None:
        raise ConfigError(
            f"{form.path}: no system prompt stands in the logs; name its file: --prompt FILE"
        )
    rows = form.systems[form.system]
    print(f"{form.path}: the system prompt of {rows} of {form.rows} rows becomes the prompt")
    return Prompt(system=form.system.strip(), user_template=DEFAULT_TEMPLATE)


def _refuse_existing(new: NewExperiment) -> None:
    names = [_RULES, _EXPERIMENT] if new.keeps_prompt_file else [_PROMPT, _RULES, _EXPERIMENT]
    existing = [str(path) for name in names if (path := new.folder / name).exists()]
    if existing:
        raise ConfigError(
            f"{', '.join(existing)}: there already, and not overwritten; move away what you want "
            "to write anew, or give another --folder"
        )


def _write_files(new: NewExperiment, names: ExperimentNames, prompt: Prompt, settings: str) -> None:
    make_folder(new.folder)
    write_schemas(new.folder / _SCHEMAS)
    if not new.keeps_prompt_file:
        line = schema_line(f"{_SCHEMAS}/prompt.schema.json")
        text = prompt_file_text(prompt.system, prompt.user_template)
        write_text(Path(names.prompt), f"{line}\n{text}")
    experiment = new.folder / _EXPERIMENT
    line = schema_line(f"{_SCHEMAS}/settings.schema.json")
    write_text(experiment, f"{line}\n{settings}")
    print(f"written: {names.prompt}, {experiment} (model: {names.model})")


def _draft_rules(experiment: Path, rules: str) -> None:
    """Drafts the rules and prints the next commands, also where drafting fails."""
    shown = shlex.quote(str(experiment))
    try:
        draft_rules_command(load_config(experiment), argparse.Namespace(out=None))
    except UnpromptedError:
        print(f"next: mend the error below, then `unprompted judge {shown} draft-rules`")
        raise
    print(
        f"next: correct {rules}, and look at what the rules find:\n"
        f"  unprompted judge {shown} try-rules\n"
        f"  unprompted run {shown} --dry-run"
    )


def _run_name(folder: Path) -> str:
    """A run's name from the folder's: ASCII letters, digits, dots and hyphens."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", folder.resolve().name).strip("-._")
    return name or "mine"


def _usual_model() -> str:
    """A model for the first card; the embedded one where no card holds it."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return "embedded"
    query = [command, "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    listing = subprocess.run(query, capture_output=True, text=True, check=False).stdout.split()
    memory_mib = int(listing[0]) if listing and listing[0].isdigit() else 0
    fitting = (model for least, model in _GPU_MODELS.items() if memory_mib >= least)
    return next(fitting, "embedded")
