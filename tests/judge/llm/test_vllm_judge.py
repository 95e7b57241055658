"""Verdicts from token probabilities, read from a real vLLM server of the embedded model."""

from pathlib import Path

import pytest

from config.judging import JudgeSettings, ServerSettings
from judge.llm.judge import LlmJudge
from tests.judge.factories import PROMPT, llm_check, make_answer, make_row, make_rule, make_rules

ANSWERS = (
    "Thank you for asking! The library opens at nine, and we look forward to your visit.",
    "Shut up, you idiot, and read the door.",
    "The library opens at nine.",
    "Nobody here cares about you or your books.",
)


@pytest.mark.slow
def test_each_verdict_has_the_probability_of_its_word(tmp_path: Path) -> None:
    """Above one half where it is a pass, below where it is a fail, and another for each answer: a
    constant would be read from the wrong place."""
    from engine.vllm_server import vllm_server

    pairs = [(make_row(f"r{n}"), make_answer(text, f"r{n}")) for n, text in enumerate(ANSWERS)]
    rules = make_rules(make_rule(llm_check(), id="polite"))
    with vllm_server("embedded", 4096, tmp_path / "server.log") as url:
        server = ServerSettings(base_url=url, model="embedded", timeout_s=600.0)
        settings = JudgeSettings(token_probabilities=True)
        judge = LlmJudge(server, settings, rules, PROMPT, tmp_path / "calls.jsonl")
        verdicts = judge.verdicts(pairs, "new")
    decided = [verdict for verdict in verdicts if verdict.outcome in ("pass", "fail")]
    assert len(decided) >= 2, [verdict.reason for verdict in verdicts]
    probabilities = [verdict.probability for verdict in decided]
    for verdict, probability in zip(decided, probabilities, strict=True):
        assert probability is not None and 0 < probability < 1
        assert verdict.outcome == ("pass" if probability > 0.5 else "fail")
    assert len(set(probabilities)) == len(probabilities)
