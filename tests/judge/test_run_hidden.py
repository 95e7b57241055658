"""The hidden set: scored by what needs no label, and set beside val."""

from pathlib import Path

import pytest

from config.errors import DataError
from config.load import load_config
from data.rows import Row
from data.run_paths import RunPaths
from judge.__main__ import main
from judge.checks.check import code_verdicts
from judge.metrics.distribution_shift import distribution_shifts
from judge.metrics.scores import score
from judge.metrics.stats import independent_difference, wilson
from judge.metrics.verdict_table import LABEL_FREE
from judge.records import DistributionShift, JudgeResult, Scores
from judge.run import read_judged_split
from prompts.prompt_file import load_prompt
from tests.judge.factories import PROMPT, make_answer, make_row, make_rule, make_rules
from tests.judge.metrics.intervals import as_tuple
from tests.judge.run_folder import BRIEF, LINK, REFUSE, answer_hidden, answer_val, make_run

LABELLED = [make_row(f"v{n}", labels=("off",) if n % 2 else ("fine",)) for n in range(20)]
UNLABELLED = [make_row(f"h{n}") for n in range(10)]


def texts(count: int, passing: int) -> list[str]:
    return ["a link"] * passing + ["nothing"] * (count - passing)


def judged(run: RunPaths, split: str, code: int = 0) -> JudgeResult:
    assert main([str(run.config), "score", "--split", split]) == code
    path = run.hidden_scores if split == "hidden" else run.scores
    return JudgeResult.model_validate_json(path.read_bytes())


def drift(run: RunPaths) -> list[DistributionShift] | None:
    """Hidden against val as both lie on disk; None where one was not judged by today's rules."""
    _, rules = load_prompt(load_config(run.config, []).prompt, Path())
    val, hidden = read_judged_split(run, "val", rules), read_judged_split(run, "hidden", rules)
    return list(distribution_shifts(val, hidden)) if val and hidden else None


def scored(rows: list[Row]) -> Scores:
    """Half of the rows pass LINK; whether they pass REFUSE is a matter of their labels."""
    rules = make_rules(LINK, REFUSE)
    answers = [make_answer(text, row.id) for row, text in zip(rows, texts(20, 10), strict=True)]
    pairs = zip(rows, answers, strict=True)
    return score(rules, rows, [v for row, a in pairs for v in code_verdicts(rules, PROMPT, row, a)])


class TestDecidable:
    def test_labels_change_nothing(self) -> None:
        """The score that needs no label is the same with and without labels on the rows."""
        bare = [row.model_copy(update={"labels": None}) for row in LABELLED]
        with_labels, without = scored(LABELLED).arms["base"], scored(bare).arms["base"]
        assert with_labels.label_free == without.label_free
        assert (without.label_free.rate, without.label_free.n) == (0.5, 20)
        assert with_labels.strict.rate == 0.25  # of the ten with a link, five are off topic

    def test_strict_of_unlabelled_rows_is_missing_and_not_zero(self) -> None:
        """Ten answers fail and none could pass: 0 of 10 would be a rate by construction."""
        bare = [row.model_copy(update={"labels": None}) for row in LABELLED]
        result = scored(bare).arms["base"]
        assert (result.strict.rate, result.strict.n, result.strict.missing) == (None, 0, 20)
        assert result.rules["refuse"].missing == {"unlabelled": 20}

    def test_no_rule_without_labels(self) -> None:
        rules = make_rules(REFUSE)
        verdicts = code_verdicts(rules, PROMPT, LABELLED[0], make_answer("no", "v0"))
        result = score(rules, LABELLED[:1], verdicts).arms["base"]
        assert (result.strict.rate, result.label_free.rate, result.label_free.missing) == (
            1.0,
            None,
            1,
        )


class TestJudged:
    @pytest.fixture
    def run(self, tmp_path: Path) -> RunPaths:
        run = make_run(tmp_path, (LINK, REFUSE, BRIEF))
        answer_val(run, LABELLED, {"base": texts(20, 2), "student/a": texts(20, 18)})
        answer_hidden(run, UNLABELLED, {"base": texts(10, 1), "a": texts(10, 4)})
        return run

    def test_record_and_arms(self, run: RunPaths) -> None:
        val, hidden = judged(run, "val"), judged(run, "hidden")
        assert hidden.scores.rules_sha256 == val.scores.rules_sha256
        assert set(hidden.scores.arms) == {"base", "student/a"}  # as on val, not as on disk
        student = hidden.scores.arms["student/a"]
        assert (student.label_free.rate, student.label_free.n) == (0.4, 10)
        gain = [one for one in hidden.scores.comparisons if one.what == LABEL_FREE]
        assert [(one.against, one.better, one.worse, one.n) for one in gain] == [("base", 3, 0, 10)]

    def test_val_is_left_alone(self, run: RunPaths) -> None:
        judged(run, "val")
        before = run.scores.read_bytes(), run.verdicts.read_bytes()
        judged(run, "hidden")
        assert (run.scores.read_bytes(), run.verdicts.read_bytes()) == before

    def test_drift_by_hand(self, run: RunPaths, capsys: pytest.CaptureFixture[str]) -> None:
        judged(run, "val")
        judged(run, "hidden")
        shift = drift_of(run, "student/a", LABEL_FREE)
        assert (shift.val.value, shift.hidden.value) == (0.9, 0.4)
        low, high = -0.74278, -0.14933  # statsmodels 0.15, confint_proportions_2indep, newcomb
        assert (shift.low, shift.high) == pytest.approx((low, high), abs=5e-5)
        words = drift_of(run, "student/a", "words")  # "a link" has two words, "nothing" one
        assert (words.val.value, words.hidden.value) == pytest.approx((1.9, 1.4))
        assert {shift.what for shift in drift(run) or ()} == {"words", LABEL_FREE, "link", "brief"}
        printed = capsys.readouterr().out
        assert "left out, they need labels: refuse\n" in printed
        assert "student/a: strict without labels 40.0% of 10, val 90.0% of 20: -50.0" in printed

    def test_the_same_rows_do_not_drift(self, run: RunPaths) -> None:
        bare = [row.model_copy(update={"labels": None}) for row in LABELLED]
        answer_hidden(run, bare, {"base": texts(20, 2), "a": texts(20, 18)})
        judged(run, "val")
        judged(run, "hidden")
        shifts = drift(run)
        assert shifts and all(one.difference == 0 and one.low < 0 < one.high for one in shifts)

    def test_drift_is_never_older_than_val(self, run: RunPaths) -> None:
        """Val answered and scored anew, the hidden set left alone: 18 of 20 become 10 of 20."""
        judged(run, "val")
        judged(run, "hidden")
        assert drift_of(run, "student/a", LABEL_FREE).val.value == 0.9
        answer_val(run, LABELLED, {"base": texts(20, 2), "student/a": texts(20, 10)})
        judged(run, "val")
        shift = drift_of(run, "student/a", LABEL_FREE)
        assert (shift.val.value, shift.difference) == pytest.approx((0.5, -0.1))
        assert drift_of(run, "student/a", "words").val.value == 1.5

    def test_drift_needs_both_judged_by_these_rules(
        self, run: RunPaths, capsys: pytest.CaptureFixture[str]
    ) -> None:
        judged(run, "hidden")
        assert drift(run) is None
        assert "drift: not measured" in capsys.readouterr().out
        judged(run, "val")
        assert drift(run) is not None
        changed = run.root / "rules.yaml"
        changed.write_text(changed.read_text("utf-8").replace("max_words: 3", "max_words: 4"))
        judged(run, "hidden")
        assert drift(run) is None

    def test_due_rates(self, run: RunPaths) -> None:
        """A rule that asks for a word in the question: due on 4 of 20 val and 8 of 10 hidden."""
        when = {"code": [{"field": "question", "matches": "price"}]}
        rule = make_rule({"type": "contains", "text": "link"}, id="link", applies=when)
        run = make_run(run.root.parent, (rule,))
        for rows, due, answer in ((LABELLED, 4, answer_val), (UNLABELLED, 8, answer_hidden)):
            calls = [
                row.model_copy(update={"question": f"{'price' * (n < due)} of {n}?"})
                for n, row in enumerate(rows)
            ]
            answer(run, calls, {"base": texts(len(rows), 0)})
        judged(run, "val")
        judged(run, "hidden")
        shift = drift_of(run, None, "applicable: link")
        assert (shift.val.value, shift.hidden.value) == (0.2, 0.8)

    def test_an_older_best_does_not_count(self, run: RunPaths) -> None:
        run.choice.write_text('{"best": "b"}')
        assert set(judged(run, "hidden").scores.arms) == {"base"}

    def test_too_many_missing_is_inconclusive(self, run: RunPaths) -> None:
        """Only REFUSE is a must-rule: nothing that counts is decided without labels."""
        should = LINK.model_copy(update={"severity": "should"})
        run = make_run(run.root.parent, (should, REFUSE))
        judged(run, "hidden", code=3)

    def test_nobody_answered(self, run: RunPaths) -> None:
        for path in (run.root / "answers" / "hidden").iterdir():
            path.unlink()
        with pytest.raises(DataError, match="no arm has answered hidden"):
            main([str(run.config), "score", "--split", "hidden"])
        run.choice.unlink()
        with pytest.raises(DataError, match="student CONFIG predict"):
            main([str(run.config), "score", "--split", "hidden"])


def drift_of(run: RunPaths, arm: str | None, what: str) -> DistributionShift:
    shifts = {(shift.arm, shift.what): shift for shift in drift(run) or ()}
    return shifts[arm, what]


def test_independent_is_newcombe_on_wilson_intervals() -> None:
    """56/70 − 48/80 = 0.2 [0.0524, 0.3339]: Newcombe 1998, table II, method 10."""
    first, second = wilson(56, 70), wilson(48, 80)
    assert first is not None and second is not None
    assert as_tuple(independent_difference(first, second)) == pytest.approx(
        (0.2, 0.0524, 0.3339), abs=5e-5
    )
