"""The log's screen: lazily through the whole of it, searched, sifted, followed."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot
from tui.driving import drive, seen, settle, text_of
from tui.fakes import FakeLink, job

from lorad.shared.messages import AnyRequest, GetLogLines, LogAppended, LogLine, LogLines
from lorad.tui.logwindow import MOST_LINES, LogWindow, extended, opened
from lorad.tui.messages import Declined
from lorad.tui.screens import log
from lorad.tui.screens.log import PIECE
from lorad.tui.screens.main import MainScreen
from lorad.tui.widgets.logpages import LogPages


def link_with(log: str) -> FakeLink:
    link = FakeLink(job(1))
    link.log = log
    return link


class SilentLink(FakeLink):
    """Whose daemon is away."""

    silent = True

    def ask(self, request: AnyRequest) -> None:
        if self.silent and isinstance(request, GetLogLines):
            self.post(Declined(request, "Nobody answers."))
        else:
            super().ask(request)


def numbered(count: int) -> str:
    return "".join(f"line {n}.\n" for n in range(count))


async def press(pilot: Pilot[int], *pressed: str) -> str:
    await pilot.press(*pressed)
    await settle(pilot)
    await settle(pilot)
    return text_of(pilot.app)  # type: ignore[arg-type]


def pages(pilot: Pilot[int]) -> LogPages:
    return pilot.app.screen.query_one(LogPages)


@pytest.mark.parametrize("whose", ["l", "the daemon"])
def test_one_that_was_opened_while_nobody_answered_comes_later(
    whose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "POLL_SECONDS", 0.05)
    link = SilentLink(job(1))
    link.log = "line one.\n"

    async def act(pilot: Pilot[int]) -> None:
        if whose == "l":
            await pilot.press("l")
        else:
            pilot.app.push_screen(log.LogScreen(None))
        assert "line one." not in await press(pilot)
        link.silent = False
        link.select(1)
        for _ in range(200):
            if pages(pilot).window.loaded:
                break
            await pilot.pause(0.05)
        assert "line one." in await press(pilot)

    drive(link, act)


def test_it_follows_scrolls_and_goes_back() -> None:
    link = link_with(numbered(200) + "partial")

    async def act(pilot: Pilot[int]) -> None:
        assert "partial" in await press(pilot, "l")
        assert "line 0." in await press(pilot, "g")
        assert not pages(pilot).following
        assert "partial" in await press(pilot, "G")
        assert pages(pilot).following
        await press(pilot, "k", "k")
        assert not pages(pilot).following
        await press(pilot, "j", "j")
        assert pages(pilot).following
        await press(pilot, "f")
        assert not pages(pilot).following
        await press(pilot, "f")
        assert pages(pilot).following
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, MainScreen)

    drive(link, act)


def test_a_long_log_is_fetched_as_one_goes_through_it() -> None:
    count = 20 * PIECE
    link = link_with(numbered(count))

    async def act(pilot: Pilot[int]) -> None:
        assert f"line {count - 1}." in await press(pilot, "l")
        assert len(link.looked) == 1
        lowest = count
        while lowest > 0:
            shown = await press(pilot, *["pageup"] * 12)
            numbers = [int(part.split(".")[0]) for part in shown.split("line ")[1:]]
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
            assert numbers[0] < lowest
            lowest = numbers[0]
        assert len(pages(pilot).window.lines) <= MOST_LINES
        shown = await press(pilot, *["pagedown"] * 90)
        numbers = [int(part.split(".")[0]) for part in shown.split("line ")[1:]]
        assert numbers[0] > 3000
        assert f"line {count - 1}." in await press(pilot, "G")

    drive(link, act)
    assert max(ask.limit for ask in link.looked) == PIECE


def test_what_is_sought_is_found_up_and_down_and_around() -> None:
    words = {17: "needle a", 5000: "Needle b", 9000: "needle c"}
    link = link_with("".join(f"{n} {words.get(n, 'straw')}\n" for n in range(10_000)))

    async def act(pilot: Pilot[int]) -> None:
        await press(pilot, "l")
        assert "needle c" in await press(pilot, "slash", *"needle", "enter")
        assert "Needle b" in await press(pilot, "N")
        assert "needle a" in await press(pilot, "N")
        assert "needle c" in await press(pilot, "N")
        assert "needle a" in await press(pilot, "n")
        assert "Needle b" in await press(pilot, "n")
        await press(pilot, "slash", *"zebra", "enter")
        told = [notification.message for notification in pilot.app._notifications]
        assert "is not in this log" in told[0]

    drive(link, act)


def test_the_text_that_was_sought_is_marked_where_it_stands() -> None:
    link = link_with("an apple, an Apple\n" + "plain\n" * 3)
    tones: list[object] = []

    async def act(pilot: Pilot[int]) -> None:
        await press(pilot, "l")
        await press(pilot, "slash", *"apple", "enter")
        row = next(row for row in pages(pilot)._rows if "apple" in row[1].text)
        tones.extend(span.text for span in row if span.tone == "key+cursor")

    drive(link, act)
    assert tones == ["apple", "Apple"]


LEVELLED = "fine\nWARNING: hot\nERROR: broken\n  at line 3\nfine again\n"


@pytest.mark.parametrize(
    ("pressed", "there", "away"),
    [
        (["2"], ["hot", "broken", "at line 3", "warnings and errors"], ["fine"]),
        (["3"], ["broken", "at line 3", "errors alone"], ["hot", "fine"]),
        (["3", "1"], ["fine again", "hot"], ["errors alone"]),
        (["L"], ["hot", "warnings and errors"], ["fine"]),
        (["L", "L", "L"], ["fine again"], ["errors alone"]),
    ],
)
def test_levels_leave_lines_out(pressed: list[str], there: list[str], away: list[str]) -> None:
    shown = seen(link_with(LEVELLED), "l", *pressed)
    assert all(text in shown for text in there)
    assert not any(text in shown for text in away)


def test_what_is_added_comes_into_view_while_it_follows() -> None:
    link = link_with("begun")

    async def act(pilot: Pilot[int]) -> None:
        await press(pilot, "l")
        for more in (" and ended\n", "next\n"):
            at = len(link.log.encode())
            link.log += more
            event = LogAppended(id=1, offset=at, next=len(link.log.encode()), text=more)
            link.hear("job/1/log/", event)
            await settle(pilot)
            await settle(pilot)
        lines = [line.text for line in pages(pilot).window.lines]
        assert lines == ["begun and ended", "next"]
        assert "begun and ended" in text_of(pilot.app)  # type: ignore[arg-type]

    drive(link, act)


def test_a_wide_line_is_read_to_its_end() -> None:
    link = link_with("x" * 130 + "the end\n")
    assert "the end" not in seen(link, "l")
    assert "the end" in seen(link, "l", "right")


def test_a_line_of_ten_megabytes_does_no_harm() -> None:
    link = link_with("before\n" + "z" * (10 << 20) + "\nafter\n")
    shown = seen(link, "l")
    for text in ("before", "zzzz", "after"):
        assert text in shown


def reply(*offsets: int, begin: int, end: int, size: int = 1000) -> LogLines:
    lines = [LogLine(offset=offset, text="", level="info") for offset in offsets]
    return LogLines(lines=lines, begin=begin, end=end, size=size)


def test_a_window_forgets_at_one_end_what_comes_at_the_other() -> None:
    size = 10 * MOST_LINES
    middle = opened(reply(*range(4000, 4000 + MOST_LINES), begin=4000, end=7000, size=size))
    up = extended(middle, reply(*range(3000, 4000), begin=3000, end=4000, size=size), back=True)
    assert (up.begin, up.end, len(up.lines), up.at_end) == (3000, 6000, MOST_LINES, False)
    down = extended(up, reply(*range(6000, 6500), begin=6000, end=6500, size=size), back=False)
    assert (down.begin, down.end, len(down.lines)) == (3500, 6500, MOST_LINES)
    assert not LogWindow().at_begin


def test_a_line_without_an_end_is_told_anew() -> None:
    window = opened(reply(0, 10, begin=0, end=10, size=15))
    assert window.at_end
    grown = extended(window, reply(10, 20, begin=10, end=30, size=30), back=False)
    assert [line.offset for line in grown.lines] == [0, 10, 20]


def test_the_fake_reads_as_the_daemon_does() -> None:
    link = link_with("a\n")
    link.ask(GetLogLines(id=1, offset=0))
    assert link.asked == []
