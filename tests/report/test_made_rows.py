"""What the report says of rows that no log holds as such: probes, and second turns."""

from dataclasses import replace

from data.follow_ups import FollowUpCounts
from report.gather import RunFiles
from report.numbers import make_numbers
from report.render import render_html, render_markdown
from teacher.audit import ProbeAudit


def test_probes_and_second_turns_are_counted_apart(made: RunFiles) -> None:
    """Per kind and reason, in the page and the Markdown; a run without has no word of it."""
    assert made.audit is not None and made.quality is not None
    turns = FollowUpCounts(logged=5, rows=3, unusable={"no_words": ("a",), "held_out": ("b",)})
    probes = {"vague": ProbeAudit(rows=33, kept=7), "missing": ProbeAudit(rows=14, kept=0)}
    with_both = replace(
        made,
        audit=made.audit.model_copy(update={"probes": probes}),
        quality=made.quality.model_copy(update={"follow_ups": turns}),
    )
    numbers = make_numbers(with_both)
    for text in (render_html(with_both, numbers), render_markdown(with_both, numbers)):
        assert "vague 33 (an answer kept for 7), missing 14 (an answer kept for 0)" in text
        assert "Follow-up turns: 3 rows of 5 follow-ups in train; no_words 1; held_out 1." in (
            text.replace("\\_", "_")
        )
    numbers = make_numbers(made)
    for text in (render_html(made, numbers), render_markdown(made, numbers)):
        assert "an answer kept for" not in text and "Follow-up turns" not in text
