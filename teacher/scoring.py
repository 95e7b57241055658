"""Scores candidates with the code rules and, with `teacher.score_with_llm`, the LLM judge.

An answer is scored once, when it arrives; later readers take the stored verdicts. Sampling and
selection are left to other modules.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from config.errors import DataError
from config.judging import ServerSettings
from config.schema import Config
from data.answers import Answer, read_answers
from data.records import digest
from data.rows import Row
from data.run_paths import RunPaths
from data.stale_answers import refuse_stale, refuse_unknown_rows
from data.stored_file import is_stored
from judge.checks import check
from judge.checks.check import code_verdicts
from judge.judging_server import configured_server
from judge.llm.judge import LlmJudge
from judge.llm.templates import TEMPLATES, templates_sha256
from judge.verdict import Missing, Verdict
from prompts.prompt_file import Prompt
from prompts.rules import RuleFile, rules_sha256
from teacher.guided.row_case import row_case
from teacher.scored_candidate import ScoredCandidate
from teacher.verdict_store import VerdictStore, open_verdicts

GENERATE = "unprompted teacher CONFIG generate"
BASE_ARM = "candidates/base"  # the base's own answers to the train rows, without the prompt
_RETRIED: tuple[Missing, ...] = ("transport", "budget", "not_run")  # the judge gave no reply


class Scorer:
    """Gives answers their verdicts: stored ones, else those of the code rules and the judge."""

    def __init__(
        self, config: Config, prompt: Prompt, rules: RuleFile, server: ServerSettings | None = None
    ) -> None:
        """`server`: a running judge. None: only cached replies of the judge are used, and its other
        verdicts are missing."""
        self._rules = rules
        self._prompt = prompt
        self._has_server = server is not None
        self._llm: LlmJudge | None = None
        stated = server or configured_server(config)
        judge: dict[str, object] | None = None
        if config.teacher.score_with_llm and stated is not None:
            settings = config.judge.model_copy(update={"arms": None})  # candidates are no arms
            calls, second = RunPaths.of(config).teacher_calls, settings.second
            self._llm = LlmJudge(stated, settings, rules, prompt, calls)
            shape = {"max_tokens", "rules_per_call", "temperature", "samples"}
            judge = {
                "model": stated.model,
                "settings": settings.model_dump(include=shape),
                "templates": templates_sha256(TEMPLATES),
                **({"request_changes": stated.changes} if stated.changes else {}),
                **({"token_probabilities": True} if settings.token_probabilities else {}),
                **({"second": [second.model, second.changes]} if second else {}),
            }
        checks = sorted(Path(check.__file__).parent.glob("*.py"))
        code = [path.read_text("utf-8") for path in checks]
        self._fingerprint = digest([rules_sha256(rules), prompt.sha256, code, judge])

    def score(
        self, answers: Iterable[Answer], rows: Mapping[str, Row], store: VerdictStore
    ) -> list[ScoredCandidate]:
        """Every answer with its verdicts; new ones are stored.

        Raises what `LlmJudge.verdicts` raises.
        """
        answers = list(answers)
        shown = [answer.shown(rows[answer.row]) for answer in answers]
        keys = [self._key(row, answer) for row, answer in zip(shown, answers, strict=True)]
        verdicts = [store.get(key) for key in keys]
        unscored = [
            place
            for place, known in enumerate(verdicts)
            if known is None or (self._has_server and any(v.reason in _RETRIED for v in known))
        ]
        pairs = [(shown[place], answers[place]) for place in unscored]
        for place, new in zip(unscored, self._new_verdicts(pairs), strict=True):
            store[keys[place]] = verdicts[place] = new
        must_rules = self._rules.must_rules
        return [
            ScoredCandidate(answer, known or (), must_rules)
            for answer, known in zip(answers, verdicts, strict=True)
        ]

    def _key(self, row: Row, answer: Answer) -> str:
        owner = [answer.arm, answer.row, answer.sample]
        content = [row.model_dump(mode="json"), answer.text, answer.finish]
        return digest([self._fingerprint, owner, content])

    def _new_verdicts(self, pairs: Sequence[tuple[Row, Answer]]) -> list[list[Verdict]]:
        verdicts = [code_verdicts(self._rules, self._prompt, row, answer) for row, answer in pairs]
        if self._llm is None or not pairs:
            return verdicts
        by_llm = self._llm.verdicts(pairs, "new" if self._has_server else "none")
        per_answer = len(by_llm) // len(pairs)
        for place, of_answer in enumerate(verdicts):
            of_answer.extend(by_llm[place * per_answer : (place + 1) * per_answer])
        return verdicts


class Candidates(NamedTuple):
    """Every stored candidate with its verdicts."""

    train: list[ScoredCandidate]
    val: list[ScoredCandidate]
    base: dict[str, ScoredCandidate]  # train row → the base's answer without the prompt
    due: dict[str, tuple[str, ...]]  # train row → conditional rules that are known to be due on it


def stored_candidates(config: Config, prompt: Prompt, rules: RuleFile) -> Candidates:
    """The candidates that `generate` stored. Neither model nor judge is asked.

    Raises DataError when there are none, when they answer other rows or another prompt, when the
    base has no answer to a row, or when `generate` is still running.
    """
    run, scorer = RunPaths.of(config), Scorer(config, prompt, rules)
    train = {row.id: row for row in run.training_rows(config)}
    val = {row.id: row for row in run.rows("val")}

    _refuse_stale_candidates(config, prompt)

    def scored(arm: str, rows: Mapping[str, Row]) -> list[ScoredCandidate]:
        path = run.answers(arm)
        answers = read_answers(path)
        refuse_unknown_rows(path, answers, rows, GENERATE)
        with open_verdicts(path) as store:
            return scorer.score(answers, rows, store)

    base = {candidate.answer.row: candidate for candidate in scored(BASE_ARM, train)}
    sampled = scored("candidates/train", train)
    due = _due_by_row(rules, sampled)
    candidates = Candidates(sampled, scored("candidates/val", val), base, due)
    for candidate in candidates.train:
        if candidate.answer.row not in base:
            raise DataError(
                f"{run.answers(BASE_ARM)}: the base has no answer to row {candidate.answer.row}; "
                f"run `{GENERATE}` first"
            )
    return candidates


def _due_by_row(
    rules: RuleFile, candidates: Iterable[ScoredCandidate]
) -> dict[str, tuple[str, ...]]:
    verdicts: dict[str, list[Verdict]] = defaultdict(list)
    for candidate in candidates:
        verdicts[candidate.answer.row].extend(candidate.verdicts)
    return {row: row_case(rules, of_row).due for row, of_row in verdicts.items()}


def _refuse_stale_candidates(config: Config, prompt: Prompt) -> None:
    run = RunPaths.of(config)
    for arm, prompted in ((BASE_ARM, False), ("candidates/train", True)):
        path = run.answers(arm)
        if not is_stored(path):
            raise DataError(f"{path}: not there; run `{GENERATE}` first")
        expected = {"prompt": prompt.of_view(prompted)}
        refuse_stale(path, expected, run.training_rows(config), GENERATE)
