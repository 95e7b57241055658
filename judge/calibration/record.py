"""judge/calibration.json, and what it is bound to: it speaks of one judge, and of no other."""

from pathlib import Path

from pydantic import ValidationError

from config.errors import DataError
from data.records import Record, digest
from judge.calibration.attacks import AttackReport
from judge.calibration.bias import BiasReport
from judge.calibration.label_agreement import Disagreement, RuleAgainstGold, ScoreAgainstGold
from judge.calibration.mutation.code import MutationScore
from judge.llm.templates import TEMPLATES
from judge.metrics.interval import Refusal
from judge.metrics.verdict_table import STRICT
from judge.records import Agreement, Coverage, JudgeNote
from prompts.prompt_file import Prompt
from prompts.rules import RuleFile, rules_sha256


class JudgeFingerprint(Record):
    """Everything whose change makes it another judge."""

    model: str | None  # None: code alone
    mode: str | None  # form of the replies
    rules_per_call: int = 1  # asked about together; of code alone, 1
    rules: str  # hash of the rule file
    prompt: str  # … of the prompt with its examples
    templates: str  # … of prompts/judge/*/*.j2, those aside that do not judge


class GoldCounts(Record):
    """What the labels gave."""

    good: int  # answers
    bad: int
    preferences: int  # pairs with a winner: no gold, kept for the probes
    off_topic: int  # rows
    unclear: int
    unlabelled: int
    comments: int


class Calibration(Record):
    """How far the judge can be trusted."""

    bound: JudgeFingerprint
    rows: int
    answers: int  # logged answers that were scored
    coverage: Coverage | None = None  # of the model on them; None: not asked, or not noted then
    gold: GoldCounts
    scores: dict[str, ScoreAgainstGold]  # by strict score, see judge.calibration.variants
    rules: tuple[RuleAgainstGold, ...]
    shadows: tuple[Agreement, ...]  # llm rules against the code rules that shadow them
    mutations: tuple[MutationScore, ...]
    attacks: AttackReport
    probes: BiasReport
    disagreeing: int  # answers with gold that the score sees differently
    disagreements: tuple[Disagreement, ...]  # the worst of them first

    @property
    def by_people(self) -> bool:
        """Whether the strict score of most labelled answers could be held against the labels, and
        the model, where one was asked, gave most of its verdicts on the logged answers.

        With fewer, mostly those are decided that break a rule in code: no sample of the judge.
        """
        held = self.scores[STRICT].report if STRICT in self.scores else None
        answered = self.coverage is None or self.coverage.share_missing < 0.5
        return held is not None and held.n > held.undecided and answered


def bound_by(rules: RuleFile, prompt: Prompt, note: JudgeNote | None) -> JudgeFingerprint:
    """What the judge that scored a run is bound to; without a note, it is code alone."""
    if note is None:
        return judge_fingerprint(rules, prompt, None, None)
    return judge_fingerprint(rules, prompt, note.model, note.mode, note.rules_per_call)


def judge_fingerprint(
    rules: RuleFile, prompt: Prompt, model: str | None, mode: str | None, rules_per_call: int = 1
) -> JudgeFingerprint:
    """What a judge of these parts is bound to."""
    return JudgeFingerprint(
        model=model,
        mode=mode,
        rules_per_call=rules_per_call,
        rules=rules_sha256(rules),
        prompt=prompt.sha256,
        templates=templates_sha256(TEMPLATES),
    )


def templates_sha256(folder: Path) -> str:
    """Hash of the templates that the judge asks with, in all languages."""
    return digest(
        {
            path.relative_to(folder).as_posix(): path.read_text("utf-8")
            for path in folder.glob("*/*.j2")
            if path.name not in ("draft.j2", "repair.j2")  # these judge nothing
        }
    )


def load_calibration(path: Path, bound: JudgeFingerprint) -> Calibration | Refusal:
    """The calibration of the judge that `bound` describes.

    Refused, with the name of what differs, when it was made of another one, and when there is
    none. Raises DataError when the file is broken.
    """
    if not path.exists():
        return Refusal("the judge has not been calibrated; run `python -m judge CONFIG calibrate`")
    try:
        found = Calibration.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise DataError(
            f"{path}: {place or 'file'}: {first['msg']}; calibrate again to replace it"
        ) from None
    ours, theirs = bound.model_dump(), found.bound.model_dump()
    differing = [name for name in ours if ours[name] != theirs[name]]
    if differing:
        return Refusal(
            f"{path} was made with another {', '.join(differing)}; calibrate this judge again"
        )
    return found
