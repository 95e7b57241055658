"""What the judge's errors go with: length, opening or language of an answer, its system, its place.

Regresses judge − gold (people, or the code rule that an llm rule shadows) on these features. The
place is that of the answer in a comparison, or that of the rule among those of one call. The
gold is among the regressors: a judge errs otherwise on good answers than on bad ones, and bad ones
may be longer.
"""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from math import log2
from typing import NamedTuple

import numpy as np

from data.records import Record
from data.rows import question_key
from judge.calibration.bias import JudgedPair
from judge.calibration.label_agreement import GoldComparison
from judge.calibration.mutation.case import LoggedPairs
from judge.checks.text import language_of, words
from judge.metrics.regression import clustered_regression
from judge.metrics.stats import Floats, holm
from judge.metrics.verdict_table import VerdictTable

ANSWERS_PER_FEATURE = 20  # fewer answers per regressor leave the intervals too narrow
FEWEST_QUESTIONS = 30  # so do fewer clusters
RARE = 0.05  # share of the answers below which a feature is left out, and above 1 − it


class JudgedAnswer(NamedTuple):
    """An answer with the verdicts of the judge and of the gold."""

    text: str
    system: str
    question: str  # answers to one question are a cluster
    judge: bool
    gold: bool
    place: int = 0  # 0: the first


class BiasCause(Record):
    """How judge − gold changes with one feature of the answers, the others held equal."""

    # "length", "each later place", "opening “…”", "Russian", or "system … beside …"
    cause: str
    effect: float  # a share: per doubling of the length, per place, or with the feature
    low: float  # 95 % interval
    high: float
    p_holm: float  # adjusted over the causes of one regression

    @property
    def significant(self) -> bool:
        """Whether the judge is biased by this cause, at 5 % over all causes."""
        return self.p_holm < 0.05


def bias_causes(answers: Sequence[JudgedAnswer]) -> tuple[BiasCause, ...]:
    """The effect of every feature that varies. Empty with too few answers or questions."""
    if not answers:
        return ()
    judge, gold = ([getattr(answer, rater) for answer in answers] for rater in ("judge", "gold"))
    questions = [answer.question for answer in answers]
    return regress_errors(answer_features(answers), judge, gold, questions)


def causes_against_people(comparison: GoldComparison) -> tuple[BiasCause, ...]:
    """Of the useful score, against people's labels of the logged answers."""
    return bias_causes(
        [
            JudgedAnswer(
                row.answers[label.system], label.system, question_key(row), passes, label.good
            )
            for label, passes in comparison.passed[comparison.score].items()
            if (row := comparison.rows[label.row])
        ]
    )


def causes_of_choices(pairs: Sequence[JudgedPair]) -> tuple[BiasCause, ...]:
    """Of being chosen in a comparison, against the choice of people; both orders count."""
    return bias_causes(
        [
            JudgedAnswer(
                pair.row.answers[system], system, question_key(pair.row), chose == good, good, place
            )
            for pair in pairs
            for chose, better_place in ((pair.shown_first, 0), (pair.shown_second, 1))
            if chose is not None
            for system, good, place in (
                (pair.preference.better, True, better_place),
                (pair.preference.worse, False, 1 - better_place),
            )
        ]
    )


def causes_against_code(
    table: VerdictTable, pairs: LoggedPairs
) -> dict[str, tuple[BiasCause, ...]]:
    """LLM rule → its causes, against the code rule that it shadows on the logged answers."""
    causes = {}
    for rule in table.rules.rules:
        if rule.shadow_llm:
            judged = []
            for row, answer in pairs:
                key = answer.row, answer.sample
                code, model = (
                    table.decided(answer.arm, name).get(key) for name in (rule.id, rule.shadow_llm)
                )
                if code is not None and model is not None:
                    place = table.verdicts[answer.arm][key][rule.shadow_llm].place
                    question = question_key(row)
                    case = JudgedAnswer(answer.text, answer.arm, question, model, code, place)
                    judged.append(case)
            causes[rule.shadow_llm] = bias_causes(judged)
    return causes


def regress_errors(
    features: Mapping[str, Floats],
    judge: Sequence[bool],
    gold: Sequence[bool],
    questions: Sequence[Hashable],
) -> tuple[BiasCause, ...]:
    """The effects of features [n] by name, as `bias_causes`."""
    truth = np.array(gold, dtype=np.float64)
    controls = [np.ones(len(gold)), *([truth] if len(set(gold)) > 1 else [])]
    matrix = np.column_stack([*controls, *features.values()])
    width = matrix.shape[1]
    if len(gold) < ANSWERS_PER_FEATURE * width or len(set(questions)) < FEWEST_QUESTIONS:
        return ()
    if not features or np.linalg.matrix_rank(matrix) < width:
        return ()
    model = clustered_regression(np.array(judge, dtype=np.float64) - truth, matrix, questions)
    unit = np.eye(width)[len(controls) :]
    tested = {name: model.contrast(weights) for name, weights in zip(features, unit, strict=True)}
    adjusted = holm([p for _, p in tested.values()])
    return tuple(
        BiasCause(cause=name, effect=effect.value, low=effect.low, high=effect.high, p_holm=p)
        for (name, (effect, _)), p in zip(tested.items(), adjusted, strict=True)
    )


def answer_features(answers: Sequence[JudgedAnswer]) -> dict[str, Floats]:
    """The features that vary, by name: a number per answer.

    Systems are compared with the most frequent one.
    """
    terms = [words(answer.text) for answer in answers]
    lengths = np.array([log2(len(words_of) + 1) for words_of in terms])
    features = {"length": lengths} if len(set(lengths)) > 1 else {}
    places = Counter(answer.place for answer in answers)
    if places.most_common(1)[0][1] <= (1 - RARE) * len(answers):
        features["each later place"] = np.array([answer.place for answer in answers], dtype=float)
    openings = Counter(words_of[0] for words_of in terms if words_of)
    flags = {"Russian": [language_of(answer.text) == "ru" for answer in answers]}
    for word, _ in openings.most_common(1):
        flags[f"opening “{word}”"] = [words_of[:1] == [word] for words_of in terms]
    systems = Counter(answer.system for answer in answers).most_common()
    for system, _ in systems[1:]:
        name = f"system {system} beside {systems[0][0]}"
        flags[name] = [answer.system == system for answer in answers]
    for name, values in flags.items():
        column = np.array(values, dtype=np.float64)
        if RARE <= column.mean() <= 1 - RARE:
            features[name] = column
    return features
