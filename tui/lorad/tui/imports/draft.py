"""A recipe that is being put together, and what there is to say about it."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Any

from lorad.shared.clean import clean_line
from lorad.shared.recipe.sense import NAME, RESERVED

_SECRET = re.compile(r"hf_|sk-|ghp_|\S{30}")


class Draft:
    """Values by key (`train.learning_rate`), one table for each picture set, and remarks."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.data: list[dict[str, Any]] = [{}]
        self.origin: dict[str, str] = {}
        """Which argument a key is from, for the sentence when its value does not fit."""
        self.remarks: list[str] = []

    def put(self, key: str, value: Any, origin: str = "") -> None:
        """Set a key; `data.` keys in every picture set. None leaves it as it is."""
        if value is None:
            return
        if key.startswith("data."):
            for table in self.data:
                table[key.removeprefix("data.")] = value
        else:
            self.values[key] = value
        if origin:
            self.origin[key] = origin

    def take(self, key: str) -> Any:
        """Remove a key; what it was."""
        return self.values.pop(key, None)

    def remark(self, what: str, why: str) -> None:
        """Say a thing once."""
        line = f"{what}: {why}"
        if line not in self.remarks:
            self.remarks.append(line)


def valid_name(*wishes: str | None) -> str:
    """A run's name from the first wish (a name or a folder) that has letters for one."""
    for wish in wishes:
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", PurePath(wish or "").name).lstrip("._-")[:64]
        if name in RESERVED:
            name = f"{name}-lora"
        if NAME.fullmatch(name):
            return name
    return "my-lora"


def told(value: object, marks: str = "``") -> str:
    """A value between two marks, for a person; one that may be a token or a key is not shown."""
    text = str(value)
    return "its value" if _SECRET.search(text) else f"{marks[:1]}{clean_line(text)}{marks[1:]}"


def side(pixels: float) -> int:
    """The next multiple of 8 that a picture's side may have."""
    return round(min(max(pixels, 8), 4096) / 8) * 8
