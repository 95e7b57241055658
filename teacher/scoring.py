"""Answers with their verdicts: by the code rules and, where the settings want it, the LLM judge.

Knows what verdicts make of an answer; leaves asking for answers and the choice to others.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from config.errors import DataError
from config.judging import ServerSettings
from config.schema import Config
from data.answers import Answer, read_answers
from data.rows import Row
from data.run_paths import RunPaths
from judge.checks.check import code_verdicts
from judge.llm.judge import LlmJudge
from judge.score import stated_server
from judge.verdict import Verdict
from prompts.prompt_file import Prompt
from prompts.rules import RuleFile

BASE = "candidates/base"  # arm of the base's own answers to the train rows
_REPAIRED = "repaired/"


class ScoredCandidate(NamedTuple):
    """An answer with a verdict by each rule that was asked."""

    answer: Answer
    verdicts: list[Verdict]


class Standing(NamedTuple):
    """An answer's verdicts in counts.

    Open: the verdict is missing. A rule that only the row's missing labels leave open is not
    counted: it is open for every answer to the row, so it decides nothing between them.
    """

    must_broken: int
    must_open: int
    should_broken: int
    should_open: int

    @property
    def obedient(self) -> bool:
        """Whether it is known to break no must-rule."""
        return self.must_broken == self.must_open == 0

    @property
    def flawless(self) -> bool:
        """Whether it is known to break no rule at all."""
        return sum(self) == 0


def standing(verdicts: Sequence[Verdict], must: Collection[str]) -> Standing:
    """What the verdicts make of an answer."""
    broken = [verdict.rule in must for verdict in verdicts if verdict.outcome == "fail"]
    open_ = [
        verdict.rule in must
        for verdict in verdicts
        if verdict.outcome == "missing" and verdict.reason != "unlabelled"
    ]
    return Standing(sum(broken), sum(open_), broken.count(False), open_.count(False))


def rank(judged: ScoredCandidate, must: Collection[str]) -> tuple[bool, Standing, float, int]:
    """The least is the best: whole, fewest broken must-rules, then should-rules, then the answer
    that the model found most likely, then the first."""
    answer, verdicts = judged
    logprobs = answer.logprobs
    likely = sum(logprobs) / len(logprobs) if logprobs else 0.0
    return not answer.usable, standing(verdicts, must), -likely, answer.sample


def repaired_arm(arm: str) -> str:
    """The arm of the answers that mend those of `arm`; they are stored beside them."""
    return _REPAIRED + arm


def is_repaired(answer: Answer) -> bool:
    """Whether a candidate was asked for behind a failed one."""
    return answer.arm.startswith(_REPAIRED)


class Scorer:
    """Judges candidates by all rules that have a judge."""

    def __init__(
        self, config: Config, prompt: Prompt, rules: RuleFile, server: ServerSettings | None = None
    ) -> None:
        """`server`: a running judge. None: where the settings want the LLM judge, the replies that
        it has given count, and the other verdicts are missing.
        """
        self.rules = rules
        self._prompt = prompt
        self._asks = server is not None
        self._llm = None
        stated = server or stated_server(config)
        if config.teacher.judged and stated is not None:
            settings = config.judge.model_copy(update={"arms": None})  # these are no arms
            calls = RunPaths.of(config).teacher_calls
            self._llm = LlmJudge(stated, settings, rules, prompt, calls)

    def score(self, answers: Sequence[Answer], rows: Mapping[str, Row]) -> list[ScoredCandidate]:
        """Every answer with its verdicts. Raises what `LlmJudge.verdicts` raises."""
        pairs = [(answer.shown(rows[answer.row]), answer) for answer in answers]
        found = [
            ScoredCandidate(answer, code_verdicts(self.rules, self._prompt, row, answer))
            for row, answer in pairs
        ]
        if self._llm is None:
            return found
        asked = self._llm.verdicts(pairs, "new" if self._asks else "none")
        each = len(asked) // max(1, len(pairs))  # verdicts of one answer
        for place, one in enumerate(found):
            one.verdicts.extend(asked[place * each : (place + 1) * each])
        return found


class Candidates(NamedTuple):
    """Everything that was drawn, judged."""

    train: list[ScoredCandidate]
    val: list[ScoredCandidate]
    base: dict[str, ScoredCandidate]  # row of train → the base's answer without the prompt


def stored_candidates(config: Config, prompt: Prompt, rules: RuleFile) -> Candidates:
    """The candidates as `generate` left them; nobody is asked anything.

    Raises DataError when the base was not asked about a row.
    """
    run, scorer = RunPaths.of(config), Scorer(config, prompt, rules)
    train = {row.id: row for row in run.training_rows(config)}
    val = {row.id: row for row in run.rows("val")}
    found = Candidates(
        scorer.score(read_answers(run.answers("candidates/train")), train),
        scorer.score(read_answers(run.answers("candidates/val")), val),
        {one.answer.row: one for one in scorer.score(read_answers(run.answers(BASE)), train)},
    )
    for one in found.train:
        if one.answer.row not in found.base:
            raise DataError(
                f"{run.answers(BASE)}: the base's answer to row {one.answer.row} is not there; "
                "run `python -m teacher CONFIG generate` first"
            )
    return found
