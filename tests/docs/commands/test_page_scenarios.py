"""The commands of the pages about one run, typed in the order of the page.

README.md and docs/own-logs.md from an empty folder: nine child processes on a tiny model, some 40 s
of CPU, mostly imports. All other pages begin in a copy of that folder, so all stand in one file.
"""

import csv
import json
import re
import shutil

import pytest

from config.checkout import ROOT
from data.run_paths import RunPaths
from tests.docs.commands.conftest import FinishedRun, play_scenario
from tests.docs.commands.desk import PLACEHOLDERS, Desk
from tests.engine.echo_model import reply_to
from tests.judge.llm.server import Body, Sent, serving, verdict

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
QUESTION = "When does the library open?\n"


def test_init_says_the_line_of_the_page(finished_run: FinishedRun) -> None:
    """docs/logs.md shows what is said of these logs."""
    printed = finished_run.ended["unprompted init --prompt prompt.txt --logs logs.jsonl"].out
    page = (ROOT / "docs/logs.md").read_text("utf-8")
    (line,) = re.findall(r"^    (logs\.jsonl: .*)$", page, re.MULTILINE)
    assert printed.splitlines()[0] == line
    assert "unprompted judge experiment.yaml try-rules" in printed


def test_the_dry_run_says_what_the_page_promises(finished_run: FinishedRun) -> None:
    """Rows, rules, steps, tokens, minutes and memory; 24 of 30 questions are those of train."""
    plan = finished_run.ended["unprompted run experiment.yaml --dry-run"].out
    for words in ("train 24 remain", "opening ", "12 optimiser steps", "memory", "min", "tokens"):
        assert words in plan, words


def test_the_run_names_its_report(finished_run: FinishedRun) -> None:
    """In its last line, as docs/own-logs.md says; and every stage shows its place."""
    lines = finished_run.ended["unprompted run experiment.yaml"].out.splitlines()
    assert lines[-1] == "report: runs/mine/report.html"
    assert len([line for line in lines if re.search(r"\(\d of 9", line)]) == 9
    for name in ("report.html", "report.md", "report.json", "best/adapter", "best/README.md"):
        assert (finished_run.folder / "runs/mine" / name).exists(), name
    assert (finished_run.folder / "runs/mine/best/chat_template.jinja").exists()


def test_show_and_chat(finished_run: FinishedRun) -> None:
    """The table with its arms, the rows of one rule, one answer for a typed question."""
    table = finished_run.ended["unprompted show experiment.yaml"].out
    assert "strict adherence" in table and "teacher" in table
    assert "opening" in finished_run.ended["unprompted show experiment.yaml --rule ID"].out
    answer = finished_run.ended["unprompted chat experiment.yaml"].out
    assert answer.count("\n") == 1 and answer.strip()


def test_from_other_files(desk: Desk) -> None:
    """The examples of `init`: the prompt of the logs, and a folder of logs with a prompt in
    Markdown. Without a terminal nobody can be asked, so `init` alone says what is missing."""
    for name in ("prompt.yaml", "rules.yaml", "experiment.yaml"):
        (desk.folder / name).unlink()
    shutil.copy(desk.folder / "prompt.txt", desk.folder / "prompt.md")
    (desk.folder / "logs").mkdir()
    shutil.copy(desk.folder / "logs.jsonl", desk.folder / "logs")
    ended = play_scenario(desk, "begin", codes={"unprompted init": (2,)})
    assert "--logs is missing" in ended["unprompted init"].err
    assert "Qwen/Qwen3-4B-Instruct-2507" in (desk.folder / "desk/experiment.yaml").read_text()


def test_a_finished_run(desk: Desk) -> None:
    """It is looked at, talked to and exported. A second run does nothing, as docs/faq.md says."""
    (desk.folder / "questions.txt").write_text(QUESTION * 2)
    chats = dict.fromkeys(
        ("unprompted chat my.yaml", "unprompted chat my.yaml --arm teacher"), QUESTION
    )
    ended = play_scenario(desk, "finished_run", answers=chats)
    for command in ("unprompted run my.yaml", "python -m pipeline my.yaml"):
        assert ended[command].out.count("unchanged, skipped") == 9
    assert ended["unprompted chat my.yaml < questions.txt"].out.count("\n") == 2
    for name in ("answers", "desk-dataset"):
        assert (desk.folder / name / "train").is_dir()


def test_single_stages(desk: Desk) -> None:
    """Each finds its work done. The gate fails: nobody should serve a student of 24 answers."""
    gate = "unprompted judge my.yaml gate"
    thresholds = {gate: lambda: desk.change("my.yaml", judge={"gate": {"strict_min": 0.6}})}
    play_scenario(desk, "stages", thresholds, codes={gate: (1,)})
    assert (desk.folder / "runs/mine/judge/gate.xml").exists()


def test_shards(desk: Desk) -> None:
    """docs/clusters.md: all shards, here two, then merged into what one machine would write."""
    run = RunPaths(desk.folder / "runs/mine")
    path = run.answers("candidates/train")
    rows = {json.loads(line)["row"] for line in path.open()}
    shutil.rmtree(run.root / "answers")
    shutil.rmtree(run.root / "teacher")

    def other_shard() -> None:
        assert desk.type("unprompted teacher my.yaml generate --shard 2/2").code == 0

    play_scenario(desk, "shards", {"unprompted teacher my.yaml merge": other_shard})
    assert {json.loads(line)["row"] for line in path.open()} == rows


def test_batch_files(desk: Desk) -> None:
    """docs/servers.md: requests without a result, sent, collected; the files lie where it says.

    The base's answers stay: only the teacher is another one.
    """
    desk.change("my.yaml", teacher={"engine": {"kind": "batch", "model": "m"}, "guided": False})
    run = RunPaths(desk.folder / "runs/mine")
    shutil.rmtree(run.root / "teacher")
    for path in (run.root / "answers").rglob("*"):
        if path.is_file() and not path.name.startswith("base"):
            path.unlink()

    def send() -> None:
        folder = run.root / "teacher/batch"
        lines = (folder / "requests/requests-0001.jsonl").open()
        (folder / "results/1.jsonl").write_text("".join(_batch_result(line) for line in lines))

    play_scenario(desk, "batch", {"unprompted teacher my.yaml collect": send})
    answers = run.answers("candidates/train").read_text("utf-8").splitlines()
    assert len(answers) == 24


def _batch_result(request: str) -> str:
    """As vLLM's program or a batch API answers a line."""
    line = json.loads(request)
    response = {"status_code": 200, "request_id": "x", "body": reply_to(line["body"])}
    result = {"id": "y", "custom_id": line["custom_id"], "response": response, "error": None}
    return json.dumps(result) + "\n"


def test_rules(desk: Desk) -> None:
    """docs/rules.md, docs/faq.md: a draft where there is no file; a changed prompt stops the run
    until it is accepted."""
    rules, prompt = desk.folder / "rules.yaml", desk.folder / "prompt.yaml"
    draft = rules.read_text("utf-8")

    def change_prompt() -> None:
        assert rules.read_text("utf-8") == draft, "init and draft-rules draft alike"
        prompt.write_text(prompt.read_text("utf-8").replace("readers of", "all readers of"))
        stopped = desk.type("unprompted run my.yaml")
        assert stopped.code == 2 and "accept-prompt" in stopped.err

    drafts = (
        "unprompted judge experiment.yaml draft-rules",
        "unprompted judge my.yaml draft-rules",
        "unprompted judge CONFIG draft-rules",
    )
    before = dict.fromkeys(drafts, rules.unlink)
    accept = "unprompted judge experiment.yaml accept-prompt"
    play_scenario(desk, "rules", {**before, accept: change_prompt})
    assert desk.type("unprompted run my.yaml --dry-run").code == 0


def test_judging(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/judge.md, with a server that passes everything. Thresholds are undecided on six rows."""
    runs = desk.folder / "runs"
    shutil.copytree(runs / "mine", runs / "other")

    def label() -> None:
        (sheet,) = (runs / "mine").rglob("*.csv")
        monkeypatch.setitem(PLACEHOLDERS, "SHEET", str(sheet))
        rows = list(csv.DictReader(sheet.open(newline="", encoding="utf-8-sig")))
        with sheet.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(row | {"verdict": "bad"} for row in rows)

    gate = (
        "unprompted judge my.yaml gate judge.gate.strict_min=0.6 "
        "judge.gate.not_worse_than_teacher=0.05"
    )
    with serving(_judge) as server:
        for name in ("my.yaml", "experiment.yaml"):
            llm = {"kind": "server", "base_url": server.url, "model": "m"}
            desk.change(name, judge={"llm": llm})
        before = {"unprompted judge my.yaml import-labels SHEET": label}
        ended = play_scenario(desk, "judging", before, codes={gate: (1, 3)})
    assert "other (6 rows)" in ended["unprompted judge compare runs/mine runs/other"].out


def _judge(body: Body) -> Sent:
    """Every rule is due, and every answer passes."""
    return verdict("yes" if '"yes"' in json.dumps(body).replace("\\", "") else "pass")
