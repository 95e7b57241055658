"""Runs with probes: generated questions, selected answers, the pipeline stage."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from config.errors import DataError
from config.load import load_config
from config.schema import Config
from data.atomic_write import write_text
from data.jsonl import read_records, write_records
from data.prepare import prepare_data
from data.rows import Row
from data.run_paths import RunPaths
from engine.base import Completion, Request
from engine.request_builder import RequestBuilder
from pipeline.stages import pipeline_stages
from student.dataset import load_training_data
from teacher.audit import Audit, audit
from teacher.generate import TeacherModels, generate
from teacher.probes.build import build_probes
from teacher.probes.generate_questions import generate_questions
from teacher.rejection_sampling import select_all
from teacher.scoring import stored_candidates
from tests.teacher.probes.probe_factory import ROOT, probe_sources


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


GOOD = "Lakeside desk: The pool is open. Anything else?"  # a number would need a passage


class ProbedEngine:
    """Answers the desk's questions well, and writes numbered questions when asked for some."""

    identity = "probed"
    max_length = 8192

    def __init__(self, builder: RequestBuilder) -> None:
        self._decode = builder.renderer.tokenizer.decode
        self._system = builder.prompt.system[:40]
        self.asked = 0

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Every third generated question is a copy of the bank's."""
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
    """A demo run with prepared data and without probes."""
    config = load_config(
        ROOT / "config/demo.yaml",
        [
            *(f"runs={folder}", "probes.floor=40", "teacher.candidates=1"),
            *("teacher.sampling.logprobs=null", *changes),
        ],
    )
    prepare_data(config.data, ROOT, RunPaths.of(config).data, config.seed)
    return config


def test_generated_questions(tmp_path: Path) -> None:
    """One request per row of the floor for each of four kinds. Copies of the bank's are left out;
    the others come first, without number and quotes; a second run asks nothing.
    """
    config = run_of(tmp_path, "probes.generate_questions=true")
    sources, rules = probe_sources(config)
    engine = ProbedEngine(RequestBuilder(config))
    generated = generate_questions(config, sources.bank, engine, False)
    assert engine.asked == 4 * 40
    assert {kind for kind, texts in generated.items() if texts} == {
        *("off_topic", "unethical", "homework", "vague")
    }
    assert all(text.startswith("Why is my ") and text.endswith("?") for text in generated["vague"])
    assert 10 <= len(generated["vague"]) <= 27  # two of three, without near duplicates
    assert (
        generate_questions(config, sources.bank, engine, False) == generated and engine.asked == 160
    )
    probes = build_probes(sources, rules, generated)
    by_model = [row for row in probes.rows if row.origin == "model"]
    assert len(by_model) == probes.counts.generated > 0
    assert {row.synthetic for row in by_model} == {"vague"} and by_model[0].question in generated[
        "vague"
    ]


def test_probes_are_answered_selected_and_learnt(tmp_path: Path) -> None:
    """Teacher and student read the same training rows; the audit counts probes apart."""
    config = run_of(tmp_path, "teacher.max_same_text_share=null")  # the engine has one text only
    run = RunPaths.of(config)
    with pytest.raises(DataError, match="unprompted teacher CONFIG probes"):
        run.training_rows(config)
    sources, rules = probe_sources(config)
    probes = build_probes(sources, rules, {})
    write_records(run.probes, probes.rows)
    write_text(run.probe_counts, probes.counts.model_dump_json())
    assert tuple(read_records(run.probes, Row)) == probes.rows
    assert list(run.training_rows(config)) == [*run.rows("train"), *probes.rows]
    builder = RequestBuilder(config)
    generate(config, TeacherModels(ProbedEngine(builder)), accept_changes=False)
    candidates = stored_candidates(config, sources.prompt, rules)
    selection = select_all(config, candidates)
    assert selection["train"].rows == 205 + len(probes.rows)
    report = audit(config, rules, candidates, selection)
    assert report == Audit.model_validate_json(run.audit.read_bytes())
    counts = Counter(row.synthetic for row in probes.rows)
    assert {kind: probe.rows for kind, probe in report.probes.items()} == counts
    assert report.strict.first.n <= 205, "the ceiling is of logged rows alone"
    assert report.coverage["vague"].model_dump() == {"logged": 17, "probes": 23, "unknown": 0}
    # the answer obeys where neither refusal nor partial answer is due: there the probe is learnt
    assert (
        0
        < sum(probe.rows_selected for probe in report.probes.values())
        < selection["train"].selected
    )
    learnt = load_training_data(config, config.students[0], builder).train
    assert len(learnt) == selection["train"].selected > 20


def test_the_stage_exists_only_with_probes(tmp_path: Path) -> None:
    """It comes before the teacher, which reads the probes; without probes nothing else changes."""
    off = load_config(ROOT / "config/demo.yaml", [f"runs={tmp_path}"])
    on = load_config(ROOT / "config/demo.yaml", [f"runs={tmp_path}", "probes={}"])
    names = [stage.name for stage in pipeline_stages(on, "c")]
    assert names.index("teacher probes") == names.index("teacher generate") - 1
    assert [name for name in names if name != "teacher probes"] == [
        stage.name for stage in pipeline_stages(off, "c")
    ]
    path = RunPaths.of(on).probes
    reading = {stage.name for stage in pipeline_stages(on, "c") if path in stage.reads}
    assert reading == {"teacher generate", "teacher select", "student train"}
    assert not any(path in stage.reads for stage in pipeline_stages(off, "c"))
