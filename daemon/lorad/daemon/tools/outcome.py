"""All that a run leaves behind that must not depend on how often it was stopped, by its hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct, to_builtins

from lorad.shared.jobs import LORA_FILE
from lorad.shared.messages import Point, SamplePicture, Validation

CLOCK = ("started", "life")
"""Of a checkpoint's state, times of day."""
NEVER = "never there"


class Outcome(Struct, frozen=True):
    """What two runs of one recipe are compared by: a name of each thing, and its hash or value."""

    tensors: dict[str, str]
    """Of the last checkpoint, of its optimiser and average, and of the files for people."""
    state: dict[str, str]
    """What the last checkpoint says besides."""
    losses: dict[str, str]
    """Loss, gradient norm and learning rate of each step, exactly."""
    pictures: dict[str, str]

    @property
    def parts(self) -> dict[str, dict[str, str]]:
        """By what they are."""
        return {name: getattr(self, name) for name in self.__struct_fields__}


def outcome(
    folder: Path,
    points: Iterable[Point],
    validations: Iterable[Validation] = (),
    pictures: Iterable[SamplePicture] = (),
) -> Outcome:
    """What a run left in its folder, and what it told.

    Raises:
        OSError, ValueError: there is nothing, or it cannot be read.
    """
    last = max(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    files = {path.stem: path for path in sorted(last.glob("*.safetensors"))}
    people = {f"people/{path.name}": path for path in sorted(folder.glob("*.safetensors"))}
    best = folder / "best" / LORA_FILE
    tensors = {
        f"{name}/{tensor}": digest
        for name, path in {**files, **people, **({"best": best} if best.exists() else {})}.items()
        for tensor, digest in hashes(path).items()
    }
    state = json.loads((last / "state.json").read_text())
    losses = {f"step {p.step}": _exact(p.loss, p.grad_norm, p.learning_rate) for p in points}
    losses |= {f"look at step {one.step}": _exact(one.loss) for one in validations}
    return Outcome(
        tensors=tensors,
        state={key: json.dumps(value) for key, value in state.items() if key not in CLOCK},
        losses=losses,
        pictures={f"step {one.step} prompt {one.index}": one.sha256 for one in pictures},
    )


def hashes(path: Path) -> dict[str, str]:
    """SHA-256 of every tensor of a safetensors file, with its shape and type."""
    data = path.read_bytes()
    begin = 8 + int.from_bytes(data[:8], "little")
    found = {}
    for name, about in json.loads(data[8:begin]).items():
        if name != "__metadata__":
            first, last = about["data_offsets"]
            digest = hashlib.sha256(data[begin + first : begin + last])
            digest.update(json.dumps([about["dtype"], about["shape"]]).encode())
            found[name] = digest.hexdigest()
    return found


def _exact(*figures: float) -> str:
    return " ".join(float(figure).hex() for figure in figures)


def differences(wanted: Outcome, found: Outcome) -> list[str]:
    """What is not the same, in words; nothing: all of it is, to the last bit."""
    told = []
    for part, ours in wanted.parts.items():
        theirs: Mapping[str, str] = found.parts[part]
        for name in sorted(ours.keys() | theirs.keys()):
            one, other = ours.get(name, NEVER), theirs.get(name, NEVER)
            if one != other:
                told.append(f"{part}: {name} was {_short(one)} and is {_short(other)}")
    return told


def _short(value: str) -> str:
    return value if len(value) <= 60 else f"{value[:57]}..."


def plain(found: Outcome) -> dict[str, Any]:
    """For JSON: how many there are of each."""
    return {name: len(part) for name, part in to_builtins(found).items()}
