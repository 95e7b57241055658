"""The catalogue of the commands of the docs: what runs each, or why nothing does."""

from pathlib import Path

import yaml
from pydantic import BaseModel

_FILE = Path(__file__).with_name("commands.yaml")


class Catalogue(BaseModel, extra="forbid", frozen=True):
    """Commands by what runs them."""

    run: dict[str, list[str]]  # by the scenario
    by_test: dict[str, list[str]]  # by the id of a test elsewhere
    not_run: dict[str, list[str]]  # by the reason

    def all(self) -> list[str]:
        """Every command, as often as it is listed."""
        groups = (*self.run.values(), *self.by_test.values(), *self.not_run.values())
        return [command for group in groups for command in group]


def read_catalogue() -> Catalogue:
    """The catalogue of today."""
    return Catalogue.model_validate(yaml.safe_load(_FILE.read_text("utf-8")))
