"""Writes the model card of the best student, and its results as the hub reads them."""

from data.atomic_write import write_text
from report.card_metadata import EVAL_RESULTS, eval_results_yaml
from report.numbers import Numbers
from report.render import render_card
from report.run_files import RunFiles


def write_card(material: RunFiles, numbers: Numbers) -> None:
    """Writes `best/README.md`, and `EVAL_RESULTS` beside it where there is something to write.

    Raises DataError when the disk is full.
    """
    best = material.run.best
    write_text(best / "README.md", render_card(material, numbers))
    results = eval_results_yaml(material, numbers)
    if results is None:
        (best / EVAL_RESULTS).unlink(missing_ok=True)
    else:
        write_text(best / EVAL_RESULTS, results)
