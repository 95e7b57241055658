"""Trains one student from the selected answers; resumes from its last complete checkpoint."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import ProgressCallback

from config.errors import DataError
from config.peft_methods import FullMethod, PrefixTuningMethod
from config.schema import Config
from config.training import StudentSettings
from data.atomic_write import write_text
from data.fingerprint import check_fingerprint
from data.run_paths import RunPaths
from engine.models import load_base
from engine.precision import has_bfloat16
from engine.request_builder import RequestBuilder
from engine.sampling import GenerationSettings, sample_answers
from student.callbacks import COMPLETE, Bar, Follower, Metrics, trackers
from student.checkpoint import load_trained, save_student, save_trained
from student.collator import Example
from student.dataset import TrainingData, load_training_data, unrelated
from student.distiller import Distiller
from student.distributed import in_shares, rank, several, wait
from student.evaluate import look_at_val
from student.forward import Model, base_only
from student.model import load_student, trainable
from student.prefix_cache import shared_prefix
from student.records import Step, TrainingResult
from student.trainer import AnswerTrainer, TrainingTask


def train(
    config: Config,
    student: StudentSettings,
    accept_changes: bool,
    followers: Sequence[Follower] = (),
) -> TrainingResult:
    """Trains `student` unless it is trained, and leaves its best adapter in `adapter/`.

    What a follower raises ends the training. Raises DataError when nothing was selected, when rows
    are too long, or when the settings have changed since an earlier run (unless `accept_changes`:
    then it is trained anew).
    """
    run = RunPaths.of(config)
    folder = run.student(student.name)
    builder = RequestBuilder(config)
    found = load_training_data(config, student, builder)
    arguments = _arguments(config, student, folder / "checkpoints")  # sets up several processes
    start = read_result(run.student(student.start)).adapter_sha256 if student.start else None
    meaning = _meaning(config, student, builder, found.sha256, start)
    if rank() == 0 and check_fingerprint(folder / "fingerprint.json", meaning, accept_changes):
        for stale in ("checkpoints", "adapter"):
            shutil.rmtree(folder / stale, ignore_errors=True)
        (folder / "result.json").unlink(missing_ok=True)
    wait()
    if not (folder / "result.json").exists():
        with trackers(config, student) as tracking:
            _train(config, student, builder, found, arguments, [*tracking, *followers])
        wait()
    return read_result(folder)


def read_result(folder: Path) -> TrainingResult:
    """The result of a trained student. Raises DataError when it is not trained."""
    path = folder / "result.json"
    if not path.exists():
        raise DataError(f"{folder}: not trained yet; run `python -m student CONFIG train`")
    return TrainingResult.model_validate_json(path.read_text(encoding="utf-8"))


def _meaning(
    config: Config,
    student: StudentSettings,
    builder: RequestBuilder,
    learnt: str,
    start: str | None,
) -> dict[str, object]:
    """What the trained weights depend on, by name; how passes are filled is not among it."""
    settings = student.model_dump(mode="json", exclude={"name", "tokens_per_pass", "seed", "start"})
    return {
        **settings,
        "start": start,
        "seed": config.seed_of(student),
        "model": builder.identity,
        "chat template": builder.renderer.template_sha256,
        "prompt": builder.prompt.sha256,
        "answers": learnt,
    }


def _train(
    config: Config,
    student: StudentSettings,
    builder: RequestBuilder,
    found: TrainingData,
    arguments: Any,
    followers: Sequence[Follower],
) -> None:
    run = RunPaths.of(config)
    folder = run.student(student.name)
    checkpoints = Path(arguments.output_dir)
    resume = last_complete(checkpoints)
    system = builder.renderer.system_ids
    model = load_student(builder.model, student.method, config.seed_of(student), system)
    if student.start:
        load_trained(model, run.student(student.start))
    if not in_shares(model):
        model.to(arguments.device)
    metrics = Metrics(folder / "metrics.jsonl", _step(resume) if resume else 0, followers)
    trainer = AnswerTrainer(
        model,
        arguments,
        _lessons(config, student, builder, found, model),
        builder.renderer.tokenizer,
        look_at_val(config, builder),
    )
    for one in trainable(model).values():
        if one.dtype != torch.float32:  # TRL makes them bfloat16 on a base in 4 bits
            one.data = one.data.float()
    trainer.add_callback(metrics)
    trainer.remove_callback(ProgressCallback)
    trainer.add_callback(Bar())
    trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    if rank() == 0:
        best = best_step(metrics.steps)
        if in_shares(model):  # this process alone goes on
            model = load_base(builder.model, dtype=torch.float32)
        load_trained(model, checkpoints / f"checkpoint-{best.step}")
        save_trained(model, folder)  # for a second stage to go on from
        result = TrainingResult(
            name=student.name,
            best_step=best.step,
            best_epoch=best.epoch,
            strict=best.strict,
            val_loss=best.val_loss,
            steps=metrics.steps[-1].step,
            train_answers=sum(len(example.answers) for example in found.train),
            answer_tokens=sum(example.answer_tokens for example in found.train),
            seconds=metrics.steps[-1].seconds,
            trainable=sum(one.numel() for one in trainable(model).values()),
            adapter_sha256=save_student(model, folder / "adapter"),
        )
        write_text(folder / "result.json", result.model_dump_json(indent=1) + "\n")
        shutil.rmtree(checkpoints)  # optimiser states: large, and of no use once it is trained


def _lessons(
    config: Config,
    student: StudentSettings,
    builder: RequestBuilder,
    found: TrainingData,
    model: Model,
) -> TrainingTask:
    end, room = builder.renderer.end_of_turn, student.tokens_per_pass
    prompts = [example.teacher_prompt_ids for example in found.train]
    teaching = Distiller(
        model=model,
        objective=student.objective,
        shared=shared_prefix(prompts) if all(prompts) else (),
        drawing=GenerationSettings((end,), config.predict.sampling.max_tokens, do_sample=True),
        room=room,
    )
    kept = student.retention
    if kept is None:
        return TrainingTask(teaching, found.train, found.val, student.batch_size)
    asked = unrelated(builder, Path(kept.questions))
    with base_only(model):
        drawn = sample_answers(model, asked, GenerationSettings((end,), kept.max_tokens))
        retained = [Example(asked[one.prompt], (one.token_ids,)) for one in drawn]
    return TrainingTask(teaching, found.train, found.val, student.batch_size, retained, kept.weight)


def best_step(steps: Sequence[Step]) -> Step:
    """The epoch with the highest strict adherence on val; val loss decides between equals."""
    looks = [step for step in steps if step.val_rows is not None]
    infinite = float("inf")
    return max(
        looks,
        key=lambda step: (
            -1.0 if step.strict is None else step.strict,
            -(infinite if step.val_loss is None else step.val_loss),
        ),
    )


def last_complete(checkpoints: Path) -> Path | None:
    """The newest complete checkpoint; torn ones are removed, and said so."""
    complete = []
    for folder in checkpoints.glob("checkpoint-*"):
        if (folder / COMPLETE).exists():
            complete.append(folder)
        elif rank() == 0:
            shutil.rmtree(folder)
            print(f"{folder.name}: was being saved when the run ended; removed")
    return max(complete, key=_step, default=None)


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix("checkpoint-"))


def _arguments(config: Config, student: StudentSettings, checkpoints: Path) -> Any:
    from trl import SFTConfig

    made = SFTConfig(
        output_dir=str(checkpoints),
        run_name=f"{config.name}/{student.name}",
        per_device_train_batch_size=student.batch_size,  # split into forward passes by us
        num_train_epochs=student.epochs,
        learning_rate=student.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=student.warmup_fraction,  # below 1: a share of all steps
        seed=config.seed_of(student),
        bf16=has_bfloat16(),
        use_cpu=not torch.cuda.is_available(),
        # a prefix is keys and values, which checkpointing drops
        gradient_checkpointing=torch.cuda.is_available()
        and not isinstance(student.method, PrefixTuningMethod),
        logging_steps=1,
        eval_strategy="epoch",
        save_strategy="epoch",
        report_to="none",  # trackers follow metrics.jsonl
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,  # lengths were checked; nothing is cut here
        dataloader_pin_memory=False,
        disable_tqdm=False,
    )
    made.save_only_model = isinstance(student.method, FullMethod) and several()  # the rest by us
    return made
