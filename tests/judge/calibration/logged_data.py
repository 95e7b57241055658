"""The logs of both configurations, prepared as a run prepares them, with their prompt and rules."""

from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

from config.load import load_config
from data.answers import Answer, logged_answers
from data.prepare import prepare_splits
from data.rows import Row
from prompts.prompt_file import Prompt, load_prompt
from prompts.rules import RuleFile

ROOT = Path(__file__).resolve().parents[3]


class LoggedData(NamedTuple):
    """What the calibration of a run starts from."""

    prompt: Prompt
    rules: RuleFile
    train: tuple[Row, ...]
    val: tuple[Row, ...]

    @property
    def pairs(self) -> list[tuple[Row, Answer]]:
        rows = [*self.train, *self.val]
        return [(row, answer) for row in rows for answer in logged_answers(row)]


@lru_cache(maxsize=2)
def load_logged_data(name: Literal["demo", "hse"]) -> LoggedData:
    config = load_config(ROOT / f"config/{name}.yaml")
    splits = prepare_splits(config.data, ROOT, config.seed)
    return LoggedData(*load_prompt(config.prompt, ROOT), splits.train, splits.val)
