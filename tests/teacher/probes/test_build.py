"""Probes: every rule reaches the floor with the right labels; no probe is near a held-out row or
repeats another row.
"""

from collections import Counter

import pytest

from config.errors import ConfigError
from config.load import load_config, validated
from data.follow_ups import conversation_key
from data.near_duplicates import near_duplicates
from data.rows import Context, Rating, Row, question_key
from judge.checks.applicability import asks_model
from prompts.probe_bank import SLOT, ProbeBank, load_probe_bank
from prompts.prompt_file import load_prompt
from prompts.rules import Language, RuleFile
from teacher.probes.build import build_probes, coverage, probe_summary, scored_on
from teacher.probes.candidates import (
    load_probe_sources,
    probe_candidates,
    unmarked_rows,
)
from tests.data.hse_logs import needs_hse
from tests.teacher.probes.probe_factory import ROOT, built_probes, probe_sources

OFF_TOPIC = "Вопрос не по теме"


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_shipped_banks(language: Language) -> None:
    """At least 40 questions of each kind with its own, none near another by the measure of the
    selection, so that one or two kinds per rule give 50 rows.
    """
    bank = load_probe_bank(None, language)
    assert set(bank.kinds) == {
        *("missing", "removed", "tags", "off_topic", "unethical", "homework"),
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
    """50 rows, logged ones and probes, of every rule whose applicability the row decides. A rule
    whose applicability a model decides gets 50 of the kind that serves it, or is named.
    """
    sources, rules, probes = built_probes(name)
    counts, rows = coverage(rules, [*sources.train, *probes.rows]), probes.rows
    for rule, covered in counts.items():
        if covered.logged is not None and covered.probes is not None:
            assert covered.logged + covered.probes >= 50, rule
    assert probes.counts.lacking == {}
    rows_by_kind = Counter(row.synthetic for row in rows)
    lacking_answers = rows_by_kind["missing"] + rows_by_kind["removed"]
    assert rows_by_kind["instruction"] == 50
    if name == "hse":
        assert rows_by_kind["vague"] == rows_by_kind["anxious"] == lacking_answers == 50
        assert (
            rows_by_kind["off_topic"] + rows_by_kind["unethical"] + rows_by_kind["homework"] == 49
        )  # and one is logged
        assert probes.counts.unserved == ("links_given", "partial_undue")
    else:  # 36 and 17 are logged; 60 are off topic already
        assert (lacking_answers, rows_by_kind["vague"], rows_by_kind["off_topic"]) == (14, 33, 0)
        assert rows_by_kind["missing"] == rows_by_kind["removed"] == 7
        assert probes.counts.unserved == ()


@pytest.mark.parametrize("name", CONFIGS)
def test_no_probe_is_near_another_one_or_a_held_out_row(name: str) -> None:
    """0 pairs with val and hidden among all probes; 0 with train and with each other among those
    whose question is new. The others ask a train question with other passages.
    """
    sources, _, probes = built_probes(name)
    near = sources.config.data.near_duplicate
    keys = {question_key(row) for row in probes.rows}
    assert not list(near_duplicates(keys, {question_key(row) for row in sources.held_out}, near))
    new = [row for row in probes.rows if row.synthetic not in ("missing", "removed")]
    fresh = {question_key(row) for row in new}
    assert len(fresh) == len(new) > 80
    assert not list(near_duplicates(fresh, {question_key(row) for row in sources.train}, near))
    assert not [pair for pair in near_duplicates(fresh, fresh, near) if pair[0] != pair[1]]
    everything = [conversation_key(row) for row in (*sources.train, *probes.rows)]
    assert len(set(everything)) == len(everything)
    assert len({row.id for row in (*sources.train, *probes.rows)}) == len(everything)


@pytest.mark.parametrize("name", CONFIGS)
def test_labels_leave_no_verdict_open(name: str) -> None:
    """0 missing: every code rule's applicability to each probe is known, and the rules that it was
    made for apply. Only off-topic probes are labelled off topic; none has a preference label.
    """
    sources, rules, probes = built_probes(name)
    for row in probes.rows:
        code = {
            rule.id: scored_on(rule, row)
            for rule in rules.scored_rules()
            if not asks_model(rule.rule)
        }
        assert None not in code.values(), row.id
        off_topic = row.synthetic in ("off_topic", "unethical", "homework")
        assert code["refusal"] is off_topic and code["refusal_converse"] is not off_topic
        missing = "partial" if name == "demo" else "partial_opening"
        assert code[missing] is (row.synthetic in ("missing", "removed"))
        assert row.labels == ((OFF_TOPIC,) if off_topic else ())
        assert row.synthetic in sources.bank.kinds and row.id.startswith(f"probe-{row.synthetic}-")
        assert not row.answers and not row.history
    assert not any(row.synthetic for row in sources.train)


def test_only_the_evidence_is_removed() -> None:
    """In at least 9 of 10 `missing` probes the passages share fewer words with the question than
    the row's own do. A `removed` probe has the row's passages but one, and an `instruction` probe
    all of them.
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
        if row.synthetic == "removed":
            assert source is not None and row.question == source.question
            (removed,) = set(source.contexts) - set(row.contexts)
            assert [c for c in source.contexts if c != removed] == list(row.contexts) != []
    assert len(fewer) > 25 and sum(fewer) >= 0.9 * len(fewer)


def test_the_answering_passage_is_removed() -> None:
    """It shares most words with the question, or with the answer that the labels call good. A row
    of which no passage stands out makes no such probe.
    """
    passages = tuple(
        Context(text=text)
        for text in (
            "The pool in the east wing opens at ten.",
            "Swimming lessons are on Mondays.",
            "Lockers take a coin.",
        )
    )
    question = Row(id="a", question="When does the pool open?", contexts=passages)
    told = Row(
        id="b",
        question="And on Mondays?",
        contexts=passages,
        answers={"production": "Lockers are free, but each takes a coin."},
        labels=("good",),
        rating=Rating(meanings={"good": "good"}, systems=("production",)),
    )
    config = load_config(ROOT / "config/demo.yaml", ["probes={}"])
    prompt, _ = load_prompt(config.prompt, ROOT)
    alone = Row(id="c", question="Where is the pool?", contexts=passages[:1])
    unclear = Row(id="d", question="Is the pool free on Mondays?", contexts=passages)
    sources = load_probe_sources(config, prompt, [question, told, alone, unclear], ())
    candidates = probe_candidates(sources, {})["removed"]
    shown = {candidate.row.origin: candidate.row.contexts for candidate in candidates}
    assert shown == {"bank, a": passages[1:], "bank, b": passages[:2]}


def _shared(row: Row) -> int:
    question = set(row.question.casefold().split())
    passages = " ".join(context.text for context in row.contexts)
    return len(question & set(passages.casefold().split()))


def test_the_same_seed_makes_the_same_probes() -> None:
    """And another seed makes other probes."""
    first, again, other = (built_probes("demo", f"seed={seed}")[2].rows for seed in (0, 0, 1))
    assert first == again != other


def test_lacking_rows_are_reported() -> None:
    """54 questions are vague: a floor of 200 lacks more than 100 rows, by name and number."""
    sources, rules, probes = built_probes("demo", "probes.floor=200")
    assert set(probes.counts.lacking) >= {"vague"}
    logged = coverage(rules, sources.train)["vague"].logged
    assert logged == 17
    assert probes.counts.lacking["vague"] == 200 - logged - probes.counts.rows["vague"] > 100
    lines = probe_summary(probes.counts, coverage(rules, [*sources.train, *probes.rows]))
    assert any("vague" in line and "below 200" in line for line in lines)


def test_tags_are_flipped_where_the_user_turn_shows_them() -> None:
    """A rule for one campus with few logs: probes show other rows under that campus."""
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
    online_rules = RuleFile.model_validate(text)
    probes = build_probes(sources, online_rules, {})
    covered = coverage(online_rules, [*sources.train, *probes.rows])["online"]
    assert covered.logged is not None and covered.logged < 60
    assert covered.logged + (covered.probes or 0) >= 60
    flipped = [row for row in probes.rows if row.synthetic == "tags"]
    assert flipped and all(row.tags["campus"] == "Online" for row in flipped)
    shown = {(conversation_key(row), row.tags["campus"]) for row in sources.train}
    assert not any((conversation_key(row), row.tags["campus"]) in shown for row in flipped)


def test_unmarked_rows() -> None:
    """A label or comment of the bank excludes a row, also as one of several; so does a history.
    A row without labels is unmarked, and a probe made from it stays unlabelled.
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
    rows = [candidate.row for candidate in probe_candidates(sources, {})["instruction"]]
    labels = {row.origin: row.labels for row in rows}
    assert labels == {"bank, a": None, "bank, d": ()}


def test_probes_need_their_setting() -> None:
    """The error prints the line to add to the config; a bad bank is refused by line."""
    config = load_config(ROOT / "config/demo.yaml", [])
    prompt, _ = load_prompt(config.prompt, ROOT)
    with pytest.raises(ConfigError, match=r"probes is not set; add `probes: \{\}`"):
        load_probe_sources(config, prompt, (), ())
    kinds = {"odd": {"questions": ["Why?"], "contexts": "own"}}
    with pytest.raises(ConfigError, match=r"bank\.yaml: .*own needs \{question\}.*'Why\?'"):
        validated(ProbeBank, {"request": "", "kinds": kinds}, "bank.yaml")
