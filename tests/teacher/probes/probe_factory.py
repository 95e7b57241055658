"""Probes of the checkout's configs, built once."""

from functools import cache
from pathlib import Path

from config.load import load_config
from config.schema import Config
from data.prepare import PreparedSplits, prepare_splits
from prompts.prompt_file import load_prompt
from prompts.rules import RuleFile
from teacher.probes.build import Probes, build_probes
from teacher.probes.candidates import ProbeSources, load_probe_sources

ROOT = Path(__file__).resolve().parents[3]


@cache
def logs_of(name: str, seed: int) -> PreparedSplits:
    """The rows of a config of the checkout: its other changes leave them as they are."""
    return prepare_splits(load_config(ROOT / f"config/{name}.yaml").data, ROOT, seed)


def probe_sources(config: Config) -> tuple[ProbeSources, RuleFile]:
    """Everything that probes are made from, for the logs of an experiment; and its rules."""
    rows = logs_of(config.name, config.seed)
    prompt, rules = load_prompt(config.prompt, ROOT)
    held_out = [*rows.val, *(rows.hidden or ())]
    return load_probe_sources(config, prompt, rows.train, held_out), rules


@cache
def built_probes(name: str, *changes: str) -> tuple[ProbeSources, RuleFile, Probes]:
    """The probes of a config of the checkout."""
    config = load_config(ROOT / f"config/{name}.yaml", ["probes={}", *changes])
    sources, rules = probe_sources(config)
    return sources, rules, build_probes(sources, rules, {})
