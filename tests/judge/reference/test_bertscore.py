"""BERTScore on a tiny random encoder: its formula, its edges, and that nobody else loads torch."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import AutoModel, BertConfig, BertModel, PreTrainedTokenizerFast

from config.errors import SetupError
from judge.reference.bertscore import BertScorer

ROOT = Path(__file__).resolve().parents[3]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "да", "нет", "офис", "май", "сад", "кот"]
LONGEST = 8  # tokens, the two special ones among them


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four random layers over ten words, with [CLS] and [SEP] around a text as BERT has them."""
    folder = tmp_path_factory.mktemp("encoder")
    plain = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    plain.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    special = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain, sep_token="[SEP]", **special)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2}
    sizes = {"vocab_size": len(WORDS), "intermediate_size": 32, "max_position_embeddings": LONGEST}
    BertModel(BertConfig(**shape, **sizes, initializer_range=0.5)).save_pretrained(folder)
    return folder


def test_a_copy_is_100_and_an_empty_answer_0(encoder: Path) -> None:
    """Means over answers: cosine 1 with itself, and nothing said matches nothing."""
    found = BertScorer(str(encoder)).score(["да май", ""], [["нет кот", "да май"], ["да"]])
    assert found is not None
    assert found.value == pytest.approx(50, abs=1e-4)
    assert (found.n, found.too_long, found.layer) == (2, 0, 3)


def test_the_formula_by_hand(encoder: Path) -> None:
    """Layer 3 of 4, special tokens aside: best cosines of 2 and 3 tokens, F1 of their means."""
    text, reference = [4, 7], [6, 5, 8]  # да май; офис нет сад
    model = AutoModel.from_pretrained(encoder).eval()
    vectors = []
    with torch.no_grad():
        for ids in (text, reference):
            states = model(torch.tensor([[2, *ids, 3]]), output_hidden_states=True)
            vectors.append(states.hidden_states[3][0, 1:-1].double())
    cosines = [
        [float(torch.cosine_similarity(one, other, dim=0)) for other in vectors[1]]
        for one in vectors[0]
    ]
    precision = sum(max(row) for row in cosines) / 2
    recall = sum(max(column) for column in zip(*cosines, strict=True)) / 3
    found = BertScorer(str(encoder)).score(["да май"], [["офис нет сад"]])
    assert found is not None
    assert found.value == pytest.approx(200 * precision * recall / (precision + recall), abs=1e-3)


def test_what_does_not_fit_is_left_out_and_counted(encoder: Path) -> None:
    """7 words are 9 tokens of 8: no text is cut to be scored; nor is a reference."""
    scorer = BertScorer(str(encoder))
    long = "да нет офис май сад кот да"
    found = scorer.score(["да", long, "да"], [["да"], ["да"], [long]])
    assert found is not None and (found.n, found.too_long) == (1, 2)
    assert found.value == pytest.approx(100, abs=1e-4)
    assert scorer.score([long], [["да"]]) is None


def test_a_model_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    """The setting, its value and the reason."""
    with pytest.raises(SetupError, match=r"judge.bertscore = \S+: cannot be loaded: .+") as caught:
        BertScorer(str(tmp_path / "none"))
    assert "\n" not in str(caught.value)


def python(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    return done.stdout + done.stderr


def test_the_judge_needs_no_torch() -> None:
    """Neither to be imported nor before a model is asked for; and then the way out is named."""
    code = "import judge.run, sys; print({'torch', 'transformers'} & {*sys.modules})"
    assert python(code) == "set()\n"
    without = "import sys; sys.modules['torch'] = None\n"
    without += "from judge.reference.bertscore import BertScorer\n"
    assert "run `pip install torch transformers`" in python(without + "BertScorer('x')")
