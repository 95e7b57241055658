"""The base model of a saved student, as others than this machine know it. Asks no network."""

import re
from pathlib import Path

import yaml

from config.schema import Config
from report.run_files import SavedStudent

_EMBEDDED = "embedded"  # in the settings: a model that comes in a package
_EMBEDDED_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"  # of which the package holds the Q4_1 weights
_EMBEDDED_LICENSE = "apache-2.0"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def hub_base(config: Config, saved: SavedStudent) -> str | None:
    """The base's id on the Hugging Face hub; None for a folder of this machine."""
    if config.model.name == _EMBEDDED:
        return _EMBEDDED_ID
    is_id = _HUB_ID.fullmatch(saved.base) and not Path(saved.base).exists()
    return saved.base if is_id else None


def base_for_others(config: Config, saved: SavedStudent) -> str:
    """The base's id on the hub, or the name of its folder without the way to it."""
    return hub_base(config, saved) or Path(saved.base).name


def weights_note(config: Config) -> str:
    """What others must know of the base's weights; empty: they are as its name says."""
    if config.model.name != _EMBEDDED:
        return ""
    return " (trained and measured on its 4-bit weights; those of the hub may answer otherwise)"


def base_license(config: Config, saved: SavedStudent) -> str | None:
    """The license in the base's model card; None where no card of it is on this machine."""
    if config.model.name == _EMBEDDED:
        return _EMBEDDED_LICENSE
    from huggingface_hub import ModelCard, try_to_load_from_cache

    card = Path(saved.base) / "README.md"
    if hub_base(config, saved) is not None:
        cached = try_to_load_from_cache(saved.base, "README.md", revision=saved.revision)
        card = Path(cached) if isinstance(cached, str) else card
    if not card.is_file():
        return None
    try:
        metadata = ModelCard(card.read_text("utf-8"), ignore_metadata_errors=True).data
    except (ValueError, yaml.YAMLError):  # somebody else's text
        return None
    license = metadata.get("license")
    return license if isinstance(license, str) else None
