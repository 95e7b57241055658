"""The best student's model card, `best/README.md`."""

from data.atomic_write import write_text
from report.gather import RunFiles
from report.numbers import Numbers
from report.render import render_card


def write_card(material: RunFiles, numbers: Numbers) -> bool:
    """Writes the card; False when there is no best student to describe."""
    if material.choice is None or material.saved is None:
        return False
    write_text(material.run.best / "README.md", render_card(material, numbers))
    return True
