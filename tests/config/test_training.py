"""What of a student's settings cannot work together: refused when read, with the way out."""

from pathlib import Path

import pytest

from config.errors import ConfigError
from config.load import load_config
from config.peft_methods import LoraMethod, PrefixTuningMethod

DEMO = Path(__file__).parents[2] / "config/demo.yaml"
METHOD = "students.0.method={kind: %s}"
NO_TEXT_OBJECTIVE = "students.0.objective={kind: on_policy}"
RETAINS = "students.0.retention={questions: q.txt}"


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (
            ["students.0.method.targets=[q_proj, lm_head]"],
            r"targets: lm_head cannot be adapted: .*; leave it out",
        ),
        (
            [METHOD % "full", NO_TEXT_OBJECTIVE],
            r"student lora: method full leaves no untouched base; use objective ce",
        ),
        (
            [METHOD % "full", RETAINS],
            r"student lora: method full leaves no untouched base; .* no retention",
        ),
        (
            [METHOD % "prompt_tuning", "predict.sampling.temperature=0.7"],
            r"prompt_tuning is served by transformers with greedy decoding; set .*temperature: 0",
        ),
        (
            [METHOD % "dora", "predict.serve=adapter"],
            r"vLLM cannot serve dora as an adapter; use lora.* or predict.serve: auto",
        ),
        (
            ["students.0.method.rank=513", "predict.serve=adapter"],
            r"rank 513 is above 512, .*; lower it, or set predict.serve: auto",
        ),
        (
            ["students.0.start=lora-lr1e-3"],
            r"lora: start 'lora-lr1e-3' is not an earlier student of the list",
        ),
        (
            ["students.1.start=lora", "students.1.method.rank=8"],
            r"lora-lr1e-3: start 'lora' has another method; use the same method",
        ),
        (
            ["students.0.objective={kind: kl}", "teacher.sampling.logprobs=null"],
            r"kl with teacher: stored needs .*teacher.sampling.logprobs: 20, or .*adapter_off",
        ),
        (["students.1.name=lora"], r"students: names must differ"),
        (["students.0.name=base"], r"`base` is the name of the untrained arm; rename the student"),
    ],
)
def test_what_cannot_work_is_refused(overrides: list[str], line: str) -> None:
    """One line that names the student or the setting, and what to set instead."""
    with pytest.raises(ConfigError, match=line) as refused:
        load_config(DEMO, overrides)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "overrides",
    [
        [METHOD % "full"],
        [METHOD % "full", "students.0.objective={kind: kl}"],
        [
            *(METHOD % "prefix_tuning", NO_TEXT_OBJECTIVE, RETAINS),
            "students.0.first_token_weight=1",
        ],
        [METHOD % "dora", "students.0.objective={kind: kl, teacher: adapter_off}"],
        ["students.0.method.rank=512", "predict.serve=adapter"],
        ["students.1.start=lora"],
    ],
)
def test_what_can_work_is_taken(overrides: list[str]) -> None:
    """The refusals above are not so wide that they take these along."""
    assert load_config(DEMO, overrides).students


def test_an_adapter_that_vllm_does_not_take_is_folded() -> None:
    """vLLM serves rank 512 at most."""
    assert LoraMethod(rank=512).served == "adapter"
    assert LoraMethod(rank=513).served == "folded"
    assert LoraMethod(kind="dora", rank=8).served == "folded"
    assert PrefixTuningMethod().served == "live"
