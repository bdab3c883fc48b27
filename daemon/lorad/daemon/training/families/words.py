"""Captions as numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from lorad.shared.clean import first_line
from lorad.shared.errors import ModelUnsupported

VOCABULARIES = (("tokenizer.json",), ("vocab.json", "merges.txt"), ("spiece.model",))


def load_tokenizer(kind: Any, folder: Path, name: str, base: str) -> Any:
    """A model's `tokenizer`, `tokenizer_2` or `tokenizer_3`, of a transformers class.

    Raises:
        ModelUnsupported: it is not there or damaged.
    """
    # Without one transformers makes a tokenizer of three words, and says nothing.
    if not any(all((folder / name / file).is_file() for file in files) for files in VOCABULARIES):
        why = f"its {name} has no vocabulary (such as tokenizer.json)"
        raise ModelUnsupported(base=base, why=why)
    try:
        return kind.from_pretrained(folder, subfolder=name)
    # A damaged file: each way has an error of its own.
    except Exception as error:
        why = f"its {name} cannot be read ({first_line(error, 200)})"
        raise ModelUnsupported(base=base, why=why) from error


def pad_ids(tokenizer: Any, captions: list[str], length: int) -> torch.Tensor:
    """Padded and cut to a length, [n, length]."""
    ids: torch.Tensor = tokenizer(
        captions, padding="max_length", truncation=True, max_length=length, return_tensors="pt"
    ).input_ids
    return ids
