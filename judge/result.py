"""What the judge leaves on disk: the scores, and what they rest on."""

from data.records import Record
from judge.agreement import Agreement
from judge.tables import Scores


class JudgeNote(Record):
    """The language model that judged."""

    model: str
    mode: str  # how it was made to answer in a form: json_schema, …, plain
    fell: dict[str, int] = {}  # looser mode → questions asked in it because a stricter one failed
    unfounded: int = 0  # questions whose reply quotes what is not in the data, even when re-asked
    calls: int  # asked in this run
    prompt_tokens: int = 0  # of those calls
    completion_tokens: int = 0
    cost: float | None = None  # likewise; None: the server has no prices
    same_as_base: bool  # it judges itself: shown as a warning
    calibrated: bool  # against people's labels


class JudgeResult(Record):
    """judge/scores.json of val, and judge/hidden.json of the rows that nobody labelled."""

    scores: Scores
    agreements: list[Agreement]
    arms: list[str]  # judged by the language model
    judge: JudgeNote | None  # None: code rules only
