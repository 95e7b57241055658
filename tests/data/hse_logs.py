"""Paths and settings of the university's logs, which are not part of the project."""

from pathlib import Path

import pytest

from config.log_formats import CampusLogs, DataSettings

HSE = Path(__file__).parents[2].parent / "shared" / "hse"
LOGS = CampusLogs(path="logs.json", joined_follow_ups=True)
HIDDEN = CampusLogs(path="hidden_format.json")
SETTINGS = DataSettings(
    train=LOGS,
    hidden=HIDDEN,
    stubs=(
        "Не люблю менять тему разговора",
        "не может быть настроения",
        "Что-то в вашем вопросе меня смущает",
    ),
    footer=r"\s*Подробнее:\s*(?:\S+://\S+\s*)*$",
)

needs_hse = pytest.mark.skipif(
    not (HSE / "logs.json").exists(), reason=f"the university's logs are not at {HSE}"
)
