"""Whether a judge's reasoning says in words that a rule is broken.

A verdict of pass beside such reasoning is counted for people to look at. The words alone decide,
so the count changes no verdict.
"""

import re

_BROKEN = (
    r"fail(?:s|ed|ing)?|violat\w*|breach\w*|break(?:s|ing)? (?:the|this) rule"
    r"|наруш\w+\b(?!\s+не)|несоблюд\w+|несоответств\w+"
)
_OBEYED = (
    r"pass(?:es|ed|ing)?|obey(?:s|ed|ing)?|compl(?:y|ies|ied|iant)|follow(?:s|ed)?|meets?|satisf\w+"
    r"|соблюд\w+|выполн\w+|соответств\w+"
)
_MENTION = re.compile(rf"\b(?:(?P<broken>{_BROKEN})|{_OBEYED})\b")
_NEGATION = re.compile(
    r"(?:\b(?:not|never|cannot|no|nothing|without|не|нет|без|ничего|никак)|n['’]t)"
    r"(?:\s+[^\W\d_]+)?\s+$"
)


def states_fail(reasoning: str) -> bool:
    """Whether the text says that a rule is broken, and nowhere that it is obeyed.

    Understands English and Russian, and a negation up to two words in front: "does not obey".
    """
    text = reasoning.casefold()
    mentions = list(_MENTION.finditer(text))
    return bool(mentions) and all(
        (mention["broken"] is not None)
        != bool(_NEGATION.search(text, max(0, mention.start() - 60), mention.start()))
        for mention in mentions
    )
