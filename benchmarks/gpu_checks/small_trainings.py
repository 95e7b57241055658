"""One small real training of every method and every objective, on 16 rows of an invented desk.

Each goes through the product's own `train`, with evaluation and checkpoints. Then the
saved weights are loaded again, as they are served and as a second stage would start from them.
"""

from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.chat_tokenizer import small_chat_tokenizer
from config.checkout import ROOT
from config.errors import SetupError
from config.load import load_config
from config.schema import Config
from data.answers import Answer, top_logprobs_path
from data.jsonl import read_records, write_records
from data.records import Record
from data.rows import Row
from data.run_paths import RunPaths
from data.top_logprobs import TopLogprobs, TopLogprobsStore
from engine.base import Adapter, Request, score_request
from engine.hf_engine import HfEngine
from engine.hf_generation import answer_logprobs
from engine.models import resolve_base, resolve_model
from engine.precision import local_device
from engine.request_builder import RequestBuilder, View
from student.checkpoint import load_trained
from student.model import load_student
from student.records import Step
from student.train import train

ROWS, BATCH, EPOCHS = 16, 4, 6
# Mean difference in nats of a token's log-probability between the weights as they were trained and
# as they are served: rounding to 16 bits, and of qlora a base in 4 bits against one in 16
_SAME, _SAME_4BIT = 0.1, 0.6
_RATES = {"ia3": 1e-2, "p_tuning": 5e-3, "prompt_tuning": 5e-3, "prefix_tuning": 5e-3, "full": 2e-4}
_METHODS = (
    *("lora", "rslora", "dora", "qlora", "ia3"),
    *("p_tuning", "prompt_tuning", "prefix_tuning", "full"),
)
_OBJECTIVES: dict[str, dict[str, Any]] = {
    "kl from stored probabilities": {"objective": {"kind": "kl"}},
    "kl from stored probabilities, jsd at temperature 2": {
        "objective": {"kind": "kl", "direction": "jsd", "temperature": 2.0}
    },
    "kl to the prompted base": {"objective": {"kind": "kl", "teacher": "adapter_off"}},
    "on_policy": {"objective": {"kind": "on_policy"}},
    "ce with averaging": {"averaging": 0.3},
}


class TrainingCheck(Record):
    """The outcome of one small training."""

    name: str
    passed: bool
    detail: str


def small_students() -> dict[str, dict[str, Any]]:
    """The settings of each training by its name."""
    students = {
        f"{kind}, ce": {"method": {"kind": kind}, "learning_rate": _RATES.get(kind, 1e-3)}
        for kind in _METHODS
    }
    lora = {"method": {"kind": "lora"}, "learning_rate": 1e-3}
    return students | {f"lora, {name}": lora | more for name, more in _OBJECTIVES.items()}


def check_training(folder: Path, model: Path, student: dict[str, Any], name: str) -> TrainingCheck:
    """Trains one student in `folder`, and loads its saved weights again."""
    config = _experiment(folder, model, student)
    settings, run = config.students[0], RunPaths.of(config)
    train(config, settings, accept_changes=False)
    path = run.student("s") / "metrics.jsonl"
    losses = [step.loss for step in read_records(path, Step) if step.loss is not None]
    quarter = len(losses) // 4
    first, last = fmean(losses[:quarter]), fmean(losses[-quarter:])
    served, trained, base = (fmean(scores) for scores in _scores(config))
    same = _SAME_4BIT if settings.method.kind == "qlora" else _SAME
    passed = last < first and abs(served - trained) < same and served != base
    return TrainingCheck(
        name=name,
        passed=passed,
        detail=f"loss {first:.3f} → {last:.3f} in {len(losses)} steps; log-probability of the "
        f"answers {base:.3f} by the base, {trained:.3f} as trained, {served:.3f} as served",
    )


def embedded_or_tiny(folder: Path) -> Path:
    """The embedded model; where its package is not there, a random one made in `folder`."""
    try:
        return Path(resolve_model("embedded"))
    except SetupError:
        return tiny_chat_model(folder)


def tiny_chat_model(folder: Path) -> Path:
    """A random two-layer model, and a tokenizer of bytes with ChatML's template, in `folder`."""
    prompt = (ROOT / "prompts/lakeside/system_prompt.yaml").read_text("utf-8")
    tokenizer = small_chat_tokenizer(prompt)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": len(tokenizer)}
    config = LlamaConfig(
        **shape, **heads, max_position_embeddings=8192, initializer_range=0.2, eos_token_id=2
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def _experiment(folder: Path, model: Path, student: dict[str, Any]) -> Config:
    folder.mkdir(parents=True, exist_ok=True)
    size = {"batch_size": BATCH, "epochs": EPOCHS, "name": "s"}
    overrides = [
        *(f"runs={folder}", "name=t", f"model={{name: {model}, max_length: 8192}}"),
        f"students=[{student | size}]".replace("'", '"'),
        "predict={sampling: {max_tokens: 8}, eval_rows: 2}",
    ]
    config = load_config(ROOT / "config/demo.yaml", overrides)
    _write_answers(config)
    return config


def _write_answers(config: Config) -> None:
    """Rows with selected answers, and their probabilities as a teacher's that is nearly sure."""
    run, builder = RunPaths.of(config), RequestBuilder(config)
    rows = [Row(id=f"r{n}", question="word " * (n % 5 + 1), labels=()) for n in range(ROWS)]
    write_records(run.split("train"), rows)
    write_records(run.split("val"), rows[:2])
    texts = {row.id: f"Lakeside desk: {row.id}" for row in rows}
    answers = [
        Answer(
            key=row.id,
            arm="candidates/train",
            row=row.id,
            sample=0,
            text=texts[row.id],
            token_ids=builder.renderer.answer_ids(texts[row.id]),
            finish="stop",
            seed=0,
            prompt_tokens=1,
        )
        for row in rows
    ]
    write_records(run.selected, answers)
    write_records(run.selected_val, answers[:2])
    path = top_logprobs_path(run.answers("candidates/train"))
    path.parent.mkdir(parents=True, exist_ok=True)
    store = TopLogprobsStore(path, ())
    for answer in answers:
        store.append(answer.key, _nearly_sure(answer.token_ids))
    store.finish({answer.key for answer in answers})


def _nearly_sure(ids: tuple[int, ...]) -> TopLogprobs:
    """0.9 for each token, 0.05 for another one."""
    pairs = np.array([(token, 5 if token != 5 else 6) for token in ids], np.int32)
    return TopLogprobs(pairs, np.tile(np.log([0.9, 0.05]), (len(ids), 1)).astype(np.float16))


def _scores(config: Config) -> tuple[list[float], list[float], list[float]]:
    """Log-probabilities of the first answers' tokens: as served, as trained, and by the base."""
    run, student, model = RunPaths.of(config), config.students[0], resolve_base(config.model)
    builder = RequestBuilder(config)
    rows = list(run.iter_rows("val"))
    pairs = [
        (builder.view_ids(row, View(prompted=False)), tuple(answer.token_ids))
        for row, answer in zip(rows, read_records(run.selected_val, Answer), strict=True)
    ]
    adapter = Adapter("s", run.student("s") / "adapter", "sha", student.method.served)
    engine = HfEngine(model, config.model.max_length)

    def scored(of: Adapter | None) -> list[float]:
        requests: list[Request] = [score_request("m", *pair, of) for pair in pairs]
        return [value for done in engine.run(requests) for value in done.logprobs or ()]

    base, served = scored(None), scored(adapter)
    engine.close()
    trained = load_student(model, student.method, 0, builder.renderer.system_ids)
    load_trained(trained, run.student("s"))
    if student.method.kind != "qlora":
        trained.to(local_device())
    with torch.autocast(local_device(), torch.bfloat16, enabled=local_device() == "cuda"):
        as_trained = [value for pair in pairs for value in answer_logprobs(trained, *pair)]
    return served, as_trained, base
