"""JUnit's XML, as CI systems read it: suites of cases that pass, fail, err or are skipped."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple
from xml.etree import ElementTree

# XML 1.0 cannot hold these at all, escaped or not.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Outcome = Literal["pass", "failure", "error", "skipped"]


class JunitCase(NamedTuple):
    """One test case."""

    name: str
    outcome: Outcome
    message: str  # one line
    details: str = ""


def junit(name: str, suites: Mapping[str, Sequence[JunitCase]]) -> str:
    """The document of all suites. Characters that XML cannot hold become U+FFFD."""
    every = [case for cases in suites.values() for case in cases]
    root = ElementTree.Element("testsuites", _counts(name, every))
    for title, cases in suites.items():
        suite = ElementTree.SubElement(root, "testsuite", _counts(title, cases))
        for case in cases:
            made = ElementTree.SubElement(
                suite, "testcase", {"classname": _text(title), "name": _text(case.name)}
            )
            _fill(made, case)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _fill(made: ElementTree.Element, case: JunitCase) -> None:
    if case.outcome == "pass":
        said = "\n".join(filter(None, (case.message, case.details)))
        ElementTree.SubElement(made, "system-out").text = _text(said)
        return
    found = ElementTree.SubElement(made, case.outcome, {"message": _text(case.message)})
    found.text = _text(case.details) or None


def _counts(name: str, cases: Sequence[JunitCase]) -> dict[str, str]:
    outcomes = Counter(case.outcome for case in cases)
    return {
        "name": _text(name),
        "tests": str(len(cases)),
        "failures": str(outcomes["failure"]),
        "errors": str(outcomes["error"]),
        "skipped": str(outcomes["skipped"]),
    }


def _text(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)
