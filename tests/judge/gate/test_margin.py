"""The margin of the non-inferiority gate shrinks by the judge's errors."""

from pathlib import Path

import pytest

from config.load import load_config
from judge.gate.thresholds import decide_gates, read_measurements
from judge.judge_note import JudgeFingerprint
from judge.metrics.agreement import rater_agreement
from judge.records import ShadowAgreement
from tests.judge.factories import llm_check, make_rule
from tests.judge.gate.test_gate import scored
from tests.judge.llm.server import serving, verdict
from tests.judge.run_folder import LINK, make_run
from tests.report.judge_fixture import make_calibration

POLITE = make_rule(llm_check(), id="polite")
FINGERPRINT = JudgeFingerprint(model="m", mode="plain", rules="r", prompt="p", templates="t")


@pytest.mark.parametrize(("right", "outcome"), [(200, "pass"), (170, "fail")])
def test_j_of_the_model_shrinks_the_margin(tmp_path: Path, right: int, outcome: str) -> None:
    """Arms alike on 40 rows: up to 3 of 40 may differ, 7.5 points. A margin of 8 points allows it
    with J at least 0.94, but not where the model is right on 170 of 200 passes and fails."""
    with serving(lambda body: verdict("pass")) as served:
        llm = {"kind": "server", "base_url": served.url, "model": "m"}
        alike = "p" * 32 + "f" * 8
        run = scored(make_run(tmp_path, (LINK, POLITE), llm=llm), student=alike, teacher=alike)
    gold = [True] * 200 + [False] * 200
    judged = [n % 200 < right if good else n % 200 >= right for n, good in enumerate(gold)]
    agreement = rater_agreement(gold, judged, range(400), 0, 0)
    shadow = ShadowAgreement(code_rule="code", llm_rule="polite", **dict(agreement))
    calibration = make_calibration(FINGERPRINT).model_copy(update={"shadows": (shadow,)})
    config = load_config(run.config, ["judge.gate.not_worse_than_teacher=0.08"])
    measured = read_measurements(config)._replace(calibration=calibration)
    gates = {gate.name: gate for gate in decide_gates(config.judge, measured)}
    gate = gates["not_worse_than_teacher"]
    assert gate.outcome == outcome
    assert agreement.youden is not None
    assert f"above -{8 * agreement.youden.low:.1f} points" in gate.message
