"""Gates: thresholds against scores made by hand, exit codes, and the cases in XML."""

import itertools
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from config.errors import ConfigError
from config.load import load_config
from data.rows import Row
from data.run_paths import RunPaths
from judge.__main__ import main
from judge.gate.thresholds import decide_gates, exit_code, read_measurements
from judge.metrics.estimators import NonInferiority, non_inferiority
from judge.summary.records import GateOutcome, GateResult
from tests.judge.factories import llm_check, make_row, make_rule
from tests.judge.llm.server import serving, verdict
from tests.judge.run_folder import BRIEF, LINK, REFUSE, answer_val, make_run

ROWS = [make_row(f"r{n}") for n in range(40)]
POLITE = make_rule(llm_check(), id="polite")
TEACHER, BASE = "p" * 30 + "f" * 10, "f" * 40
STUDENT = "p" * 32 + "f" * 8  # 80 % strict, gap closed 32/30


SYSTEMS = ("giga", "saiga", "other")


def texts(spelt: str) -> list[str]:
    """p passes LINK, f fails it."""
    return ["a link" if letter == "p" else "nothing" for letter in spelt]


def scored(
    run: RunPaths,
    rows: list[Row] = ROWS,
    code: int = 0,
    student: str = STUDENT,
    teacher: str = TEACHER,
) -> RunPaths:
    """The run, judged with this exit code; what its arms pass and fail, a letter a row."""
    spelt = {"base": BASE, "teacher": teacher, "student/a": student}
    answer_val(run, rows, {arm: texts(letters) for arm, letters in spelt.items()})
    assert main([str(run.config), "score"]) == code
    return run


def labelled(good: str, bad: str) -> list[Row]:
    """Three logged answers a row: people call those of every second row good, the others bad."""
    return [
        row.model_copy(
            update={
                "answers": {name: f"{bad if n % 2 else good} {name}" for name in SYSTEMS},
                "labels": ("Оба плохо" if n % 2 else "Оба хорошо",),
            }
        )
        for n, row in enumerate(ROWS)
    ]


def gated(run: RunPaths, **gate: Any) -> int:
    """The exit code under these thresholds."""
    overrides = [f"judge.gate.{name}={value}" for name, value in gate.items()]
    return main([str(run.config), "gate", *overrides])


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    """Judged by LINK, a must-rule, and BRIEF, which only should be kept."""
    return scored(make_run(tmp_path, (LINK, BRIEF)))


class TestExitCodes:
    @pytest.mark.parametrize(
        ("gate", "code"),
        [
            ({"strict_min": 0.65}, 0),  # of 65.2 … 89.5 %
            ({"strict_min": 0.66}, 3),
            ({"strict_min": 0.89}, 3),
            ({"strict_min": 0.9}, 1),
            ({"gap_closed_min": 1.0}, 0),  # no resample has the teacher above the student
            ({"gap_closed_min": 1.05}, 3),
            ({"gap_closed_min": 1.5}, 1),
            ({"not_worse_than_teacher": 0.1}, 0),
            ({"max_missing": 0}, 0),
            ({"calibrated": "true"}, 0),  # code decides every must-rule
            ({"strict_min": 0.65, "gap_closed_min": 1.0, "not_worse_than_teacher": 0.1}, 0),
            ({"strict_min": 0.65, "gap_closed_min": 2.0}, 1),
        ],
    )
    def test_codes(self, run: RunPaths, gate: dict[str, Any], code: int) -> None:
        assert gated(run, **gate) == code

    def test_too_much_missing(self, tmp_path: Path) -> None:
        """REFUSE needs labels: 10 of 40 rows lack them, and a student that passes stays open."""
        rows = [row.model_copy(update={"labels": ("fine",)}) for row in ROWS[:30]] + ROWS[30:]
        run = scored(make_run(tmp_path, (LINK, REFUSE)), rows, 3, student="p" * 40)
        assert gated(run, strict_min=0.8) == 3  # the judge's own limit, a fifth
        assert gated(run, strict_min=0.8, max_missing=0.25) == 0

    def test_what_cannot_be_measured_is_inconclusive(self, tmp_path: Path) -> None:
        """A teacher no better than the base: no gap; no teacher: nothing to be as good as."""
        flat = scored(make_run(tmp_path, name="flat"), teacher=BASE)
        assert gated(flat, gap_closed_min=0.5) == 3
        (flat.answers("teacher")).unlink()
        assert main([str(flat.config), "score"]) == 0
        assert gated(flat, not_worse_than_teacher=0.5) == 3

    def test_uncalibrated_before_inconclusive_before_failed(self) -> None:
        order: dict[GateOutcome, int] = {
            "uncalibrated": 4,
            "inconclusive": 3,
            "undecided": 3,
            "fail": 1,
            "pass": 0,
        }
        for some in itertools.product(order, repeat=3):
            gates = [GateResult(name="it", outcome=outcome, message="") for outcome in some]
            assert exit_code(gates) == max(order[outcome] for outcome in some)

    def test_calibrated(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """4 until the very judge that scored has been held against people's labels."""
        rows = labelled("a link", "nothing")
        thresholds = {"calibrated": "true", "strict_min": 0.65}
        with serving(lambda body: verdict("pass")) as served:
            llm = {"kind": "server", "base_url": served.url, "model": "m"}
            run = scored(make_run(tmp_path, (LINK, POLITE), llm=llm), rows)
            assert gated(run, **thresholds) == 4
            assert "uncalibrated: calibrated: polite: the judge has not been" in printed(capsys)
            assert gated(run, strict_min=0.65) == 0  # nobody asked
            assert main([str(run.config), "calibrate"]) == 0
            assert gated(run, **thresholds) == 0
            assert main([str(run.config), "score", "judge.llm.model=other"]) == 0
        assert gated(run, **thresholds) == 4
        assert "made with another model" in printed(capsys)

    def test_a_calibration_that_ran_out_of_calls(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Code fails the bad answers; on the good ones the model was hardly asked: those that are
        decided are no sample, whatever they say of the judge.
        """
        rows = labelled("a link of old", "nothing of old")
        with serving(lambda body: verdict("pass")) as served:
            llm = {"kind": "server", "base_url": served.url, "model": "m"}
            run = scored(make_run(tmp_path, (LINK, POLITE), llm=llm), rows)
            capsys.readouterr()
            assert main([str(run.config), "calibrate", "judge.max_calls=3"]) == 3
            output = printed(capsys)
            assert "120 verdicts expected, 117 missing (budget 117); the limit left " in output
            assert "inconclusive: 98% of the model's verdicts on the logged" in output
            assert gated(run, calibrated="true") == 4
            assert main([str(run.config), "calibrate"]) == 0  # what was asked is kept
            assert "120 verdicts expected, 0 missing\n" in printed(capsys)
            assert gated(run, calibrated="true") == 0


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


class TestGates:
    def test_lines(self, run: RunPaths, capsys: pytest.CaptureFixture[str]) -> None:
        """One line a gate: measured, interval, threshold. Wilson of 32/40 is 65.2 … 89.5 %."""
        capsys.readouterr()
        gated(run, strict_min=0.9, gap_closed_min=1.0, not_worse_than_teacher=0.1)
        lines = printed(capsys).splitlines()
        assert len(lines) == 5
        assert lines.pop(1) == "pass: serve: no reason against it"
        assert lines[0].startswith("pass: max_missing: 0.0% of the strict scores of ")
        assert lines[1] == "fail: strict_min: 80.0% [65.2%, 89.5%] on 40 rows, at least 90.0%"
        assert lines[2].startswith("pass: gap_closed_min: 106.7% [") and "least 100.0%" in lines[2]
        assert lines[3].startswith("pass: not_worse_than_teacher: +5.0 points on 40 rows")
        assert "above -10.0 points (margin 10.0%, J at least 1.00)" in lines[3]

    def test_non_inferiority_is_the_one_of_the_statistics(self, run: RunPaths) -> None:
        """Below the teacher on 2 rows of 40, with the same numbers as the test on its own."""
        scored(run, student="p" * 28 + "f" * 12)
        test = non_inferiority(
            [1.0] * 28 + [0.0] * 12, [1.0] * 30 + [0.0] * 10, [str(n) for n in range(40)], 0.1
        )
        assert isinstance(test, NonInferiority) and not test.holds  # too few rows to show it
        config = load_config(run.config, ["judge.gate.not_worse_than_teacher=0.1"])
        gates = decide_gates(config.judge, read_measurements(config))
        (gate,) = [gate for gate in gates if gate.name == "not_worse_than_teacher"]
        assert gate.outcome == "fail"
        assert f"bound {100 * test.low:+.1f} points" in gate.message
        assert f"{test.rows} rows show it" in gate.message
        assert gated(run, not_worse_than_teacher=0.2) == 0

    def test_nothing_asked(self, run: RunPaths) -> None:
        with pytest.raises(ConfigError, match="no threshold is set"):
            gated(run)

    @pytest.mark.parametrize("value", [-0.1, 1.5, "high"])
    def test_thresholds_are_shares(self, run: RunPaths, value: object) -> None:
        with pytest.raises(ConfigError, match="strict_min"):
            gated(run, strict_min=value)


def test_a_calibration_that_proves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The judge passes what people call bad, too: it is calibrated and found wanting."""
    with serving(lambda body: verdict("pass")) as served:
        llm = {"kind": "server", "base_url": served.url, "model": "m"}
        run = scored(make_run(tmp_path, (LINK, POLITE), llm=llm), labelled("a link", "a bad link"))
        assert main([str(run.config), "calibrate"]) == 0
    capsys.readouterr()
    assert gated(run, calibrated="true") == 4
    assert "polite: J = 0.00 [" in printed(capsys)
    assert gated(run, not_worse_than_teacher=0.1) == 3
    assert "undecided: not_worse_than_teacher: the judge's errors on polite" in printed(capsys)


class TestServe:
    """Reasons not to serve the student fail the gate, whatever the thresholds."""

    def test_a_student_that_is_no_better_than_its_base(
        self, run: RunPaths, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Scoring says it as a warning, the gate as a failed case with what would help."""
        capsys.readouterr()
        scored(run, student=BASE)
        finding = (
            "The student is not clearly better than the base without the prompt on 40 rows: "
            "+0.0 points [-6.6, +6.6]"
        )
        assert f"warning: do not serve student/a: {finding}; what would help: " in printed(capsys)
        assert gated(run, strict_min=0.0) == 1
        assert f"fail: serve: {finding}\n" in printed(capsys)
        case = ElementTree.parse(run.gate).getroot().find(".//testcase[@name='serve']/failure")
        assert case is not None and case.get("message") == f"fail: {finding}"
        assert (case.text or "").startswith("not_better: what would help: more ordinary rows")

    def test_a_student_that_is_fine_has_no_warning(
        self, run: RunPaths, capsys: pytest.CaptureFixture[str]
    ) -> None:
        capsys.readouterr()
        scored(run)
        assert "warning" not in printed(capsys)
        assert gated(run, strict_min=0.0) == 0

    def test_scores_of_before_are_undecided(self, run: RunPaths) -> None:
        """Files of an earlier version hold no decision, and a new choice is of another student."""
        for decision in (None, {"student": "student/b", "reasons": []}):
            scores = json.loads(run.scores.read_text("utf-8")) | {"serving": decision}
            run.scores.write_text(json.dumps(scores), "utf-8")
            assert gated(run, strict_min=0.0) == 3


class TestXml:
    def test_cases(self, run: RunPaths) -> None:
        assert gated(run, strict_min=0.9, gap_closed_min=1.0) == 1
        root = ElementTree.parse(run.gate).getroot()
        gates, rules = root.findall("testsuite")
        counts = {"tests": "6", "failures": "2", "errors": "0", "skipped": "0"}
        assert root.attrib == {"name": "run", **counts}
        assert [case.get("name") for case in gates] == [
            "max_missing",
            "serve",
            "strict_min",
            "gap_closed_min",
        ]
        failure = gates.find("testcase[@name='strict_min']/failure")
        assert failure is not None and "80.0% [65.2%, 89.5%]" in failure.get("message", "")
        rule = rules.find("testcase[@name='link']/failure")
        assert rule is not None and rule.text is not None
        assert "8 failures: they alone leave 80.0% [65.2%, 89.5%], below strict_min" in rule.get(
            "message", ""
        )
        assert rule.text.startswith("r32") and len(rule.text.splitlines()) == 8

    @pytest.mark.parametrize("passes", range(0, 41, 8))
    @pytest.mark.parametrize("least", [0.0, 0.2, 0.5, 0.8, 1.0])
    def test_a_failing_rule_never_stands_beside_a_passing_gate(
        self, run: RunPaths, passes: int, least: float
    ) -> None:
        """The student that passes nowhere is no better than the base: `serve` fails then."""
        scored(run, student="p" * passes + "f" * (40 - passes))
        gated(run, strict_min=least)
        gates, rules = ElementTree.parse(run.gate).getroot().findall("testsuite")
        failed = {case.get("name") for case in gates if case.find("failure") is not None}
        assert ("serve" in failed) == (not passes)
        assert len(rules.findall(".//failure")) == ("strict_min" in failed)

    def test_undecided_is_an_error_and_not_due_is_skipped(self, tmp_path: Path) -> None:
        rows = [row.model_copy(update={"labels": ("fine",)}) for row in ROWS]
        run = scored(make_run(tmp_path, (LINK, REFUSE)), rows, teacher=BASE)
        assert gated(run, gap_closed_min=0.5) == 3
        root = ElementTree.parse(run.gate).getroot()
        assert root.get("errors") == "1" and root.get("skipped") == "1"
        skipped = root.find(".//testcase[@name='refuse']/skipped")
        assert skipped is not None and skipped.get("message") == "never applicable"
