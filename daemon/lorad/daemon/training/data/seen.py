"""Every picture decoded to its end, by processes that may crash or run out of memory alone."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path

from lorad.daemon.training.data.index import Index, stamp
from lorad.daemon.training.data.item import Item
from lorad.daemon.training.data.look import Look, look
from lorad.daemon.training.data.pictures import fault

MEMORY = 2 << 30
"""Bytes that a process may take beyond what it begins with: enough for the largest picture."""
MOST_WORKERS = 16
AHEAD = 4
"""Pictures that are read ahead, for each process."""
Read = Callable[[], bytes]
Work = Callable[[bytes], Look]


@dataclass(frozen=True)
class Seen:
    """What a picture turned out to be."""

    look: Look | None
    why: str = ""
    """If it cannot be decoded."""


@dataclass(frozen=True)
class Sight:
    """What all pictures and masks turned out to be."""

    pictures: list[Seen]
    """One an item."""
    masks: dict[int, Seen] = field(default_factory=dict)
    """By the item's place, where the mask is a file of its own."""


def look_over(
    items: list[Item], index: Index | None = None, tell: Callable[[int], None] = lambda done: None
) -> Sight:
    """Look at each picture and its mask; what `index` knows is not looked at again.

    `tell` hears how many are done, and may end it by raising.
    """
    index = index or Index()
    masked = [
        number
        for number, item in enumerate(items)
        if item.read_mask is not None and (item.path is None or item.mask_path != item.path)
    ]
    files: list[tuple[Path | None, Read]] = [(item.path, item.read) for item in items]
    files += [(items[n].mask_path, items[n].read_mask or items[n].read) for n in masked]
    seen = _look_at(files, index, tell)
    index.save()
    return Sight(seen[: len(items)], dict(zip(masked, seen[len(items) :], strict=True)))


def _look_at(
    files: list[tuple[Path | None, Read]], index: Index, tell: Callable[[int], None]
) -> list[Seen]:
    known = [index.known(path, whole=True) for path, _ in files]
    unknown = [file for file, found in zip(files, known, strict=True) if found is None]
    before = [stamp(path) for path, _ in unknown]
    looks: list[Seen] = []
    for found in in_workers(look, [read for _, read in unknown]):
        if len(looks) % 50 == 0:
            tell(len(looks))
        if isinstance(found, Look):
            index.keep(unknown[len(looks)][0], before[len(looks)], found, whole=True)
            looks.append(Seen(found))
        else:
            looks.append(Seen(None, str(found)))
    fresh = iter(looks)
    return [Seen(found) if found is not None else next(fresh) for found in known]


def in_workers(work: Work, reads: list[Read]) -> Iterator[Look | ValueError]:
    """What `work` makes of each file, or why it cannot, in order."""
    if not reads:
        return
    workers = min(MOST_WORKERS, len(os.sched_getaffinity(0)), len(reads))
    pool, following = _pool(workers), 0
    waiting: deque[tuple[int, Future[Look] | ValueError]] = deque()
    try:
        while waiting or following < len(reads):
            while following < len(reads) and len(waiting) < workers * AHEAD:
                waiting.append((following, _begin(pool, work, reads[following])))
                following += 1
            number, future = waiting.popleft()
            try:
                yield _answer(future)
            except BrokenProcessPool:
                # One of those under way ended its process: each is tried alone to find it.
                suspects = [reads[number], *(reads[other] for other, _ in waiting)]
                waiting.clear()
                pool.shutdown()
                yield from _one_by_one(work, suspects)
                pool = _pool(workers)
    finally:
        pool.shutdown(cancel_futures=True)


def _pool(workers: int) -> ProcessPoolExecutor:
    # Not forked: torch's threads hold locks that nobody would release in the copy.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_set_up)


def _set_up() -> None:
    """In the new process: its limits, and its end with its parent's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal tells the parent too
    warnings.simplefilter("ignore")  # Pillow's, of damaged EXIF
    threading.Thread(target=_end_with_parent, daemon=True).start()
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _begin(pool: ProcessPoolExecutor, work: Work, read: Read) -> Future[Look] | ValueError:
    try:
        return pool.submit(work, read())
    except BrokenProcessPool as error:
        broken: Future[Look] = Future()
        broken.set_exception(error)
        return broken
    except Exception as error:  # gone, unreadable, or a row of a data set that holds no picture
        return ValueError(fault(error))


def _answer(future: Future[Look] | ValueError) -> Look | ValueError:
    if isinstance(future, ValueError):
        return future
    try:
        return future.result()
    except ValueError as error:
        return error


def _one_by_one(work: Work, reads: list[Read]) -> Iterator[Look | ValueError]:
    """Each with no other beside it, so that it is known which one ends its process."""
    pool = _pool(1)
    try:
        for read in reads:
            try:
                yield _answer(_begin(pool, work, read))
            except BrokenProcessPool:
                yield ValueError("it ends the program that decodes it")
                pool.shutdown()
                pool = _pool(1)
    finally:
        pool.shutdown()
