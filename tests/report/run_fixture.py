"""A small run folder of real records, with a given text in every place that outsiders can fill."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from config.judging import GateSettings
from config.schema import Config
from data.answers import Answer
from data.atomic_write import write_text
from data.clean import CleanCounts
from data.data_quality import DataQuality, describe_split
from data.jsonl import read_record, read_records, write_records
from data.readers.quarantine import Quarantined
from data.rows import Context, Row
from data.run_paths import RunPaths
from data.splits import Leakage
from judge.calibration.record import judge_fingerprint
from judge.inputs import JudgeInputs, read_arms
from judge.metrics.verdict_table import build_verdict_table
from judge.records import JudgeResult
from judge.summary.assess_student import assess
from judge.summary.summarise import write_summary
from judge.verdict import Verdict
from prompts.prompt_file import load_prompt
from prompts.rules import prompt_sha256
from report.run_files import RunFiles, read_run
from student.records import RankedStudent, Step, StudentChoice, TrainingResult
from teacher.audit import Audit, OrderAudit, PassShare, RuleAudit
from teacher.selection import Selection
from tests.report.judge_fixture import (
    judge_hidden,
    judge_val,
    make_calibration,
    make_labels,
    write_json,
)
from tests.report.search_fixture import make_search

ROWS = 24
OFF_TOPIC = "off topic"
STUDENT = "lora"
ARMS = ("base", "teacher", f"student/{STUDENT}", f"student/{STUDENT}+prompt", "student/other")
HIDDEN = {"base": 2, f"student/{STUDENT}": 20}  # arm → hidden rows on which it obeys


def make_config(root: Path, text: str = "") -> Config:
    """Writes prompt and rules under `root`; `text` goes into the prompt and a rule's source."""
    system = f'Start with "Desk:". {text} Off topic, say: "No help."'
    prompt = {"system_template": system, "user_template": "{summaries}\nQ: {question}"}
    rules: list[dict[str, Any]] = [
        {
            "id": "opening",
            "source": f'Start with "Desk:". {text}'.strip(),
            "check": {"type": "starts_with", "text": "Desk:"},
        },
        {
            "id": "refusal",
            "source": 'Off topic, say: "No help."',
            "applies": {"code": [{"field": "labels", "matches": OFF_TOPIC}]},
            "check": {"type": "contains", "text": "No help."},
            "converse": True,
            "shadow_llm": "kind",
        },
        {
            "id": "kind",
            "source": 'Off topic, say: "No help."',
            "severity": "should",
            "check": {"type": "llm", "pass": "It declines.", "fail": "It helps."},
        },
    ]
    file = {
        "version": 1,
        "prompt_sha256": prompt_sha256(system.strip()),
        "slices": ["tags.campus"],
        "useful": ["opening"],
    }
    write_text(root / "prompt.yaml", yaml.safe_dump(prompt, allow_unicode=True))
    write_text(root / "rules.yaml", yaml.safe_dump(file | {"rules": rules}, allow_unicode=True))
    return Config.model_validate(
        {
            "name": "made",
            "runs": str(root / "runs"),
            "prompt": {"system": str(root / "prompt.yaml"), "rules": str(root / "rules.yaml")},
            "data": {"train": {"kind": "campus", "path": "train.json"}},
            "model": {"name": "some/base"},
            "students": [{"name": STUDENT}, {"name": "other", "learning_rate": 0.001}],
        }
    )


def make_rows(text: str = "") -> list[Row]:
    """Every third question is off topic."""
    return [
        Row(
            id=f"val-{number:04d}",
            question=f"Question {number}? {text}",
            contexts=(Context(text=f"Passage {number}. {text}"),),
            tags={"campus": f"north {text}"},
            answers={"production": f"Desk: the {number}. {text}"},
            labels=(OFF_TOPIC,) if number % 3 == 0 else (f"good {text}",),
        )
        for number in range(ROWS)
    ]


def make_answers(arm: str, rows: Sequence[Row], obeys: int, text: str = "") -> list[Answer]:
    """Answers of which the first `obeys` obey all rules and the rest break one."""
    answers = []
    for number, row in enumerate(rows):
        obedient = f"Desk: {'No help.' if row.labels == (OFF_TOPIC,) else 'Yes.'} {text}"
        prompted = arm == "teacher" or arm.endswith("+prompt")
        answers.append(
            Answer(
                key=f"{arm}/{row.id}",
                arm=arm,
                row=row.id,
                sample=0,
                text=obedient if number < obeys else f"Well, no idea. {text}",
                finish="stop",
                seed=0,
                prompt_tokens=(900 if prompted else 100) + number,
            )
        )
    return answers


def make_run(root: Path, text: str = "", teacher: int = 20) -> Config:
    """A whole run: the base obeys on 2 of 24 rows, the teacher on `teacher`, the student on 18.

    A copy of a run that is made once: no file of a run says where it lies.
    """
    config = make_config(root, text)
    source = Path(_first_run(text, teacher).name)
    shutil.copytree(source / "runs", root / "runs", copy_function=shutil.copy, dirs_exist_ok=True)
    return config


@cache
def _first_run(text: str, teacher: int) -> TemporaryDirectory[str]:
    folder = TemporaryDirectory(prefix="run")
    config = make_config(Path(folder.name), text)
    run = RunPaths.of(config)
    rows = make_rows(text)
    write_records(run.split("train"), rows[:1])
    write_records(run.split("val"), rows)
    obeys = dict(zip(ARMS, (2, teacher, 18, 19, 9), strict=True))
    answers = [a for arm, n in obeys.items() for a in make_answers(arm, rows, n, text)]
    for arm in obeys:
        write_records(run.answers(arm), [answer for answer in answers if answer.arm == arm])
    prompt, rules = load_prompt(config.prompt, Path())
    judge_val(run, rows, answers, (prompt, rules), text)
    hidden = [row.model_copy(update={"labels": None}) for row in rows]
    unseen = [a for arm, n in HIDDEN.items() for a in make_answers(arm, hidden, n, text)]
    write_records(run.split("hidden"), hidden)
    for arm in HIDDEN:
        path = run.answers(f"hidden/{arm.removeprefix('student/')}")
        write_records(path, [answer for answer in unseen if answer.arm == arm])
    judge_hidden(run, hidden, unseen, (prompt, rules), text)
    write_json(run.calibration, make_calibration(judge_fingerprint(rules, prompt), text))
    labelled = [answer for answer in answers if answer.arm == f"student/{STUDENT}"]
    write_json(run.labels, make_labels(labelled, text))
    _data(run, rows, text)
    _teacher(run, text)
    _students(run, text)
    make_search(run, text)
    assess_again(config)
    write_summary(config)
    return folder


def assess_again(config: Config) -> None:
    """Writes the assessment of val's answers, as they are on disk, to scores.json."""
    run = RunPaths.of(config)
    prompt, rules = load_prompt(config.prompt, Path())
    rows, result = run.rows("val"), read_record(run.scores, JudgeResult)
    answers = read_arms(run, "val", [arm for arm in ARMS if run.answers(arm).exists()])
    by_id = {row.id: row for row in rows}
    pairs = [(by_id[answer.row], answer) for answer in answers]
    inputs = JudgeInputs(prompt, rules, rows, answers, pairs, llm_arms=[])
    table = build_verdict_table(rules, rows, read_records(run.verdicts, Verdict))
    table = replace(table, choice=result.scores.choice)
    assessment = assess(config, inputs, table, result.scores.headline, "val")
    write_json(run.scores, result.model_copy(update=assessment._asdict()))


def with_gates(config: Config, gate: GateSettings) -> Config:
    """The settings with these thresholds."""
    judge = config.judge.model_copy(update={"gate": gate})
    return config.model_copy(update={"judge": judge})


def read_fixture(root: Path, text: str = "") -> RunFiles:
    """The files of a whole run, read."""
    return read_run(make_run(root, text))


def _data(run: RunPaths, rows: list[Row], text: str) -> None:
    counts = CleanCounts(footers={"production": 1}, stubs={}, empty={}, truncated={}, duplicates=())
    quality = DataQuality(
        splits=dict.fromkeys(("train", "val"), describe_split(rows, counts)),
        leakage={"train-val": Leakage(exact=(), near=())},
        leaks_removed=(),
        duplicates_removed=("train-0001",),
        records=49,
        quarantined=(Quarantined(file="t.json", line=3, reason=f"bad {text}", excerpt=text),),
    )
    write_json(run.quality, quality)


def _teacher(run: RunPaths, text: str) -> None:
    share = PassShare(value=0.75, n=24)
    audited = RuleAudit(base=PassShare(value=0.25, n=24), first=share, best=share, guided=share)
    never = PassShare(value=None, n=0)
    selection = Selection(
        rows=48,
        rows_selected=46,
        rows_left_out={"broke_must_rule": ("val-0001", f"row {text}")},
        candidates=96,
        outcomes={
            "truncated": 1,
            "empty": 2,
            "duplicate": 5,
            "broke_must_rule": 60,
            "surplus": 6,
            "selected": 22,
        },
        beside_flawless_base=3,
        broken_rules={"opening": 60},
        undecided_rules={"kind": 1},
        unlabelled_rules={"refusal": 2},
    )
    audit = Audit(
        scored_with_llm=False,
        rules={
            "opening": audited,
            "refusal": audited.model_copy(update={"guided": None}),
            "kind": RuleAudit(base=never, first=never, best=never, guided=None),
        },
        strict=audited,
        by_order=(OrderAudit(candidates=24, strict=share), OrderAudit(candidates=12, strict=never)),
        selection={"train": selection},
        taught={"refusal": {"sampled": 52, "constructed": 8}},
    )
    write_json(run.audit, audit)


def _students(run: RunPaths, text: str) -> None:
    for name in (STUDENT, "other"):
        steps = [
            Step(step=at, epoch=at / 2, seconds=at, loss=2.0 / at, tokens_per_s=100.0 * at)
            for at in range(1, 5)
        ]
        looks = [
            Step(step=at, epoch=at / 2, seconds=at, val_loss=1.5 / at, strict=0.2 * at, val_rows=20)
            for at in (2, 4)
        ]
        write_records(run.student(name) / "metrics.jsonl", [*steps, *looks])
        result = TrainingResult(
            name=name,
            best_step=4,
            best_epoch=2,
            strict=0.8,
            val_loss=0.4,
            steps=40,
            train_answers=20,
            answer_tokens=400,
            seconds=4.0,
            trainable=12345,
            adapter_sha256="0" * 64,
        )
        write_json(run.student(name) / "result.json", result)
    ranked = [
        RankedStudent(
            name=name,
            strict=strict,
            val_loss=0.4,
            best_epoch=2,
            settings={"learning_rate": rate, "note": text, "method": {"kind": "lora"}},
            seconds=4.0,
        )
        for name, strict, rate in ((STUDENT, 0.75, 1e-4), (f"other {text}".strip(), 0.4, 1e-3))
    ]
    write_json(
        run.choice, StudentChoice(best=STUDENT, why=f"the highest {text}", ranked=tuple(ranked))
    )
    adapter = '{"base_model_name_or_path": "some/base", "r": 12}'
    write_text(run.best / "adapter" / "adapter_config.json", adapter)
    write_text(run.chat_template, "{{ messages }}")
    manifest = {"versions": {"torch": f"2 {text}"}, "unprompted_frame": f"<|im_start|>{text}"}
    write_text(run.manifest, json.dumps(manifest))
    write_text(run.root / "timings.json", '{"teacher generate": 100.5, "report": 2.0}')
