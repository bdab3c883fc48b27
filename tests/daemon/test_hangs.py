"""A run that says nothing and does nothing is ended and goes on; one that is slow is left alone."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from support import Daemon, eventually, quick

from daemon import scripted
from daemon.scripted import Make, add, said
from lorad.daemon.hangs import BUSY, FIRST, LOOK_MOST, SLOWER, STACK_SECONDS, Hangs, Work, work_of
from lorad.shared.jobs import Held, Job, Process, Progress, Running, Starting, Status
from lorad.shared.messages import (
    AnyReport,
    EndReport,
    GetNews,
    PauseJob,
    PhaseReport,
    Point,
    PointReport,
    WhyJob,
)

PROCESS = Process(pid=1, birth="b")
POINT = PointReport(
    point=Point(step=1, time=0.0, loss=1.0, learning_rate=1.0, grad_norm=1.0, images_per_second=1.0)
)


def job(status: Status | None = None, phase: str = "") -> Job:
    return Job(
        id=1, name="a", status=status or Running(process=PROCESS), folder="/f", max_train_steps=9,
        created=0.0, progress=Progress(phase=phase),
    )  # fmt: skip


class Watched:
    """One run under watch, second by second."""

    def __init__(self, limit: float = 60.0) -> None:
        self.now, self.limit, self.work = 100.0, limit, Work(0.0, 0)
        self.hangs = Hangs(lambda pid: self.work)
        self.job = job()
        self.hangs.look(self.now, [self.job], limit)

    def says(self, *reports: AnyReport, after: float = 1.0) -> None:
        self.wait(after)
        self.hangs.reported(1, reports, self.now)

    def wait(self, seconds: float, cpu: float = 0.0, io: int = 0) -> tuple[float, bool] | None:
        """After how long it is found, and whether it is ended; `cpu` and `io` are of a second."""
        begun = self.now
        while self.now < begun + seconds:
            self.now += min(1.0, begun + seconds - self.now)
            self.work = Work(self.work.cpu_seconds + cpu, self.work.io_bytes + io)
            for hang in self.hangs.look(self.now, [self.job], self.limit):
                return self.now - begun, hang.ends
        return None


def measured() -> Watched:
    """A run whose steps took a second each."""
    watched = Watched()
    for _ in range(5):
        watched.says(POINT)
    return watched


def test_silence_is_measured_against_the_setting() -> None:
    watched = measured()
    found = watched.wait(1000)
    assert found is not None
    assert 60 < found[0] <= 62
    assert not found[1], "first its stacks are called for"
    found = watched.wait(10)
    assert found is not None
    assert STACK_SECONDS <= found[0] <= STACK_SECONDS + 2
    assert found[1], "then it is ended"
    assert watched.wait(1000) is None, "and that once"


def test_a_phase_may_take_ten_times_what_it_took() -> None:
    watched = measured()
    watched.says(POINT, after=20)
    assert watched.wait(SLOWER * 20 - 1) is None
    assert watched.wait(10) is not None


def test_a_phase_that_was_not_measured_gets_more_time() -> None:
    watched = measured()
    watched.says(PhaseReport(phase="saving"))
    watched.job = job(phase="saving")
    assert watched.wait(FIRST * 60 - 1) is None
    assert watched.wait(10) is not None
    watched = measured()
    watched.says(PhaseReport(phase="saving"))
    watched.says(PhaseReport(phase=""), after=2)
    watched.says(PhaseReport(phase="saving"))
    assert watched.wait(59) is None
    assert watched.wait(10) is not None, "the next save is known to take two seconds"


def test_whoever_waits_for_a_network_gets_most() -> None:
    watched = measured()
    watched.says(PhaseReport(phase="reading the pictures and loading the model"))
    assert watched.wait(29 * 60) is None
    assert watched.wait(2 * 60) is not None


@pytest.mark.parametrize(("cpu", "io"), [(0.5, 0), (0.0, 1 << 20)])
def test_whoever_works_is_slow_and_not_hanging(cpu: float, io: int) -> None:
    watched = measured()
    watched.says(PhaseReport(phase="compiling the network"))
    assert watched.wait(20_000, cpu, io) is None


def test_a_line_that_only_says_hello_is_no_work() -> None:
    assert measured().wait(100, cpu=0.01, io=2000) is not None


def test_a_card_that_hangs_keeps_its_process_busy_and_is_found() -> None:
    watched = measured()
    assert watched.wait(BUSY * 60 - 1, cpu=1.0) is None
    assert watched.wait(10, cpu=1.0) is not None


def test_what_nobody_could_see_does_not_count() -> None:
    """The whole box was stopped for a day, as a container is, or the daemon was."""
    watched = measured()
    watched.now += 86_400
    assert watched.wait(59 - LOOK_MOST) is None
    assert watched.wait(20) is not None


def test_a_word_at_the_last_moment_is_enough() -> None:
    watched = measured()
    assert watched.wait(1000) is not None
    watched.says(POINT, after=0.5)
    assert watched.wait(60) is None


@pytest.mark.parametrize("case", ["held", "off", "another process", "ended"])
def test_who_is_not_watched(case: str) -> None:
    watched = measured()
    watched.wait(55)
    if case == "held":
        watched.job = job(Held(process=PROCESS))
    elif case == "off":
        watched.limit = 0.0
    elif case == "ended":
        watched.says(EndReport(outcome="done"))
    else:
        watched.job = job(Starting(process=Process(pid=2, birth="c")))
    assert watched.wait(60) is None
    if case not in ("off", "ended"):
        watched.job = job(Running(process=Process(pid=3, birth="d")))
        assert watched.wait(61) is None, "it begins anew, not measured"
        assert watched.wait(300) is not None


def test_what_a_process_has_done() -> None:
    before = work_of(os.getpid())
    sum(n * n for n in range(3_000_000))
    Path("/proc/self/stat").read_bytes()
    after = work_of(os.getpid())
    assert before is not None
    assert after is not None
    assert after.cpu_seconds > before.cpu_seconds
    assert after.io_bytes > before.io_bytes
    assert work_of(2**22 + 1) is None


# -- with a real daemon ------------------------------------------------------------------------

ONCE = """
import threading
def train(task, line, looking=None):
    again = os.path.exists(task.folder + "/said")
    say(task, "begins", os.getpid())
    line.report(ReadyReport(step=1, last_step=40))
    for step in range(1, 5):
        line.report(point(step))
        time.sleep(0.3)
    if not again:
        hang(line)
    line.report(FinishReport())
    return EndReport(outcome="done")
"""
WAYS = {
    "sleeping": "def hang(line): line.report(PhaseReport(phase='saving')); time.sleep(1e6)",
    "deadlocked": "def hang(line):\n    lock = threading.Lock()\n    lock.acquire()\n"
    "    line.report(PhaseReport(phase='drawing pictures'))\n    lock.acquire()",
    "stopped": "def hang(line): os.kill(os.getpid(), 19)",
}
BUSILY = "def hang(line):\n    end = time.monotonic() + 9\n    while time.monotonic() < end: pass\n"


@pytest.fixture
def impatient(tmp_path: Path) -> str:
    """A file of settings with which a run may be silent for a second."""
    path = tmp_path / "config.toml"
    path.write_text("[runs]\nhang_seconds = 1\n")
    return str(path)


@pytest.mark.parametrize("way", quick(1, WAYS))
def test_a_run_that_hangs_is_ended_and_goes_on(
    way: str, make: Make, impatient: str, tmp_path: Path
) -> None:
    daemon = make(WAYS[way] + ONCE, LORAD_CONFIG=impatient)
    job = add(daemon, tmp_path)
    stacks = daemon.home.stacks(job.id)
    assert len(said(daemon.wait_state(job.id, "done"))) == 2
    news = daemon.client().ask(GetNews(limit=100)).happenings
    assert [one.event for one in news].count("hung") == 1
    (died,) = [one for one in news if one.event == "died"]
    assert "It hung: it reported nothing for" in died.text
    assert "and did nothing" in died.text
    assert str(stacks) in died.text
    text = stacks.read_text()
    assert "It hung" in text
    if way != "stopped":  # which writes nothing any more
        assert "in hang" in text, "the place is named"
        assert "Thread" in text, "and that of all its threads"


@pytest.mark.proof
def test_a_run_that_computes_in_silence_is_left_alone(
    make: Make, impatient: str, tmp_path: Path
) -> None:
    daemon = make(BUSILY + ONCE, LORAD_CONFIG=impatient)
    job = add(daemon, tmp_path)
    assert len(said(daemon.wait_state(job.id, "done"))) == 1


@pytest.mark.proof
def test_a_run_that_always_hangs_fails_in_the_end(
    make: Make, impatient: str, tmp_path: Path
) -> None:
    daemon = make(WAYS["sleeping"] + ONCE.replace("not again", "True"), LORAD_CONFIG=impatient)
    job = add(daemon, tmp_path)
    failed = daemon.wait_state(job.id, "failed")
    assert "died 3 times in a row" in failed.status.reason
    assert "while saving, and did nothing" in failed.status.reason
    assert len(said(failed)) == 3


@pytest.mark.proof
def test_a_run_that_hangs_while_it_leaves_is_paused(
    make: Make, impatient: str, tmp_path: Path
) -> None:
    script = (
        WAYS["sleeping"]
        + ONCE.replace("hang(line)", "wait(task, line)")
        + """
def wait(task, line):
    while line.wanted == "run":
        line.report(point(5))
        time.sleep(0.05)
    say(task, "leaves")
    hang(line)
"""
    )
    daemon = make(script, LORAD_CONFIG=impatient)
    job = add(daemon, tmp_path)
    daemon.wait_state(job.id, "running")
    daemon.client().ask(PauseJob(id=job.id))
    daemon.wait_state(job.id, "paused")
    assert daemon.home.stacks(job.id).exists()


def test_with_no_seconds_nothing_is_ended(make: Make, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[runs]\nhang_seconds = 0\n[hooks]\nstalled_seconds = 4\n")
    daemon = make(WAYS["sleeping"] + ONCE, LORAD_CONFIG=str(config))
    job = add(daemon, tmp_path)
    eventually(lambda: "stalled" in events(daemon))
    assert "hung" not in events(daemon)
    assert daemon.job(job.id).state == "running"
    assert "newest note" not in daemon.client().ask(WhyJob(id=job.id)).sentence
    process = daemon.job(job.id).process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    daemon.wait_state(job.id, "done")


def events(daemon: Daemon) -> list[str]:
    return [one.event for one in daemon.client().ask(GetNews(limit=100)).happenings]


JUMPS = """
import time
_real = time.time
time.time = lambda: _real() + 3600 * (int(2 * _real()) % 3 - 1)
"""
"""An hour forth and back, twice a second, in the daemon and in its runs."""
STEADY = """
def train(task, line, looking=None):
    line.report(ReadyReport(step=1, last_step=40))
    begun, told = time.monotonic(), set()
    for step in range(1, 41):
        line.report(point(step))
        told.add(round(time.time() - time.monotonic(), -3))
        time.sleep(0.1)
    assert len(told) > 1, "the clock jumped"
    line.report(FinishReport())
    return EndReport(outcome="done")
"""


def test_a_clock_that_jumps_ends_nobody(
    make: Make, impatient: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Path(impatient).open("a") as file:
        file.write("[hooks]\nstalled_seconds = 60\n")
    monkeypatch.setattr(scripted, "CUSTOM", JUMPS + scripted.CUSTOM)
    daemon = make(STEADY, LORAD_CONFIG=impatient)
    job = add(daemon, tmp_path)
    daemon.wait_state(job.id, "done")
    assert not {"hung", "stalled", "died"} & set(events(daemon))
