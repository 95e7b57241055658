"""Probes: that every rule reaches the floor, with the right labels, and none tells of what is held
out or repeats what is there.
"""

from collections import Counter

import pytest

from config.errors import ConfigError
from config.load import load_config, validated
from data.follow_ups import conversation_key
from data.near_duplicates import near_duplicates
from data.rows import Context, Row, question_key
from judge.checks.applicability import asks_model
from prompts.probe_bank import SLOT, ProbeBank, bank_path, load_probe_bank
from prompts.prompt_file import load_prompt
from prompts.rules import Language, RuleFile
from teacher.probes.build import build_probes, probe_summary
from teacher.probes.candidates import (
    load_probe_sources,
    probe_candidates,
    unmarked_rows,
)
from teacher.probes.coverage import coverage, scored_on
from tests.data.hse_logs import needs_hse
from tests.teacher.probes.probe_factory import ROOT, built_probes, probe_sources

OFF_TOPIC = "Вопрос не по теме"


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_shipped_banks(language: Language) -> None:
    """At least 40 distinct questions of each kind that has its own, unlike each other by the very
    measure by which they are refused; so that 50 rows can be made, with a kind or two per rule.
    """
    bank = load_probe_bank(bank_path(None, language))
    assert set(bank.kinds) == {
        *("missing", "tags", "off_topic", "unethical", "homework"),
        *("vague", "anxious", "instruction"),
    }
    for name, kind in bank.kinds.items():
        rows = [Row(id="", question=text.replace(SLOT, "")) for text in kind.questions]
        keys = {question_key(row) for row in rows}
        if kind.questions != (SLOT,):
            assert len(keys) == len(kind.questions) >= 40, name
            assert not [pair for pair in near_duplicates(keys, keys, 0.8) if pair[0] != pair[1]], (
                name
            )
    vague = bank.kinds["vague"].questions
    assert len(vague) >= 50, "the only kind that serves its rule"


CONFIGS = ["demo", pytest.param("hse", marks=needs_hse)]


@pytest.mark.parametrize("name", CONFIGS)
def test_every_rule_reaches_the_floor(name: str) -> None:
    """50 rows, logged and made, of every rule whose applicability the row says; what only a model
    can say is due gets 50 of the kind that is for it, or is named.
    """
    sources, rules, probes = built_probes(name)
    counts, rows = coverage(rules, [*sources.train, *probes.rows]), probes.rows
    for due in rules.scored_rules():
        found = counts[due.id]
        if found.logged is not None and found.probes is not None:
            assert found.logged + found.probes >= 50, due.id
    assert probes.counts.lacking == {}
    made = Counter(row.synthetic for row in rows)
    assert made["instruction"] == 50
    if name == "hse":
        assert made["vague"] == made["anxious"] == made["missing"] == 50
        assert made["off_topic"] + made["unethical"] + made["homework"] == 49  # and one is logged
        assert probes.counts.unserved == ("links_given", "partial_undue")
    else:  # 36 and 17 are logged; 60 are off topic already
        assert (made["missing"], made["vague"], made["off_topic"]) == (14, 33, 0)
        assert probes.counts.unserved == ()


@pytest.mark.parametrize("name", CONFIGS)
def test_no_probe_is_like_another_or_like_what_is_held_out(name: str) -> None:
    """0 near pairs with val and hidden, of all probes; 0 with train and among each other, of those
    whose question is new; the others ask a train question, with other passages.
    """
    sources, _, probes = built_probes(name)
    near = sources.config.data.near_duplicate
    keys = {question_key(row) for row in probes.rows}
    assert not list(near_duplicates(keys, {question_key(row) for row in sources.held_out}, near))
    new = [row for row in probes.rows if row.synthetic != "missing"]
    fresh = {question_key(row) for row in new}
    assert len(fresh) == len(new) > 80
    assert not list(near_duplicates(fresh, {question_key(row) for row in sources.train}, near))
    assert not [pair for pair in near_duplicates(fresh, fresh, near) if pair[0] != pair[1]]
    everything = [conversation_key(row) for row in (*sources.train, *probes.rows)]
    assert len(set(everything)) == len(everything)
    assert len({row.id for row in (*sources.train, *probes.rows)}) == len(everything)


@pytest.mark.parametrize("name", CONFIGS)
def test_labels_leave_no_verdict_open(name: str) -> None:
    """0 missing: every code rule knows of each probe whether it is due, and those that it was made
    for are. Off topic is said of what is off topic only, and no probe says who answered better.
    """
    sources, rules, probes = built_probes(name)
    for row in probes.rows:
        code = {
            due.id: scored_on(due, row) for due in rules.scored_rules() if not asks_model(due.rule)
        }
        assert None not in code.values(), row.id
        off_topic = row.synthetic in ("off_topic", "unethical", "homework")
        assert code["refusal"] is off_topic and code["refusal_converse"] is not off_topic
        missing = "partial" if name == "demo" else "partial_opening"
        assert code[missing] is (row.synthetic == "missing")
        assert row.labels == ((OFF_TOPIC,) if off_topic else ())
        assert row.synthetic in sources.bank.kinds and row.id.startswith(f"probe-{row.synthetic}-")
        assert not row.answers and not row.history
    assert not any(row.synthetic for row in sources.train)


def test_the_evidence_is_gone_and_the_rest_is_there() -> None:
    """A missing answer's passages share fewer words with the question than the row's own do, in at
    least 9 of 10; an order against the prompt leaves the row its passages.
    """
    sources, _, probes = built_probes("demo", "probes.floor=100")
    by_id = {row.id: row for row in sources.train}
    fewer = []
    for row in probes.rows:
        source = by_id.get(row.origin.removeprefix("bank, "))
        if row.synthetic == "instruction":
            assert source is not None and row.contexts == source.contexts
            assert source.question in row.question and row.question != source.question
        if row.synthetic == "missing":
            assert source is not None and row.question == source.question
            assert row.contexts and row.contexts != source.contexts
            fewer.append(_shared(row) < _shared(source))
    assert len(fewer) > 50 and sum(fewer) >= 0.9 * len(fewer)


def _shared(row: Row) -> int:
    asked = set(row.question.casefold().split())
    return len(asked & {word for one in row.contexts for word in one.text.casefold().split()})


def test_the_same_seed_makes_the_same_probes() -> None:
    """And another one others."""
    first, again, other = (built_probes("demo", f"seed={seed}")[2].rows for seed in (0, 0, 1))
    assert first == again != other


def test_what_the_questions_do_not_reach_is_said() -> None:
    """54 questions are vague: a floor of 200 lacks more than 100 rows, by name and number."""
    sources, rules, probes = built_probes("demo", "probes.floor=200")
    assert set(probes.counts.lacking) >= {"vague"}
    logged = coverage(rules, sources.train)["vague"].logged
    assert logged == 17
    assert probes.counts.lacking["vague"] == 200 - logged - probes.counts.made["vague"] > 100
    told = probe_summary(probes.counts, coverage(rules, [*sources.train, *probes.rows]))
    assert any("vague" in line and "below 200" in line for line in told)


def test_tags_are_flipped_where_the_user_turn_shows_them() -> None:
    """A rule for one campus alone, of which few logs are: other rows are asked by its people."""
    config = load_config(
        ROOT / "config/demo.yaml", ["probes={}", "prompt.tags=[campus]", "probes.floor=60"]
    )
    sources, rules = probe_sources(config)
    text = rules.model_dump(mode="json", by_alias=True)
    text["rules"] = [
        {
            "id": "online",
            "source": "Be friendly.",
            "applies": {"code": [{"field": "tags.campus", "matches": "^Online$"}]},
            "check": {"type": "contains", "text": "video"},
        }
    ]
    due_online = RuleFile.model_validate(text)
    probes = build_probes(sources, due_online, {})
    found = coverage(due_online, [*sources.train, *probes.rows])["online"]
    assert found.logged is not None and found.logged < 60
    assert found.logged + (found.probes or 0) >= 60
    flipped = [row for row in probes.rows if row.synthetic == "tags"]
    assert flipped and all(row.tags["campus"] == "Online" for row in flipped)
    shown = {(conversation_key(row), row.tags["campus"]) for row in sources.train}
    assert not any((conversation_key(row), row.tags["campus"]) in shown for row in flipped)


def test_plain_rows_are_those_that_nobody_marked() -> None:
    """A label or a comment of the bank rules a row out, also as one of several; so does a history.
    Rows that nobody labelled are plain, and what is asked over them stays unlabelled.
    """
    config = load_config(ROOT / "config/demo.yaml", ["probes={}"])
    passage = (Context(text="The pool opens at ten."),)
    rows = [
        Row(id="a", question="When does the pool open?", contexts=passage),
        Row(id="b", question="Wine?", labels=("Saiga", OFF_TOPIC)),
        Row(id="c", question="Where is it?", labels=("Saiga",), comment="slow, document missing"),
        Row(id="d", question="Who?", labels=("Saiga",), comment="too long", contexts=passage),
    ]
    prompt, _ = load_prompt(config.prompt, ROOT)
    sources = load_probe_sources(config, prompt, rows, ())
    assert [row.id for row in unmarked_rows(sources)] == ["a", "d"]
    made = probe_candidates(sources, {})["instruction"]
    labels = {one.row.origin: one.row.labels for one in made}
    assert labels == {"bank, a": None, "bank, d": ()}


def test_probes_that_nobody_asked_for_are_refused() -> None:
    """The way out is one line of the config; and a run that was not probed says what to run."""
    config = load_config(ROOT / "config/demo.yaml", [])
    prompt, _ = load_prompt(config.prompt, ROOT)
    with pytest.raises(ConfigError, match=r"probes is not set; add `probes: \{\}`"):
        load_probe_sources(config, prompt, (), ())
    kinds = {"odd": {"questions": ["Why?"], "contexts": "own"}}
    with pytest.raises(ConfigError, match=r"bank\.yaml: .*own needs \{question\}.*'Why\?'"):
        validated(ProbeBank, {"write": "", "kinds": kinds}, "bank.yaml")
