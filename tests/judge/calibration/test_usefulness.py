"""The scores that are tried beside the declared one, on invented answers."""

from judge.calibration.label_agreement import useful_agreements
from judge.calibration.usefulness import DECLARED, THRESHOLDS, alternative_scores
from judge.metrics.verdict_table import USEFUL
from tests.judge.calibration.gold_factory import gold_comparison
from tests.judge.factories import PROMPT, make_answer, make_rule, make_rules

# The passage of every row is empty and the question names its number: "Question r0?"
GROUNDED = {"type": "words_from", "sources": ["question"], "min": 0.5}
RULES = make_rules(
    make_rule(GROUNDED, id="grounded"),
    make_rule({"type": "length", "max_words": 4}, id="short"),
    useful=("grounded", "short"),
)
# of the words of each answer 2 of 2, 2 of 3 and 2 of 4 are in its question
TEXTS = [
    ("question question", True),
    ("question question cabbage", True),
    ("question question cabbage turnip", False),
]


def test_every_subset_with_every_threshold() -> None:
    """grounded alone and both rules at nine thresholds, short alone, and the declared score."""
    comparison = gold_comparison(RULES, TEXTS)
    answers = [
        (comparison.rows[f"r{n}"], make_answer(text, f"r{n}", "logged/saiga"))
        for n, (text, _) in enumerate(TEXTS)
    ]
    scores = alternative_scores(answers, RULES.useful, comparison.table, PROMPT)
    assert len(scores) == 1 + 2 * len(THRESHOLDS) + 1
    assert next(iter(scores)) == DECLARED
    assert scores[DECLARED] == scores["grounded ≥ 0.5 + short"]
    assert scores["short"] == (True, True, True)
    assert scores["grounded ≥ 0.5"] == (False, True, True)  # one word said twice says nothing
    assert scores["grounded ≥ 0.6"] == (False, True, False)
    assert scores["grounded ≥ 0.7"] == (False, False, False)


def test_a_better_threshold_is_chosen_on_other_questions() -> None:
    """Good answers hold 2 of 3 words of their question, bad ones 2 of 4: 0.55 … 0.65 tell them."""
    texts = [*TEXTS[1:]] * 20
    agreement = useful_agreements(gold_comparison(RULES, texts))[USEFUL]
    assert agreement.whole.kappa is not None and agreement.left_out.kappa is not None
    assert agreement.whole.kappa.value == 0  # at 0.5 every answer passes
    assert agreement.left_out.kappa.value == 1
    assert agreement.choices == {"grounded ≥ 0.55": 40}
