"""The reference metrics on all pages: every number with its n, no column for what nobody has."""

import json
import re
from dataclasses import replace
from pathlib import Path

from judge.reference.records import ContextScore, Mean, Perplexity, ReferenceScore
from report.numbers import build_numbers
from report.render import render_html, render_markdown
from report.run_files import RunFiles
from tests.report.run_fixture import read_fixture

PLAIN = ReferenceScore(
    chrf=41.5,
    bleu=12.25,
    rouge1=33.3,
    rouge2=22.2,
    rouge_l=11.1,
    n=23,
    chrf_signature="nw:2",
    bleu_signature="tok:13a",
    lexical_grounding=Mean(value=0.625, n=22),
)
FULL = PLAIN.model_copy(
    update={
        "perplexity": Perplexity(value=7.44, n=21, tokens=2617, left_out=3),
    }
)


def with_references(material: RunFiles, **scores: ReferenceScore | None) -> RunFiles:
    """The run with these reference metrics, by arm; other arms keep theirs."""
    assert material.judged is not None
    scores_before = material.judged.scores
    arms = {
        arm: score.model_copy(update={"reference": scores.get(arm, score.reference)})
        for arm, score in scores_before.arms.items()
    }
    contexts = ContextScore(recall=0.498, precision=0.711, n=19)
    update = {"scores": scores_before.model_copy(update={"arms": arms}), "contexts": contexts}
    return replace(material, judged=material.judged.model_copy(update=update))


def test_every_page_has_the_numbers_and_their_n(tmp_path: Path) -> None:
    """The same cells in HTML and Markdown; the values themselves in JSON."""
    material = with_references(read_fixture(tmp_path), base=PLAIN, teacher=FULL)
    numbers = build_numbers(material)
    cells = ("41.5", "12.2", "33.3", "22.2", "11.1", "23", "62.5 %, n = 22")
    row = ["teacher", *cells, "7.4, n = 21"]
    markdown = render_markdown(material, numbers)
    assert f"| {' | '.join(row)} |" in markdown
    html = render_html(material, numbers)
    part = html[html.index('<h2 id="references"') :]
    teacher = re.findall(r"<tr><th[^>]*>teacher</th>(.*?)</tr>", part)[0]
    assert re.findall(r"<td[^>]*>(.*?)</td>", teacher) == row[1:]
    for page in (html, markdown):
        assert "n = 19: context recall 49.8 %" in page and "context precision 71.1 %" in page
        assert "3 answers too long for one of them are left out" in page
    stored = json.loads(numbers.model_dump_json())
    assert stored["references"]["teacher"] == FULL.model_dump()
    assert stored["contexts"] == {"recall": 0.498, "precision": 0.711, "n": 19}


def test_a_column_that_nobody_has_is_not_shown(tmp_path: Path) -> None:
    """Without logged answers there is no perplexity, and no zero in its place."""
    columns = "| Arm | chrF++ | BLEU | ROUGE-1 | ROUGE-2 | ROUGE-L | n | lexical grounding |"
    material = read_fixture(tmp_path)
    plain = with_references(material, base=PLAIN)
    assert f"{columns}\n" in render_markdown(plain, build_numbers(plain))
    one_has = with_references(material, base=PLAIN, teacher=FULL)
    page = render_markdown(one_has, build_numbers(one_has))
    assert f"{columns} perplexity |\n" in page
    assert "| base | 41.5 | 12.2 | 33.3 | 22.2 | 11.1 | 23 | 62.5 %, n = 22 | – |" in page


def test_no_reference_at_all_is_said(tmp_path: Path) -> None:
    """A run whose logs hold no answers."""
    material = read_fixture(tmp_path)
    none = with_references(material, **dict.fromkeys(material.arms))
    assert "no arm has answers with a logged reference" in render_html(none, build_numbers(none))
