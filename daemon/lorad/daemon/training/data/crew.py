"""Decoding processes, and files handed out to them."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import msgspec

from lorad.daemon.training.data.decoder import Work, receive, send
from lorad.daemon.training.data.look import Look
from lorad.daemon.training.data.pictures import fault

MOST = 16
"""Processes."""
LATER_SECONDS = 0.6
"""One process is started at once and the others when there is still something to do: some dozens
of pictures are done by then, and starting takes each a third of a second of a core."""
TRIES = 2
"""For a file that a process ended with: it may have been ended for another reason."""
Read = Callable[[], bytes]


def in_workers(work: Work, reads: list[Read]) -> Iterator[Look | ValueError]:
    """What `work`, a function of a module, makes of each file, or why it cannot, in order."""
    if not reads:
        return
    crew = _Crew(work, reads)
    try:
        for answer in crew.answers:
            yield answer.result()
    finally:
        crew.end()


class Decoder:
    """One process; it is started by the first file."""

    def __init__(self, work: Work) -> None:
        """`work` is a function of a module that the process can import."""
        self._work = work
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        return self._process.pid if self._process is not None else None

    def begin(self, data: bytes) -> None:
        """Hand it a file; `answer` must be asked before the next one."""
        if self._process is None:
            self._process = _start(self._work)
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # `answer` notices
            send(self._process.stdin, data)

    def answer(self) -> Look | str | None:
        """What the file is, or why it cannot be decoded; none: it ended the process."""
        assert self._process is not None
        assert self._process.stdout is not None
        said = receive(self._process.stdout)
        if said is not None:
            return msgspec.msgpack.decode(said, type=Look | str)
        self.end()
        return None

    def end(self) -> None:
        """Have the process gone."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            with contextlib.suppress(OSError):  # what was not flushed goes nowhere
                process.communicate()


def _start(work: Work) -> subprocess.Popen[bytes]:
    name = "lorad.daemon.training.data.decoder"
    return subprocess.Popen(
        [sys.executable, "-P", "-m", name, work.__module__, work.__qualname__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # It imports from where this process does. NumPy's own threads would only take memory.
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "OPENBLAS_NUM_THREADS": "1",
        },
    )


class _Crew:
    """Several decoders on one list of files, each with a thread that serves it."""

    def __init__(self, work: Work, reads: list[Read]) -> None:
        self.answers: list[Future[Look | ValueError]] = [Future() for _ in reads]
        self._reads = reads
        self._numbers = iter(range(len(reads)))
        self._reading = threading.Lock()  # one at a time: a data set's table need not bear more
        self._over = threading.Event()
        self._decoders = [
            Decoder(work) for _ in range(min(MOST, len(os.sched_getaffinity(0)), len(reads)))
        ]
        self._threads = [
            threading.Thread(target=self._serve, args=(decoder, late), name="decoder", daemon=True)
            for late, decoder in enumerate(self._decoders)
        ]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Have all processes gone, whether there is more to do or not."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _serve(self, decoder: Decoder, late: int) -> None:
        if late and self._over.wait(LATER_SECONDS):
            return
        try:
            files = self._files()
            following = next(files, None)
            while following is not None and not self._over.is_set():
                number, data = following
                decoder.begin(data)
                following = next(files, None)  # read while that one is decoded
                self.answers[number].set_result(_answer(decoder, data))
        except Exception as error:  # no process can be started: whoever waits is to hear it
            self._fail(error)
        finally:
            decoder.end()

    def _files(self) -> Iterator[tuple[int, bytes]]:
        """What nobody has taken yet; what cannot be read has its answer already."""
        while True:
            with self._reading:
                number = next(self._numbers, None)
                if number is None:
                    return
                try:
                    data = self._reads[number]()
                except Exception as error:  # gone, or a row of a data set that holds no picture
                    self.answers[number].set_result(ValueError(fault(error)))
                    continue
            yield number, data

    def _fail(self, error: Exception) -> None:
        self._over.set()
        for answer in self.answers:
            if not answer.done():
                answer.set_exception(error)


def _answer(decoder: Decoder, data: bytes) -> Look | ValueError:
    """Wait for it; a file that ends the process twice is the reason."""
    for last in (*[False] * (TRIES - 1), True):
        found = decoder.answer()
        if found is not None:
            return ValueError(found) if isinstance(found, str) else found
        if not last:
            decoder.begin(data)
    return ValueError("it ends the program that decodes it")
