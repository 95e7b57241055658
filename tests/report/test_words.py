"""How the report puts agreement, serving and numbers into words."""

from dataclasses import replace

import pytest

from judge.records import Agreement
from report.calibration import reading
from report.formats import decimal
from report.gather import RunFiles
from report.numbers import make_numbers
from report.render import render_html, render_markdown


def _agreement(*cells: int) -> Agreement:
    names = ("true_pass", "false_pass", "false_fail", "true_fail")
    none = dict.fromkeys(("accuracy", "tpr", "tnr", "kappa"))
    counts = dict(zip(names, cells, strict=True))
    return Agreement(code_rule="c", llm_rule="l", n=sum(cells), missing=0, **counts, **none)


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ((0, 3, 0, 13), "none of these answers passes"),
        ((5, 0, 2, 0), "all of these answers pass"),
        ((0, 0, 4, 4), "The judge fails every one"),
        ((4, 4, 0, 0), "The judge passes every one"),
        ((0, 0, 0, 0), "No answer was decided by both"),
    ],
)
def test_kappa_without_both_kinds_is_put_in_words(cells: tuple[int, ...], words: str) -> None:
    assert words in (reading(_agreement(*cells)) or "")


def test_kappa_that_can_be_read_is_left_alone() -> None:
    assert reading(_agreement(3, 1, 1, 3)) is None


def test_bare_zero_kappa_is_not_shown(made: RunFiles) -> None:
    judged = made.judged
    assert judged is not None
    one = _agreement(0, 3, 0, 13).model_copy(update={"kappa": 0.0})
    now = replace(made, judged=judged.model_copy(update={"agreements": [one]}))
    for page in (render_html(now, make_numbers(now)), render_markdown(now, make_numbers(now))):
        assert "κ not stated" in page
        assert "κ 0.00" not in page


@pytest.mark.parametrize(("gpus", "said"), [([], True), (["H100"], False)])
def test_folding_is_said_of_runs_without_a_gpu(made: RunFiles, gpus: list[str], said: bool) -> None:
    now = replace(made, manifest={"hardware": {"gpus": gpus}})
    assert ("folded into the weights" in render_html(now, make_numbers(now))) is said


def test_decimal() -> None:
    assert decimal(0.061, -0.08, 0.2) == "0.06 [−0.08, 0.20]"
    assert (decimal(None), decimal(-0.001)) == ("–", "0.00")
