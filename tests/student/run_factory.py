"""Small experiments for the tests of training: a tiny model, selected answers, a config."""

from pathlib import Path

import torch
import yaml
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from config.load import load_config
from config.schema import Config
from data.answers import Answer
from data.jsonl import read_records, write_records
from data.rows import Context, Row
from data.run_paths import RunPaths
from engine.models import load_tokenizer, resolve_model
from student.records import Step
from student.train import train

ROOT = Path(__file__).resolve().parents[2]


def tiny_model(folder: Path, tied: bool = False) -> Path:
    """A random two-layer model with the embedded model's tokenizer."""
    return saved_model(folder, load_tokenizer(resolve_model("embedded")), tied)


def saved_model(folder: Path, tokenizer: PreTrainedTokenizerBase, tied: bool = False) -> Path:
    """A random two-layer model with that tokenizer; tied: its embeddings are its head."""
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": len(tokenizer)}
    settings = LlamaConfig(**shape, **heads, tie_word_embeddings=tied, max_position_embeddings=8192)
    LlamaForCausalLM(settings).save_pretrained(folder)
    return folder


def small_vocabulary_model(folder: Path, tied: bool = False) -> Path:
    """As `tiny_model`, with 2,000 tokens of the demo's prompt in place of 49,152: most of a step of
    a tiny model is the loss over its vocabulary, and most of its start its tokenizer."""
    texts = [path.read_text("utf-8") for path in (ROOT / "prompts/lakeside").glob("*.yaml")]
    return saved_model(folder, _trained_tokenizer(2000, texts), tied)


def other_tokenizer_model(folder: Path) -> Path:
    """A tiny model with a tokenizer of 300 tokens; only its chat template is the embedded's."""
    texts = ["Lakeside desk: the library opens at nine." * 5]
    return saved_model(folder, _trained_tokenizer(300, texts))


def _trained_tokenizer(tokens: int, texts: list[str]) -> PreTrainedTokenizerBase:
    """Byte pairs of these texts, with the embedded model's chat template and its tokens."""
    embedded = load_tokenizer(resolve_model("embedded"))
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=tokens,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],  # ids as in the embedded
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<|im_end|>")
    tokenizer.chat_template = embedded.chat_template
    return tokenizer


def experiment(folder: Path, model: Path) -> Path:
    """A config with 24 selected answers, to be learnt in 4 epochs of 6 steps."""
    settings = {
        "extends": str(ROOT / "config/demo.yaml"),
        "name": "t",
        "runs": str(folder),
        "model": {"name": str(model)},
        "students": [
            {"name": "s", "method": {"rank": 4, "dropout": 0.1}, "batch_size": 4}
            | {"epochs": 4, "learning_rate": 1.0e-2}
        ],
        "predict": {"sampling": {"max_tokens": 4}, "eval_rows": 2},
    }
    path = folder / "t.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(settings), "utf-8")
    run = RunPaths.of(load_config(path))
    rows = [
        Row(id=f"r{n}", question="word " * (n % 5 + 1), contexts=(Context(text="x"),), labels=())
        for n in range(24)
    ]
    write_records(run.split("train"), rows)
    write_records(run.split("val"), rows[:2])
    texts = [
        Answer(
            key=row.id,
            arm="candidates/train",
            row=row.id,
            sample=0,
            text="Lakeside desk: " + row.id,
            finish="stop",
            seed=0,
            prompt_tokens=1,
        )
        for row in rows
    ]
    write_records(run.selected, texts)
    write_records(run.selected_val, texts[:2])
    return path


def add_cases(config: Config) -> None:
    """Makes every fourth train row off topic, and adds 24 ordinary rows without an answer.

    A refusal is due on 6 of 48 rows and 6 of 24 answers, so these weigh half, the others 7/6.
    """
    path = RunPaths.of(config).split("train")
    rows = [
        row.model_copy(update={"labels": ("Вопрос не по теме",) if n % 4 == 3 else ()})
        for n, row in enumerate(read_records(path, Row))
    ]
    more = [Row(id=f"more{n}", question="word", labels=()) for n in range(24)]
    write_records(path, [*rows, *more])


def trained(config: Config) -> dict[str, torch.Tensor]:
    """The adapter after training, or after going on with it."""
    train(config, config.students[0], accept_changes=False)
    return load_file(RunPaths.of(config).student("s") / "adapter" / "adapter_model.safetensors")


def losses(config: Config) -> list[tuple[int, float]]:
    """Step and loss of every optimiser step."""
    steps = read_records(RunPaths.of(config).student("s") / "metrics.jsonl", Step)
    return [(step.step, step.loss) for step in steps if step.loss is not None]
