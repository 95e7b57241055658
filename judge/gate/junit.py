"""JUnit XML for CI systems: suites of cases that pass, fail, raise an error or are skipped."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple
from xml.etree import ElementTree

# Characters that XML 1.0 forbids even in escaped form.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

CaseOutcome = Literal["pass", "failure", "error", "skipped"]


class JunitCase(NamedTuple):
    """One test case."""

    name: str
    outcome: CaseOutcome
    message: str  # one line
    details: str = ""


def junit_xml(name: str, suites: Mapping[str, Sequence[JunitCase]]) -> str:
    """The XML document of all suites. Characters that XML forbids become U+FFFD."""
    every = [case for cases in suites.values() for case in cases]
    root = ElementTree.Element("testsuites", _counts(name, every))
    for title, cases in suites.items():
        suite = ElementTree.SubElement(root, "testsuite", _counts(title, cases))
        for case in cases:
            attributes = {"classname": _text(title), "name": _text(case.name)}
            element = ElementTree.SubElement(suite, "testcase", attributes)
            if case.outcome == "pass":
                output = "\n".join(filter(None, (case.message, case.details)))
                ElementTree.SubElement(element, "system-out").text = _text(output)
            else:
                message = {"message": _text(case.message)}
                result = ElementTree.SubElement(element, case.outcome, message)
                result.text = _text(case.details) or None
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


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
    return _FORBIDDEN.sub("\ufffd", text)
