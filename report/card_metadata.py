"""The metadata of the model card: what the Hugging Face hub lists, filters and shows of a model.

`model-index` holds the results. The hub's newer `.eval_results/` takes only results on a benchmark
that it has (https://huggingface.co/docs/hub/eval-results), so they are written there only where the
val rows are a dataset of the hub.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from huggingface_hub import (
    EvalResult,
    EvalResultEntry,
    ModelCardData,
    eval_result_entries_to_yaml,
)

from config.schema import Config
from config.yaml_file import dump_yaml
from data.readers.hub_dataset import is_hub_dataset
from data.records import digest
from report.base_model import base_license, hub_base
from report.numbers import Numbers
from report.run_files import RunFiles

_TASK = "text-generation"  # also the hub's tag of what the model is for
_UNNAMED = "unknown"  # the hub's word for a dataset that is not on it
EVAL_RESULTS = ".eval_results/unprompted.yaml"  # in a repository of the hub, and beside the card


def card_metadata(material: RunFiles, numbers: Numbers) -> ModelCardData:
    """The metadata of the best student's card. Raises ValueError when none has been saved."""
    saved, choice = material.saved, material.choice
    if saved is None or choice is None:
        raise ValueError("no best student has been saved")
    folded = saved.served == "folded"
    rules = material.rules
    return ModelCardData(
        base_model=hub_base(material.config, saved),
        base_model_relation="finetune" if folded else "adapter",
        library_name="transformers" if folded else "peft",
        pipeline_tag=_TASK,
        language=rules.language if "language" in rules.model_fields_set else None,
        license=base_license(material.config, saved),
        tags=["unprompted", "prompt-distillation", saved.method],
        model_name=choice.best,
        eval_results=list(_results(material, numbers)) or None,
    )


def fingerprint_sha256(material: RunFiles) -> str | None:
    """The hash of the judge's fingerprint; None where none is on record."""
    fingerprint = material.judged.fingerprint if material.judged else None
    return None if fingerprint is None else digest(fingerprint.model_dump(mode="json"))


def eval_results_yaml(material: RunFiles, numbers: Numbers) -> str | None:
    """`EVAL_RESULTS`: the strict rate on the benchmark that the val rows are.

    None where they are no dataset of the hub, and where the rate is not stated.
    """
    dataset, strict = _hub_dataset(material.config), material.strict(material.student or "")
    if dataset is None or strict is None or strict.rate is None:
        return None
    notes = [f"{numbers.score}, a share of 1{_stated(strict.low, strict.high)}; {strict.n} rows"]
    notes += [numbers.headline] if numbers.gap_closed.value is not None else []
    sha256 = fingerprint_sha256(material)
    notes += [f"judge {sha256}"] if sha256 else []
    entry = EvalResultEntry(
        dataset_id=dataset,
        task_id="default",
        value=round(strict.rate, 4),
        notes="; ".join(notes),
    )
    return dump_yaml(eval_result_entries_to_yaml([entry]))


def _hub_dataset(config: Config) -> str | None:
    """The id of the hub's dataset that the val rows are read from."""
    if config.data.val is None:  # split off from train: nobody else has this split
        return None
    path = config.data.val.path
    return path if is_hub_dataset(path) and not Path(path).exists() else None


def _results(material: RunFiles, numbers: Numbers) -> Iterator[EvalResult]:
    """The strict rate and the share of the gap that is closed, where they are stated."""
    strict, gap = material.strict(material.student or ""), numbers.gap_closed
    if strict is not None and strict.rate is not None:
        yield _result(material, numbers.score, strict.rate, (strict.low, strict.high), strict.n)
    if gap.value is not None:
        yield _result(material, "share of the gap closed", gap.value, (gap.low, gap.high), gap.n)


def _result(
    material: RunFiles, name: str, value: float, ends: tuple[float | None, float | None], n: int
) -> EvalResult:
    args: dict[str, Any] = {"rows": n}
    sha256 = fingerprint_sha256(material)
    if sha256 is not None:
        args["judge_sha256"] = sha256
    dataset = _hub_dataset(material.config)
    return EvalResult(
        task_type=_TASK,
        dataset_type=dataset or _UNNAMED,
        dataset_name=dataset or f"val of the run {material.config.name}, not published",
        dataset_split="val",
        metric_type=name.replace(" ", "_"),
        metric_name=f"{name}, a share of 1{_stated(*ends)}",
        metric_value=round(value, 4),
        metric_args=args,
    )


def _stated(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" (95 % interval {low:.4f} to {high:.4f})"
