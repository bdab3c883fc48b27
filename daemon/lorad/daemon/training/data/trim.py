"""The cache kept within bounds: what was not used for the longest time goes first.

What a live run maps stays. A run names it in a file that it holds locked for as long as it lives,
so that nobody needs to tell whether a process of another host is alive: the kernel lets go.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import time
import uuid
from collections.abc import Iterable
from pathlib import Path

from lorad.daemon.training.files import PRIVATE_FILE
from lorad.shared.endpoints import make_private

log = logging.getLogger(__name__)
LIMIT = "LORAD_CACHE_GIB"
"""The environment's word for how much may be kept; 0: all."""
LIMIT_GIB = 20.0
FRESH_SECONDS = 6 * 3600.0
"""What was used so lately stays: somebody may be encoding it, and name it only after."""
LIVE = "live"


def limit_bytes() -> float:
    """How much the cache may hold."""
    given = os.environ.get(LIMIT, "")
    try:
        wanted = float(given) if given else LIMIT_GIB
    except ValueError:
        log.warning("%s is no number: %s; %g is taken", LIMIT, given, LIMIT_GIB)
        wanted = LIMIT_GIB
    return wanted * (1 << 30) if wanted > 0 else float("inf")


def hold(cache: Path, shards: Iterable[Path]) -> int:
    """Keep these from being trimmed for as long as the descriptor that is told stays open.

    Raises:
        OSError: the cache cannot be written.
    """
    folder = cache / LIVE
    make_private(folder)
    name = uuid.uuid4().hex
    # Locked and filled before anybody can see it.
    aside = folder / f".{name}"
    # NFS locks nothing that is open for reading alone.
    descriptor = os.open(aside, os.O_RDWR | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
    os.write(descriptor, "".join(f"{path.relative_to(cache)}\n" for path in shards).encode())
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    aside.rename(folder / name)
    return descriptor


def trim(cache: Path, limit: float) -> int:
    """Take away the least recently used shards until the rest is within the limit; how many."""
    shards = []
    for path in cache.glob("*/*.safetensors"):
        with contextlib.suppress(FileNotFoundError):
            about = path.stat()
            shards.append((about.st_mtime, about.st_size, path))
    total = sum(size for _, size, _ in shards)
    if total <= limit:
        return 0
    held, newest, gone = _held(cache), time.time() - FRESH_SECONDS, 0
    for used, size, path in sorted(shards):
        if total <= limit or used > newest:
            break
        if path not in held:
            path.unlink(missing_ok=True)
            total, gone = total - size, gone + 1
    log.info("Cleared %d old files out of the cache, which now holds %.1f GiB", gone,
             total / (1 << 30))  # fmt: skip
    return gone


def _held(cache: Path) -> set[Path]:
    """What live runs map; the files of runs that ended are taken away."""
    held = set()
    for path in (cache / LIVE).glob("[!.]*"):
        with contextlib.suppress(FileNotFoundError), path.open(encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                path.unlink(missing_ok=True)
            except BlockingIOError:
                held |= {cache / line for line in file.read().splitlines()}
    return held
