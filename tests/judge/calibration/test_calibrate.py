"""The calibration of a run: agreement with people, its fingerprint, with a server or none."""

import shutil
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from config.errors import DataError
from config.judging import ServerSettings
from config.load import load_config
from config.schema import Config
from data.atomic_write import write_text
from data.jsonl import write_records
from data.prepare import prepare_data
from data.run_paths import RunPaths
from data.visible_text import has_visible_text
from judge.calibration.attacks import attack_report, load_attacks
from judge.calibration.bias import bias_report
from judge.calibration.calibrate import calibrate, calibrate_command, summary_lines
from judge.calibration.label_agreement import disagreements, rule_pass_counts, useful_agreements
from judge.calibration.record import (
    Calibration,
    judge_fingerprint,
    load_calibration,
)
from judge.judge_note import JudgeFingerprint
from judge.labels import GoldCounts
from judge.llm.templates import TEMPLATES, templates_sha256
from judge.metrics.interval import Refusal
from judge.metrics.verdict_table import USEFUL, USEFUL_BY_CODE
from judge.run import judge_run
from prompts.prompt_file import load_prompt
from tests.data.hse_logs import needs_hse
from tests.judge.calibration.gold_factory import MIXED, YES, gold_comparison
from tests.judge.calibration.logged_data import ROOT
from tests.judge.factories import PROMPT, make_answer, make_row
from tests.judge.llm.judge_factory import after_probe
from tests.judge.llm.server import Sent, serving, user, verdict


def run_of(folder: Path, name: str = "demo", *overrides: str) -> Config:
    config = load_config(
        ROOT / f"config/{name}.yaml", [f"runs={folder}", "judge.llm=none", *overrides]
    )
    prepare_data(config.data, ROOT, RunPaths.of(config).data, config.seed)
    return config


def small(folder: Path) -> Config:
    """The demo's run with four rows of each split."""
    config = run_of(folder, "demo", "judge.arms=null")
    for split in ("train", "val"):
        path = RunPaths.of(config).data / f"{split}.jsonl"
        path.write_text("".join(path.read_text("utf-8").splitlines(keepends=True)[:4]), "utf-8")
    return config


@pytest.fixture(autouse=True)
def in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths in a configuration are relative to the folder that a command is run in."""
    monkeypatch.chdir(ROOT)


def test_lakeside_by_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = run_of(tmp_path)
    assert calibrate_command(config, Namespace(code=False)) == 0
    path = RunPaths.of(config).calibration
    prompt, rules = load_prompt(config.prompt, Path())
    calibration = load_calibration(path, judge_fingerprint(rules, prompt))
    assert isinstance(calibration, Calibration)
    assert calibration.gold.good + calibration.gold.bad == sum(
        half.n + half.missing
        for half in (calibration.useful[USEFUL].tune, calibration.useful[USEFUL].report)
    )
    assert [
        entry.rule for entry in calibration.mutations if entry.not_covered and entry.check != "llm"
    ] == []
    assert {entry.not_covered for entry in calibration.mutations if entry.check == "llm"} == {
        "no judging server"
    }
    printed = capsys.readouterr().out
    assert "useful (grounded) against people: " in printed
    assert "chosen without the question they are tested on: " in printed
    assert "code_only 0" in printed and "not run: no judging server" in printed
    assert path.read_text("utf-8") == calibration.model_dump_json(indent=1) + "\n"


def test_no_clock_and_no_chance(tmp_path: Path) -> None:
    config = small(tmp_path)
    assert calibrate(config, None) == calibrate(config, None)


@needs_hse
def test_campus_by_code(tmp_path: Path) -> None:
    """Without a model the useful score is the words that the passages hold.

    At the threshold of the rule file it agrees with people better than chance (κ 0.35, where the
    strict score had 0.02). The labels are too few to choose a threshold by: chosen on the other
    questions, κ is 0.12.
    """
    calibration = calibrate(run_of(tmp_path, "hse"), None)
    assert (calibration.rows, calibration.gold.off_topic) == (79, 1)
    whole, by_code = calibration.useful[USEFUL], calibration.useful[USEFUL_BY_CODE]
    assert (whole.rules, whole.whole.n) == (("informative", "faithful", "grounded"), 0)
    assert (by_code.rules, by_code.whole.n, by_code.whole.missing) == (("grounded",), 76, 0)
    declared, chosen = by_code.whole.kappa, by_code.left_out.kappa
    assert declared is not None and chosen is not None
    assert 0.1 < declared.low < declared.value < 0.4 and chosen.low < 0 < chosen.value
    assert calibration.flaw is not None and "decides only 0 of" in calibration.flaw
    assert any("76 undecided" in line for line in summary_lines(calibration))


def test_every_template_that_judges_binds_the_calibration(tmp_path: Path) -> None:
    folder = tmp_path / "judge"
    shutil.copytree(TEMPLATES, folder)
    before = templates_sha256(folder)
    assert before == templates_sha256(TEMPLATES)
    binding = set()
    for path in folder.glob("**/*.j2"):
        was = path.read_text("utf-8")
        path.write_text(was + ".", "utf-8")
        if templates_sha256(folder) != before:
            binding.add(path.relative_to(folder).as_posix())
        path.write_text(was, "utf-8")
    names = ("again", "applies", "pair", "rewrite", "role", "verdict", "verdicts")
    assert binding == {f"{language}/{name}.j2" for language in ("en", "ru") for name in names}


FINGERPRINT = JudgeFingerprint(model="m", mode="plain", rules="r", prompt="p", templates="t")


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    comparison = gold_comparison(YES, [("да", True), ("нет", False)] * 4)
    worst, disagreement_count = disagreements(comparison)
    return Calibration(
        judge=FINGERPRINT,
        rows=8,
        answers=8,
        gold=GoldCounts(
            good=4, bad=4, preferences=0, off_topic=0, unclear=0, unlabelled=0, comments=0
        ),
        useful=useful_agreements(comparison),
        rules=tuple(rule_pass_counts(comparison)),
        shadows=(),
        mutations=(),
        attacks=attack_report(load_attacks()[:1], YES, PROMPT, [make_row()], None),
        biases=bias_report([], YES, [], [], None),
        disagreement_count=disagreement_count,
        disagreements=tuple(worst),
    )


class TestFingerprint:
    def test_the_same_judge(self, calibration: Calibration, tmp_path: Path) -> None:
        path = tmp_path / "calibration.json"
        path.write_text(calibration.model_dump_json(), "utf-8")
        assert load_calibration(path, FINGERPRINT) == calibration

    @pytest.mark.parametrize("field", list(JudgeFingerprint.model_fields))
    def test_another_judge(self, calibration: Calibration, tmp_path: Path, field: str) -> None:
        path = tmp_path / "calibration.json"
        path.write_text(calibration.model_dump_json(), "utf-8")
        other: object = 4 if field in ("rules_per_call", "temperature", "max_tokens") else "x"
        other = True if field == "token_probabilities" else other
        refused = load_calibration(path, FINGERPRINT.model_copy(update={field: other}))
        assert isinstance(refused, Refusal)
        assert f"another {field};" in refused.reason

    def test_none_and_broken(self, tmp_path: Path) -> None:
        path = tmp_path / "calibration.json"
        assert isinstance(load_calibration(path, FINGERPRINT), Refusal)
        path.write_text('{"judge": 1}', "utf-8")
        with pytest.raises(DataError, match=r"calibration\.json: judge: .*to create it again"):
            load_calibration(path, FINGERPRINT)

    def test_hashes_follow_what_they_are_of(self) -> None:
        first = judge_fingerprint(YES, PROMPT)
        assert first == judge_fingerprint(YES, PROMPT)
        assert first.rules != judge_fingerprint(MIXED, PROMPT).rules
        other = PROMPT.model_copy(update={"system": "Another."})
        assert first.prompt != judge_fingerprint(YES, other).prompt


class TestWithServer:
    def calibrated(
        self, respond: Any, config: Config, **judge: Any
    ) -> tuple[Calibration, list[dict[str, Any]]]:
        settings = config.judge.model_copy(update=judge)
        with serving(after_probe(respond)) as served:
            server = ServerSettings(base_url=served.url, model="m", api_key_env="JUDGE_TEST_KEY")
            return calibrate(config.model_copy(update={"judge": settings}), server), served.bodies

    def test_everything_is_run(self, tmp_path: Path) -> None:
        def kind(body: dict[str, Any]) -> Sent:
            if body["messages"][0]["role"] == "user":
                return Sent("Another answer.")
            return verdict("first" if "begin first" in user(body) else "pass")

        calibration, bodies = self.calibrated(kind, small(tmp_path), arms=("teacher",))
        assert (calibration.judge.model, calibration.judge.mode) == ("m", "json_schema")
        assert all(entry.not_run is None for _, entry in calibration.biases)
        assert calibration.attacks.llm_row is not None
        covered = [
            entry
            for entry in calibration.mutations
            if entry.check == "llm" and not entry.not_covered
        ]
        (friendly,) = [entry for entry in covered if entry.rule == "friendly"]
        assert friendly.operators["rewritten to break the rule"].mutants > 0 < friendly.copies
        assert len(bodies) > 100
        printed = "\n".join(summary_lines(calibration))
        assert calibration.coverage is not None
        expected = f"{calibration.coverage.expected} verdicts expected, 0 mi"
        assert f"judge m (json_schema): {expected}" in printed
        # every text that is seen at all is passed: `friendly` is always due
        visible = sum(has_visible_text(attack.text or "") for attack in load_attacks())
        assert f"the model passed {visible} by some rule" in printed
        assert "refusal_judged against code (refusal): " in printed
        assert "causes of bias, useful against people: not measured, too few answers" in printed
        assert "causes of bias, refusal_judged: not measured" in printed

    def test_the_budget_is_one_for_all_of_it(self, tmp_path: Path) -> None:
        calibration, bodies = self.calibrated(
            lambda body: verdict("pass"), small(tmp_path), max_calls=15
        )
        assert len(bodies) == 15
        assert sum(entry.missing for _, entry in calibration.biases) > 0
        coverage = calibration.coverage
        assert coverage is not None and coverage.expected == 30
        assert coverage.missing == {"budget": 30 - 14}  # one call of the 15 was the probe's
        assert coverage.unasked > 16
        assert {entry.not_covered for entry in calibration.mutations if entry.check == "llm"} <= {
            "the model passed no logged answer",
            "no verdict came on a mutant or a copy",
        }

    def test_scores_say_whether_this_judge_was_calibrated(self, tmp_path: Path) -> None:
        """The same server under every setting that makes another judge, each with its reason.

        The demo's useful score is code's alone, so no label says anything of the model.
        """
        config = small(tmp_path)
        at = RunPaths.of(config)
        rows = at.rows("val")
        write_records(at.answers("base"), [make_answer("Yes.", row.id) for row in rows])
        with serving(after_probe(lambda body: verdict("pass"))) as served:
            server = ServerSettings(base_url=served.url, model="m", api_key_env="JUDGE_TEST_KEY")
            before = judge_run(config, server).judge
            write_text(at.calibration, calibrate(config, server).model_dump_json())
            after = judge_run(config, server).judge
            other = judge_run(config, server.model_copy(update={"model": "n"})).judge
            changed: dict[str, dict[str, Any]] = {
                "rules_per_call": {"rules_per_call": 4},
                "temperature, samples": {"temperature": 0.5},
                "samples": {"samples": 3},
                "max_tokens": {"max_tokens": 300},
            }
            notes = {
                field: judge_run(
                    config.model_copy(update={"judge": config.judge.model_copy(update=update)}),
                    server,
                ).judge
                for field, update in changed.items()
            }
        assert before and before.flaw and "has not been calibrated" in before.flaw
        assert after and after.flaw and "code alone decides the useful score" in after.flaw
        assert other and other.flaw and "was made with another model;" in other.flaw
        for field, note in notes.items():
            assert note and note.flaw and f"was made with another {field};" in note.flaw
            assert not note.calibrated
