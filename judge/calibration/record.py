"""judge/calibration.json, and the fingerprint of the one judge that it is valid for."""

from pathlib import Path

from data.jsonl import read_record
from data.records import Record, digest
from judge.calibration.attacks import AttackReport
from judge.calibration.bias import BiasReport
from judge.calibration.label_agreement import Disagreement, RulePassCounts, VariantAgreement
from judge.calibration.mutation.code import MutationScore
from judge.labels import GoldCounts
from judge.llm.judge import LlmJudge
from judge.llm.templates import TEMPLATES, templates_sha256
from judge.metrics.interval import Refusal
from judge.metrics.verdict_table import STRICT
from judge.records import Coverage, JudgeNote, ShadowAgreement
from prompts.prompt_file import Prompt
from prompts.rules import RuleFile, rules_sha256


class JudgeFingerprint(Record):
    """A change of any field makes a different judge."""

    model: str | None  # None: code alone
    mode: str | None  # output mode of the replies
    rules_per_call: int = 1  # 1 for code alone
    request_changes: str = ""  # hash of judge.llm.extra_body and max_tokens_field; "": none
    rules: str  # hash of the rule file
    prompt: str  # hash of the prompt with its examples
    templates: str  # hash of the judging templates, prompts/judge/*/*.j2


class Calibration(Record):
    """How far a judge can be trusted."""

    judge: JudgeFingerprint
    rows: int
    answers: int  # logged answers that were scored
    coverage: Coverage | None = None  # of the model on them; None: no model was asked
    gold: GoldCounts
    scores: dict[str, VariantAgreement]  # by variant of the strict score
    rules: tuple[RulePassCounts, ...]
    shadows: tuple[ShadowAgreement, ...]  # llm rules against the code rules that they shadow
    mutations: tuple[MutationScore, ...]
    attacks: AttackReport
    biases: BiasReport
    disagreement_count: int  # answers with gold on which the score differs
    disagreements: tuple[Disagreement, ...]  # the worst first, not all of them

    @property
    def representative(self) -> bool:
        """Whether most labelled answers have a decided strict score and, where a model was asked,
        most of its verdicts on the logged answers came.

        Otherwise the decided answers are mostly those that break a code rule: a biased sample.
        """
        agreement = self.scores[STRICT].report if STRICT in self.scores else None
        answered = self.coverage is None or self.coverage.share_missing < 0.5
        return agreement is not None and agreement.n > agreement.missing and answered


def judge_fingerprint(
    rules: RuleFile, prompt: Prompt, llm: LlmJudge | JudgeNote | None = None
) -> JudgeFingerprint:
    """The fingerprint of a judge with the templates of today; without a model, code alone."""
    return JudgeFingerprint(
        model=llm.model if llm else None,
        mode=llm.mode if llm else None,
        rules_per_call=llm.rules_per_call if llm else 1,
        request_changes=digest(llm.request_changes) if llm and llm.request_changes else "",
        rules=rules_sha256(rules),
        prompt=prompt.sha256,
        templates=templates_sha256(TEMPLATES),
    )


def load_calibration(path: Path, judge: JudgeFingerprint) -> Calibration | Refusal:
    """The calibration of this judge.

    Refused without a calibration, and for one of another judge, naming the fields that differ.
    Raises DataError for a broken file.
    """
    if not path.exists():
        return Refusal("the judge has not been calibrated; run `python -m judge CONFIG calibrate`")
    calibration = read_record(path, Calibration)
    expected, stored = judge.model_dump(), calibration.judge.model_dump()
    differing = [name for name in expected if expected[name] != stored[name]]
    if differing:
        return Refusal(
            f"{path} was made with another {', '.join(differing)}; calibrate this judge again"
        )
    return calibration
