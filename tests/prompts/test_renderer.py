"""Both views of a row, over four chat templates."""

import numpy as np
import pytest

from student.collator import Example, collate
from tests.prompts.renderer_factory import KINDS, ROW, make_renderer


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_answer_behind_both_views(kind: str) -> None:
    """Invariant 1: equal targets in equal order, each predicted from the position before it."""
    views = make_renderer(kind)
    answer = views.answer_ids("At 9. See you!")
    assert answer[-1] == views.template.end_of_turn
    for prompted in (True, False):
        prompt = views.view_ids(ROW, prompted)
        batch = collate([Example(np.array(prompt), (np.array(answer),))])
        assert tuple(batch.targets.tolist()) == answer
        places = range(len(prompt) - 1, len(prompt) - 1 + len(answer))
        assert batch.logit_positions.tolist() == list(places)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_but_passages_is_cut(kind: str) -> None:
    """Invariant 2: from the end, counted; what does not fit without any is said not to fit."""
    views = make_renderer(kind)
    full = len(views.view_ids(ROW, True))
    assert views.fit_contexts(ROW, full)[:3] == (ROW.contexts, 0, True)
    assert views.fit_contexts(ROW, full - 1)[:3] == (ROW.contexts[:1], 1, True)
    least = len(views.view_ids(ROW.model_copy(update={"contexts": ()}), True))
    assert views.fit_contexts(ROW, least).fits
    assert not views.fit_contexts(ROW, least - 1).fits
