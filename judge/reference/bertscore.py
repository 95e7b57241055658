"""BERTScore (Zhang et al. 2020, arXiv 1904.09675): greedy matching of contextual word vectors.

The one file of the judge that needs torch, and only when the settings ask for it. Own code because
the package `bert-score` 0.3.13 breaks on empty answers under transformers 5 and cuts long ones in
silence. It also lets a token match the special ones at the ends; without that the values are equal.
"""

from collections.abc import Sequence
from typing import Any

from config.errors import SetupError
from judge.records import BertScore

DEPTH = 0.75  # of the layers, whose output is taken: the paper's choice for BERT, layer 9 of 12


class BertScorer:
    """One encoder, loaded once."""

    def __init__(self, name: str) -> None:
        """`name`: a folder or a hub id. Raises SetupError when it cannot be loaded."""
        try:
            import torch
            from transformers import AutoModel, AutoTokenizer
        except ImportError as error:
            raise SetupError(
                f"judge.bertscore = {name}: {error}; run `pip install torch transformers`, "
                "or set judge.bertscore to null"
            ) from None
        self.name = name
        safe: dict[str, Any] = {"trust_remote_code": False}
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(name, **safe)
            model = AutoModel.from_pretrained(name, use_safetensors=True, **safe)
        except (OSError, ValueError) as error:
            line = str(error).strip().splitlines()[0][:200]
            raise SetupError(f"judge.bertscore = {name}: cannot be loaded: {line}") from None
        self._model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        self.layer = round(DEPTH * model.config.num_hidden_layers)
        self._longest = min(
            self._tokenizer.model_max_length, model.config.max_position_embeddings
        )  # tokens

    def score(self, texts: Sequence[str], references: Sequence[Sequence[str]]) -> BertScore | None:
        """Mean F1 × 100, each text against the reference it is most like; no idf, no rescaling.

        An empty text scores 0. A pair with more tokens than the model takes is left out,
        for nothing is cut; a text whose pairs are all left out is counted in `too_long`. None when
        none is left.
        """
        found = [self._best(text, given) for text, given in zip(texts, references, strict=True)]
        scored = [value for value in found if value is not None]
        if not scored:
            return None
        return BertScore(
            value=100 * sum(scored) / len(scored),
            n=len(scored),
            too_long=len(found) - len(scored),
            model=self.name,
            layer=self.layer,
        )

    def _best(self, text: str, references: Sequence[str]) -> float | None:
        if not text.strip():
            return 0.0
        own = self._vectors(text)
        others = [self._vectors(reference) for reference in references]
        if own is None:
            return None
        return max((_f1(own, other) for other in others if other is not None), default=None)

    def _vectors(self, text: str) -> Any:
        """Unit vectors of the tokens [T, H], special ones aside; None where they are too many."""
        import torch

        ids = self._tokenizer(text, return_special_tokens_mask=True, return_tensors="pt")
        if ids["input_ids"].shape[1] > self._longest:
            return None
        own = ids.pop("special_tokens_mask")[0] == 0  # [T + special ones]
        with torch.inference_mode():
            states = self._model(**ids.to(self._model.device), output_hidden_states=True)
        vectors = states.hidden_states[self.layer][0][own]  # [T, H]
        return torch.nn.functional.normalize(vectors.float(), dim=-1)


def _f1(own: Any, other: Any) -> float:
    """[A, H], [R, H] → F1 of the cosine to each token's best partner."""
    if not len(own) or not len(other):
        return 0.0
    alike = own @ other.T  # [A, R]
    precision, recall = float(alike.amax(1).mean()), float(alike.amax(0).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0
