"""`unprompted judge CONFIG score` with its flags, on a small run folder and a local server."""

import json
from pathlib import Path
from typing import Any

import pytest

from config.errors import ConfigError
from config.judging import JudgeSettings, Prices, ServerSettings
from config.schema import Config
from data.run_paths import RunPaths
from judge.__main__ import judge_parser
from judge.records import JudgeResult
from judge.score import NoVerdicts, score_command
from tests.judge.llm.server import Sent, error, is_probe, serving, user, verdict
from tests.report.run_fixture import ROWS, make_run

NOWHERE = "http://127.0.0.1:9/v1"


def at(config: Config, url: str, prices: Prices | None = None) -> Config:
    """The run with a judging server, and without what an earlier judge left."""
    server = ServerSettings(base_url=url, model="m", price_per_million=prices)
    judge = JudgeSettings(llm=server, arms=("teacher",), max_missing=1.0)
    return config.model_copy(update={"judge": judge})


def scored(config: Config, *flags: str) -> tuple[int, JudgeResult]:
    """What the command returns and writes."""
    code = score_command(config, judge_parser().parse_args(["CONFIG", "score", *flags]))
    return code, JudgeResult.model_validate_json(RunPaths.of(config).scores.read_text())


def broken(body: dict[str, Any]) -> Sent:
    """One question is never answered in any form; another one only in a looser form."""
    if "Question 5?" in user(body):
        return Sent("no form")
    if "Question 6?" in user(body) and "structured_outputs" not in body:
        return Sent("no form")
    return verdict()


def test_the_note_says_what_was_done(tmp_path: Path) -> None:
    config = make_run(tmp_path)
    with serving(broken) as served:
        _, result = scored(at(config, served.url, Prices(prompt=1.0, completion=1.0)))
        note = result.judge
        assert note is not None and note.calls == len(served.bodies)
    assert (note.mode, note.unfounded) == ("json_schema", 0)
    assert note.fallbacks == {"structured_outputs": 2, "json_object": 1, "plain": 1}
    assert (note.prompt_tokens, note.completion_tokens) == (10 * note.calls, 5 * note.calls)
    assert note.cost == pytest.approx(15 * note.calls / 1e6)
    assert result.scores.arms["teacher"].rules["kind"].missing == {"malformed": 1}


def test_reparse_needs_no_server_and_retry_asks_what_is_missing(tmp_path: Path) -> None:
    config = make_run(tmp_path)
    with serving(broken) as served:
        _, first = scored(at(config, served.url))
        verdicts = RunPaths.of(config).verdicts.read_bytes()
        count = len(served.bodies)
        _, again = scored(at(config, served.url))  # a second score asks nothing
        assert len(served.bodies) == count and again.scores == first.scores
    _, read = scored(at(config, NOWHERE), "--reparse")
    assert read.scores == first.scores and RunPaths.of(config).verdicts.read_bytes() == verdicts
    assert read.judge is not None and first.judge is not None
    assert (read.judge.calls, read.judge.fallbacks) == (0, first.judge.fallbacks)
    with serving(lambda body: verdict("fail")) as served:
        _, mended = scored(at(config, served.url), "--retry-missing")
        assert len(served.bodies) == 1 and "Question 5?" in user(served.bodies[0])
    assert mended.scores.arms["teacher"].rules["kind"].missing == {}


def test_dry_run_asks_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = make_run(tmp_path)
    before = RunPaths.of(config).scores.read_bytes()
    with serving(lambda body: error(500)) as served:
        scored(at(config, served.url, Prices(prompt=1, completion=1)), "--dry-run")
        assert served.bodies == []
    output = capsys.readouterr().out
    assert f"{ROWS + 1} calls at most: 0 whether a rule applies, {ROWS} for verdicts" in output
    assert "bytes / 4" in output and "cost: about" in output
    assert RunPaths.of(config).scores.read_bytes() == before
    assert not RunPaths.of(config).judge_calls.exists()


def test_limits_of_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = make_run(tmp_path)
    with serving(lambda body: verdict()) as served:
        _, result = scored(at(config, served.url), "--max-calls", "5")
        assert len(served.bodies) == 5
        assert result.scores.arms["teacher"].rules["kind"].missing == {"budget": ROWS - 4}
    missing = f"{ROWS} verdicts expected, {ROWS - 4} missing (budget {ROWS - 4})"
    unasked = f"the limit left {ROWS - 4} questions unasked: run it again to go on"
    assert f"judge m (json_schema): 5 calls; {missing}; {unasked}" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="max_cost = 2: the server has no prices"):
        scored(at(config, NOWHERE), "--max-cost", "2")
    with pytest.raises(ConfigError, match="max_calls = 0"):
        scored(at(config, NOWHERE), "--max-calls", "0")


def test_the_embedded_model_is_not_started_to_read(tmp_path: Path) -> None:
    """A run that is wholly stored scores at once: no server, half a minute of start-up less."""
    config = make_run(tmp_path)
    with serving(lambda body: verdict()) as served:
        named = at(config, served.url)
        as_embedded = ServerSettings(base_url=served.url, model="embedded")
        judge = named.judge.model_copy(update={"llm": as_embedded})
        _, first = scored(named.model_copy(update={"judge": judge}))
        assert sum(map(is_probe, served.bodies)) == 1
    embedded = named.judge.model_copy(update={"llm": "embedded"})
    _, again = scored(config.model_copy(update={"judge": embedded}))
    assert again.scores == first.scores
    assert not (RunPaths.of(config).root / "judge" / "server.log").exists()


def test_raw_replies_are_in_the_runs_folder(tmp_path: Path) -> None:
    config = make_run(tmp_path)
    with serving(lambda body: verdict("fail")) as served:
        scored(at(config, served.url))
    lines = [json.loads(line) for line in RunPaths.of(config).judge_calls.read_text().splitlines()]
    assert {line["rule"] for line in lines} == {"probe", "kind"} and len(lines) == ROWS + 2


@pytest.mark.parametrize(
    ("sent", "line"),
    [
        (error(400, "Computer says no"), "by reason transport: HTTP 400: Computer says no; fix"),
        (Sent("no form"), "by reason malformed: no form; fix"),
        (verdict("cannot_judge"), "by reason cannot_judge: So it is.; fix"),
    ],
)
def test_a_judge_without_one_verdict_does_not_end_well(
    tmp_path: Path, sent: Sent, line: str
) -> None:
    """Once the scores are written, and under the code that the pipeline knows as inconclusive."""
    config = make_run(tmp_path)
    respond = lambda body: verdict() if is_probe(body) else sent  # noqa: E731
    with serving(respond) as served, pytest.raises(NoVerdicts, match=line) as caught:
        scored(at(config, served.url))
    assert caught.value.exit_code == 3 and RunPaths.of(config).scores.exists()


def test_verdicts_that_were_never_asked_for_are_not_lost(tmp_path: Path) -> None:
    """A limit that the user sets, and reading again what is stored, end as before."""
    config = make_run(tmp_path)
    with serving(lambda body: verdict()) as served:
        assert scored(at(config, served.url), "--max-calls", "1")[0] == 0
    assert scored(at(config, NOWHERE), "--reparse")[0] == 0
