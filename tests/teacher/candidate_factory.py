"""Made-up candidates with verdicts, and an experiment whose answers are all scripted."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from config.load import load_config
from config.schema import Config
from data.answers import Answer, Finish
from data.jsonl import write_records
from data.rows import Context, Row
from data.run_paths import RunPaths
from engine.base import Completion, Request
from engine.request_builder import RequestBuilder
from judge.verdict import Outcome, Verdict
from prompts.rules import RuleFile
from teacher.scored_candidate import ScoredCandidate
from teacher.scoring import Candidates, stored_candidates
from tests.engine.fake_engine import fake_top_logprobs

ROOT = Path(__file__).resolve().parents[2]
GOOD = "Lakeside desk: The museum opens at ten. Anything else?"
BAD = "The museum opens at ten."
REMINDER = "Keep in mind for this answer:"  # behind the question, in English

RULES = RuleFile.model_validate(
    {
        "version": 1,
        "prompt_sha256": "x",
        "rules": [
            {"id": "must", "source": "Give JSON.", "check": {"type": "json"}},
            {"id": "should", "source": "s", "severity": "should", "check": {"type": "json"}},
        ],
    }
)


def candidate(
    row: str,
    sample: int,
    outcomes: tuple[Outcome, Outcome] = ("pass", "pass"),
    logprob: float = -1.0,
    text: str = "",
    finish: Finish = "stop",
) -> ScoredCandidate:
    """A candidate with its verdicts on the two rules."""
    answer = Answer(
        key=f"{row}{sample}",
        arm="c",
        row=row,
        sample=sample,
        text=text or f"answer {sample}",
        token_ids=(sample, 9),
        finish=finish,
        seed=0,
        prompt_tokens=1,
        logprobs=(logprob,),
    )
    verdicts = [
        Verdict(
            arm="c",
            row=row,
            sample=sample,
            rule=rule,
            outcome=outcome,
            reason="malformed" if outcome == "missing" else None,
        )
        for rule, outcome in zip(("must", "should"), outcomes, strict=True)
    ]
    return ScoredCandidate(answer, verdicts, RULES.must_rules)


def unlabelled(scored: ScoredCandidate) -> ScoredCandidate:
    """The same candidate of a row without the labels that its missing verdicts need."""
    verdicts = [
        verdict.model_copy(update={"reason": verdict.reason and "unlabelled"})
        for verdict in scored.verdicts
    ]
    return replace(scored, verdicts=verdicts)


def reminded(scored: ScoredCandidate) -> ScoredCandidate:
    """The same candidate, drawn with a reminder."""
    return replace(scored, answer=scored.answer.model_copy(update={"how": "reminded"}))


class ScriptedEngine:
    """Answers a question well from its own round on: "good at 2" in the third round.

    Without the prompt it answers badly, except for a question that the "base knows".
    """

    identity = "scripted"
    max_length = 4096

    def __init__(self, builder: RequestBuilder) -> None:
        self._decode = builder.renderer.tokenizer.decode
        self.asked: Counter[str] = Counter()  # candidates, by question
        self.reminded: list[str] = []  # prompts with a reminder
        self.bare = 0  # questions without the prompt

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """The text depends on how often the question was asked before."""
        for request in requests:
            text = self._text(self._decode(list(request.prompt_ids)), request)
            width = request.sampling.logprobs
            top_logprobs = fake_top_logprobs((1, 2), width) if width else None
            yield Completion(request.key, text, (1, 2), "stop", top_logprobs=top_logprobs)

    def _text(self, prompt: str, request: Request) -> str:
        question = prompt.rsplit("Question: ", 1)[1].split("<|im_end|>")[0].split("\n\n")[0]
        if REMINDER in prompt:
            self.reminded.append(prompt)
        if "You are the help desk" not in prompt:
            self.bare += 1
            return GOOD if "base knows" in question else BAD
        sampled = request.sampling.temperature > 0
        good = sampled and self.asked[question] >= int(question.rsplit(" ", 1)[1])
        self.asked[question] += sampled
        return GOOD if good else BAD

    def close(self) -> None:
        """Nothing to free."""


def experiment(folder: Path, rounds: dict[str, int], *changes: str) -> Config:
    """The demo's prompt and rules; each train row gets a good answer from its round on."""
    settings = ["name=t", f"runs={folder}", "teacher.candidates=4"]
    settings += ["teacher.max_same_text_share=null", *changes]  # all rows learn the same text
    config = load_config(ROOT / "config/demo.yaml", settings)
    run = RunPaths.of(config)
    passage = (Context(text="The museum opens at ten in the morning."),)
    rows = [
        Row(
            id=name,
            question=f"When does the museum open, {name}, good at {at}",
            contexts=passage,
            labels=(),
        )
        for name, at in rounds.items()
    ]
    write_records(run.split("train"), rows)
    write_records(run.split("val"), [rows[0].model_copy(update={"id": "v"})])
    return config


def stored(config: Config) -> tuple[RuleFile, Candidates]:
    """The rules, and the candidates that `generate` stored."""
    builder = RequestBuilder(config)
    return builder.rules, stored_candidates(config, builder.prompt, builder.rules)
