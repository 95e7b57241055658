"""Trains one student on the selected answers; resumes from its last complete checkpoint."""

import shutil
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import ProgressCallback

from config.console import print
from config.errors import ConfigError, DataError, SetupError
from config.peft_methods import FullMethod
from config.schema import Config
from config.training import MEMORY_SETTINGS, StudentSettings
from data.atomic_write import write_text
from data.fingerprint import Fingerprint, check_fingerprint
from data.jsonl import read_stored_record
from data.run_paths import RunPaths
from data.stored_file import is_stored
from engine.hf_generation import generate_answers
from engine.models import TorchModel, load_base
from engine.precision import precision
from engine.prefix_cache import common_prefix
from engine.request_builder import RequestBuilder
from engine.token_sampler import GenerationSettings
from student.answer_source import answer_source
from student.callbacks import MetricsCallback, ProgressBarCallback
from student.checkpoint import load_trained, save_student, save_trained
from student.checkpoint_store import CheckpointStore, step_of
from student.collator import NO_TOKENS, Example
from student.dataset import TrainingData, load_training_data, retention_prompts
from student.distiller import Distiller
from student.distributed import barrier, is_distributed, is_sharded, process_rank
from student.evaluate import evaluate
from student.evaluation_schedule import EvaluationSchedule
from student.fast_passes import prepare_passes
from student.forward import base_only
from student.memory_plan import USUAL_TOKENS, plan_words
from student.model import load_student, trainable
from student.records import TrainingResult
from student.trackers import StepListener, open_trackers
from student.trainer import AnswerTrainer, TrainingTask


def train(
    config: Config,
    student: StudentSettings,
    accept_changes: bool,
    listeners: Sequence[StepListener] = (),
    held_out: Collection[str] = (),
) -> TrainingResult:
    """Trains `student` unless it is trained already, and saves its best weights in `adapter/`.

    Val rows whose id is in `held_out` are not looked at: neither val loss nor evaluation. An
    exception of a listener ends the training. Raises DataError when no answer was selected, when
    rows are too long, or when the settings differ from an earlier run's (with `accept_changes` the
    student is trained anew instead).
    """
    run = RunPaths.of(config)
    folder = run.student(student.name)
    builder = RequestBuilder(config)
    data = load_training_data(config, student, builder, held_out)
    if data.unmatched and process_rank() == 0:
        print(
            f"{student.name}: {data.unmatched} answers left out: their stored probabilities are "
            "not of the tokens to learn"
        )
    arguments = trainer_arguments(config, student, folder / "checkpoints")  # sets up the processes
    start = read_result(run.student(student.start)).adapter_sha256 if student.start else None
    fingerprint = _fingerprint(student, builder, data.sha256, start)
    if process_rank() == 0 and check_fingerprint(
        folder / "fingerprint.json", fingerprint, accept_changes
    ):
        for outdated in ("checkpoints", "adapter"):
            shutil.rmtree(folder / outdated, ignore_errors=True)
        (folder / "result.json").unlink(missing_ok=True)
    barrier()
    if not is_stored(folder / "result.json"):
        with open_trackers(config, student) as trackers:
            _train(config, student, builder, data, arguments, [*trackers, *listeners])
        barrier()
    return read_result(folder)


def read_result(folder: Path) -> TrainingResult:
    """The result of a trained student. Raises DataError when it is not trained or not valid."""
    path = folder / "result.json"
    result = read_stored_record(path, TrainingResult, "remove the folder to train again")
    if result is None:
        raise DataError(f"{folder}: not trained yet; run `unprompted student CONFIG train`")
    return result


def _fingerprint(
    student: StudentSettings, builder: RequestBuilder, data_sha256: str, start: str | None
) -> Fingerprint:
    """Everything that the trained weights depend on; how passes fit into memory is not."""
    settings = student.model_dump(mode="json", exclude={"name", "seed", "start", *MEMORY_SETTINGS})
    return {
        **settings,
        "start": start,
        "seed": builder.config.seed_of(student),
        "model": builder.identity,
        "chat template": builder.renderer.template.sha256,
        "prompt": builder.prompt.sha256,
        "answers": data_sha256,
    }


def _train(
    config: Config,
    student: StudentSettings,
    builder: RequestBuilder,
    data: TrainingData,
    arguments: Any,
    listeners: Sequence[StepListener],
) -> None:
    run = RunPaths.of(config)
    folder, checkpoints = run.student(student.name), Path(arguments.output_dir)
    store = CheckpointStore(checkpoints)
    resume = store.last_complete()
    system_ids = builder.renderer.system_ids
    dtype, seed = config.model.dtype, config.seed_of(student)
    model = load_student(builder.model, student.method, seed, system_ids, dtype)
    if student.start:
        load_trained(model, run.student(student.start))
    if not is_sharded(model):
        model.to(arguments.device)
    metrics = MetricsCallback(folder / "metrics.jsonl", step_of(resume) if resume else 0, listeners)
    task = _training_task(student, builder, data, model)
    trainer = AnswerTrainer(
        model,
        arguments,
        task,
        builder.renderer.tokenizer,
        lambda model: evaluate(config, builder, data.evaluated, model, task.distiller.draw),
    )
    for weight in trainable(model).values():
        if weight.dtype != torch.float32:  # TRL casts them to bfloat16 on a 4-bit base
            weight.data = weight.data.float()
    trainer.add_callback(EvaluationSchedule())
    trainer.add_callback(metrics)
    trainer.remove_callback(ProgressCallback)
    trainer.add_callback(ProgressBarCallback())
    prepare_passes(trainer, student)
    with answer_source(config, student, builder.model, len(data.evaluated)) as draw:
        task.distiller.draw = draw
        try:
            trainer.train(resume_from_checkpoint=str(resume) if resume else None)
        except torch.OutOfMemoryError as error:  # outside of the passes, which are made smaller
            raise SetupError(
                f"student {student.name}: out of memory, {plan_words(trainer.plan)}; use method "
                "qlora or a smaller base, or end other programs on the card"
            ) from error
    if process_rank() == 0:
        if is_sharded(model):  # the other processes stop here
            model = load_base(builder.model, dtype=torch.float32)
        best = metrics.best
        weights = store.served_weights(best.step)
        load_trained(model, weights.parent, weights.name)
        save_trained(model, folder)  # a second stage starts from it
        result = TrainingResult(
            name=student.name,
            best_step=best.step,
            best_epoch=best.epoch,
            **best.model_dump(include={"strict", "strict_by_case", "val_loss", "val_rows"}),
            steps=metrics.steps[-1].step,
            train_answers=sum(len(example.answers) for example in data.train),
            prompted_answers=sum(len(example.answers) for example in data.prompted),
            unmatched=data.unmatched,
            answer_tokens=sum(e.answer_tokens for e in (*data.train, *data.prompted)),
            seconds=metrics.steps[-1].seconds,
            trainable=sum(weight.numel() for weight in trainable(model).values()),
            adapter_sha256=save_student(model, folder / "adapter"),
        )
        write_text(folder / "result.json", result.model_dump_json(indent=1) + "\n")
        shutil.rmtree(checkpoints)  # optimiser states are large, and useless from here on


def _training_task(
    student: StudentSettings, builder: RequestBuilder, data: TrainingData, model: TorchModel
) -> TrainingTask:
    end = builder.renderer.template.end_of_turn
    max_tokens = builder.config.predict.sampling.max_tokens
    teacher_prompts = [example.teacher_prompt_ids for example in data.train]
    distiller = Distiller(
        model=model,
        objective=student.objective,
        shared_prompt=common_prefix(teacher_prompts) if student.needs_adapter_off else NO_TOKENS,
        sampling=GenerationSettings((end,), max_tokens, temperature=1.0),
        tokens_per_pass=USUAL_TOKENS,  # `prepare_passes` sets it
    )
    task = TrainingTask(
        distiller,
        [*data.train, *data.prompted],
        data.val,
        student.batch_size,
        averaging=student.averaging,
    )
    retention = student.retention
    if retention is None:
        return task
    prompts = retention_prompts(builder, Path(retention.questions))
    with base_only(model):
        answers = generate_answers(model, prompts, GenerationSettings((end,), retention.max_tokens))
        examples = [
            Example(
                np.array(prompts[answer.prompt], np.int32),
                (np.array(answer.token_ids, np.int32),),
            )
            for answer in answers
        ]
    return replace(task, retention=examples, retention_weight=retention.weight)


def trainer_arguments(config: Config, student: StudentSettings, checkpoints: Path) -> Any:
    """The trainer's settings on this machine, as an `SFTConfig`."""
    from trl import SFTConfig

    dtype = precision(config.model.dtype)
    arguments = SFTConfig(
        output_dir=str(checkpoints),
        run_name=f"{config.name}/{student.name}",
        per_device_train_batch_size=student.batch_size,  # the distiller splits it into passes
        num_train_epochs=student.epochs,
        learning_rate=student.learning_rate,
        optim="adamw_torch_fused",
        lr_scheduler_type="linear",
        warmup_steps=student.warmup_fraction,  # below 1: a share of all steps
        seed=config.seed_of(student),
        bf16=dtype == "bfloat16",
        fp16=dtype == "float16",  # scales the loss
        use_cpu=not torch.cuda.is_available(),
        gradient_checkpointing=False,  # `prepare_passes` sets it
        logging_steps=1,
        logging_nan_inf_filter=False,  # it would wait for the card in every step, and log 0 for NaN
        eval_strategy="no",  # EvaluationSchedule says when
        save_strategy="no",
        report_to="none",  # trackers follow metrics.jsonl
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,  # nothing is cut: lengths were checked
        dataloader_pin_memory=False,
        disable_tqdm=False,
    )
    # FSDP2: the trainer saves the sharded optimiser itself
    arguments.save_only_model = isinstance(student.method, FullMethod) and is_distributed()
    if arguments.save_only_model and dtype == "float16":
        raise ConfigError(
            f"student {student.name}: method full in several processes cannot scale its loss in "
            "float16; set model.dtype: float32, or start one process"
        )
    return arguments
