"""`unprompted judge CONFIG export-for-labelling`: a sample of an arm's answers for people."""

import argparse
import random
from collections.abc import Sequence
from pathlib import Path

from config.console import print
from config.errors import ConfigError, DataError
from config.schema import Config
from data.answers import Answer
from data.atomic_write import write_bytes
from data.records import digest
from data.rows import Row
from data.run_paths import RunPaths
from judge.annotation.sheet import EXCEL_CELL, format_sheet, passages_text
from judge.inputs import answered_pairs
from prompts.prompt_file import load_prompt
from prompts.rules import Rule


def export_command(config: Config, arguments: argparse.Namespace) -> int:
    """Writes the sheet; the same arm, number and seed give the same sheet.

    Raises ConfigError for an unknown arm or rule or an impossible number, DataError when another
    sample or a labelled sheet is in its place.
    """
    rule = None if arguments.rule is None else _rule(config, arguments.rule)
    sample = sample_answers(answered_pairs(config), arguments.arm, arguments.rows, config.seed)
    name = [arguments.arm, config.seed] + ([] if rule is None else [rule.id])
    path = RunPaths.of(config).annotation_sheet(digest(name)[:8])
    sheet = format_sheet(sample, rule)
    if path.exists() and path.read_bytes() != sheet:
        raise DataError(
            f"{path}: holds another sample, or labels; import it or move it away, then export again"
        )
    write_bytes(path, sheet)
    print(f"{len(sample)} answers of {arguments.arm}: {path}")
    too_long = sum(
        max(len(answer.text), len(row.question), len(passages_text(row))) > EXCEL_CELL
        for row, answer in sample
    )
    if too_long:
        print(
            f"note: {too_long} have a text over {EXCEL_CELL} characters, "
            "and Excel cuts longer cells"
        )
    return 0


def _rule(config: Config, name: str) -> Rule:
    """A rule of the rule file. Raises ConfigError for another name."""
    _, rules = load_prompt(config.prompt, Path())
    by_id = {rule.id: rule for rule in rules.rules}
    if name not in by_id:
        raise ConfigError(f"--rule {name}: there is no such rule; choose one of {', '.join(by_id)}")
    return by_id[name]


def sample_answers(
    pairs: Sequence[tuple[Row, Answer]], arm: str, rows: int, seed: int
) -> list[tuple[Row, Answer]]:
    """A simple random sample without replacement of the arm's answers, in random order.

    A larger sample begins with the smaller one. Arms that answered the same rows are sampled on the
    same rows, so that their difference is paired. Raises ConfigError for an arm without answers, or
    for more answers than it has.
    """
    arms = list(dict.fromkeys(answer.arm for _, answer in pairs))
    if arm not in arms:
        raise ConfigError(f"--arm {arm}: it has no answers; choose one of {', '.join(arms)}")
    answers = [pair for pair in pairs if pair[1].arm == arm]
    if not 1 <= rows <= len(answers):
        raise ConfigError(
            f"--rows {rows}: {arm} has {len(answers)} answers; ask for 1 … {len(answers)}"
        )
    # Answers are stored in the order in which they finished.
    answers.sort(key=lambda pair: (pair[1].row, pair[1].sample))
    random.Random(f"{seed} labelling").shuffle(answers)
    return answers[:rows]
