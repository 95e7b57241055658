"""The lines of `try-rules`: each rule with its counts, examples, and what to look at."""

from collections import Counter
from collections.abc import Iterator, Sequence

from data.rows import Row
from judge.checks.applicability import by_model
from judge.checks.unmatched_conditions import unmatched_reason
from judge.try_rules.trial import RuleTrial, TriedAnswer, TriedOutcome
from prompts.check_settings import LlmCheck
from prompts.rules import ScoredRule, one_line

_EXCERPT = 160  # characters of an answer
_EVIDENCE = 120
_CHECK = 100
SCORE_COMMAND = "unprompted judge CONFIG score"


def trial_lines(trials: Sequence[RuleTrial], rows: Sequence[Row]) -> Iterator[str]:
    """The whole output, without line breaks inside a line."""
    systems = Counter(system for row in rows for system in row.answers)
    answers = ", ".join(f"{system} {count}" for system, count in systems.items())
    yield f"{len(rows)} rows of train and val; logged answers: {answers or 'none'}"
    if not systems:
        yield "without logged answers nothing passes or fails; name their column in fields.answers"
    looks = list[str]()
    for trial in trials:
        findings = list(_findings(trial, rows, bool(systems)))
        looks += [trial.scored.id] * bool(findings)
        yield ""
        yield _title(trial.scored)
        yield f"  {_counts(trial, rows, len(systems) > 1)}"
        yield from (f"  look: {finding}" for finding in findings)
        for outcome, tried in trial.examples.items():
            yield from (_example(trial.scored, outcome, answer) for answer in tried)
    yield ""
    if needing := [trial.scored.id for trial in trials if by_model(trial.scored)]:
        yield f"a language model takes part in {', '.join(needing)}: `{SCORE_COMMAND}` asks it"
    yield f"rules to look at: {', '.join(looks) or 'none'}"


def _title(scored: ScoredRule) -> str:
    rule = scored.rule
    if isinstance(rule.check, LlmCheck):
        check = f"llm: {one_line(rule.check.passes)}"
    else:
        values = rule.check.model_dump(mode="json", exclude_defaults=True, exclude={"type"})
        check = " ".join([rule.check.type, *(f"{key}={value!r}" for key, value in values.items())])
    meaning = "; must fail where the rule is not due" if scored.converse else ""
    return f"{scored.id} ({rule.severity}{meaning})  {_cut(check, _CHECK)}"


def _counts(trial: RuleTrial, rows: Sequence[Row], by_system: bool) -> str:
    if trial.due is None:
        due = "a language model decides when it is due"
        if trial.runs:
            due += "; on all answers, due or not"
    elif trial.due == len(rows):
        due = f"due on all {len(rows)} rows"
    else:
        due = f"due on {trial.due} of {len(rows)} rows"
    parts = [due]
    if trial.undecided:
        parts.append(f"undecided on {trial.undecided} without labels")
    if trial.runs:
        parts += [_outcome(trial, "pass", "passes", by_system)]
        parts += [_outcome(trial, "fail", "fails", by_system)]
    else:
        parts.append("not run: a language model decides it")
    if trial.unread:
        parts.append(f"{trial.unread} answers too long to check")
    return " · ".join(parts)


def _outcome(trial: RuleTrial, outcome: TriedOutcome, word: str, by_system: bool) -> str:
    systems = {name: count for (kind, name), count in trial.by_system.items() if kind == outcome}
    detail = ""
    if by_system and systems:
        detail = f" ({', '.join(f'{name} {count}' for name, count in sorted(systems.items()))})"
    return f"{word} {trial.count(outcome)}{detail}"


def _findings(trial: RuleTrial, rows: Sequence[Row], has_answers: bool) -> Iterator[str]:
    """What a person should look at."""
    if trial.due == 0:
        yield from _never_due(trial.scored, rows)
        return
    passes, fails = trial.count("pass"), trial.count("fail")
    if not trial.runs or not has_answers:
        return
    if not passes + fails:
        yield "the rows on which it is due have no logged answer"
    elif trial.due is not None and not fails:
        yield f"all {passes} answers pass"
    elif trial.due is not None and not passes:
        yield f"all {fails} answers fail: does it check what the prompt demands?"
    elif trial.due is None and not passes:
        yield f"none of {fails} answers would pass it"


def _never_due(scored: ScoredRule, rows: Sequence[Row]) -> Iterator[str]:
    """Why a rule is due on no row."""
    if scored.converse:
        yield "its rule is due on every row that is decided, so this converse is due on none"
    elif (reason := unmatched_reason(scored.rule, rows)) is not None:
        yield reason


def _example(scored: ScoredRule, outcome: TriedOutcome, tried: TriedAnswer) -> str:
    keeps_end = scored.rule.check.type == "ends_with"
    evidence = f"  [{_cut(tried.evidence, _EVIDENCE)}]" if tried.evidence else ""
    text = _cut(tried.text, _EXCERPT, keeps_end)
    return f"  {outcome}  {tried.row} ({tried.system}): {text}{evidence}"


def _cut(text: str, most: int, keeps_end: bool = False) -> str:
    """The text on one line and of at most so many characters: its beginning, or its end."""
    line = one_line(text)
    if len(line) <= most:
        return line
    return f"… {line[2 - most :]}" if keeps_end else f"{line[: most - 2]} …"
