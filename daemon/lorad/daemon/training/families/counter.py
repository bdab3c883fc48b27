"""How many tokens captions are, without loading a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lorad.daemon.training.families import hub
from lorad.daemon.training.families.find import check_model, find_texts
from lorad.daemon.training.families.words import load_tokenizer
from lorad.shared.recipe import Model


class Counter:
    """Counts as the base model's CLIP tokenizers do."""

    def __init__(self, tokenizers: list[Any]) -> None:
        """One at least."""
        self._tokenizers = tokenizers
        self.limit = min(int(tokenizer.model_max_length) for tokenizer in tokenizers)
        """Tokens that are read, the two at the ends included: 77; what is beyond is cut off."""

    def counts(self, captions: list[str]) -> list[int]:
        """The tokens of each caption, uncut, the two at the ends included."""
        if not captions:
            return []
        counts = [
            [len(ids) for ids in tokenizer(captions, verbose=False).input_ids]
            for tokenizer in self._tokenizers
        ]
        return [max(of_one) for of_one in zip(*counts, strict=True)]


def load_counter(model: Model, recipe_folder: Path) -> Counter:
    """The tokenizers of a base model, and nothing else of it.

    Raises:
        ModelError: it is not there, cannot be fetched, or has none.
    """
    from transformers import CLIPTokenizer

    folder = find_texts(model, recipe_folder, (*hub.CONFIGS, *hub.WORDS))
    check_model(folder, model.base)
    names = ["tokenizer", "tokenizer_2"] if (folder / "tokenizer_2").is_dir() else ["tokenizer"]
    return Counter([load_tokenizer(CLIPTokenizer, folder, name, model.base) for name in names])
