"""The daemon's helper: a PNG on stdin, the same picture smaller on stdout.

`python -m lorad.daemon.tools.picture WIDTH HEIGHT FORM COLOURS LARGEST`
"""

from __future__ import annotations

import contextlib
import io
import os
import resource
import sys
import zlib

import msgspec

MEMORY = 2 << 30
"""Bytes: a file that inflates to more fails here, and nothing else with it."""
SMALLER = 0.7


def main() -> int:
    """Width, height and bytes as msgpack; or one line on stderr."""
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    os.nice(10)
    width, height, form, colours, largest = sys.argv[1:]
    try:
        made = shrink(sys.stdin.buffer.read(), (int(width), int(height)), form, int(colours))
        while len(made[2]) > int(largest):
            box = (max(1, int(made[0] * SMALLER)), max(1, int(made[1] * SMALLER)))
            made = shrink(made[2], box, form, int(colours))
    except ImportError:
        print("Pillow is not installed on the box", file=sys.stderr)
        return 1
    except Exception as error:  # whatever a damaged file provokes
        print(f"it cannot be decoded ({type(error).__name__}: {error})", file=sys.stderr)
        return 1
    sys.stdout.buffer.write(msgspec.msgpack.encode(made))
    return 0


def shrink(data: bytes, box: tuple[int, int], form: str, colours: int) -> tuple[int, int, bytes]:
    """Width, height and bytes of a PNG's picture within a box, never enlarged.

    `colours` 2..256 draws it with a palette of so many; 0 keeps all.
    """
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=("PNG",)) as file:
        picture = file.convert("RGB")
    if picture.width > box[0] or picture.height > box[1]:
        picture.thumbnail(box, Image.Resampling.LANCZOS)
    if colours:
        picture = picture.quantize(max(2, min(colours, 256)))
    if form == "png":
        out = io.BytesIO()
        picture.save(out, "PNG", optimize=bool(colours))
        return picture.width, picture.height, out.getvalue()
    raw = picture.convert("RGB").tobytes()
    return picture.width, picture.height, zlib.compress(raw, 6)


if __name__ == "__main__":
    sys.exit(main())
