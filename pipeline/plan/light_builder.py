"""A request builder for plans, which needs the tokenizer but not the weights."""

from config.schema import Config
from engine.check_hub import is_hub_id, tokenizer_folder
from engine.models import resolve_base
from engine.request_builder import RequestBuilder


def light_builder(config: Config) -> RequestBuilder:
    """A builder that neither hashes nor downloads the weights."""
    model = config.model
    if is_hub_id(model.name):
        folder = str(tokenizer_folder(model.name, model.revision))
    else:
        folder = resolve_base(model)
    return RequestBuilder(config, identity="dry run", folder=folder)
