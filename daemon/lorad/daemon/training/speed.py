"""How fast runs were, kept with the cache, so that `lorad check` has something to go by.

A speed is found again by what it mostly depends on: the network's shape, whatever its weights are,
what the recipe says of the size of a step, and the machine.
"""

from __future__ import annotations

import hashlib
import json
import logging
import socket
import time
from collections import deque
from pathlib import Path

import msgspec
from msgspec import Struct

from lorad.daemon.training.files import PRIVATE_FILE, UNWRITTEN, write_atomically
from lorad.shared.codec import UNDECODABLE
from lorad.shared.endpoints import make_private
from lorad.shared.recipe import Recipe
from lorad.shared.words import counted

log = logging.getLogger(__name__)
SLOW_STEPS = 3
"""The first ones of a process, that choose kernels and fill caches."""
FEWEST_STEPS = 5
RECENT_STEPS = 100
NETWORKS = ("unet", "transformer")


class Speed(Struct, frozen=True, kw_only=True):
    """What a run measured."""

    images_per_second: float
    name: str
    """Of its recipe."""
    machine: str
    time: float
    """In seconds since the epoch."""


class Pace:
    """Measures one run, and keeps what it measured."""

    def __init__(self, path: Path, name: str, machine: str) -> None:
        """`path` as `place_of` tells it."""
        self._path, self._name, self._machine = path, name, machine
        self._slow = SLOW_STEPS
        self._seconds: deque[float] = deque(maxlen=RECENT_STEPS)

    def note(self, images_per_second: float) -> None:
        """A step was taken."""
        if self._slow > 0:
            self._slow -= 1
        elif images_per_second > 0:
            self._seconds.append(1 / images_per_second)

    def keep(self) -> None:
        """Write it down for the next estimate; a full disk only costs that."""
        if len(self._seconds) < FEWEST_STEPS:
            return
        speed = Speed(
            images_per_second=len(self._seconds) / sum(self._seconds),
            name=self._name,
            machine=self._machine,
            time=time.time(),
        )
        try:
            make_private(self._path.parent)
            write_atomically(self._path, msgspec.json.encode(speed), mode=PRIVATE_FILE)
        except UNWRITTEN as error:
            log.warning("its speed was not kept: %s", error)


def find_speed(path: Path) -> Speed | None:
    """What a run of the same kind measured on this machine, or none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Speed)
    except FileNotFoundError:
        return None
    except (OSError, *UNDECODABLE) as error:
        log.warning("a kept speed cannot be read: %s", error)
        return None


def place_of(cache: Path, recipe: Recipe, model: Path, machine: str) -> Path:
    """The file of a speed; `model` is the folder with the base model's configuration."""
    train, lora = recipe.train, recipe.lora
    said = [
        machine,
        *(_shape(model / name / "config.json") for name in NETWORKS),
        (train.resolution, train.train_batch_size, train.num_processes, train.mixed_precision),
        (train.exact, train.compile, train.gradient_checkpointing),
        (lora.type, lora.use_dora, lora.target_modules, lora.train_text_encoder),
    ]
    digest = hashlib.blake2b(json.dumps(said).encode(), digest_size=16).hexdigest()
    return cache / "speeds" / f"{digest}.json"


def _shape(path: Path) -> dict[str, object] | None:
    """A network's configuration without what says where it came from."""
    if not path.is_file():
        return None
    config = json.loads(path.read_text())
    return {key: config[key] for key in sorted(config) if not key.startswith("_")}


def machine_name(threads: int) -> str:
    """The card, or the host and its threads where there is none."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"the CPU of {socket.gethostname()} with {counted(threads, 'thread')}"
