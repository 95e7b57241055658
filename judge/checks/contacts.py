"""Contacts in an answer that its sources lack: e-mail addresses, telephone numbers, full names."""

import re
from collections.abc import Sequence
from functools import lru_cache

from judge.checks.full_names import unknown_names
from judge.checks.links import emails, known_links
from judge.checks.number_mentions import PHONE, number_mentions

_BETWEEN_DIGITS = re.compile(r"(?<=\d)[\s().\u2010-\u2015-]+(?=\d)")
_LOCAL_DIGITS = 10  # of a telephone number, without the code of its country


def unknown_contacts(answer: str, sources: Sequence[str]) -> list[str]:
    """The contacts as the answer writes them: addresses, then numbers, then names.

    A telephone number may be grouped otherwise and have a country's code more or less.
    """
    known = frozenset().union(*map(known_links, sources))
    unknown = [email for email in emails(answer) if email.casefold() not in known]
    unknown += [
        phone
        for phone in phones(answer)
        if not any(_local(phone) in _digits(source) for source in sources)
    ]
    return [*dict.fromkeys(unknown), *unknown_names(answer, sources)]


def phones(text: str) -> list[str]:
    """The telephone numbers of a text as written."""
    return [mention.text for mention in number_mentions(text) if PHONE.fullmatch(mention.text)]


def _local(phone: str) -> str:
    return re.sub(r"\D", "", phone)[-_LOCAL_DIGITS:]


@lru_cache(maxsize=256)  # a row's texts recur with every answer
def _digits(source: str) -> str:
    return _BETWEEN_DIGITS.sub("", source)
