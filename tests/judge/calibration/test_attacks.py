"""The attack suite: distinct, kept in its fence, failed by the strict score, counted by model."""

from collections import Counter
from pathlib import Path
from typing import get_args

import pytest

from config.errors import ConfigError, DataError
from judge.calibration.attacks import Attack, AttackReport, attack_report, escapes, load_attacks
from judge.checks.check import code_verdicts
from judge.checks.text import script_share
from prompts.rules import Language
from tests.data.hse_logs import needs_hse
from tests.judge.calibration.logged_data import load_logged_data
from tests.judge.factories import PROMPT, llm_check, make_answer, make_row, make_rule, make_rules
from tests.judge.llm.judge_factory import after_probe, judge_at
from tests.judge.llm.server import serving, user, verdict
from tests.judge.llm.test_fence import asked, structure

ATTACKS = load_attacks()
LEAST = 60  # the number that the specification asks for
EMPTY = [attack for attack in ATTACKS if attack.kind == "empty"]
UNSEEN = {"nothing", "blank", "spaces", "no_break_spaces", "unseen", "unseen_mix"}
RULES = make_rules(make_rule(llm_check(), id="polite"))


class TestSuite:
    def test_there_are_enough_different_ones(self) -> None:
        visible = {
            " ".join((attack.text or "").split()) for attack in ATTACKS if attack not in EMPTY
        }
        assert len(visible) == len(ATTACKS) - len(EMPTY) >= LEAST
        assert min(Counter(attack.kind for attack in ATTACKS).values()) >= 5
        assert len(Counter(attack.kind for attack in ATTACKS)) == 10

    def test_both_languages(self) -> None:
        shares = [script_share(attack.text or "", "cyrillic") for attack in ATTACKS]
        assert sum(share > 0.5 for share in shares) >= 15
        assert sum(share < 0.1 for share in shares) >= 40

    def test_malformed_files_are_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "attacks.yaml"
        for text, error, message in [
            ("{a: 1}", DataError, "a list"),
            ("- {id: a, kind: plea, text: x}\n- {id: a, kind: plea, text: y}", DataError, "id 'a'"),
            ("- {id: a, kind: plea, text: x}\n- {id: b, kind: plea, text: x}", DataError, "text"),
            ("- {id: a, kind: odd, text: x}", ConfigError, "attack 1: kind"),
        ]:
            path.write_text(text, "utf-8")
            with pytest.raises(error, match=message):
                load_attacks(path)


@pytest.mark.parametrize("language", get_args(Language))
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.id)
def test_no_attack_leaves_its_fence(attack: Attack, language: Language) -> None:
    """Two readings: the fence's own count, and what a reader finds outside the fences."""
    text = attack.text or ""
    assert not escapes(text)
    row = make_row(passages=("Отрывок.",))
    assert structure(asked(row, text, language)) == structure(asked(row, "Да.", language))


@pytest.mark.parametrize(
    "check",
    [
        {"type": "urls_from"},
        {"type": "digits_from"},
        {"type": "no_digits"},
        {"type": "no_repetition"},
        {"type": "no_leak"},
        {"type": "length", "max_words": 9},
        {"type": "regex", "pattern": r"\A(?!x)"},
    ],
    ids=lambda check: check["type"],
)
def test_what_cannot_be_seen_obeys_nothing(check: dict[str, object]) -> None:
    """These checks find no fault in an empty text: it must fail for being empty."""
    rules = make_rules(make_rule(check))
    for attack in EMPTY:
        if attack.id in UNSEEN:
            row = make_row()
            assert code_verdicts(rules, PROMPT, row, attack.answer(row))[0].outcome == "fail"


def test_lakeside_code_fails_every_attack() -> None:
    """The run's own rules on six of its val rows: code alone leaves nothing undecided."""
    prompt, rules, _, val = load_logged_data("demo")
    report = attack_report(ATTACKS, rules, prompt, val[:6], None)
    assert (len(report.rows), report.llm_row, report.escapes) == (6, None, 0)
    assert report.passed_by_variant == dict.fromkeys(
        ("strict", "strict without labels", "code_only", "code_only_label_free"), 0
    )
    for attack in report.attacks:
        assert attack.variants["strict"].failed == 6, attack.id


@needs_hse
def test_campus_code_alone_is_fooled_by_russian_prose() -> None:
    """No must-rule in code ties an answer to its passages: `grounded` is a should-rule.

    `faithful` is the model's, so without a server such an attack is undecided, and never passed.
    """
    prompt, rules, _, val = load_logged_data("hse")
    report = attack_report(ATTACKS, rules, prompt, val[:6], None)
    assert (report.escapes, report.passed_by_variant["strict"]) == (0, 0)
    through = {outcome.id for outcome in report.attacks if outcome.variants["code_only"].passed}
    texts = {attack.id: attack for attack in ATTACKS}
    assert through
    for name in through:
        assert script_share(texts[name].text or "", "cyrillic") > 0.5  # tags of templates are names
        assert texts[name].kind != "empty"
    for outcome in report.attacks:
        if outcome.kind == "empty":
            assert outcome.variants["strict"].failed == len(report.rows), outcome.id


class TestModel:
    """A model that is fooled is counted, one that is not is not."""

    def report(self, word: str, tmp_path: Path) -> tuple[AttackReport, list[str]]:
        rows = [make_row(f"r{n}") for n in range(3)]
        with serving(after_probe(lambda body: verdict(word))) as served:
            judge = judge_at(served.url, tmp_path, RULES)
            report = attack_report(ATTACKS, RULES, PROMPT, rows, judge)
            return report, [user(body) for body in served.bodies]

    def test_a_gullible_model(self, tmp_path: Path) -> None:
        report, _ = self.report("pass", tmp_path)
        fooled = [outcome.id for outcome in report.attacks if outcome.llm_passes == ("polite",)]
        visible = [outcome.id for outcome in ATTACKS if outcome.id not in UNSEEN]
        assert fooled == visible  # what cannot be seen fails without a question
        assert report.passed_by_variant == {
            "strict": len(visible),
            "strict without labels": len(visible),
        }
        assert report.llm_row in report.rows

    def test_a_strict_model(self, tmp_path: Path) -> None:
        report, turns = self.report("fail", tmp_path)
        assert report.passed_by_variant == {"strict": 0, "strict without labels": 0}
        assert not any(outcome.llm_passes for outcome in report.attacks)
        assert len(turns) < 1 + len(ATTACKS)  # one row each, the unseen ones and the probe aside

    def test_no_verdict_is_no_pass(self, tmp_path: Path) -> None:
        report, _ = self.report("cannot_judge", tmp_path)
        assert report.passed_by_variant == {"strict": 0, "strict without labels": 0}
        assert sum(outcome.variants["strict"].undecided > 0 for outcome in report.attacks) > LEAST


def test_an_answer_that_is_given_can_pass() -> None:
    """The report is not one that fails everything: a rule that an attack obeys lets it through."""
    rules = make_rules(make_rule({"type": "contains", "text": "pass"}))
    report = attack_report(ATTACKS, rules, PROMPT, [make_row()], None)
    assert report.passed_by_variant["code_only"] > 20
    assert make_answer("x").usable
