"""When the report explains κ in words instead of printing it."""

from dataclasses import replace

import pytest

from judge.metrics.interval import Interval
from judge.records import ShadowAgreement
from report.formats import decimal
from report.judging_section import explain_kappa
from report.numbers import build_numbers
from report.render import render_html, render_markdown
from report.run_files import RunFiles


def _agreement(*cells: int) -> ShadowAgreement:
    names = ("true_pass", "false_pass", "false_fail", "true_fail")
    measures = ("accuracy", "balanced_accuracy", "tpr", "tnr", "kappa", "ac1", "j")
    none = dict.fromkeys(measures)
    counts = dict(zip(names, cells, strict=True))
    return ShadowAgreement(code_rule="c", llm_rule="l", n=sum(cells), missing=0, **counts, **none)


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ((0, 3, 0, 13), "Code fails all of these answers"),
        ((5, 0, 2, 0), "Code passes all of these answers"),
        ((0, 0, 4, 4), "The judge fails all"),
        ((4, 4, 0, 0), "The judge passes all"),
        ((0, 0, 0, 0), "Code and judge decided no answer in common"),
    ],
)
def test_kappa_without_both_kinds_is_put_in_words(cells: tuple[int, ...], words: str) -> None:
    assert words in (explain_kappa(_agreement(*cells)) or "")


def test_kappa_that_can_be_read_is_left_alone() -> None:
    assert explain_kappa(_agreement(3, 1, 1, 3)) is None


def test_bare_zero_kappa_is_not_shown(material: RunFiles) -> None:
    judged = material.judged
    assert judged is not None
    kappa = Interval(0.0, 0.0, 0.0)
    agreement = _agreement(0, 3, 0, 13).model_copy(update={"kappa": kappa})
    changed = replace(material, judged=judged.model_copy(update={"agreements": [agreement]}))
    numbers = build_numbers(changed)
    for page in (render_html(changed, numbers), render_markdown(changed, numbers)):
        assert "κ not stated" in page
        assert "κ 0.00" not in page


@pytest.mark.parametrize(("gpus", "mentioned"), [([], True), (["H100"], False)])
def test_folding_is_mentioned_without_a_gpu(
    material: RunFiles, gpus: list[str], mentioned: bool
) -> None:
    changed = replace(material, manifest={"hardware": {"gpus": gpus}})
    assert ("folded into the weights" in render_html(changed, build_numbers(changed))) is mentioned


def test_decimal() -> None:
    assert decimal(0.061, -0.08, 0.2) == "0.06 [−0.08, 0.20]"
    assert (decimal(None), decimal(-0.001)) == ("–", "0.00")
