"""The report of a run that makes a bad model says so first; that of a good one never."""

from dataclasses import replace
from pathlib import Path

import pytest

from config.judging import GateSettings
from config.schema import Config
from data.jsonl import read_record
from data.run_paths import RunPaths
from judge.case_records import ConditionalRule, FragmentExample
from judge.gate.thresholds import decide_gates, exit_code, read_measurements
from report.numbers import build_numbers
from report.render import render_card, render_html, render_markdown
from report.run_files import RunFiles, read_run
from teacher.audit import Audit
from tests.report.judge_fixture import write_json
from tests.report.run_fixture import STUDENT, assess_again, make_run, with_gates

HEADING = "Do not serve this model"


def pages(material: RunFiles) -> tuple[str, str, str]:
    """The page, its Markdown and the model card."""
    numbers = build_numbers(material)
    card = render_card(material, numbers)
    return render_html(material, numbers), render_markdown(material, numbers), card


def teach(config: Config, selected: int, taught: int) -> None:
    """Changes how many rows of 48 were selected, and how many taught the refusal."""
    run = RunPaths.of(config)
    audit = read_record(run.audit, Audit)
    selection = audit.selection["train"].model_copy(update={"rows_selected": selected})
    changes = {"selection": {"train": selection}, "taught": {"refusal": {"sampled": taught}}}
    write_json(run.audit, audit.model_copy(update=changes))
    assess_again(config)


def gate_code(config: Config) -> int:
    """The exit code of the gate under a threshold that the student reaches, 75 % strict."""
    gated = with_gates(config, GateSettings(strict_min=0.5))
    return exit_code(list(decide_gates(gated.judge, read_measurements(gated))))


def test_a_good_run_has_no_word_of_it(tmp_path: Path) -> None:
    config = make_run(tmp_path)
    material = read_run(config)
    assert build_numbers(material).do_not_serve == ()
    assert not any(HEADING in page for page in pages(material))
    assert gate_code(config) == 0


@pytest.mark.parametrize(
    ("selected", "taught", "reasons"),
    [
        (20, 60, ["Only 20 of 48 train rows have an answer to learn, fewer than 30"]),
        (46, 0, ["No worked example shows the rule refusal, and no train row taught it"]),
        (20, 0, ["Only 20 of 48 train rows", "No worked example shows the rule refusal"]),
    ],
)
def test_reasons_stand_before_the_headline(
    tmp_path: Path, selected: int, taught: int, reasons: list[str]
) -> None:
    """With what would help, on all pages; and the gate fails for that alone."""
    config = make_run(tmp_path)
    teach(config, selected, taught)
    material = read_run(config)
    page, text, card = pages(material)
    assert page.index(HEADING) < page.index('id="headline"')
    assert text.index(f"## {HEADING}") < text.index("# The student closes")
    for reason in reasons:
        assert all(reason in shown for shown in (page, text, card))
    assert page.count("What would help: ") == len(reasons)
    assert gate_code(config) == 1


def test_reasons_against_another_student_are_not_shown(tmp_path: Path) -> None:
    """Another student was chosen since scoring."""
    config = make_run(tmp_path)
    teach(config, selected=20, taught=60)
    material = read_run(config)
    assert len(material.reasons_not_to_serve) == 1
    assert material.judged is not None and material.judged.serving is not None
    other = material.judged.serving.model_copy(update={"student": "student/other"})
    judged = material.judged.model_copy(update={"serving": other})
    assert replace(material, judged=judged).reasons_not_to_serve == ()


def test_conditional_rules_are_a_table(tmp_path: Path) -> None:
    """Off topic are 8 of 24 rows: the base obeys on 1 of them, the teacher on 7, the student on 6;
    none of them refuses elsewhere. "No help." is too short to have fragments: 0 of 16.
    """
    config = make_run(tmp_path)
    page, text, _ = pages(read_run(config))
    table = page[page.index('id="conditional"') :].split("</table>")[0]
    for words in ("due: 1 of 8 ", "due: 7 of 8 ", "due: 6 of 8 ", "not due: 0 of 16 "):
        assert f'{words}<span class="ends">[' in table
    assert "60 rows (sampled 52, constructed 8)" in table
    assert "worked examples that show it: 0" in table
    (row,) = [line for line in text.splitlines() if line.startswith("| refusal must |")]
    assert "due: 6 of 8 \\[" in row and "60 rows (sampled 52, constructed 8)" in row


def test_a_rule_that_few_rows_taught_says_what_to_do(tmp_path: Path) -> None:
    """Guided candidates are advised only where they are off."""
    config = make_run(tmp_path)
    teacher = config.teacher.model_copy(update={"guided": False})
    off = config.model_copy(update={"teacher": teacher})
    for settings, advice in ((config, ""), (off, "teacher.guided: true, ")):
        teach(settings, selected=46, taught=3)
        for page in pages(read_run(settings))[:2]:
            assert "3 rows (sampled 3)" in page
            assert f", fewer than 50: {advice}probes: {{}}, or more train rows" in page


def test_an_audit_that_does_not_say_what_taught(tmp_path: Path) -> None:
    """As earlier versions wrote it."""
    config = make_run(tmp_path)
    path = RunPaths.of(config).audit
    audit = read_record(path, Audit).model_dump_json(exclude={"taught"})
    path.write_text(audit, "utf-8")
    assess_again(config)
    assert "not recorded" in pages(read_run(config))[0]


def test_fragments_are_shown_with_an_answer_as_text(tmp_path: Path) -> None:
    """The student's answers are foreign text."""
    material = read_run(make_run(tmp_path))
    assert material.judged is not None
    (rule,) = material.judged.conditional_rules
    example = FragmentExample(
        row="val-1", fragment="this is urgent", answer="<b>This</b> is urgent"
    )
    arm = f"student/{STUDENT}"
    score = rule.arms[arm].model_copy(update={"example": example})
    changed = ConditionalRule(**dict(rule) | {"arms": {**rule.arms, arm: score}})
    judged = material.judged.model_copy(update={"conditional_rules": (changed,)})
    page, markdown, _ = pages(replace(material, judged=judged))
    assert f"refusal: {arm} writes the fragment “this is urgent” in row val-1" in page
    assert "for instance: &lt;b&gt;This&lt;/b&gt; is urgent" in page
    assert "“this is urgent” in row val-1" in markdown
