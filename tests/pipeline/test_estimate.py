"""Minutes and memory as ranges: the demo's measured times lie within, and devices scale them."""

from pathlib import Path

import pytest

from config.checkout import ROOT
from config.load import load_config
from data.prepare import prepare_splits
from engine.embedded import embedded_model
from engine.request_builder import RequestBuilder
from pipeline.plan.device_rates import cpu_rates, gpu_rates
from pipeline.plan.estimate import Estimator, duration_range, teacher_seconds
from pipeline.plan.model_size import EMBEDDED_PARAMETERS, model_size
from pipeline.plan.row_tokens import answer_tokens, count_tokens
from pipeline.plan.training_memory import training_gib
from pipeline.plan.training_steps import training_steps
from pipeline.plan.workload import prediction_work, teacher_work, training_work

SIZE = model_size(embedded_model())
# of the README, two cores with bfloat16: teacher, two students, answers
TEACHER, STUDENTS, ANSWERS = 252, 1125, 70


@pytest.fixture
def _in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.usefixtures("_in_the_checkout")
def test_the_demo_took_as_long_as_estimated() -> None:
    config = load_config(ROOT / "config/demo.yaml", [])
    prepared = prepare_splits(config.data, Path(), config.seed)
    builder = RequestBuilder(config, identity="x")
    tokens = count_tokens(
        builder, {"train": prepared.train, "val": prepared.val, "hidden": prepared.hidden or ()}
    )
    answer = answer_tokens(builder, prepared.train)
    estimator = Estimator(cpu_rates(2, True, 8.0), SIZE)
    teacher = teacher_seconds(config, estimator, teacher_work(builder, tokens, answer))
    answering = estimator.answering(prediction_work(config, tokens, answer))
    trainings = [
        estimator.training(training_work(config, plan, tokens, answer))
        for plan in training_steps(config, len(prepared.train))
    ]
    assert teacher is not None and teacher[0] <= TEACHER <= teacher[1]
    assert answering is not None and answering[0] <= ANSWERS <= answering[1]
    low, high = (sum(ends) for ends in zip(*filter(None, trainings), strict=True))
    assert low <= STUDENTS <= high


def test_the_size_of_the_embedded_model_is_read_from_its_files() -> None:
    assert SIZE is not None
    assert SIZE.parameters == EMBEDDED_PARAMETERS
    assert (SIZE.hidden, SIZE.layers) == (576, 30)
    assert SIZE.embeddings == 49_152 * 576, "its embeddings are its head"
    assert model_size(Path("/nowhere")) is None


def test_devices_scale_the_rates() -> None:
    """Twice the cores, twice the rate; float32 takes longer; an unknown card has no figures."""
    two, four = cpu_rates(2, True, 8), cpu_rates(4, True, 8)
    assert two.read and four.read and two.trained
    assert four.read[0] == pytest.approx(2 * two.read[0])
    slow = cpu_rates(2, False, 8).trained
    assert slow is not None and slow[1] < two.trained[1]
    card = gpu_rates("NVIDIA H100 80GB HBM3", 80)
    assert card.gpu and card.trained and card.trained[0] > two.trained[1]
    unknown = gpu_rates("NVIDIA XYZ", 80)
    assert unknown.read is None and Estimator(unknown, SIZE).device.gpu


def test_memory_grows_with_model_batch_and_method() -> None:
    config = load_config(ROOT / "config/demo.yaml", ["students.0.batch_size=32"])
    assert SIZE is not None
    large, small = config.students
    full = load_config(
        ROOT / "config/demo.yaml",
        ["students=[{name: lora, method: {kind: full}, batch_size: 4}]"],
    ).students[0]
    first, second, third = (
        training_gib(student, SIZE, 200, gpu=False) for student in (small, large, full)
    )
    assert first[0] < second[0] and first[0] < third[0]
    on_card = training_gib(large, SIZE, 200, gpu=True)
    assert on_card[0] < second[0], "activations are recomputed there"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        ((5, 50), "under 1 min"),
        ((20, 80), "about 1 min"),
        ((20, 90), "1 to 2 min"),
        ((600, 1200), "10 to 20 min"),
        ((3600, 9000), "1.0 to 2.5 h"),
    ],
)
def test_durations_in_words(seconds: tuple[float, float] | None, text: str) -> None:
    assert duration_range(seconds) == text
