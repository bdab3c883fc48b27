"""Take the picture of the README: make_screenshot.py JOB FILE.svg, with a daemon that has it."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from lorad.shared.endpoints import find_home
from lorad.tui.app import LoradApp
from lorad.tui.link import DaemonLink


async def take(job_id: int, file: Path, size: tuple[int, int]) -> None:
    """The dashboard of a real daemon, in a terminal of that size."""
    app = LoradApp(DaemonLink(find_home(), job_id), job_id)
    async with app.run_test(size=size) as pilot:
        detail = None
        while detail is None or not detail.loaded or not detail.samples:
            await pilot.pause(0.2)
            detail = app.mirror.detail
        await pilot.pause(1.0)
        picture = app.export_screenshot(title="lorad")
    # Any monospaced font does; none is to be fetched from elsewhere.
    picture = re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL)
    file.write_text(picture.replace("Fira Code,", "Fira Code, DejaVu Sans Mono,"))


if __name__ == "__main__":
    asyncio.run(take(int(sys.argv[1]), Path(sys.argv[2]), (132, 42)))
