"""YAML that would raise inside the loader, change its meaning, or grow: one line each, everywhere.

Settings, rules, prompts, worked examples and probes are read by the same reader.
"""

import os
import random
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from config.checkout import ROOT
from config.errors import ConfigError, UnpromptedError
from config.load import load_config
from config.schema import PromptSettings
from config.yaml_file import dump_yaml, parse_yaml, read_yaml
from prompts.probe_bank import load_probe_bank
from prompts.prompt_file import read_prompt
from prompts.rules import load_rules
from tests.mutated import mutated

MB = 1_000_000
ROUNDS = 200
SHIPPED = {
    "settings": "config/demo.yaml",
    "rules": "prompts/lakeside/rules.yaml",
    "prompt": "prompts/lakeside/system_prompt.yaml",
    "examples": "prompts/lakeside/examples.yaml",
    "probes": "prompts/probes/en.yaml",
}
EXAMPLES = {"system": str(ROOT / "prompts/lakeside/system_prompt.yaml"), "rules": "none.yaml"}
LOADERS: dict[str, Callable[[Path], object]] = {
    "settings": lambda path: load_config(path),
    "rules": lambda path: load_rules(path, "A system prompt."),
    "prompt": lambda path: read_prompt(PromptSettings(system=str(path), rules="none.yaml"), Path()),
    "examples": lambda path: read_prompt(PromptSettings(examples=str(path), **EXAMPLES), Path()),
    "probes": lambda path: load_probe_bank(str(path), "en"),
}


def aliases(levels: int, first: str, each: str) -> str:
    """Every level repeats the one before nine times."""
    lines = [f"l0: &l0 {first}"]
    for level in range(1, levels):
        lines.append(f"l{level}: &l{level} " + each % ",".join([f"*l{level - 1}"] * 9))
    return "\n".join(lines)


REFUSED: dict[str, tuple[str | bytes, str]] = {  # content, and what the line says
    "a huge exponent": ("name: 1e999999", "line 1: the number 1e999999 is too large"),
    "a huge negative float": ("a: 1\nb: -1.5e999", "line 2: the number -1.5e999 is too large"),
    "100,000 digits": ("name: " + "9" * 100_000, "line 1: the number 9{40} is too large"),
    "100,000 hex digits": ("name: 0x" + "f" * 100_000, "line 1: the number 0xf{38} is too large"),
    "100,000 places": (
        "name: 0." + "0" * 99_999 + "1e400000",
        r"line 1: the number 0\.0{38} is too large",
    ),
    "a float that is none": ("name: !!float x", "line 1: 'x' is no float; correct or quote it"),
    "an int that is none": ("name: !!int 1:30", "line 1: '1:30' is no int"),
    "an empty int": ("a:\n  b: !!int ''", "line 2: '' is no int"),
    "a bool that is none": ("name: !!bool maybe", "line 1: 'maybe' is no bool"),
    "a broken date": ("name: !!timestamp 2026-13-45", "line 1: .*unknown tag .*timestamp"),
    "broken base64": ("name: !!binary 'é!'", "line 1: .*unknown tag .*binary"),
    "an ordered map": ("name: !!omap [a, b]", "line 1: .*unknown tag .*omap"),
    "pairs": ("name: !!pairs [a]", "line 1: .*unknown tag .*pairs"),
    "a set": ("name: !!set {a, b}", "line 1: .*unknown tag .*set"),
    "a tag of 100 kB": ("name: !" + "x" * 100_000 + " 1", "line 1: .*unknown tag .{82}; remove"),
    "a map that is text": ("name: !!map x", "line 1: 'x' is no map"),
    "100,000 levels": ("[" * 100_000, "line 1: nested more than 50 deep; write it flatter"),
    "100,000 levels of lists": ("- " * 100_000, "line 1: nested more than 50 deep"),
    "100,000 levels of mappings": ("{a: " * 100_000, "line 1: nested more than 50 deep"),
    "100,000 levels of keys": ("? " * 100_000, "line 1: nested more than 50 deep"),
    "aliases that grow": (aliases(30, "[x, x]", "[%s]"), r"line 7: up to \*l5, aliases repeat"),
    "merges that grow": (aliases(30, "{a: 1}", "{<<: [%s]}"), r"line 7: up to \*l5, aliases"),
    "a long text repeated": (f"a: &a {'x' * 99_999}\nb: [{'*a, ' * 11}]", "line 2: up to"),
    "an alias within itself": ("a: &a [*a]", r"line 1: \*a stands within &a; write it out"),
    "a merge of itself": ("a: &a {<<: *a}", r"line 1: \*a stands within &a"),
    "an unknown alias": ("a: *b", "line 1: .*undefined alias 'b'"),
    "a merge of a number": ("<<: 1", "line 1: .*for merging, but found scalar"),
    "two merges": ("<<: {a: 1}\n<<: {b: 2}", "line 2: key '<<' is given twice"),
    "a list as a key": ("a: 1\n? [b]\n: 1", "line 2: a key is a list or a mapping"),
    "a mapping as a key": ("{{a: 1}: 2}", "line 1: a key is a list or a mapping"),
    "one key in two spellings": ("1: a\n0x1: b", "line 2: key 1 is given twice"),
    "NUL": (b"name: a\x00b", r"line 1: holds the control character U\+0000; remove it"),
    "an escape sequence": ("a: 1\n\nb: \x1b[31m", r"line 3: holds the control character U\+001B"),
    "NUL, escaped": (r'name: "a\0b"', "line 1: .* holds NUL or half a character"),
    "half a character": (r'name: "\ud83d"', "line 1: .* holds NUL or half a character"),
    "no character": (r'name: "\UFFFFFFFF"', "line 1: not valid YAML: .*; correct this line"),
    "cp1251": ("name: b\nc: чат".encode("cp1251"), "line 2: byte 0xf7 is not UTF-8; save it as"),
    "UTF-16": ("name: a".encode("utf-16"), "line 1: byte 0xff is not UTF-8"),
    "UTF-16 without its mark": ("name: a".encode("utf-16-le"), r"line 1: holds .* U\+0000"),
    "UTF-32": ("name: a".encode("utf-32"), "line 1: byte 0xff is not UTF-8"),
    "two documents": ("a: 1\n---\nb: 2", "line 2: .*a second document begins"),
    "10,000 documents": ("---\n" * 10_000, "line 2: .*a second document begins"),
    "a tab": ("a:\n\tb: 1", "line 2: .*; indent by spaces instead of tabs"),
    "a version of 5,000 digits": (f"%YAML {'9' * 5000}.1\n---\na: 1", "line 1: not valid YAML: "),
    "an open quote": ('a: "b\nc: d', "line 2: .*unexpected end of stream"),
    "an image": (bytes(range(128, 256)) * 10, "line 1: byte 0x80 is not UTF-8"),
    "100 MB": (b"a" * 100 * MB, "larger than 4 MB; split the file"),
}


# Each reader takes seconds to count them, and all five count by the same code.
TOO_MANY = ("[" + "a," * 150_000 + "]", "line 1: more than 100000 values; split")


@pytest.mark.reliability(line=17)
@pytest.mark.parametrize(
    ("case", "loader"), [*product(REFUSED, LOADERS), ("150,000 values", "settings")]
)
def test_yaml_that_cannot_be_read_is_one_line(tmp_path: Path, case: str, loader: str) -> None:
    """47 files × 5 readers, and one by one reader: path, line and way out."""
    content, reason = REFUSED.get(case, TOO_MANY)
    path = tmp_path / "c.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ConfigError, match=rf"(?s)c\.yaml: ({reason})") as refused:
        LOADERS[loader](path)
    message = str(refused.value)
    assert message.isprintable() and len(message) < 500 + len(str(path)) and "; " in message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-11-28", "2026-11-28"),
        ("2026-13-45", "2026-13-45"),
        ("2026-11-28 10:00:00", "2026-11-28 10:00:00"),
        ("10:30", "10:30"),
        ("1:2.5", "1:2.5"),
        ("1:" * 50_000 + "1", "1:" * 50_000 + "1"),
        ("1_000", 1000),
        ("-0x1F", -31),
        ("010", 8),
        ("08", "08"),
        ("1.5e3", 1500.0),
        (".5", 0.5),
        ("18446744073709551615", 2**64 - 1),
        ("!!str 5", "5"),
        ("{a: &a {b: 1}, c: {<<: *a, d: 2}}", {"a": {"b": 1}, "c": {"b": 1, "d": 2}}),
        ("{a: &a x, b: [*a, *a]}", {"a": "x", "b": ["x", "x"]}),
        ("\ufeff5", 5),
        ("", None),
    ],
)
def test_yaml_that_means_what_it_says(tmp_path: Path, text: str, value: object) -> None:
    """Times and dates stay text: 10:30 is no 630. What is dumped is read as the same."""
    path = tmp_path / "c.yaml"
    path.write_text(text, "utf-8")
    assert read_yaml(path) == value
    assert parse_yaml(dump_yaml(value), "dumped") == value


@pytest.mark.parametrize("kind", ["folder", "loop", "long name", "below a file", "failing disk"])
@pytest.mark.parametrize("loader", LOADERS)
def test_a_file_that_cannot_be_opened_is_one_line(tmp_path: Path, kind: str, loader: str) -> None:
    """With the way out that the error of the system has everywhere."""
    path = tmp_path / ("x" * 300 if kind == "long name" else "c.yaml")
    if kind == "folder":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "below a file":
        path.write_text("")
        path = path / "d.yaml"
    elif kind == "failing disk":
        path.symlink_to("/proc/self/mem")
    with pytest.raises(ConfigError, match=r"cannot be read: .*; ") as refused:
        LOADERS[loader](path)
    assert "\n" not in str(refused.value) and str(path) in str(refused.value)


GROWING = {
    "values": "- a\n" * MB,
    "pairs": "{" + "a," * 2 * MB + "}",
    "one text": "a: " + "x" * 4 * MB,
    "levels": "[" * 4 * MB,
    "keys": "".join(f"k{number}: 1\n" for number in range(49_000)),
    "anchors": "".join(f"- &a{number} x\n" for number in range(90_000)),
    "base 60": "a: " + "1:" * (2 * MB - 10) + "1",
    "aliases": aliases(1000, "[x]", "[%s]"),
    "merges": aliases(1000, "{a: 1}", "{<<: [%s]}"),
}
MEASURE = """
import resource, sys, time
from config.errors import ConfigError
from config.yaml_file import parse_yaml
from tests.config.test_hostile_yaml import GROWING
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before = peak()
for name, text in GROWING.items():
    start = time.process_time()
    try:
        parse_yaml(text, name)
    except ConfigError:
        pass
    print(name, "·", peak() - before, "·", time.process_time() - start)
"""


def test_what_grows_stays_in_bounds() -> None:
    """Nine files of up to 4 MB: at most 300 MB more and 30 s of work each; measured 182 and 5.

    Without bounds, a list of one million values takes 1.5 GB, and aliases of 30 levels 9^30 values.
    """
    process = subprocess.run(
        [sys.executable, "-c", MEASURE],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.split(" · ") for line in process.stdout.splitlines()]
    assert [name for name, _, _ in lines] == list(GROWING)
    assert max(int(megabytes) for _, megabytes, _ in lines) < 300
    assert max(float(seconds) for _, _, seconds in lines) < 30


def test_a_chain_of_extends_ends(tmp_path: Path) -> None:
    """A circle through another spelling of a path, or a chain of 30 files."""
    (tmp_path / "loop.yaml").write_text(f"extends: ../{tmp_path.name}/loop.yaml\n")
    for number in range(30):
        (tmp_path / f"{number}.yaml").write_text(f"extends: {number + 1}.yaml\n")
    for name in ("loop", "0"):
        with pytest.raises(ConfigError, match="extends itself"):
            load_config(tmp_path / f"{name}.yaml")
    (tmp_path / "list.yaml").write_text("extends: [a.yaml, b.yaml]\n")
    with pytest.raises(ConfigError, match=r"list\.yaml: extends = .*expected the name of one file"):
        load_config(tmp_path / "list.yaml")
    with pytest.raises(ConfigError, match="names a place more than 50 deep"):
        load_config(ROOT / "config/demo.yaml", ["model" + ".a" * 5000 + "=1"])


@pytest.mark.parametrize(("loader", "source"), SHIPPED.items())
def test_random_damage_is_one_line(tmp_path: Path, loader: str, source: str) -> None:
    """ROUNDS seeded mutations of each shipped kind of file: read, or refused in one line."""
    content, rng = (ROOT / source).read_bytes(), random.Random(source)
    content = content.replace(b"extends: ", b"extends: " + str(ROOT / "config").encode() + b"/")
    path, refused = tmp_path / "c.yaml", 0
    for _ in range(ROUNDS):
        path.write_bytes(mutated(content, rng))
        try:
            LOADERS[loader](path)
        except UnpromptedError as error:
            assert "\n" not in str(error) and str(path) in str(error)
            refused += 1
    assert refused > ROUNDS / 10
