"""The machine's screen: cards with who is on them, the box, the daemon's health."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot
from tui.driving import drive, seen, settle, text_of
from tui.fakes import DAEMON, FakeLink, job, status

from lorad.shared.jobs import Disk, Gpu, GpuProcess, Host, Job
from lorad.shared.messages import GetHealth, GetLogLines, Health, MachineSampled, Trouble
from lorad.tui import machine
from lorad.tui.screens.main import MainScreen

GIB = 1 << 30
OURS = GpuProcess(pid=41, memory_bytes=12 * GIB, user="anna", name="python lorad", job=1)
THEIRS = GpuProcess(pid=42, memory_bytes=40 * GIB, user="bob", name="python [/b] train.py")
HIDDEN = GpuProcess(pid=43)


def card(index: int, *processes: GpuProcess) -> Gpu:
    return Gpu(
        uuid=f"GPU-{index}a2b3c4d-5e6f", index=index, name="NVIDIA H200",
        memory_total_bytes=141 * GIB, memory_used_bytes=52 * GIB, utilization_percent=97.0,
        power_watts=600.0, power_limit_watts=700.0, temperature_celsius=61.0, processes=processes,
    )  # fmt: skip


HOST = Host(
    cpu_percent=12.0, memory_total_bytes=256 * GIB, memory_used_bytes=64 * GIB, cpu_count=32,
    load=(1.5, 1.25, 1.0),
    disks=(
        Disk(path="/home/anna", total_bytes=1000 * GIB, free_bytes=250 * GIB),
        Disk(path="/scratch", total_bytes=1000 * GIB, free_bytes=10 * GIB),
    ),
)  # fmt: skip


def health(**more: object) -> Health:
    fields: dict[str, object] = {
        "daemon": DAEMON, "uptime_seconds": 7500.0, "memory_bytes": 60 << 20, "cpu_percent": 1.0,
        "database_bytes": 5 << 20, "events_per_second": 4.25, "beat_late_seconds": 0.0,
        "clients": ["lorad", "lorad dashboard"], "watchers": 2, "unsettled": 0, "troubles": [],
    }  # fmt: skip
    return Health(**{**fields, **more})  # type: ignore[arg-type]


def link(*jobs: Job, **more: object) -> FakeLink:
    cards = [card(0, OURS, THEIRS, HIDDEN), card(1)]
    found = FakeLink(status_reply=status(*jobs, gpus=cards, host=HOST))
    found.answers[GetHealth] = health(**more)
    return found


def line_with(shown: str, text: str) -> str:
    return next(line for line in shown.splitlines() if text in line)


def test_each_card_says_who_computes_on_it() -> None:
    shown = seen(link(job(1, name="cats")), "m", size=(120, 40))
    for text in ("GPU 0  NVIDIA H200", "GPU-0a2b3c4d", "97 %", "52/141 GiB", "600/700 W", "61 °C"):
        assert text in shown
    ours, theirs, hidden = (line_with(shown, f"  {pid} ") for pid in (41, 42, 43))
    assert all(word in ours for word in ("anna", "12.0 GiB", "job 1 (cats)", "python lorad"))
    assert all(word in theirs for word in ("bob", "40.0 GiB", "not ours", "[/b] train.py"))
    assert all(word in hidden for word in ("?", "not ours", "not seen from here"))
    assert "nobody computes on it" in shown


def test_the_box_and_the_daemon_are_told() -> None:
    shown = seen(link(), "m", size=(120, 60))
    for text in (
        "12 %", "64/256 GiB", "1.50 1.25 1.00  on 32 cores",
        "250.0 GiB free of 1000.0 GiB  /home/anna", "/scratch",
        "2h05m", "60.0 MiB, 1 % of a core", "5.0 MiB", "4.2 a second to 2 watchers",
        "lorad, lorad dashboard, within a minute", "logged no warning",
    ):  # fmt: skip
        assert text in shown, text


def test_what_is_wrong_stands_out() -> None:
    troubles = [
        Trouble(time=1.0, level="warning", text="a hot card"),
        Trouble(time=2.0, level="error", text="it broke \x1b[2J"),
    ]
    found = link(beat_late_seconds=3.0, unsettled=1, troubles=troubles)
    shown = seen(found, "m", size=(120, 60))
    assert "3.0 s at the newest beat" in shown
    assert "the end of 1 run could not be stored yet" in shown
    lines = shown.splitlines()
    newest, older = (next(n for n, x in enumerate(lines) if t in x) for t in ("it broke", "hot"))
    assert newest < older
    assert "\x1b" not in shown


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60), (40, 10)])
def test_it_scrolls_where_there_is_too_little_room(size: tuple[int, int]) -> None:
    assert "GPU 0" in seen(link(), "m", size=size)
    shown = seen(link(), "m", "G", size=size)
    assert "logged no" in shown
    assert len(shown.splitlines()) == size[1]


def test_it_is_live_and_leads_to_the_daemons_log() -> None:
    found = link()
    found.log = "daemon is up\n"

    async def act(pilot: Pilot[int]) -> None:
        await pilot.press("m")
        await settle(pilot)
        found.hear("machine/", MachineSampled(gpus=[card(0)], host=HOST))
        await settle(pilot)
        assert "GPU 1" not in text_of(pilot.app)  # type: ignore[arg-type]
        await pilot.press("l")
        await settle(pilot)
        assert "Log of the daemon" in text_of(pilot.app)  # type: ignore[arg-type]
        assert "daemon is up" in text_of(pilot.app)  # type: ignore[arg-type]
        await pilot.press("escape", "m")
        assert isinstance(pilot.app.screen, MainScreen)

    drive(found, act)
    assert {type(ask) for ask in found.looked} == {GetLogLines}
    assert found.looked[0].id == 0


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (5, "5 B"),
        (2048, "2 KiB"),
        (5 << 20, "5.0 MiB"),
        (3 << 30, "3.0 GiB"),
        (2**51, "2048.0 TiB"),
    ],
)
def test_sizes(amount: int, words: str) -> None:
    assert machine.size(amount) == words
