"""Scrubbing through a thousand pictures: from the key to the end of the frame, in a terminal.

python tests/bench/samples.py [COLUMNS LINES]
"""

from __future__ import annotations

import fcntl
import os
import pty
import random
import select
import statistics
import struct
import subprocess
import sys
import termios
import time
import zlib
from pathlib import Path

HERE = Path(__file__).parent
PROMPTS, STEPS = 4, 250
SIDE = 48
KEYS = 120
FRAME_END = b"\x1b[?2026l"
QUIET = 0.25
PROGRAM = """
import sys
sys.path[:0] = [{tests!r}, {bench!r}]
from samples import show
show()
"""


def photo(seed: int) -> bytes:
    """Soft colours with grain: no two cells alike, as in a photograph."""
    draw = random.Random(seed)
    waves = [(draw.random() / 8, draw.random() / 8, draw.random() * 6) for _ in range(3)]
    import math

    pixels = bytearray()
    for y in range(SIDE):
        for x in range(SIDE):
            for across, down, phase in waves:
                value = 128 + 90 * math.sin(x * across + y * down + phase) + draw.randrange(-9, 9)
                pixels.append(min(255, max(0, round(value))))
    return zlib.compress(bytes(pixels), 9)


def show() -> None:
    """The dashboard on a link without a daemon, in this terminal."""
    import msgspec
    from tui.fakes import FakeLink, at_step, picture

    from lorad.tui.app import LoradApp, calm_collector

    photos = [photo(seed) for seed in range(40)]
    link = FakeLink(at_step(1, STEPS * 10))
    link.pictures = [
        msgspec.structs.replace(
            picture(step * 10, index, f"prompt {index}", SIDE), thumb=photos[(step + index) % 40]
        )
        for step in range(STEPS)
        for index in range(PROMPTS)
    ]
    app = LoradApp(link)
    calm_collector()
    app.run()


class Screen:
    """The program on a pseudo-terminal that confirms synchronized output."""

    def __init__(self, columns: int, lines: int) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        program = PROGRAM.format(tests=str(HERE.parent), bench=str(HERE))
        env = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", program], stdin=slave, stdout=slave, stderr=slave, env=env,
            start_new_session=True,
        )  # fmt: skip
        os.close(slave)

    def read(self, seconds: float) -> bytes:
        if not select.select([self.master], [], [], seconds)[0]:
            return b""
        return os.read(self.master, 1 << 20)

    def settle(self, first: float = 10.0) -> int:
        """Until nothing comes any more; bytes."""
        total = 0
        wait = first
        while data := self.read(wait):
            total += len(data)
            wait = QUIET
            if b"\x1b[?2026$p" in data:
                os.write(self.master, b"\x1b[?2026;1$y")
        return total

    def press(self, key: str) -> tuple[float, int]:
        """Milliseconds to the end of its first frame, and bytes until all is quiet."""
        begin = time.perf_counter()
        os.write(self.master, key.encode())
        data = b""
        while FRAME_END not in data:
            more = self.read(5)
            assert more, "no frame"
            data += more
        took = (time.perf_counter() - begin) * 1000
        return took, len(data) + self.settle(QUIET)


def measure(columns: int, lines: int) -> str:
    screen = Screen(columns, lines)
    screen.settle()
    os.write(screen.master, b"s")
    screen.settle()
    frames = [screen.press("h") for _ in range(KEYS)]
    os.write(screen.master, b"q")
    screen.process.wait(10)
    times = sorted(took for took, _ in frames)
    sizes = [size for _, size in frames]
    scrolls = sorted(took for took, size in frames if size > 4 * statistics.median(sizes))
    return (
        f"{columns}x{lines}, {PROMPTS * STEPS} pictures, {KEYS} steps back: frame median"
        f" {statistics.median(times):.1f} ms, 95th percentile {times[int(KEYS * 0.95)]:.1f} ms,"
        f" longest {times[-1]:.1f} ms; {len(scrolls)} of them scrolled, median"
        f" {statistics.median(scrolls or [0]):.1f} ms;"
        f" bytes median {statistics.median(sizes):.0f}, largest {max(sizes)}"
    )


if __name__ == "__main__":
    sizes = [(int(sys.argv[1]), int(sys.argv[2]))] if sys.argv[1:] else [(120, 40), (200, 60)]
    for columns, lines in sizes:
        print(measure(columns, lines))
