"""Take a picture of every screen, and write the keys into docs/dashboard.md.

python docs/make_screenshot.py [NAME …]: all of them, or those. It needs the training extra: the new
run's report is a real one. --keys writes the keys alone, --check says whether they are as they
should be.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from textual.pilot import Pilot

from lorad.tui.app import LoradApp
from lorad.tui.bindings import bindings
from lorad.tui.images import Images
from lorad.tui.keys import KEYS

DOCS = Path(__file__).parent
PAGE = DOCS / "dashboard.md"
MARK = "<!-- Below this line: written by docs/make_screenshot.py -->\n"
TITLES = {
    "app": "Everywhere", "pane": "The queue", "queue": "The queue", "view": "The queue",
    "job": "Jobs, in the queue and on the run's screen", "chart": "Charts", "run": "The run",
    "wall": "Samples", "samples": "Samples", "prompts": "Samples", "compare": "Compare",
    "differences": "Compare", "log": "The log", "pages": "The log", "machine": "The machine",
    "add": "New run", "change": "Change and copy",
}  # fmt: skip
"""By the first word of a binding's id; other dialogues say their keys themselves."""
LINE, BASELINE = 24.4, 18.5
"""Of a line of text in the picture: its height, and how far down in it the letters stand."""
Act = Callable[[Pilot[int]], Awaitable[None]]


# -- pictures ----------------------------------------------------------------------------------


def pressed(*keys: str) -> Act:
    """Press these."""

    async def act(pilot: Pilot[int]) -> None:
        await pilot.press(*keys)

    return act


async def compare(pilot: Pilot[int]) -> None:
    """Three runs that are done; the first one is the baseline."""
    screen = pilot.app.screen
    jobs = pilot.app.mirror.jobs  # type: ignore[attr-defined]
    screen.queue.mark([jobs[id] for id in (4, 5, 6)])  # type: ignore[attr-defined]
    await pilot.press("c")
    await settle(pilot)
    await pilot.press("b")


async def new_run(pilot: Pilot[int]) -> None:
    """A recipe, and what `lorad check` really says of it."""
    await pilot.press("a")
    await settle(pilot)
    await pilot.press(*"demo.toml")
    said = pilot.app.screen.query_one("#report-text")
    for _ in range(600):
        await pilot.pause(0.1)
        if "step" in str(said.render()):
            return
    raise SystemExit(f"lorad check said: {said.render()}")


SCREENS: dict[str, tuple[tuple[int, int], Act]] = {
    "queue": ((120, 44), pressed()),
    "run": ((120, 36), pressed("enter", *["left"] * 14)),
    "samples": ((100, 30), pressed("s")),
    "compare": ((120, 36), compare),
    "machine": ((110, 32), pressed("m")),
    "log": ((100, 26), pressed("l")),
    "new-run": ((130, 36), new_run),
    "change": ((110, 30), pressed("e")),
    "palette": ((100, 26), pressed("colon", *"sa")),
    "help": ((100, 36), pressed("question_mark")),
    "happened": ((110, 26), pressed("u")),
    "hosts": ((100, 22), pressed("o")),
    "settings": ((100, 22), pressed("f2")),
}
"""Name, size of the terminal, and what is done in it."""


async def settle(pilot: Pilot[int]) -> None:
    """Until all is drawn."""
    for _ in range(3):
        await pilot.pause(0.2)
        while pilot.app.easel.busy:  # type: ignore[attr-defined]
            await pilot.pause(0.02)


async def take(name: str) -> None:
    """One screen of the made-up box."""
    from demo_box import BoxLink, other_box, silent_box

    (size, act), link = SCREENS[name], BoxLink()
    hosts = {"": link, "gpu2": other_box(), "lab": silent_box()}
    app = LoradApp(link, 8, hosts=hosts, images=Images(slow=True))  # fewer colours
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        await act(pilot)
        await settle(pilot)
        drawn = app.export_screenshot(title=f"lorad: {name}")
    file = DOCS / "screens" / f"{name}.svg"
    file.write_text(smaller(drawn))
    print(f"{file.name:<14} {file.stat().st_size / 1024:6.0f} KiB")


def smaller(drawn: str) -> str:
    """The same picture: without a font from elsewhere, and with fewer words for each cell."""
    drawn = re.sub(r"@font-face \{.*?\}", "", drawn, flags=re.DOTALL)
    drawn = drawn.replace("Fira Code,", "Fira Code, DejaVu Sans Mono,")
    drawn = re.sub(r"terminal-\d+-", "t-", drawn)
    # Every text has its length, so nothing has to be cut to its line.
    drawn = re.sub(r' clip-path="url\(#t-line-\d+\)"', "", drawn)
    drawn = re.sub(r'<clipPath id="t-line-\d+">.*?</clipPath>', "", drawn, flags=re.DOTALL)
    drawn = re.sub(r"<text [^>]*>\n</text>", "\n", drawn)
    drawn = drawn.replace(' shape-rendering="crispEdges"/>', "/>")
    drawn = drawn.replace("<style>", "<style>\nrect, path { shape-rendering: crispEdges }", 1)
    drawn = pixels(drawn)
    return "\n".join(line.rstrip() for line in drawn.splitlines() if line.strip()) + "\n"


def pixels(drawn: str) -> str:
    """Grounds and half blocks as one shape for each colour, whatever the font makes of a block."""
    tones = dict(re.findall(r"\.(t-r\d+) \{ fill: (#\w+)", drawn))
    grounds: dict[str, list[str]] = {}
    blocks: dict[str, list[str]] = {}

    def ground(found: re.Match[str]) -> str:
        tone, x, y, width, height = found.groups()
        grounds.setdefault(tone, []).append(f"M{x} {y}h{width}v{height}h-{width}z")
        return ""

    def block(found: re.Match[str]) -> str:
        tone, x, y, width = tones[found[1]], found[2], float(found[3]) - BASELINE, found[4]
        blocks.setdefault(tone, []).append(f"M{x} {y:.1f}h{width}v{LINE / 2}h-{width}z")
        return ""

    cell = r'<text class="(t-r\d+)" x="([\d.]+)" y="([\d.]+)" textLength="([\d.]+)">▀+</text>'
    area = r'<rect fill="(#\w+)" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"/>'
    drawn = re.sub(area, ground, re.sub(cell, block, drawn))
    paths = "".join(
        f'<path fill="{tone}" d="{"".join(d)}"/>\n'
        for tone, d in (*grounds.items(), *blocks.items())
    )
    used = set(re.findall(r'class="(t-r\d+)"', drawn))
    drawn = re.sub(r"\.(t-r\d+) \{[^}]*\}", lambda rule: rule[0] if rule[1] in used else "", drawn)
    return drawn.replace('<g class="t-matrix">', f'{paths}<g class="t-matrix">', 1)


def take_all(names: list[str]) -> None:
    """Nothing of whoever calls this is in the pictures, and each time they are the same."""
    os.environ |= {
        "LOGNAME": "ann", "TZ": "UTC", "LORAD_CONFIG": "/home/ann/.config/lorad/config.toml",
        "TERM": "xterm-256color", "COLORTERM": "truecolor",
    }  # fmt: skip
    for variable in ("NO_COLOR", "TEXTUAL_THEME", "SSH_CONNECTION"):
        os.environ.pop(variable, None)
    time.tzset()
    from lorad.shared import shipped

    with tempfile.TemporaryDirectory() as folder:
        os.environ["LORAD_HOME"] = f"{folder}/home"
        shutil.copytree(shipped.DEMO, folder, dirs_exist_ok=True)
        os.chdir(folder)
        for name in names:
            asyncio.run(take(name))


# -- keys --------------------------------------------------------------------------------------


def keys_page() -> str:
    """The page: its words as they are, its tables as the bindings are."""
    parts = [PAGE.read_text().partition(MARK)[0] + MARK]
    found = bindings()
    for title in dict.fromkeys(TITLES.values()):
        rows = [
            f"| {shown(one.key)} | {one.tooltip or one.description.capitalize()} | `{id}` |"
            for word in (word for word, section in TITLES.items() if section == title)
            for id, one in found.items()
            if id.partition(".")[0] == word
        ]
        table = "\n".join(["| key | | name |", "|---|---|---|", *rows])
        parts.append(f"\n### {title}\n\n{table}\n")
    return "".join(parts)


def shown(keys: str) -> str:
    """Keys as people write them."""
    return " ".join(f"`{KEYS.get(key, key)}`" for key in keys.split(","))


if __name__ == "__main__":
    wanted = sys.argv[1:]
    if "--check" in wanted:
        sys.exit(keys_page() != PAGE.read_text())
    if "--keys" not in wanted:
        take_all(wanted or list(SCREENS))
    PAGE.write_text(keys_page())
