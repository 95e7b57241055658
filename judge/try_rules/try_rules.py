"""`unprompted judge CONFIG try-rules`: the rules on the logged answers, before anything is run.

Reads the logs of train and val as the settings say and writes nothing. The hidden set stays unread.
"""

import argparse
from pathlib import Path

from config.console import print
from config.schema import Config
from data.prepare import prepare_splits
from judge.try_rules.trial import run_trials
from judge.try_rules.trial_report import trial_lines
from prompts.prompt_file import load_prompt
from prompts.prompt_text import logged_prompt


def try_rules_command(config: Config, arguments: argparse.Namespace) -> int:
    """Prints every rule with its counts and examples; returns 0.

    Raises DataError for unusable logs and rules.
    """
    prompt, rules = load_prompt(config.prompt, Path())
    data = config.data.model_copy(update={"hidden": None})
    prepared = prepare_splits(data, Path(), config.seed, logged_prompt(config, Path()))
    rows = [*prepared.train, *prepared.val]
    for line in trial_lines(run_trials(rules, prompt, rows), rows):
        print(line)
    return 0
