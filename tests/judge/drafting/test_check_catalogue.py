"""The check kinds that a drafting model is offered."""

from typing import get_args

from judge.drafting.check_catalogue import check_kinds, rules_schema
from prompts.check_settings import CodeCheck, LlmCheck


def test_every_kind_of_check_is_offered() -> None:
    models = (*get_args(CodeCheck), LlmCheck)
    types = [name for model in models for name in get_args(model.model_fields["type"].annotation)]
    assert [name for kind in check_kinds() for name in kind.types] == types
    check = rules_schema()["properties"]["rules"]["items"]["properties"]["check"]
    assert check["properties"]["type"]["enum"] == types
