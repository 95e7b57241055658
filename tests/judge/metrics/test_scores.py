"""Scores: denominators, bounds, comparisons and slices, on boards small enough to count by hand."""

import pytest
from scipy.stats import binomtest

from config.errors import DataError
from data.rows import Row
from judge.labels import best_logged
from judge.metrics.agreement import agreements
from judge.metrics.scores import score
from judge.metrics.verdict_table import strict
from judge.records import Comparison, Scores
from judge.reference.reference_scores import reference_score
from judge.verdict import Missing, Outcome, Verdict
from prompts.rules import RuleFile
from tests.judge.made import llm_check, make_answer, make_row, make_rule, make_rules

MUST = make_rule({"type": "json"}, id="must")
OTHER = make_rule({"type": "json"}, id="other")
SHOULD = make_rule({"type": "json"}, id="should", severity="should")
RULES = make_rules(MUST, OTHER, SHOULD)


def said(outcome: Outcome, rule: str = "must", row: str = "r1", arm: str = "base") -> Verdict:
    reason: Missing | None = "transport" if outcome == "missing" else None
    return Verdict(arm=arm, row=row, rule=rule, outcome=outcome, reason=reason)


class TestStrict:
    def test_fail_beats_missing_beats_pass(self) -> None:
        assert strict([said("pass"), said("fail", "other"), said("missing")], RULES) is False
        assert strict([said("pass"), said("missing", "other")], RULES) is None
        assert strict([said("pass"), said("not_applicable", "other")], RULES) is True

    def test_should_rules_cost_nothing(self) -> None:
        assert strict([said("pass"), said("fail", "should")], RULES) is True
        assert strict([said("pass"), said("missing", "should")], RULES) is True


def only_must(outcomes: dict[str, str], rows: list[Row], rules: RuleFile | None = None) -> Scores:
    """Scores of arms whose verdicts are spelt p, f, m, n; one letter a row."""
    names: dict[str, Outcome] = {"p": "pass", "f": "fail", "m": "missing", "n": "not_applicable"}
    verdicts = [
        said(names[letter], row=row.id, arm=arm)
        for arm, letters in outcomes.items()
        for row, letter in zip(rows, letters, strict=True)
    ]
    return score(rules or make_rules(MUST), rows, verdicts, seed=1)


ROWS = [make_row(f"r{number}") for number in range(20)]


def test_rule_score_counts_and_bounds() -> None:
    """5 pass, 3 fail, 2 missing, 10 not due: the rate is 5/8, and between 5/10 and 7/10."""
    found = only_must({"base": "pppppfffmm" + "n" * 10}, ROWS).arms["base"].rules["must"]
    assert (found.due, found.scored, found.passes, found.missing) == (10, 8, 5, {"transport": 2})
    expected = binomtest(5, 8).proportion_ci(method="wilson")
    assert (found.rate, found.low, found.high) == pytest.approx(
        (5 / 8, expected.low, expected.high)
    )
    assert (found.low_bound, found.high_bound, found.failures_at_most) == (0.5, 0.7, None)


def test_strict_score_counts_missing_rows() -> None:
    found = only_must({"base": "pppppfffmm" + "n" * 10}, ROWS).arms["base"].strict
    assert (found.n, found.missing, found.rate) == (18, 2, 15 / 18)  # rows not due pass
    assert (found.low_bound, found.high_bound) == (15 / 20, 17 / 20)


def test_all_missing_is_no_rate() -> None:
    found = only_must({"base": "m" * 20}, ROWS).arms["base"]
    assert found.strict.rate is None and found.rules["must"].rate is None
    assert (found.strict.low_bound, found.strict.high_bound) == (0.0, 1.0)
    assert found.rules["must"].failures_at_most is None


def test_no_failure_seen_is_bounded_by_three() -> None:
    found = only_must({"base": "p" * 20}, ROWS).arms["base"].rules["must"]
    assert found.failures_at_most == 3 / 20


def test_rules_that_did_not_run_are_missing() -> None:
    found = score(RULES, ROWS[:1], [said("pass", row="r0")]).arms["base"]
    assert found.rules["other"].missing == {"not_run": 1}
    assert found.strict.missing == 1


def compared(scores: Scores, against: str, what: str) -> Comparison:
    return next(one for one in scores.comparisons if (one.against, one.what) == (against, what))


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
        found = compared(self.scores, "base", "strict")
        assert (found.n, found.better, found.worse, found.difference) == (18, 12, 0, 12 / 18)
        assert found.p == 2 / 2**12  # twelve changes, all one way
        assert found.low is not None and 0 < found.low < 12 / 18
        teacher = compared(self.scores, "teacher", "strict")
        assert (teacher.n, teacher.better, teacher.worse, teacher.difference) == (19, 2, 2, 0.0)
        assert teacher.p == 1.0

    def test_only_students_are_compared(self) -> None:
        assert {one.student for one in self.scores.comparisons} == {"student/a"}

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
                verdicts.append(said(outcome, rule, row.id, arm))
    found = score(RULES, ROWS[:6], verdicts)
    assert compared(found, "base", "must").p_holm == 2 * (2 / 2**6)
    assert compared(found, "base", "other").p_holm == 1.0
    assert compared(found, "base", "should").p_holm is None
    assert compared(found, "base", "strict").p_holm is None


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
    found = only_must({"base": "p" * 10 + "m" + "f" * 9}, rows, rules)
    assert [(one.value, one.strict.n, one.strict.rate) for one in found.slices] == [("A", 10, 1.0)]
    assert found.slices_hidden == 1
    two = only_must({"base": "p" * 20, "teacher": "p" * 9 + "m" * 11}, rows, rules)
    assert [one.arm for one in two.slices] == ["base"]
    assert two.slices_hidden == 1  # one value, however many arms have too few rows of it
    with pytest.raises(DataError, match="answers"):
        only_must({"base": "p" * 20}, rows, make_rules(MUST, slices=("answers",)))


def test_unknown_rows_and_rules_are_named() -> None:
    with pytest.raises(DataError, match="'r77'"):
        score(RULES, ROWS, [said("pass", row="r77")])
    with pytest.raises(DataError, match="'gone'"):
        score(RULES, ROWS, [said("pass", "gone")])


class TestReference:
    logged = {"production": "прод", "saiga": "сайга", "giga": "гига"}

    @pytest.mark.parametrize(
        ("labels", "best"),
        [
            (("Saiga",), ["сайга"]),
            (("GigaChat",), ["гига"]),
            (("Оба хорошо",), ["сайга", "гига"]),
            (("Saiga", "GigaChat"), ["сайга", "гига"]),
            (("Оба плохо",), ["прод"]),
            (("Вопрос не по теме",), ["прод"]),
            (None, ["прод"]),
        ],
    )
    def test_best_by_label(self, labels: tuple[str, ...] | None, best: list[str]) -> None:
        assert best_logged(make_row(answers=self.logged, labels=labels)) == best

    def test_no_reference(self) -> None:
        assert best_logged(make_row(answers={"giga": "гига"}, labels=("Оба плохо",))) == []
        assert reference_score([make_answer("да")], [make_row()]) is None

    def test_identity_scores_100_in_russian(self) -> None:
        """A copy of either reference is perfect: the metric must see Cyrillic words at all."""
        texts = [
            "Приём заявок идёт до пятнадцатого мая.",
            "Справку выдаёт учебный офис факультета.",
        ]
        rows = [
            make_row(
                "r1",
                answers={"saiga": "Другой ответ совсем.", "giga": texts[0]},
                labels=("Оба хорошо",),
            ),
            make_row("r2", answers={"production": texts[1]}),
            make_row("r3", answers={"production": "не спрошено"}),
        ]
        answers = [make_answer(text, row) for text, row in zip(texts, ("r1", "r2"), strict=True)]
        answers.append(make_answer("", "r3", finish="too_long"))
        found = reference_score(answers, rows)
        assert found is not None and found.n == 2
        assert (found.chrf, found.bleu) == pytest.approx((100, 100))
        worse = reference_score([make_answer("Не знаю.", "r2")], rows)
        assert worse is not None and worse.chrf < 20 and "nw:2" in worse.chrf_signature


class TestAgreement:
    def test_confusion_by_hand(self) -> None:
        """50 of 60 agree; by chance (45² + 15²)/60² = 5/8 would: κ = (5/6 − 5/8)/(3/8) = 5/9."""
        rules = make_rules(
            make_rule({"type": "json"}, id="code", shadow_llm="llm"),
            make_rule(llm_check(), id="llm"),
        )
        cells: list[tuple[int, Outcome, Outcome]] = [
            (40, "pass", "pass"),
            (5, "pass", "fail"),
            (5, "fail", "pass"),
            (10, "fail", "fail"),
            (3, "pass", "missing"),
            (2, "not_applicable", "pass"),
        ]
        pairs = [(gold, judged) for count, gold, judged in cells for _ in range(count)]
        verdicts = [
            verdict
            for number, (gold, judged) in enumerate(pairs)
            for verdict in (said(gold, "code", f"r{number}"), said(judged, "llm", f"r{number}"))
        ]
        (found,) = agreements(verdicts, rules)
        assert (found.true_pass, found.false_fail, found.false_pass, found.true_fail) == (
            40,
            5,
            5,
            10,
        )
        assert (found.n, found.missing) == (60, 3)
        assert found.kappa == pytest.approx(5 / 9)
        assert found.ac1 == pytest.approx((5 / 6 - 3 / 8) / (1 - 3 / 8))  # ¾ of all say pass
        assert found.kappa_low is not None and found.kappa_high is not None
        assert found.kappa_low < 5 / 9 < found.kappa_high
        same = [make_row(f"r{number}", question=f"{number % 6}") for number in range(65)]
        (few,) = agreements(verdicts, rules, same)  # six questions in all
        assert few.kappa == found.kappa
        assert (few.kappa_low, few.kappa_high) != (found.kappa_low, found.kappa_high)
        assert found.accuracy is not None and found.accuracy.value == 50 / 60
        assert found.tpr is not None and found.tpr.value == 40 / 45
        assert found.tnr is not None and found.tnr.value == 10 / 15
        assert found.tnr.low == pytest.approx(binomtest(10, 15).proportion_ci(method="wilson").low)

    def test_an_arm_that_the_model_never_saw_misses_nothing(self) -> None:
        """Code decides four answers of each arm; the model was asked about the teacher's alone."""
        rules = make_rules(
            make_rule({"type": "json"}, id="code", shadow_llm="llm"),
            make_rule(llm_check(), id="llm"),
        )
        arms, rows = ("base", "teacher", "logged/a"), [f"r{number}" for number in range(4)]
        verdicts = [said("pass", "code", row, arm) for arm in arms for row in rows]
        verdicts += [said("pass", "llm", row, "teacher") for row in rows[:3]]
        verdicts += [said("missing", "llm", rows[3], "teacher")]
        unasked = [
            said("missing", "llm", row).model_copy(update={"reason": "not_run"}) for row in rows
        ]
        (found,) = agreements(verdicts + unasked, rules)
        assert (found.n, found.missing) == (3, 1)

    def test_undefined_is_none(self) -> None:
        rules = make_rules(
            make_rule({"type": "json"}, id="code", shadow_llm="llm"),
            make_rule(llm_check(), id="llm"),
        )
        (found,) = agreements([said("pass", "code"), said("pass", "llm")], rules)
        assert found.kappa is None and found.tnr is None and found.kappa_low is None
        (nothing,) = agreements([], rules)
        assert nothing.n == 0 and nothing.accuracy is None and nothing.kappa is None
