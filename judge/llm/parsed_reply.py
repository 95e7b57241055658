"""The fields of a reply about one rule, whether it came as JSON or as plain text."""

import re
from collections.abc import Sequence

from data.records import Record
from judge.checks.text import words
from judge.llm.stated_outcome import states_fail

FEWEST_WORDS = 3  # of a quote that proves something: one or two words occur in almost any text
# The Russian form of a question says "yes (да), no (нет)".
_SYNONYMS = {"да": "yes", "yes_(да": "yes", "нет": "no", "no_(нет": "no"}
_BLANKS = re.compile(r"\\?[_\s-]+")  # cannot_judge, cannot\_judge, cannot judge


class Unreadable(Exception):
    """The reply does not have the requested format.

    The message tells the model why, in our own words: a quote of the data in it would return to
    the model as an instruction.
    """


class ParsedReply(Record):
    """The fields of a reply about one rule."""

    evidence: list[str]
    reasoning: str
    verdict: str

    @property
    def contradicts_itself(self) -> bool:
        """Whether the verdict is pass although the reasoning says fail."""
        return self.verdict == "pass" and states_fail(self.reasoning)

    def checked(self, options: Sequence[str]) -> "ParsedReply":
        """The reply with the verdict as one of the options and without quotes that prove nothing.

        Raises Unreadable when the verdict is none of the options.
        """
        word = _BLANKS.sub("_", self.verdict.strip().rstrip(")").casefold())
        verdict = _SYNONYMS.get(word, word)
        if verdict not in options:
            raise Unreadable(f"the verdict is none of {', '.join(options)}")
        evidence = [quote for quote in self.evidence if len(words(quote)) >= FEWEST_WORDS]
        return self.model_copy(update={"verdict": verdict, "evidence": evidence})
