"""The choice among candidates, and the audit: counts and shares worked out by hand."""

from data.answers import Answer, Finish
from judge.verdicts import Outcome, Verdict
from prompts.rules import RuleFile
from teacher.audit import audited
from teacher.select import Judged, is_settled, select

RULES = RuleFile.model_validate(
    {
        "version": 1,
        "prompt_sha256": "x",
        "rules": [
            {"id": "must", "source": "s", "check": {"type": "json"}},
            {"id": "should", "source": "s", "severity": "should", "check": {"type": "json"}},
        ],
    }
)


def candidate(
    row: str,
    sample: int,
    outcomes: tuple[Outcome, Outcome] = ("pass", "pass"),
    likely: float = -1.0,
    text: str = "",
    finish: Finish = "stop",
) -> Judged:
    """A candidate with its verdicts on the two rules."""
    answer = Answer(
        key=f"{row}{sample}",
        arm="c",
        row=row,
        sample=sample,
        text=text or f"answer {sample}",
        token_ids=(sample, 9),
        finish=finish,
        seed=0,
        prompt_tokens=1,
        logprobs=(likely,),
    )
    verdicts = [
        Verdict(arm="c", row=row, sample=sample, rule=rule, outcome=outcome)
        for rule, outcome in zip(("must", "should"), outcomes, strict=True)
    ]
    return answer, verdicts


def test_the_best_breaks_fewest_should_rules_and_is_then_the_likeliest() -> None:
    """A broken should-rule outweighs any likelihood; a broken must-rule excludes."""
    judged = [
        candidate("r", 0, ("pass", "fail"), likely=-0.1),
        candidate("r", 1, likely=-2.0),
        candidate("r", 2, likely=-1.0),
        candidate("r", 3, ("fail", "pass"), likely=0.0),
    ]
    kept, counts = select(judged, RULES, keep=2)
    assert [one.sample for one in kept] == [2, 1]
    assert [(one.key, one.token_ids) for one in kept] == [("r2", (2, 9)), ("r1", (1, 9))]
    assert (counts.broke_a_rule, counts.broken_rules, counts.kept) == (1, {"must": 1}, 2)


def test_what_is_no_answer_is_never_kept() -> None:
    """Cut, empty, copied and too long candidates are counted each under their own name."""
    judged = [
        candidate("r", 0, text="same"),
        candidate("r", 1, text="same"),
        candidate("r", 2, finish="length"),
        candidate("r", 3, text=" "),
        candidate("s", 0, finish="too_long", text=" "),
    ]
    kept, counts = select(judged, RULES, keep=5)
    assert [one.sample for one in kept] == [0]
    assert (counts.cut, counts.empty, counts.duplicates, counts.too_long) == (1, 1, 1, 1)
    assert counts.rows_without == ("s",)


def test_one_text_is_learnt_by_no_more_rows_than_allowed() -> None:
    """Of ten rows with the fixed sentence four stay, evenly spread; other texts are untouched."""
    judged = [candidate(f"r{row}", 0, text="fixed") for row in range(10)]
    judged.insert(5, candidate("other", 0))
    kept, counts = select(judged, RULES, keep=1, same_text=4)
    assert [one.row for one in kept] == ["r0", "r2", "other", "r5", "r7"]
    assert (counts.same_text, counts.kept) == (6, 5)
    assert len(select(judged, RULES, keep=1)[0]) == 11


def test_a_row_is_settled_by_enough_distinct_flawless_answers() -> None:
    """A broken should-rule, a missing must or a copy does not settle it; a prompt too long does."""
    flawless, other = candidate("r", 0), candidate("r", 1)
    assert is_settled([flawless], keep=1)
    assert not is_settled([flawless], keep=2)
    assert not is_settled([flawless, candidate("r", 2, text="answer 0")], keep=2)
    assert is_settled([flawless, other], keep=2)
    assert not is_settled([candidate("r", 0, ("pass", "fail"))], keep=1)
    assert not is_settled([candidate("r", 0, finish="length")], keep=1)
    assert is_settled([candidate("r", 0, finish="too_long", text=" ")], keep=1)


def test_the_audit_counts_rows_not_candidates() -> None:
    """Rows a (fail, pass), b (pass) and c (undecided): first 1 of 2, any 2 of 2."""
    scores = [
        (candidate("a", 0)[0], False),
        (candidate("a", 1)[0], True),
        (candidate("b", 0)[0], True),
        (candidate("c", 0)[0], None),
    ]
    found = audited(scores)
    assert (found.due, found.first, found.any) == (2, 0.5, 1.0)
    assert audited(scores[3:]).any is None
