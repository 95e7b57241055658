"""Probing: the strictest output mode that the server supports."""

from pathlib import Path
from typing import Any

import pytest

from config.errors import SetupError
from tests.judge.llm.judge_factory import judge_at, judged, outcomes, pairs_of
from tests.judge.llm.server import Sent, error, output_mode, user, verdict


class TestModes:
    @pytest.mark.parametrize(
        ("mode", "key"),
        [
            ("structured_outputs", "structured_outputs"),
            ("json_object", "response_format"),
            ("plain", None),
        ],
    )
    def test_ladder(self, tmp_path: Path, mode: str, key: str | None) -> None:
        def respond(body: dict[str, Any]) -> Sent:
            if output_mode(body) != mode:
                return (
                    error(400, "unsupported")
                    if output_mode(body) != "json_object"
                    else Sent("prose")
                )
            return Sent("REASONING: ok\nVERDICT: pass") if mode == "plain" else verdict()

        verdicts, sent, judge = judged(respond, tmp_path, pairs_of(1))
        assert judge.mode == mode and outcomes(verdicts) == [("pass", None)]
        assert key is None or key in sent[0]

    def test_probe_is_long_and_shrinks_for_a_small_model(self, tmp_path: Path) -> None:
        lengths = []

        def respond(body: dict[str, Any]) -> Sent:
            lengths.append(len(user(body)))
            if lengths[-1] > 2500:
                return error(400, "maximum context length is 2048 tokens")
            return verdict()

        _, _, judge = judged(respond, tmp_path, pairs_of(1))
        assert judge.mode == "json_schema" and lengths[0] > 3000 > lengths[1]

    def test_dead_server_is_one_line(self, tmp_path: Path) -> None:
        with pytest.raises(SetupError, match=r"answers no request; start the server"):
            judge_at("http://127.0.0.1:9/v1", tmp_path).verdicts(pairs_of(2))
