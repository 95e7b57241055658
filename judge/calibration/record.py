"""judge/calibration.json, the one judge that it is valid for, and whether it vouches for it."""

from pathlib import Path

from data.jsonl import read_stored_record
from data.records import Record, digest
from judge.calibration.attacks import AttackReport
from judge.calibration.bias import BiasReport
from judge.calibration.bias_causes import BiasCause
from judge.calibration.label_agreement import Disagreement, RulePassCounts, UsefulAgreement
from judge.calibration.mutation.code import MutationScore
from judge.calibration.rule_labels import RuleLabelAgreement
from judge.judge_note import Coverage, JudgeFingerprint
from judge.labels import GoldCounts
from judge.llm.judge import LlmJudge
from judge.llm.templates import TEMPLATES, templates_sha256
from judge.metrics.calibration_error import CalibrationError
from judge.metrics.estimators import MIN_J
from judge.metrics.interval import Refusal
from judge.metrics.verdict_table import USEFUL, USEFUL_BY_CODE
from judge.records import JudgeResult, RaterAgreement, ShadowAgreement
from prompts.prompt_file import Prompt
from prompts.rules import RuleFile, rules_sha256

# Of good and of bad answers, for a judge to be called calibrated: with fewer, a rate of 75 % is
# known to less than ± 18 points.
FEWEST_LABELS = 20
_JUDGE = Path(__file__).resolve().parents[1]
# The code that decides verdicts: the checks, and the reading of a model's replies.
_DECIDING = (
    *("checks/*.py", "llm/parse*.py", "llm/plain_reply.py", "llm/reask.py"),
    *("llm/token_probability.py", "llm/two_judges.py"),
)


class Calibration(Record):
    """How far a judge can be trusted."""

    judge: JudgeFingerprint
    rows: int
    answers: int  # logged answers that were scored
    coverage: Coverage | None = None  # of the model on them; None: no model was asked
    gold: GoldCounts
    useful: dict[str, UsefulAgreement]  # by useful score; empty: the rule file names no rules
    rules: tuple[RulePassCounts, ...]
    shadows: tuple[ShadowAgreement, ...]  # llm rules against the code rules that they shadow
    between_judges: RaterAgreement | None = None  # the second model against the first; None: one
    rule_labels: tuple[RuleLabelAgreement, ...] = ()  # rules against people who judged them
    # "RULE against code (RULE)" or "RULE against people" → the error of the probabilities
    probability_errors: dict[str, CalibrationError] = {}
    mutations: tuple[MutationScore, ...]
    attacks: AttackReport
    biases: BiasReport
    # "useful against people", "choices against people" in comparisons, or an llm rule against the
    # code rule that it shadows → causes; empty: too few answers. Absent in files of before this
    # field existed.
    causes: dict[str, tuple[BiasCause, ...]] = {}
    disagreement_count: int  # answers with gold on which the useful score differs
    disagreements: tuple[Disagreement, ...]  # the worst first, not all of them

    @property
    def stated(self) -> str:
        """The useful score that can be stated: by code alone where no model has judged."""
        whole = self.useful.get(USEFUL)
        return USEFUL if whole is not None and whole.whole.n else USEFUL_BY_CODE

    @property
    def flaw(self) -> str | None:
        """Why people's labels do not vouch for the judge; None: they do.

        A model must decide a rule of the useful score. Labels must be enough, of both kinds and
        mostly decided, and J must be clearly above chance.
        """
        if USEFUL not in self.useful:
            return "the rule file names no rule in `useful`, to compare people's labels with"
        whole, by_code = self.useful[USEFUL], self.useful.get(USEFUL_BY_CODE)
        if by_code is not None and whole.rules == by_code.rules:
            return (
                f"code alone decides the useful score ({', '.join(whole.rules)}), so people's "
                "labels say nothing of the model; name one of its rules in `useful`"
            )
        if self.coverage is not None and self.coverage.share_missing >= 0.5:
            return f"calibrated with too few verdicts: {self.coverage.summary}"
        return _label_flaw(whole.report)


def _label_flaw(people: RaterAgreement) -> str | None:
    if not people.n + people.missing:
        return "calibrated on no answer that people call good or bad; label some of the logs"
    if people.n <= people.missing:
        return (
            f"the useful score decides only {people.n} of {people.n + people.missing} answers that "
            "people call good or bad"
        )
    good = people.true_pass + people.false_fail
    bad = people.n - good
    if min(good, bad) < FEWEST_LABELS:
        return (
            f"calibrated on {good} good and {bad} bad answers, fewer than {FEWEST_LABELS} of a "
            "kind; label more of the logs"
        )
    index = people.youden
    if index is None:
        return "the calibration is of an earlier version, without an interval of J; calibrate again"
    if index.low <= MIN_J:
        return (
            f"J = {index.value:.2f} [{index.low:.2f}, {index.high:.2f}] (TPR + TNR − 1) on "
            f"{good} good and {bad} bad answers is not clearly above {MIN_J:g}: by people's labels "
            "the useful score can hardly tell good answers from bad ones"
        )
    return None


def calibration_flaw(calibration: Calibration | Refusal) -> str | None:
    """Why a judge does not count as calibrated; None: it does."""
    return calibration.reason if isinstance(calibration, Refusal) else calibration.flaw


def judge_fingerprint(
    rules: RuleFile, prompt: Prompt, llm: LlmJudge | JudgeFingerprint | None = None
) -> JudgeFingerprint:
    """The fingerprint of a judge with the code and templates of today.

    `llm` is the language model, or another fingerprint with it; without one, code alone.
    """
    model: dict[str, object] = {"model": None, "mode": None}
    if isinstance(llm, JudgeFingerprint):
        model = llm.model_dump()
    elif llm is not None:
        model = {
            "model": llm.model,
            "mode": llm.mode,
            "rules_per_call": llm.rules_per_call,
            "request_changes": digest(llm.request_changes) if llm.request_changes else "",
            "temperature": llm.temperature,
            "samples": llm.samples,
            "max_tokens": llm.max_tokens,
            "second": llm.second_identity,
            "token_probabilities": llm.token_probabilities,
        }
    today = {
        "rules": rules_sha256(rules),
        "prompt": prompt.sha256,
        "templates": templates_sha256(TEMPLATES),
        "code": code_sha256(_JUDGE),
    }
    return JudgeFingerprint.model_validate(model | today)


def code_sha256(folder: Path) -> str:
    """Hash of the code that decides verdicts, in the folder of the judge."""
    paths = sorted(path for pattern in _DECIDING for path in folder.glob(pattern))
    return digest({path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in paths})


def load_calibration(path: Path, judge: JudgeFingerprint) -> Calibration | Refusal:
    """The calibration of this judge.

    Refused without a calibration, and for one of another judge, naming the fields that differ.
    Raises DataError for a broken file.
    """
    calibration = read_stored_record(path, Calibration)
    if calibration is None:
        return Refusal("the judge has not been calibrated; run `unprompted judge CONFIG calibrate`")
    differing = judge.differing(calibration.judge)
    if differing:
        return Refusal(
            f"{path} was made with another {', '.join(differing)}; calibrate this judge again"
        )
    return calibration


def calibration_of_scores(
    path: Path, rules: RuleFile, prompt: Prompt, result: JudgeResult | None
) -> Calibration | Refusal:
    """The calibration of the judge that made these scores; without scores, of code alone.

    Refused too where rules, prompt, templates or code have changed since the scoring. Raises as
    `load_calibration`.
    """
    scored_by = result.fingerprint if result else None
    if result is not None and result.judge is not None and scored_by is None:
        return Refusal("the scores do not say how the judge was set; run `judge score` again")
    today = judge_fingerprint(rules, prompt, scored_by)
    changed = today.differing(scored_by) if scored_by is not None else []
    if changed:
        return Refusal(
            f"the scores were made with another {', '.join(changed)}; run `judge score` again"
        )
    return load_calibration(path, today)
