"""The report on rows that come from no single log line: probes and follow-up turns."""

from dataclasses import replace

from data.follow_ups import FollowUpCounts
from report.numbers import build_numbers
from report.render import render_html, render_markdown
from report.run_files import RunFiles
from teacher.audit import ProbeAudit


def test_probes_and_second_turns_are_counted_apart(material: RunFiles) -> None:
    """Per kind and reason, in the page and the Markdown; a run without has no word of it."""
    assert material.audit is not None and material.quality is not None
    turns = FollowUpCounts(logged=5, rows=3, unusable={"no_words": ("a",), "held_out": ("b",)})
    probes = {
        "vague": ProbeAudit(rows=33, rows_selected=7),
        "missing": ProbeAudit(rows=14, rows_selected=0),
    }
    with_both = replace(
        material,
        audit=material.audit.model_copy(update={"probes": probes}),
        quality=material.quality.model_copy(update={"follow_ups": turns}),
    )
    numbers = build_numbers(with_both)
    for text in (render_html(with_both, numbers), render_markdown(with_both, numbers)):
        assert "vague 33 (7 with a selected answer), missing 14 (0 with a selected answer)" in text
        assert "Follow-up turns: 3 rows of 5 follow-ups in train; no_words 1; held_out 1." in (
            text.replace("\\_", "_")
        )
    numbers = build_numbers(material)
    for text in (render_html(material, numbers), render_markdown(material, numbers)):
        assert "with a selected answer" not in text and "Follow-up turns" not in text
