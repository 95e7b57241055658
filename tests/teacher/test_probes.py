"""Probes: that every rule reaches the floor, with the right labels, and none tells of what is held
out or repeats what is there.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from config.errors import ConfigError, DataError
from config.load import load_config, validated
from config.schema import Config
from data.prepare import Prepared, prepare, prepared
from data.rows import Context, Row
from data.run import Run
from data.splits import near_pairs, question_key
from data.store import read_records, write_records, write_text
from data.turns import said
from engine.asking import Asking
from engine.protocol import Completion, Request
from judge.applies import asks_model
from pipeline.stages import stages
from prompts.bank import SLOT, Bank, bank_path, load_bank
from prompts.library import load_prompt
from prompts.rules import Language, RuleFile
from student.lessons import material
from teacher.audit import Audit, audit
from teacher.candidates import Given, candidates, given_of, plain
from teacher.coverage import coverage, due_on
from teacher.generate import Sources, generate
from teacher.judged import stored_candidates
from teacher.probes import Probes, lines, make_probes
from teacher.select import select_all
from teacher.written import write_questions
from tests.data.places import needs_hse

ROOT = Path(__file__).parent.parent.parent
OFF_TOPIC = "Вопрос не по теме"


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@cache
def logs_of(name: str, seed: int) -> Prepared:
    """The rows of a config of the checkout: its other changes leave them as they are."""
    return prepared(load_config(ROOT / f"config/{name}.yaml").data, ROOT, seed)


def given(config: Config) -> tuple[Given, RuleFile]:
    """All that probes are made of, from the logs of an experiment."""
    rows = logs_of(config.name, config.seed)
    prompt, rules = load_prompt(config.prompt, ROOT)
    held_out = [*rows.val, *(rows.hidden or ())]
    return given_of(config, prompt, rows.train, held_out), rules


@cache
def probed(name: str, *changes: str) -> tuple[Given, RuleFile, Probes]:
    """The probes of a config of the checkout."""
    one, rules = given(load_config(ROOT / f"config/{name}.yaml", ["probes={}", *changes]))
    return one, rules, make_probes(one, rules, {})


@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_shipped_banks(language: Language) -> None:
    """At least 40 distinct questions of each kind that has its own, unlike each other by the very
    measure by which they are refused; so that 50 rows can be made, with a kind or two per rule.
    """
    bank = load_bank(bank_path(None, language))
    assert set(bank.kinds) == {
        *("missing", "tags", "off_topic", "unethical", "homework"),
        *("vague", "anxious", "instruction"),
    }
    for name, kind in bank.kinds.items():
        rows = [Row(id="", question=text.replace(SLOT, "")) for text in kind.questions]
        keys = {question_key(row) for row in rows}
        if kind.questions != (SLOT,):
            assert len(keys) == len(kind.questions) >= 40, name
            assert not [pair for pair in near_pairs(keys, keys, 0.8) if pair[0] != pair[1]], name
    vague = bank.kinds["vague"].questions
    assert len(vague) >= 50, "the only kind that serves its rule"


CONFIGS = ["demo", pytest.param("hse", marks=needs_hse)]


@pytest.mark.parametrize("name", CONFIGS)
def test_every_rule_reaches_the_floor(name: str) -> None:
    """50 rows, logged and made, of every rule whose applicability the row says; what only a model
    can say is due gets 50 of the kind that is for it, or is named.
    """
    one, rules, probes = probed(name)
    counts, rows = coverage(rules, [*one.train, *probes.rows]), probes.rows
    for due in rules.due_rules():
        found = counts[due.id]
        if found.logged is not None and found.probes is not None:
            assert found.logged + found.probes >= 50, due.id
    assert probes.counts.short == {}
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
    one, _, probes = probed(name)
    near = one.config.data.near_duplicate
    keys = {question_key(row) for row in probes.rows}
    assert not list(near_pairs(keys, {question_key(row) for row in one.held_out}, near))
    new = [row for row in probes.rows if row.synthetic != "missing"]
    fresh = {question_key(row) for row in new}
    assert len(fresh) == len(new) > 80
    assert not list(near_pairs(fresh, {question_key(row) for row in one.train}, near))
    assert not [pair for pair in near_pairs(fresh, fresh, near) if pair[0] != pair[1]]
    everything = [said(row) for row in (*one.train, *probes.rows)]
    assert len(set(everything)) == len(everything)
    assert len({row.id for row in (*one.train, *probes.rows)}) == len(everything)


@pytest.mark.parametrize("name", CONFIGS)
def test_labels_leave_no_verdict_open(name: str) -> None:
    """0 missing: every code rule knows of each probe whether it is due, and those that it was made
    for are. Off topic is said of what is off topic only, and no probe says who answered better.
    """
    one, rules, probes = probed(name)
    for row in probes.rows:
        code = {due.id: due_on(due, row) for due in rules.due_rules() if not asks_model(due.rule)}
        assert None not in code.values(), row.id
        off_topic = row.synthetic in ("off_topic", "unethical", "homework")
        assert code["refusal"] is off_topic and code["refusal_undue"] is not off_topic
        missing = "partial" if name == "demo" else "partial_opening"
        assert code[missing] is (row.synthetic == "missing")
        assert row.labels == ((OFF_TOPIC,) if off_topic else ())
        assert row.synthetic in one.bank.kinds and row.id.startswith(f"probe-{row.synthetic}-")
        assert not row.answers and not row.history
    assert not any(row.synthetic for row in one.train)


def test_the_evidence_is_gone_and_the_rest_is_there() -> None:
    """A missing answer's passages share fewer words with the question than the row's own do, in at
    least 9 of 10; an order against the prompt leaves the row its passages.
    """
    one, _, probes = probed("demo", "probes.floor=100")
    by_id = {row.id: row for row in one.train}
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
    first, again, other = (probed("demo", f"seed={seed}")[2].rows for seed in (0, 0, 1))
    assert first == again != other


def test_what_the_questions_do_not_reach_is_said() -> None:
    """54 questions are vague: a floor of 200 lacks more than 100 rows, by name and number."""
    one, rules, probes = probed("demo", "probes.floor=200")
    assert set(probes.counts.short) >= {"vague"}
    logged = coverage(rules, one.train)["vague"].logged
    assert logged == 17
    assert probes.counts.short["vague"] == 200 - logged - probes.counts.made["vague"] > 100
    told = lines(probes, coverage(rules, [*one.train, *probes.rows]))
    assert any("vague" in line and "short of 200" in line for line in told)


def test_tags_are_flipped_where_the_user_turn_shows_them() -> None:
    """A rule for one campus alone, of which few logs are: other rows are asked by its people."""
    config = load_config(
        ROOT / "config/demo.yaml", ["probes={}", "prompt.tags=[campus]", "probes.floor=60"]
    )
    one, rules = given(config)
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
    probes = make_probes(one, due_online, {})
    found = coverage(due_online, [*one.train, *probes.rows])["online"]
    assert found.logged is not None and found.logged < 60
    assert found.logged + (found.probes or 0) >= 60
    flipped = [row for row in probes.rows if row.synthetic == "tags"]
    assert flipped and all(row.tags["campus"] == "Online" for row in flipped)
    shown = {(said(row), row.tags["campus"]) for row in one.train}
    assert not any((said(row), row.tags["campus"]) in shown for row in flipped)


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
    one = given_of(config, prompt, rows, ())
    assert [row.id for row in plain(one)] == ["a", "d"]
    made = candidates(one, {})["instruction"]
    labels = {one.row.origin: one.row.labels for one in made}
    assert labels == {"bank, a": None, "bank, d": ()}


def test_probes_that_nobody_asked_for_are_refused() -> None:
    """The way out is one line of the config; and a run that was not probed says what to run."""
    config = load_config(ROOT / "config/demo.yaml", [])
    prompt, _ = load_prompt(config.prompt, ROOT)
    with pytest.raises(ConfigError, match=r"probes is not set; add `probes: \{\}`"):
        given_of(config, prompt, (), ())
    kinds = {"odd": {"questions": ["Why?"], "contexts": "own"}}
    with pytest.raises(ConfigError, match=r"bank\.yaml: .*own needs \{question\}.*'Why\?'"):
        validated(Bank, {"write": "", "kinds": kinds}, "bank.yaml")


GOOD = "Lakeside desk: The pool opens at ten. Anything else?"


class ProbedEngine:
    """Answers the desk's questions well and writes questions of its own when asked for some."""

    identity = "probed"
    max_length = 8192

    def __init__(self, asking: Asking) -> None:
        self._decode = asking.renderer.tokenizer.decode
        self._system = asking.prompt.system[:40]
        self.asked = 0

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """A question of its own is numbered; each third one is a copy of the bank's."""
        for request in requests:
            self.asked += 1
            prompt = self._decode(list(request.prompt_ids))
            text = GOOD if self._system in prompt else "Hello."
            if "Write one more of this kind" in prompt:
                bank = prompt.split("- ", 1)[1].split("\n", 1)[0]
                own = f'1. "Why is my {_word(self.asked)} so {_word(self.asked * 7)}?"\nBecause.'
                text = bank if self.asked % 3 == 0 else own
            yield Completion(request.key, text, (1, 2), "stop")

    def close(self) -> None:
        """Nothing to free."""


def _word(number: int) -> str:
    return "".join(chr(97 + (number * step) % 26) for step in (1, 3, 5, 7, 11, 13))


def run_of(folder: Path, *changes: str) -> Config:
    """A demo's run on disk, prepared but not probed; few rows are asked."""
    config = load_config(
        ROOT / "config/demo.yaml",
        [
            *(f"runs={folder}", "probes.floor=40", "teacher.candidates=1"),
            *("teacher.sampling.logprobs=null", *changes),
        ],
    )
    prepare(config.data, ROOT, Run.of(config).data, config.seed)
    return config


def test_the_models_own_questions(tmp_path: Path) -> None:
    """Asked as often as the floor for each of four kinds; copies of the bank's are left out, what
    is kept comes before the bank's, without number and quotes, and a second run asks nothing.
    """
    config = run_of(tmp_path, "probes.from_model=true")
    one, rules = given(config)
    engine = ProbedEngine(Asking(config))
    written = write_questions(config, one.bank, engine, False)
    assert engine.asked == 4 * 40
    assert {kind for kind, texts in written.items() if texts} == {
        *("off_topic", "unethical", "homework", "vague")
    }
    assert all(text.startswith("Why is my ") and text.endswith("?") for text in written["vague"])
    assert 10 <= len(written["vague"]) <= 27  # two of three, those that are alike aside
    assert write_questions(config, one.bank, engine, False) == written and engine.asked == 160
    probes = make_probes(one, rules, written)
    mine = [row for row in probes.rows if row.origin == "model"]
    assert len(mine) == probes.counts.written > 0
    assert {row.synthetic for row in mine} == {"vague"} and mine[0].question in written["vague"]


def test_probes_are_answered_selected_and_learnt(tmp_path: Path) -> None:
    """From the one place that gives teacher and student their rows; the audit tells them apart."""
    config = run_of(tmp_path)
    run = Run.of(config)
    with pytest.raises(DataError, match="python -m teacher CONFIG probes"):
        run.training(config)
    one, rules = given(config)
    probes = make_probes(one, rules, {})
    write_records(run.probes, probes.rows)
    write_text(run.probe_counts, probes.counts.model_dump_json())
    assert tuple(read_records(run.probes, Row)) == probes.rows
    assert list(run.training(config)) == [*run.rows("train"), *probes.rows]
    asking = Asking(config)
    generate(config, Sources(ProbedEngine(asking)), accept_changes=False)
    candidates = stored_candidates(config, one.prompt, rules)
    selection = select_all(config, rules, candidates)
    assert selection["train"].rows == 205 + len(probes.rows)
    found = audit(config, rules, candidates, selection)
    assert found == Audit.model_validate_json(run.audit.read_bytes())
    made = Counter(row.synthetic for row in probes.rows)
    assert {kind: one.rows for kind, one in found.probes.items()} == made
    assert found.strict.first.n <= 205, "the ceiling is of logged rows alone"
    assert found.coverage["vague"].model_dump() == {"logged": 17, "probes": 23, "unknown": 0}
    # the answer obeys where neither refusal nor partial answer is due: there the probe is learnt,
    # unless 20 rows learn that text already
    assert 0 < sum(one.kept for one in found.probes.values()) < selection["train"].kept
    learnt = material(config, config.students[0], asking).train
    assert len(learnt) == selection["train"].kept == config.teacher.same_text == 20


def test_the_stage_is_there_when_probes_are_asked_for(tmp_path: Path) -> None:
    """Before the teacher, which then reads them; else the stages are those of before."""
    off = load_config(ROOT / "config/demo.yaml", [f"runs={tmp_path}"])
    on = load_config(ROOT / "config/demo.yaml", [f"runs={tmp_path}", "probes={}"])
    names = [stage.name for stage in stages(on, "c")]
    assert names.index("teacher probes") == names.index("teacher generate") - 1
    assert [name for name in names if name != "teacher probes"] == [
        stage.name for stage in stages(off, "c")
    ]
    path = Run.of(on).probes
    reading = {stage.name for stage in stages(on, "c") if path in stage.reads}
    assert reading == {"teacher generate", "teacher select", "student train"}
    assert not any(path in stage.reads for stage in stages(off, "c"))
