"""`unprompted show`: the whole text on a stored run whose numbers can be counted by hand."""

import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from config.errors import DataError
from config.load import dump_config, load_config
from config.terminal import TERMINAL_COLUMNS, open_terminal
from data.answers import Answer, read_answers
from data.atomic_write import write_text
from data.jsonl import read_record, read_records, write_records
from data.rows import Row
from data.run_paths import RunPaths
from judge.case_records import ServeDecision, ServeReason
from judge.verdict import Verdict
from pipeline.show import main
from pipeline.stage_stamp import stage_inputs, write_stamp
from pipeline.stages import pipeline_stages
from report.run_files import read_run
from report.show_run import view_run
from student.records import TrainingResult
from tests.report.judge_fixture import write_json
from tests.report.run_fixture import make_config, make_run

# Of 24 rows the base obeys on 2 (8.3 %), the teacher on 20, the student on 18, with the prompt on
# 19. Every third row is off topic: the refusal is due on 8 of them, its converse on the other 16.
# (18 − 2) / (20 − 2) = 88.9 %; Wilson's interval of 2 of 24 is [2.3, 25.8].
WHOLE = """\
The student closes 88.9 % [72.2, 100.0] of the gap between the base and the prompted teacher.

                                                                        student
rule                          base        teacher        student       + prompt
────────────────────────────────────────────────────────────────────────────────
strict adherence             8.3 %         83.3 %         75.0 %         79.2 %
  24 rows              [2.3, 25.8]   [64.1, 93.3]   [55.1, 88.0]   [59.5, 90.8]

opening                      8.3 %         83.3 %         75.0 %         79.2 %
  must, due on 24      [2.3, 25.8]   [64.1, 93.3]   [55.1, 88.0]   [59.5, 90.8]
refusal                     12.5 %         87.5 %         75.0 %         87.5 %
  must, due on 8       [2.2, 47.1]   [52.9, 97.8]   [40.9, 92.9]   [52.9, 97.8]
refusal_converse           100.0 %        100.0 %        100.0 %        100.0 %
  must, due on 16    [80.6, 100.0]  [80.6, 100.0]  [80.6, 100.0]  [80.6, 100.0]
kind                             –         29.2 %              –              –
  should, due on 24     24 missing   [14.9, 49.2]     24 missing     24 missing

Share of the rows on which a rule is due and obeyed, and its 95 % interval.

Student − teacher on the same 24 rows: −8.3 points [−22.5, 7.1]; 0 rows only the student gets right,
2 only the teacher. No clear difference; that is not proof that the two are equal.
· lora is the best of 2 students on these rows: for that choice 0.0 points are taken off its strict
rate and its differences, and its share of the gap is reduced accordingly.
· Not corrected: the student's best checkpoint was chosen from 2 evaluations on 20 of these val
rows, whose answers are not on record. Training anew stores them.
· Only 24 rows are decided: every interval here is wide.

best student: lora (the highest )
Nothing that was measured speaks against serving it.

time           1 min 42 s in total: teacher generate 1 min 40 s, report 2.0 s
student        {root}/best/adapter
chat template  {root}/best/chat_template.jinja
verdicts       {root}/judge/verdicts.jsonl

rows that break a rule:  unprompted show {settings} --rule ID
one row:                 unprompted show {settings} --row ID
ask the student:         unprompted chat {settings}
"""
ROW = """\
val-0018  (val)
question: Question 18?
passage 1: Passage 18.
tag campus: north
labels: off topic
logged answer of production: Desk: the 18.

base
  Well, no idea.
  ✗ opening: the prompt says “Start with "Desk:".”
  ✗ refusal: the prompt says “Off topic, say: "No help."”
  ✓ obeys 0 of the 2 rules that are due

teacher
  Desk: No help.
  ✓ obeys 3 of the 3 rules that are due

student/lora (best student)
  Well, no idea.
  ✗ opening: the prompt says “Start with "Desk:".”
  ✗ refusal: the prompt says “Off topic, say: "No help."”
  ✓ obeys 0 of the 2 rules that are due

student/lora+prompt
  Desk: No help.
  ✓ obeys 2 of the 2 rules that are due

student/other
  Well, no idea.
  ✗ opening: the prompt says “Start with "Desk:".”
  ✗ refusal: the prompt says “Off topic, say: "No help."”
  ✓ obeys 0 of the 2 rules that are due
"""
RULE = """\
refusal  (must)
the prompt says “Off topic, say: "No help."”
student/lora breaks it on 2 of the 8 rows where it is due.

✗ val-0018
question: Question 18?
answer: Well, no idea.

✗ val-0021
question: Question 21?
answer: Well, no idea.
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The settings of a whole run, beside it."""
    root = tmp_path_factory.mktemp("s")
    path = root / "made.yaml"
    write_text(path, dump_config(make_run(root)))
    return path


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What the command prints, without blanks at the ends of lines."""
    assert main(words) == 0
    text = capsys.readouterr().out
    assert all(len(line) <= TERMINAL_COLUMNS for line in text.splitlines() if "/" not in line)
    return re.sub(" +$", "", text, flags=re.M)


def unwrapped(text: str) -> str:
    """The text with its long lines, such as paths, joined."""
    return re.sub(r"\s+", "", text)


def test_a_whole_run(settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, str(settings))
    expected = WHOLE.format(root=settings.parent / "runs/made", settings=settings)
    numbers, paths = expected.split("student        ")
    assert numbers in text
    assert unwrapped(paths) in unwrapped(text)


def test_one_row_with_the_answers_of_all_arms(
    settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only rules that are due count; the model has judged the teacher alone."""
    assert shown(capsys, str(settings), "--row", "val-0018") == ROW


def test_rows_that_break_a_rule(settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The student obeys on the first 18 rows; 18 and 21 are the off-topic ones behind them."""
    assert shown(capsys, str(settings), "--rule", "refusal") == RULE
    text = shown(capsys, str(settings), "--rule", "kind")
    assert "breaks it on 0 of the 24 rows where it is due; verdicts are missing: " in text


def test_rows_of_train_and_hidden(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of train the selected answer, which the students learnt; of hidden those of two arms, and
    the rules that they break there."""
    config = make_run(tmp_path)
    path, run = tmp_path / "made.yaml", RunPaths.of(config)
    write_text(path, dump_config(config))
    rows = [Row(id=f"train-{n}", question="When?\x1b", contexts=()) for n in range(2)]
    write_records(run.split("train"), rows)
    write_records(run.selected, [Answer.from_text("candidates/train", "train-0", "Desk: 9.")])
    learnt = shown(capsys, str(path), "--row", "train-0")
    assert learnt == ("train-0  (train)\nquestion: When?\\x1b\n\nteacher, selected\n  Desk: 9.\n")
    assert "so no student learnt from it" in shown(capsys, str(path), "--row", "train-1")
    hidden = [row.model_copy(update={"id": f"hidden-{row.id}"}) for row in run.rows("hidden")]
    write_records(run.split("hidden"), hidden)
    for name in ("base", "lora"):
        answers = [
            answer.model_copy(update={"row": f"hidden-{answer.row}", "arm": f"hidden/{name}"})
            for answer in read_answers(run.answers(f"hidden/{name}"))
        ]
        write_records(run.answers(f"hidden/{name}"), answers)
    verdicts = [
        verdict.model_copy(update={"row": f"hidden-{verdict.row}"})
        for verdict in read_records(run.hidden_verdicts, Verdict)
    ]
    write_records(run.hidden_verdicts, verdicts)
    text = shown(capsys, str(path), "--row", "hidden-val-0004")
    base, student = text.split("\n\n")[1:]
    assert base.startswith("base\n  Well, no idea.\n  ✗ opening: ")  # it obeys on two rows
    assert student == (  # whether the refusal is due there depends on a label that is not there
        "student/lora (best student)\n  Desk: Yes.\n  ? refusal: no verdict (unlabelled)\n"
        "  ? refusal_converse: no verdict (unlabelled)\n  ✓ obeys 1 of the 3 rules that are due\n"
    )


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--row", "val-018"), "--row val-018: the run has no such row; did you mean val-0018"),
        (("--row", "x"), "--row x: the run has no such row; it has val-0000, val-0001, "),
        (("--rule", "refusals"), "--rule refusals: no such rule; did you mean refusal"),
        (
            ("--rule", "x"),
            "--rule x: no such rule; it has opening, refusal, refusal_converse, kind",
        ),
    ],
)
def test_an_unknown_name_is_one_line(settings: Path, words: tuple[str, str], line: str) -> None:
    with pytest.raises(DataError, match=re.escape(line)):
        main([str(settings), *words])


def test_nothing_that_outsiders_wrote_steers_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The text stands in rows, answers, labels, notes of the judge and reasons."""
    path = tmp_path / "made.yaml"
    config = make_run(tmp_path, "\x1b[2J\u202e\x9b31m [bold red]x[/] :smile:")
    write_text(path, dump_config(config))
    for words in ((), ("--row", "val-0018"), ("--rule", "refusal")):
        output = shown(capsys, str(path), *words)
        assert not set("\x1b\u202e\x9b") & set(output)
        if words:
            assert "\\x1b[2J\\u202e\\x9b31m [bold red]x[/] :smile:" in output


def test_a_run_under_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Done: with a stamp of these settings. Begun: it has written something, and has no stamp."""
    config = make_config(tmp_path)
    path, run = tmp_path / "made.yaml", RunPaths.of(config)
    write_text(path, dump_config(config))
    nothing = shown(capsys, str(path))
    assert nothing.count("not run") == 9
    assert "next: data; run `unprompted run " in " ".join(nothing.split())
    stages = pipeline_stages(config, "")
    write_text(run.split("train"), "")
    write_stamp(run, stages[0], stage_inputs(stages[0], config), 4.0)
    write_text(run.manifest, json.dumps({"git": "abc"}))
    text = shown(capsys, str(path))
    assert re.search(r"data +done +4\.0 s\n manifest +begun\n teacher generate +not run", text)
    assert "next: manifest; run" in text and "rule" not in text
    assert re.search(r"data +outdated", shown(capsys, str(path), "seed=1"))


def test_reasons_not_to_serve_stand_out(tmp_path: Path) -> None:
    config = make_run(tmp_path)
    material = read_run(config)
    assert material.judged is not None
    reason = ServeReason(check="few_obey", finding="It obeys nothing", remedy="more rows")
    serving = ServeDecision(student="student/lora", reasons=(reason,))
    write_json(material.run.scores, material.judged.model_copy(update={"serving": serving}))
    terminal = Console(file=io.StringIO(), width=TERMINAL_COLUMNS)
    terminal.print(view_run(read_run(config)))
    text = terminal.file.getvalue()  # type: ignore[attr-defined]
    assert "do not serve this model: It obeys nothing. What would help: more rows." in text
    assert "speaks against serving" not in text


def test_doubts_stand_in_front(tmp_path: Path) -> None:
    """Four steps, fewer than ten: the terminal says first what the report says at its head."""
    config = make_run(tmp_path)
    path = RunPaths.of(config).student("lora") / "result.json"
    write_json(path, read_record(path, TrainingResult).model_copy(update={"steps": 4}))
    terminal = Console(file=io.StringIO(), width=TERMINAL_COLUMNS)
    terminal.print(view_run(read_run(config)))
    text = terminal.file.getvalue()  # type: ignore[attr-defined]
    assert text.startswith("! Student lora took 4 optimiser steps, fewer than 10")


def test_colours_and_width(settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Colours only in a terminal, and not with NO_COLOR; as narrow as the terminal, and no wider
    than 100 columns."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "64")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert open_terminal(io.StringIO()).width == TERMINAL_COLUMNS
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich then takes any file for a terminal
    output = io.StringIO()
    open_terminal(output).print(view_run(read_run(load_config(settings))))
    assert "\x1b[32m" in output.getvalue()
    plain = re.sub(r"\x1b\[[\d;]*m", "", output.getvalue())
    assert max(map(len, plain.splitlines())) <= 64
    for word in ("strict", "[64.1,", "93.3]", "refusal_con", "+ prompt"):
        assert word in plain
    monkeypatch.setenv("NO_COLOR", "1")
    output = io.StringIO()
    open_terminal(output).print(view_run(read_run(load_config(settings))))
    assert "\x1b[32m" not in output.getvalue()
    monkeypatch.setenv("COLUMNS", "300")
    assert open_terminal(io.StringIO()).width == TERMINAL_COLUMNS
