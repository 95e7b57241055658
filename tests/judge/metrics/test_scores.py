"""Scores: denominators, bounds, comparisons and slices on tables small enough to count by hand."""

import pytest
from scipy.stats import binomtest, norm

from config.errors import DataError
from data.rows import Row
from judge.metrics.gap_closed import gap_closed
from judge.metrics.interval import Interval
from judge.metrics.scores import score
from judge.metrics.stats import paired_difference
from judge.metrics.verdict_table import strict
from judge.records import Comparison, Scores
from judge.verdict import Outcome
from prompts.rules import RuleFile
from tests.judge.factories import make_row, make_rule, make_rules, make_verdict

MUST = make_rule({"type": "json"}, id="must")
OTHER = make_rule({"type": "json"}, id="other")
SHOULD = make_rule({"type": "json"}, id="should", severity="should")
RULES = make_rules(MUST, OTHER, SHOULD)
MUST_RULES = RULES.must_rules


class TestStrict:
    def test_fail_beats_missing_beats_pass(self) -> None:
        assert (
            strict(
                [make_verdict("pass"), make_verdict("fail", "other"), make_verdict("missing")],
                MUST_RULES,
            )
            is False
        )
        assert strict([make_verdict("pass"), make_verdict("missing", "other")], MUST_RULES) is None
        assert (
            strict([make_verdict("pass"), make_verdict("not_applicable", "other")], MUST_RULES)
            is True
        )

    def test_should_rules_cost_nothing(self) -> None:
        assert strict([make_verdict("pass"), make_verdict("fail", "should")], MUST_RULES) is True
        assert strict([make_verdict("pass"), make_verdict("missing", "should")], MUST_RULES) is True


def only_must(outcomes: dict[str, str], rows: list[Row], rules: RuleFile | None = None) -> Scores:
    """Scores of arms whose verdicts are spelt p, f, m, n; one letter a row."""
    names: dict[str, Outcome] = {"p": "pass", "f": "fail", "m": "missing", "n": "not_applicable"}
    verdicts = [
        make_verdict(names[letter], row=row.id, arm=arm)
        for arm, letters in outcomes.items()
        for row, letter in zip(rows, letters, strict=True)
    ]
    return score(rules or make_rules(MUST), rows, verdicts, seed=1)


ROWS = [make_row(f"r{number}") for number in range(20)]


def test_rule_score_counts_and_bounds() -> None:
    """5 pass, 3 fail, 2 missing, 10 not applicable: the rate is 5/8, and between 5/10 and 7/10."""
    result = only_must({"base": "pppppfffmm" + "n" * 10}, ROWS).arms["base"].rules["must"]
    assert (result.applicable, result.scored, result.passes, result.missing) == (
        10,
        8,
        5,
        {"transport": 2},
    )
    expected = binomtest(5, 8).proportion_ci(method="wilson")
    assert (result.rate, result.low, result.high) == pytest.approx(
        (5 / 8, expected.low, expected.high)
    )
    assert (result.low_bound, result.high_bound, result.failures_at_most) == (0.5, 0.7, None)


def test_strict_score_counts_missing_rows() -> None:
    result = only_must({"base": "pppppfffmm" + "n" * 10}, ROWS).arms["base"].strict
    assert (result.n, result.missing, result.rate) == (
        18,
        2,
        15 / 18,
    )  # rows where no rule applies pass
    assert (result.low_bound, result.high_bound) == (15 / 20, 17 / 20)


def test_a_row_without_all_verdicts_does_not_count() -> None:
    """A fail decides a row and a pass needs all verdicts, so rows that fail with a verdict missing
    would outweigh those that pass with one missing: 2 of 4 complete rows pass, and of the four
    others two fail in any case."""
    outcomes: tuple[tuple[Outcome, Outcome], ...] = (
        ("pass", "pass"),
        ("fail", "pass"),
        ("fail", "missing"),
        ("pass", "missing"),
    )
    verdicts = [
        make_verdict(outcome, rule, row.id)
        for row, pair in zip(ROWS[:8], outcomes * 2, strict=True)
        for rule, outcome in zip(("must", "other"), pair, strict=True)
    ]
    strict = score(make_rules(MUST, OTHER), ROWS[:8], verdicts).arms["base"].strict
    assert (strict.rate, strict.n, strict.missing) == (0.5, 4, 4)
    assert (strict.low_bound, strict.high_bound) == (2 / 8, 4 / 8)


def test_all_missing_is_no_rate() -> None:
    result = only_must({"base": "m" * 20}, ROWS).arms["base"]
    assert result.strict.rate is None and result.rules["must"].rate is None
    assert (result.strict.low_bound, result.strict.high_bound) == (0.0, 1.0)
    assert result.rules["must"].failures_at_most is None


def test_no_failure_seen_is_bounded_by_three() -> None:
    result = only_must({"base": "p" * 20}, ROWS).arms["base"].rules["must"]
    assert result.failures_at_most == 3 / 20


def test_no_failure_is_bounded_by_the_number_of_questions() -> None:
    """20 rows of 5 questions: up to 3 of 5 questions may fail, not 3 of 20 rows."""
    same = [make_row(f"r{n}", question=f"Question {n // 4}") for n in range(20)]
    result = only_must({"base": "p" * 20}, same).arms["base"].rules["must"]
    assert result.failures_at_most == 3 / 5


def test_intervals_of_the_headline_are_those_of_the_statistics() -> None:
    """Strict rate, difference and gap have the 95 % intervals of their functions, no narrower."""
    base, teacher, student = ("p" * passes + "f" * (20 - passes) for passes in (2, 16, 11))
    result = only_must({"base": base, "teacher": teacher, "student/a": student}, ROWS)
    passed = {
        name: [letter == "p" for letter in of]
        for name, of in zip("bts", (base, teacher, student), strict=True)
    }
    strict_score = result.arms["student/a"].strict
    expected = binomtest(11, 20).proportion_ci(method="wilson")
    assert (strict_score.low, strict_score.high) == pytest.approx((expected.low, expected.high))
    difference = paired_difference(passed["s"], passed["b"], range(20))
    versus_base = compared(result, "base", "strict")
    assert difference is not None
    assert (versus_base.low, versus_base.high) == (difference.low, difference.high)
    gap = gap_closed(passed["s"], passed["t"], passed["b"], range(20), 1)
    assert isinstance(gap, Interval) and (result.gaps[0].low, result.gaps[0].high) == (
        gap.low,
        gap.high,
    )


def test_rules_that_did_not_run_are_missing() -> None:
    result = score(RULES, ROWS[:1], [make_verdict("pass", row="r0")]).arms["base"]
    assert result.rules["other"].missing == {"not_run": 1}
    assert result.strict.missing == 1


def compared(scores: Scores, against: str, what: str) -> Comparison:
    return next(c for c in scores.comparisons if (c.against, c.what) == (against, what))


class TestComparisons:
    scores = only_must(
        {
            "base": "f" * 14 + "p" * 4 + "mp",
            "teacher": "p" * 16 + "ff" + "pp",
            "student/a": "p" * 12 + "ff" + "p" * 4 + "pm",
            "logged/giga": "p" * 20,
        },
        ROWS,
    )

    def test_paired_difference_over_rows_decided_in_both(self) -> None:
        result = compared(self.scores, "base", "strict")
        assert (result.n, result.better, result.worse, result.difference) == (18, 12, 0, 12 / 18)
        # Bonett and Price: 13 and 1 of 20 changes, standard error √(0.7 − 0.6²)/√20
        assert result.p == pytest.approx(2 * norm.sf(0.6 / (0.34 / 20) ** 0.5))
        assert result.low is not None and 0 < result.low < 12 / 18
        teacher = compared(self.scores, "teacher", "strict")
        assert (teacher.n, teacher.better, teacher.worse, teacher.difference) == (19, 2, 2, 0.0)
        assert teacher.p == pytest.approx(1.0)

    def test_only_students_are_compared(self) -> None:
        assert {comparison.student for comparison in self.scores.comparisons} == {"student/a"}

    def test_gap(self) -> None:
        (gap,) = self.scores.gaps
        assert (gap.n, gap.refused) == (18, None)
        assert gap.value == pytest.approx(12 / (16 - 4))
        assert gap.low is not None and gap.high is not None and gap.low < 1 < gap.high

    def test_gap_refused(self) -> None:
        flat = only_must({"base": "p" * 20, "teacher": "p" * 20, "student/a": "p" * 20}, ROWS)
        assert flat.gaps[0].value is None and "not clearly" in (flat.gaps[0].refused or "")
        alone = only_must({"base": "p" * 20, "student/a": "p" * 20}, ROWS)
        assert "teacher" in (alone.gaps[0].refused or "")

    def test_round_trip(self) -> None:
        assert Scores.model_validate_json(self.scores.model_dump_json()) == self.scores


def test_holm_is_over_the_rules_of_one_pair() -> None:
    """Rule `must` changes 6 of 6 (p = 1/32), `other` none (p = 1): Holm doubles the first."""
    verdicts = []
    for row in ROWS[:6]:
        for rule in ("must", "other", "should"):
            missing = rule == "should"
            for arm in ("base", "student/a"):
                good = arm == "student/a" or rule == "other"
                outcome: Outcome = "missing" if missing else "pass" if good else "fail"
                verdicts.append(make_verdict(outcome, rule, row.id, arm))
    result = score(RULES, ROWS[:6], verdicts)
    assert compared(result, "base", "must").p_holm == pytest.approx(2 * (2 / 2**6))
    assert compared(result, "base", "other").p_holm == 1.0
    assert compared(result, "base", "should").p_holm is None
    strict_score = compared(result, "base", "strict")  # no interval allows for the others
    assert strict_score.p is not None and strict_score.p_holm is None


def test_repeated_questions_are_one_cluster() -> None:
    same = [make_row(f"r{n}", question=f"Вопрос {n // 4}") for n in range(20)]
    wide = only_must({"base": "p" * 12 + "f" * 8}, same).arms["base"].strict
    narrow = only_must({"base": "p" * 12 + "f" * 8}, ROWS).arms["base"].strict
    assert wide.rate == narrow.rate == 0.6
    assert wide.high is not None and wide.low is not None
    assert narrow.high is not None and narrow.low is not None
    assert wide.high - wide.low > narrow.high - narrow.low


def test_slices_below_ten_rows_are_hidden() -> None:
    rows = [make_row(f"r{n}", tags={"campus": "A" if n < 11 else "B"}) for n in range(20)]
    rules = make_rules(MUST, slices=("tags.campus",))
    result = only_must({"base": "p" * 10 + "m" + "f" * 9}, rows, rules)
    assert [(part.value, part.strict.n, part.strict.rate) for part in result.slices] == [
        ("A", 10, 1.0)
    ]
    assert result.slices_hidden == 1
    two = only_must({"base": "p" * 20, "teacher": "p" * 9 + "m" * 11}, rows, rules)
    assert [part.arm for part in two.slices] == ["base"]
    assert two.slices_hidden == 1  # one value, however many arms have too few rows of it
    with pytest.raises(DataError, match="answers"):
        only_must({"base": "p" * 20}, rows, make_rules(MUST, slices=("answers",)))


def test_unknown_rows_and_rules_are_named() -> None:
    with pytest.raises(DataError, match="'r77'"):
        score(RULES, ROWS, [make_verdict("pass", row="r77")])
    with pytest.raises(DataError, match="'gone'"):
        score(RULES, ROWS, [make_verdict("pass", "gone")])
