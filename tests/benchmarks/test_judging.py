"""The benchmark's server answers each judge in its form, and the figures come out."""

import asyncio
import json
import re
from pathlib import Path

import pytest

from benchmarks.judging.__main__ import JudgingFigures, run
from benchmarks.judging.items import PROMPT, RULES, make_items
from benchmarks.judging.server import reply_text, serving, stats
from config.judging import JudgeSettings, ServerSettings
from judge.llm.judge import LlmJudge


def asked(said: str, **form: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": said}], **form}


class TestServer:
    def test_our_judge_reads_every_verdict(self, tmp_path: Path) -> None:
        items = make_items(12)
        with serving(0.0) as url:
            server = ServerSettings(base_url=url, model="m", api_key_env="")
            judge = LlmJudge(server, JudgeSettings(), RULES, PROMPT, tmp_path / "asked.jsonl")
            verdicts = judge.verdicts(items)
            assert stats(url).requests == judge.usage.calls == 13
        assert judge.mode == "json_schema"
        assert {verdict.outcome for verdict in verdicts} == {"pass", "fail"}
        assert not any(verdict.note.startswith("evidence") for verdict in verdicts)

    def test_what_inspect_ai_asks(self) -> None:
        assert re.search(r"\nGRADE: [CI]$", reply_text(asked("reply with 'GRADE: $LETTER'")))

    def test_what_deepeval_asks(self) -> None:
        assert json.loads(reply_text(asked('JSON with "steps"')))["steps"]
        scored = json.loads(reply_text(asked('fields "score" and "reason"')))
        assert 0 <= scored["score"] <= 10 and scored["reason"]

    def test_waits_its_latency_and_holds_all_at_once(self) -> None:
        """64 connections that ask at once are all in flight before the first is answered."""
        body = json.dumps({"messages": [{"content": "a"}]}).encode()
        request = b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(body) + body

        async def one(port: int) -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request[:50])  # a request may come in pieces
            await asyncio.sleep(0.01)
            writer.write(request[50:])
            line = await reader.readline()
            writer.close()
            return line

        async def all_of(port: int) -> list[bytes]:
            return await asyncio.gather(*(one(port) for _ in range(64)))

        with serving(0.5) as url:
            lines = asyncio.run(all_of(int(url.split(":")[2].split("/")[0])))
            assert lines == [b"HTTP/1.1 200 OK\r\n"] * 64
            assert stats(url).most_in_flight == 64 and stats(url).late_s >= 0


def test_items_differ_and_are_enough() -> None:
    items = make_items(2000)
    assert len({(item.row.question, item.row.contexts, item.answer.text) for item in items}) == 2000


def test_figures_of_a_few_items() -> None:
    figures, table = run(count=10, skip_peers=True)
    assert figures.wall_over_ideal >= 1 and figures.ms_per_verdict > 0
    keys = {"wall_over_ideal", "vs_inspect_ai", "vs_deepeval", "ms_per_verdict", "rescore_s"}
    assert set(json.loads(figures.model_dump_json())) == keys
    assert figures.vs_deepeval is None and "not measured: --skip-peers" in table
    assert JudgingFigures.model_validate_json(figures.model_dump_json()) == figures
    with pytest.raises(ValueError, match="extra"):
        JudgingFigures.model_validate({**figures.model_dump(), "other": 1})
