"""JUnit XML holds any text, so that every parser reads it."""

from typing import Any
from xml.etree import ElementTree

import pytest

from judge.gate.junit import JunitCase, junit_xml


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert('&')</script>",
        "]]><![CDATA[",
        '" onload="x',
        "<?xml?><!--",
        "&amp;&lt;&#0;",
        "Да, ссылка 🙂",
        "two\nlines\tand a tab",
    ],
)
def test_any_text_comes_back_as_it_was(text: str) -> None:
    case = JunitCase(text, "failure", text.replace("\n", " ").replace("\t", " "), text)
    root = ElementTree.fromstring(junit_xml(text, {"suite": [case]}).encode())
    failure = root.find(".//failure")
    assert failure is not None and failure.text == text
    assert failure.get("message") == case.message


@pytest.mark.parametrize("sign", ["\x00", "\x1b", "\x0b", "\ud800", "\udfff", "\ufffe", "\uffff"])
@pytest.mark.parametrize("outcome", ["pass", "failure", "error", "skipped"])
def test_what_xml_cannot_hold_is_replaced(sign: str, outcome: Any) -> None:
    case = JunitCase(f"a{sign}b", outcome, f"a{sign}b", f"a{sign}b")
    root = ElementTree.fromstring(junit_xml("run", {"suite": [case]}).encode())
    case_element = root.find("testsuite/testcase")
    assert case_element is not None and case_element.get("name") == "a\ufffdb"
