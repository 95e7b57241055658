"""Probes of the checkout's configs, made once."""

from functools import cache
from pathlib import Path

from config.load import load_config
from config.schema import Config
from data.prepare import PreparedSplits, prepare_splits
from prompts.prompt_file import load_prompt
from prompts.rules import RuleFile
from teacher.probes.build import Probes, make_probes
from teacher.probes.candidates import Given, given_of

ROOT = Path(__file__).resolve().parents[3]


@cache
def logs_of(name: str, seed: int) -> PreparedSplits:
    """The rows of a config of the checkout: its other changes leave them as they are."""
    return prepare_splits(load_config(ROOT / f"config/{name}.yaml").data, ROOT, seed)


def given(config: Config) -> tuple[Given, RuleFile]:
    """All that probes are made of, from the logs of an experiment."""
    rows = logs_of(config.name, config.seed)
    prompt, rules = load_prompt(config.prompt, ROOT)
    held_out = [*rows.val, *(rows.hidden or ())]
    return given_of(config, prompt, rows.train, held_out), rules


@cache
def probed(name: str, *changes: str) -> tuple[Given, RuleFile, Probes]:
    """The probes of a config of the checkout."""
    one, rules = given(load_config(ROOT / f"config/{name}.yaml", ["probes={}", *changes]))
    return one, rules, make_probes(one, rules, {})
