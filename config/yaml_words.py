"""What PyYAML cannot read, in words that say what to write instead."""

import re

import yaml

_ALIGN = "align it with the lines of its section"
_WORDS = (  # what PyYAML says → the mistake, and the way out; {0} is a pattern's group
    (
        r"found character '\\t'",
        "found character '\\t' that cannot start any token; indent by spaces instead of tabs",
    ),
    (
        r"found '<block (?:mapping|sequence) start>'",
        f"this line is indented unlike its neighbours; {_ALIGN}",
    ),
    (r"expected <block end>, but found '\?'", f"a key stands in the middle of a list; {_ALIGN}"),
    (r"expected <block end>, but found '-'", f"a list item has no list around it; {_ALIGN}"),
    (r"found '<scalar>'", "text follows a text in quotes; put all of it between the quotes"),
    (
        r"mapping values are not allowed",
        "a second colon in one value, or a line that is indented too far; write the value in "
        "quotes, or align the line with its section",
    ),
    (r"expected ',' or '([\]}])'", "the bracket{start} is not closed; write {0} or a comma"),
    (
        r"found unexpected end of stream",
        "unexpected end of stream: the quote{start} is not closed; close it",
    ),
    (r"found character '(.)'", "a value begins with {0}; write it in quotes"),
    (
        r"undefined alias '(.*)'",
        "undefined alias '{0}': no &{0} stands above; write text that begins with * in quotes",
    ),
    (
        r"unknown escape character '(.)'",
        "\\{0} means nothing; use single quotes",
    ),
    (
        r"could not find expected ':'",
        "a line without `key: value`; write one, or indent text that belongs to the key above it",
    ),
    (r"but found '<stream end>'", "a bracket is not closed; write ] or }}"),
    (r"expected the node content, but found '(.*)'", "{0} opens nothing; remove or quote it"),
    (r"chomping or indentation", "text stands behind > or |; move it to the next line"),
    (r"sequence entries are not allowed", "a list begins behind its key; begin it on a new line"),
    (r"mapping keys are not allowed", "a value begins with ? and a blank; write it in quotes"),
)


def yaml_mistake(error: yaml.YAMLError) -> str:
    """The line, the mistake and the way out."""
    mark = getattr(error, "problem_mark", None)
    place = "" if mark is None else f"line {mark.line + 1}: "
    if "expected a single document" in " ".join(str(error).split()):
        return f"{place}not valid YAML: a second document begins; put it into a file of its own"
    problem = " ".join((getattr(error, "problem", None) or str(error)).split())[:200]
    opening = getattr(error, "context_mark", None)
    start = "" if opening is None else f" of line {opening.line + 1}"
    for pattern, words in _WORDS:
        if (match := re.search(pattern, problem)) is not None:
            return f"{place}not valid YAML: {words.format(*match.groups(), start=start)}"
    way_out = "correct this line or the one before, or quote the text"
    return f"{place}not valid YAML: {problem}; {way_out}"
