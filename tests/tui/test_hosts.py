"""Several boxes in one dashboard, what happened since, and notices."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path

import pytest
from textual.pilot import Pilot
from tui.driving import drive, settle, text_of
from tui.fakes import DAEMON, FakeLink, at_step, job

from lorad.shared.config import Config, HostEntry
from lorad.shared.errors import LoradError
from lorad.shared.jobs import Failed
from lorad.shared.messages import AddJob, GetNews, Happening, Happenings
from lorad.tui import mirror as reducer
from lorad.tui.app import LoradApp
from lorad.tui.commands import dashboard
from lorad.tui.happenings import away_line, sentence
from lorad.tui.left import Left
from lorad.tui.messages import News
from lorad.tui.mirror import Away
from lorad.tui.notices import escape, notice


def happening(number: int, event: str, **more: object) -> Happening:
    return Happening(  # type: ignore[arg-type]
        **{
            "number": number, "time": 1000.0 + number, "id": 3, "name": "cats", "before": "running",
            "after": "running", "event": event, "text": "", "actor": "run", **more,
        }
    )  # fmt: skip


DONE = happening(1, "done", before="finishing", after="done")
FAILED = happening(2, "failed", after="failed", text="It ran out of memory.", id=4, name="dogs")
NAN = happening(3, "nonfinite", text="The loss was no number.")
MOVED = happening(4, "move", before="queued", after="queued", actor="lorad")


def two_boxes() -> tuple[LoradApp, FakeLink, FakeLink]:
    near, far = FakeLink(at_step(1, 5, name="near-cats")), FakeLink(at_step(1, 9, name="far-dogs"))
    app = LoradApp(near, hosts={"": near, "me@box": far})
    return app, near, far


def test_o_lists_the_boxes_and_switches() -> None:
    app, near, far = two_boxes()
    shown: list[str] = []

    async def go() -> None:
        async with app.run_test(size=(100, 30)) as pilot:
            await settle(pilot)
            assert near.selected == [1]
            assert far.selected == [], "nobody is asked before somebody wants to see it"
            await pilot.press("o")
            await settle(pilot)
            shown.append(text_of(app))
            await pilot.press("down", "enter")
            await settle(pilot)
            shown.append(text_of(app))
            await pilot.press("p")
            await settle(pilot)

    asyncio.run(go())
    assert "this machine" in shown[0]
    assert "me@box" in shown[0]
    assert shown[0].count("1 training") >= 2
    assert "far-dogs" in shown[1]
    assert "near-cats" not in shown[1]
    assert far.selected[-1] == 1
    assert len(far.asked) == 1, "keys act on the box that is shown"
    assert near.asked == []
    assert near.stopped
    assert far.stopped


def test_the_list_is_drawn_anew_while_the_box_that_is_shown_is_silent() -> None:
    near, far = FakeLink(), FakeLink()
    app = LoradApp(near, hosts={"": near, "me@box": far})
    shown: list[str] = []

    async def go() -> None:
        async with app.run_test(size=(100, 30)) as pilot:
            await settle(pilot)
            app._drawn = 0.0
            await pilot.press("o")
            await settle(pilot)
            shown.append(text_of(app))
            far.mirror = FakeLink(at_step(1, 9)).mirror
            app._drawn = 0.0
            far.post(News())
            await settle(pilot)
            shown.append(text_of(app))

    asyncio.run(go())
    assert shown[0].count("connecting") == 3, "the header says so, too"
    assert shown[1].count("connecting") == 2
    assert "1 training" in shown[1]


def test_a_host_of_the_settings_without_a_way_is_left_out_and_told() -> None:
    hosts = {
        "door": HostEntry(address="tcp://10.0.0.7:5670"),
        "short": HostEntry(address="10.0.0.7:5670"),
        "option": HostEntry(ssh="-oProxyCommand=x"),
        "good": HostEntry(ssh="me@good"),
    }
    ways, left_out = dashboard._places([], Config(hosts=hosts))
    assert list(ways) == ["", "good"]
    assert [sentence.split()[0] for sentence in left_out] == ["door", "short", "option"]
    with pytest.raises(LoradError):
        dashboard._places(["option"], Config(hosts=hosts))
    app, said = LoradApp(FakeLink(job(1)), remarks=left_out), list[str]()

    async def go() -> None:
        async with app.run_test(notifications=True) as pilot:
            await settle(pilot)
            said.extend(one.message for one in app._notifications)

    asyncio.run(go())
    assert len(said) == 3
    assert "option of the settings is left out: `-oProxyCommand=x` is no host" in said[2]


def test_the_header_names_the_other_box() -> None:
    link = FakeLink(at_step(1, 5))
    link.mirror = reducer.with_status(reducer.Mirror(place="me@box"), _status(link))
    shown: list[str] = []

    async def look(pilot: Pilot[int]) -> None:
        shown.append(text_of(pilot.app))  # type: ignore[arg-type]

    drive(link, look)
    assert "me@box" in shown[0].splitlines()[0]


def _status(link: FakeLink):  # type: ignore[no-untyped-def]
    from tui.fakes import status

    return status(*link.mirror.jobs.values())


def test_a_recipe_for_another_box_needs_its_folder(tmp_path: Path) -> None:
    recipe = tmp_path / "cats.toml"
    recipe.write_text('name = "cats"\n[data]\npath = "pictures"\n[train]\nmax_train_steps = 5\n')
    link = FakeLink(at_step(1, 5))
    link.mirror = reducer.with_status(reducer.Mirror(place="box"), _status(link))
    shown: list[str] = []

    async def add(pilot: Pilot[int]) -> None:
        await pilot.press("a")
        await settle(pilot)
        await pilot.press(*str(recipe), "enter")
        await settle(pilot)
        shown.append(text_of(pilot.app))  # type: ignore[arg-type]
        assert link.asked == []
        await pilot.press(*"/data/cats", "enter")
        await settle(pilot)

    drive(link, add)
    assert "The pictures are on box" in shown[0]
    assert link.asked == [AddJob(recipe=recipe.read_text(), folder="/data/cats")]


# -- since you left -------------------------------------------------------------------------------


def test_the_line_for_whoever_comes_back() -> None:
    away = Away(1000.0, (DONE, FAILED, NAN, MOVED), 340)
    assert away_line(away).endswith(": 1 done, 1 failed, 1 to look at, 340 steps")
    assert away_line(Away(1000.0, (MOVED,))) == ""


def test_it_is_shown_until_it_was_read() -> None:
    link = FakeLink(job(4, Failed(finished=1.0, reason="memory")))
    news = Happenings(happenings=[DONE, FAILED, MOVED], head=4, steps=340)
    link.mirror = reducer.with_away(link.mirror, 1000.0, news)
    link.answers[GetNews] = news
    shown: list[str] = []

    async def look(pilot: Pilot[int]) -> None:
        for keys in ((), ("u",), ("escape",)):
            await pilot.press(*keys)
            await settle(pilot)
            shown.append(text_of(pilot.app))  # type: ignore[arg-type]

    drive(link, look)
    assert "1 done, 1 failed, 340 steps" in shown[0]
    assert link.asked == [GetNews(since=1000.0, newest=True)]
    assert "Job 4 (dogs) failed: It ran out of memory." in shown[1]
    assert shown[1].index("dogs") < shown[1].index("Job 3 (cats) done"), "newest first"
    assert "move" not in shown[1]
    assert "340 steps" not in shown[2]


def test_without_an_absence_u_shows_the_latest() -> None:
    link = FakeLink(at_step(1, 5))
    link.answers[GetNews] = Happenings(happenings=[DONE], head=1)

    async def look(pilot: Pilot[int]) -> None:
        await pilot.press("u")
        await settle(pilot)
        assert "Job 3 (cats) done" in text_of(pilot.app)  # type: ignore[arg-type]

    drive(link, look)
    assert link.asked == [GetNews(newest=True, limit=200)]


def test_u_tells_when_the_daemon_was_gone_and_when_it_was_back() -> None:
    link = FakeLink(job(3))
    link.answers[GetNews] = Happenings(happenings=[NAN], head=3)
    link.mirror = reducer.gone(link.mirror, 1000.0, "No daemon is [/b] running here.")
    link.mirror = reducer.gone(link.mirror, 1001.0, "No daemon is [/b] running here.")
    link.mirror = reducer.with_status(link.mirror, _status(link), 1006.0)
    shown: list[str] = []

    async def act(pilot: Pilot[int]) -> None:
        await pilot.press("u")
        await settle(pilot)
        shown.append(text_of(pilot.app))  # type: ignore[arg-type]

    drive(link, act)
    lines = [line for line in shown[0].splitlines() if "daemon was" in line or "Job 3" in line]
    back, nan, gone = lines[-3:]  # newest first: 1006, 1003, 1000
    assert "The daemon was back" in back
    assert "loss is no number" in nan
    assert "The daemon was gone: No daemon is [/b] running here." in gone


def test_a_header_that_goes_stale_says_what_mends_it() -> None:
    link = FakeLink(job(3))
    link.mirror = reducer.gone(link.mirror, 1000.0, "No daemon.", none_runs=True)
    heads: list[str] = []

    async def act(pilot: Pilot[int]) -> None:
        heads.append(text_of(pilot.app).splitlines()[0])  # type: ignore[arg-type]
        link.mirror = reducer.gone(link.mirror, 1000.0, "It is silent.")
        link.chart(link.charted)
        await settle(pilot)
        heads.append(text_of(pilot.app).splitlines()[0])  # type: ignore[arg-type]

    drive(link, act, (80, 24))
    assert "no daemon: `lorad up`" in heads[0]
    assert "lorad up" not in heads[1]


def test_the_hosts_say_how_one_is_added() -> None:
    link, shown = FakeLink(job(3)), list[str]()

    async def act(pilot: Pilot[int]) -> None:
        await pilot.press("o")
        await settle(pilot)
        shown.append(" ".join(text_of(pilot.app).split()))  # type: ignore[arg-type]

    drive(link, act)
    assert "lorad config hosts.gpu1=ann@gpu1" in shown[0]
    assert "[hosts]" in shown[0]


def test_when_somebody_left_is_kept_for_each_daemon(tmp_path: Path) -> None:
    path = tmp_path / "state" / "seen.json"
    left = Left(path)
    assert left.read(DAEMON) is None
    left.write(DAEMON, 12.5)
    assert Left(path).read(DAEMON) == 12.5
    path.write_text("{broken")
    assert Left(path).read(DAEMON) is None
    Left(path).write(DAEMON, 13.5)
    assert Left(path).read(DAEMON) == 13.5
    assert [one.name for one in path.parent.iterdir()] == ["seen.json"]


def test_a_disk_that_takes_nothing_gets_no_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    Left(tmp_path / "seen.json").write(DAEMON, 12.5)
    assert list(tmp_path.iterdir()) == []


def test_stale_values_are_dimmed_and_their_age_is_told() -> None:
    link = FakeLink(at_step(1, 5))
    link.mirror = reducer.gone(link.mirror, 1.0, "gone")

    async def look(pilot: Pilot[int]) -> None:
        assert pilot.app.screen.has_class("-stale")
        head = text_of(pilot.app).splitlines()[0]  # type: ignore[arg-type]
        assert "stale since" in head
        assert " for " in head

    drive(link, look)


@pytest.mark.parametrize(
    ("after", "told"), [("paused", "was paused: why."), ("cancelled", "cancelled: why.")]
)
def test_it_is_said_what_became_of_a_run_that_had_to_leave(after: str, told: str) -> None:
    line = happening(5, "left", before="finishing", after=after, text="why.")
    assert sentence(line) == f"Job 3 (cats) {told}"


# -- notices --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "told"),
    [(DONE, True), (FAILED, True), (NAN, True), (MOVED, False),
     (happening(5, "left", after="paused"), True),
     (happening(6, "yielded", before="pausing", after="paused"), False)],
)  # fmt: skip
def test_only_what_somebody_must_know_is_a_notice(line: Happening, told: bool) -> None:
    assert bool(notice(line, "")) == told


def test_notices_obey_the_setting_and_the_terminal() -> None:
    kitty, wezterm = {"TERM": "xterm-kitty"}, {"TERM_PROGRAM": "WezTerm"}
    assert escape("auto", "done; now", kitty) == ""
    assert escape("auto", "done; now", wezterm) == "\x1b]9;done; now\x07"
    assert escape("auto", "done", {**wezterm, "TMUX": "1"}) == ""
    assert escape("bell", "done", wezterm) == "\x07"
    assert escape("off", "done", wezterm) == ""
    told = escape("osc777", "done; now", {})
    assert told == "\x1b]777;notify;lorad;done, now\x07"


def test_a_name_cannot_steer_the_terminal() -> None:
    line = happening(1, "done", after="done", name="\x1b]52;c;x\x07\x9c", text="\x07")
    assert not set(notice(line, "")) & set("\x1b\x07\x9c")
