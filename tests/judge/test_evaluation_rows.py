"""Every case is among the val rows of an evaluation."""

from collections.abc import Sequence
from pathlib import Path

from config.load import load_config
from data.jsonl import write_records
from data.rows import Row
from data.run_paths import RunPaths
from judge.checks.cases import due_by_code
from judge.evaluation_rows import ROWS_PER_CASE, evaluation_rows, held_out_rows
from prompts.prompt_file import load_prompt
from prompts.rules import RuleFile
from teacher.generate import candidate_rows

ROOT = Path(__file__).resolve().parents[2]
OFF_TOPIC, MISSING, VAGUE = "Вопрос не по теме", "document missing", "question too vague"


def lakeside_rules() -> RuleFile:
    """Three conditional rules: refusal and partial (must), vague (should)."""
    return load_prompt(load_config(ROOT / "config/demo.yaml").prompt, ROOT)[1]


def val_rows(ordinary: int, off_topic: int = 0, missing: int = 0, vague: int = 0) -> list[Row]:
    """So many of each, one kind behind the other."""
    labels: dict[int, tuple[str, ...]] = {ordinary + n: (OFF_TOPIC,) for n in range(off_topic)}
    comments = [""] * (ordinary + off_topic) + [MISSING] * missing + [VAGUE] * vague
    return [
        Row(id=f"r{n}", question=f"q {n}", labels=labels.get(n, ()), comment=comment)
        for n, comment in enumerate(comments)
    ]


def counts(rows: Sequence[Row]) -> dict[str, int]:
    """The number of rows by case."""
    cases = ["+".join(due_by_code(lakeside_rules(), row)) for row in rows]
    return {case: cases.count(case) for case in sorted(set(cases))}


def test_rows_at_the_end_of_the_file_are_among_them() -> None:
    """The first 40 of 76 are all ordinary. 8 off-topic, 8 missing, all 5 vague; 19 ordinary."""
    val = val_rows(48, 12, 11, 5)
    rows = evaluation_rows(lakeside_rules(), val, 40)
    assert counts(rows) == {"": 19, "partial": 8, "refusal": 8, "vague": 5}
    assert rows == sorted(rows, key=val.index), "in file order"
    assert [row.id for row in rows[:19]] == [f"r{n}" for n in range(19)], "the first of each case"
    assert evaluation_rows(lakeside_rules(), val, 40) == rows


def test_ordinary_rows_at_the_end_are_among_them() -> None:
    """A file that begins with 60 off-topic rows: 8 ordinary ones, and the first 32 of these."""
    val = [*val_rows(0, 60), *(row.model_copy(update={"id": f"o{row.id}"}) for row in val_rows(20))]
    rows = evaluation_rows(lakeside_rules(), val, 40)
    assert counts(rows) == {"": ROWS_PER_CASE, "refusal": 32}


def test_few_rows_are_shared_out() -> None:
    """Six rows for four cases: one of each, and a second one of the first two."""
    rows = evaluation_rows(lakeside_rules(), val_rows(20, 20, 20, 20), 6)
    assert counts(rows) == {"": 2, "partial": 1, "refusal": 2, "vague": 1}


def test_a_row_counts_for_each_rule_that_is_due() -> None:
    """Eight rows on which two rules are due serve both; the others are the first ones."""
    both = [Row(id=f"b{n}", question="q", labels=(OFF_TOPIC,), comment=MISSING) for n in range(9)]
    rows = evaluation_rows(lakeside_rules(), [*val_rows(40), *both], 20)
    assert counts(rows) == {"": 12, "refusal+partial": 8}


def test_all_where_there_are_no_more() -> None:
    """And unlabelled rows belong to no case that needs labels."""
    val = [*val_rows(2, 1), Row(id="bare", question="q")]
    assert evaluation_rows(lakeside_rules(), val, 4) == val
    assert evaluation_rows(lakeside_rules(), val, 400) == val
    assert due_by_code(lakeside_rules(), val[-1]) == ()


def test_candidates_are_sampled_for_the_same_rows(tmp_path: Path) -> None:
    """Val loss is measured on the answers selected for the rows that are evaluated."""
    changes = [f"runs={tmp_path}", f"prompt.rules={ROOT / 'prompts/lakeside/rules.yaml'}"]
    changes.append(f"prompt.system={ROOT / 'prompts/lakeside/system_prompt.yaml'}")
    config = load_config(ROOT / "config/demo.yaml", [*changes, "prompt.examples=null"])
    val = val_rows(48, 12, 11, 5)
    write_records(RunPaths.of(config).split("train"), val[:1])
    write_records(RunPaths.of(config).split("val"), val)
    expected = evaluation_rows(lakeside_rules(), val, config.predict.eval_rows)
    assert list(candidate_rows(config, "val")) == expected != val[: config.predict.eval_rows]


def test_half_of_the_questions_of_each_case_are_held_out() -> None:
    """Of 48 ordinary, 12 off-topic, 11 missing and 5 vague questions, whatever their order."""
    val = val_rows(48, 12, 11, 5)
    held_out = held_out_rows(lakeside_rules(), val)
    assert counts([row for row in val if row.id in held_out]) == {
        "": 24,
        "partial": 5,
        "refusal": 6,
        "vague": 3,
    }
    assert held_out_rows(lakeside_rules(), val[::-1]) == held_out
    assert held_out != {row.id for row in val[1::2]}, "not every second row of the file"


def test_rows_of_one_question_stay_together() -> None:
    """40 rows ask 20 questions."""
    val = [row.model_copy(update={"question": f"q {n // 2}"}) for n, row in enumerate(val_rows(40))]
    held_out = held_out_rows(lakeside_rules(), val)
    assert len(held_out) == 20
    assert all((f"r{n}" in held_out) == (f"r{n + 1}" in held_out) for n in range(0, 40, 2))


def test_too_few_questions_to_hold_any_out() -> None:
    """Ten questions must score the winner."""
    assert held_out_rows(lakeside_rules(), val_rows(19)) == frozenset()
    assert len(held_out_rows(lakeside_rules(), val_rows(20))) == 10
