"""The linear probe of a row's case, on states whose answer is known."""

import pytest
import torch

from benchmarks.quality.case_probe import ProbeRows, auc, probe_case


def test_auc_by_hand() -> None:
    """Due 3 and 1, undue 2 and 1: of the four pairs two are right, and one is equal: 2.5 of 4."""
    scores = torch.tensor([3.0, 1.0, 2.0, 1.0])
    assert auc(scores, torch.tensor([1.0, 1.0, 0.0, 0.0])) == pytest.approx(2.5 / 4)


def rows(count: int, seed: int, signal: float) -> ProbeRows:
    """States of three layers; the second holds whether the rule is due, as strong as `signal`."""
    generator = torch.Generator().manual_seed(seed)
    states = torch.randn(count, 3, 16, generator=generator).double()
    due = (torch.arange(count) % 4 == 0).double()
    states[:, 1, 5] += signal * due
    return ProbeRows(states, {"refusal": due})


def test_a_case_that_one_layer_holds_is_told() -> None:
    """Four standard deviations apart: the right layer, and nearly all rows."""
    probe = probe_case("refusal", rows(200, 0, 4.0), rows(400, 1, 4.0))
    assert probe.layer == 1 and probe.auc > 0.97
    assert probe.recall > 0.85 and probe.false_alarms < 0.12
    assert (probe.train_due, probe.val_due, probe.val_undue) == (50, 100, 300)


def test_noise_is_told_from_nothing() -> None:
    """The best of twelve probes on train is chance on val: 100 · 300 pairs, s.d. 0.03."""
    probe = probe_case("refusal", rows(200, 0, 0.0), rows(400, 1, 0.0))
    assert abs(probe.auc - 0.5) < 0.1
