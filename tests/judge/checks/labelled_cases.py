"""Answers that a careful reader labelled, and how the checks in code decide them."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from config.load import load_config, validated
from config.schema import PromptSettings
from config.yaml_file import read_yaml
from data.rows import Context, Row
from judge.checks.kinds import CheckContext, run_check
from prompts.check_settings import CodeCheck
from prompts.prompt_file import Prompt, load_prompt, read_prompt
from prompts.rules import Normalise, RuleFile

ROOT = Path(__file__).resolve().parents[3]
_CAMPUS_RULES = ROOT / "prompts/hse/rules.yaml"
CAMPUS = ROOT.parent / "shared/hse/system_prompt.yaml"
_CHECK: TypeAdapter[CodeCheck] = TypeAdapter(CodeCheck)
_NO_PROMPT = Prompt(system="You are a help desk.", user_template="{summaries}{question}")


class LabelledCase(NamedTuple):
    """An answer, the check, and whether the answer obeys it as a careful reader sees it."""

    id: str
    kind: str
    settings: dict[str, Any]
    question: str
    contexts: Sequence[str]
    prompt: str | None  # "lakeside", "hse"
    phrases: Sequence[str]
    answer: str
    truth: str  # "pass" or "fail"
    why: str

    def passes(self) -> bool:
        """Whether the check passes the answer."""
        row = Row(
            id=self.id,
            question=self.question,
            contexts=tuple(Context(text=text) for text in self.contexts),
        )
        context = CheckContext(_prompt(self.prompt), Normalise(), tuple(self.phrases))
        check = _CHECK.validate_python(self._settings())
        return run_check(check, row, self.answer.strip(), context).passed

    def _settings(self) -> dict[str, Any]:
        """Of a regular expression of the campus rules: as the rule of this name has it now."""
        rule = self.kind.removeprefix("regex:")
        return self.settings if rule == self.kind else _campus_checks()[rule]


class WrongVerdicts(NamedTuple):
    """The cases that a check decides otherwise than the reader."""

    false_fails: tuple[LabelledCase, ...]
    false_passes: tuple[LabelledCase, ...]

    def table(self, cases: Sequence[LabelledCase]) -> str:
        """A line per kind: cases, false fails, false passes."""
        counts = [
            Counter(case.kind for case in group)
            for group in (cases, self.false_fails, self.false_passes)
        ]
        lines = [f"{kind:<24}" + "".join(f"{c[kind]:>5}" for c in counts) for kind in counts[0]]
        total = f"{'all':<24}" + "".join(f"{c.total():>5}" for c in counts)
        return "\n".join([*lines, total])


@cache
def _campus_checks() -> dict[str, dict[str, Any]]:
    rules = validated(RuleFile, read_yaml(_CAMPUS_RULES), str(_CAMPUS_RULES)).rules
    return {rule.id: rule.check.model_dump() for rule in rules}


@cache
def _prompt(name: str | None) -> Prompt:
    if name is None:
        return _NO_PROMPT
    if name == "hse":
        return read_prompt(PromptSettings(system=str(CAMPUS), rules=""), ROOT)
    return load_prompt(load_config(ROOT / "config/demo.yaml", []).prompt, ROOT)[0]


def load_cases(path: Path) -> list[LabelledCase]:
    """The cases of a JSONL file; keys that a case lacks are empty."""
    empty = {"question": "", "contexts": (), "prompt": None, "phrases": (), "why": ""}
    lines = path.read_text("utf-8").splitlines()
    return [LabelledCase(**{**empty, **json.loads(line)}) for line in lines if line.strip()]


def wrong_verdicts(cases: Iterable[LabelledCase]) -> WrongVerdicts:
    """The cases that the checks decide wrongly."""
    wrong = [case for case in cases if case.passes() != (case.truth == "pass")]
    return WrongVerdicts(
        tuple(case for case in wrong if case.truth == "pass"),
        tuple(case for case in wrong if case.truth == "fail"),
    )
