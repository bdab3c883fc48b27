"""Following, waiting and reading logs, with a daemon that says what the test wants."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from cli.jobs_to_show import PROCESS, make_job

from lorad.shared import jobs
from lorad.shared.client import Client
from lorad.shared.codec import Header
from lorad.shared.errors import UnknownJob
from lorad.shared.jobs import Job, Progress
from lorad.shared.messages import Accepted, GetLog, Log, LogAppended
from lorad.shared.watch import Heard
from lorad.tui.commands import _log, _steer, cancel, pause, save
from lorad.tui.commands._follow import Lines, follow
from lorad.tui.commands.wait import wait_for_end

RUNNING = jobs.Running(process=PROCESS)


class Daemon:
    """Answers `follow` with what it was given, and `GetLog` from a text."""

    def __init__(self, *heard: Heard | Job, log: bytes = b"", limit: int = 8) -> None:
        self.heard, self.log, self.limit = heard, log, limit
        self.asked: list[int] = []

    def follow(self, job_id: int, *topics: str) -> Iterator[Heard | Job]:
        yield from self.heard

    def ask(self, request: GetLog) -> Log:
        self.asked.append(request.offset)
        size = len(self.log)
        start = max(0, size + request.offset) if request.offset < 0 else min(size, request.offset)
        data = self.log[start : start + self.limit]
        return Log(offset=start, next=start + len(data), text=data.decode())


def client(*heard: Heard | Job, **options: Any) -> Client:
    return cast(Client, Daemon(*heard, **options))


def appended(offset: int, text: str) -> Heard:
    event = LogAppended(id=3, offset=offset, next=offset + len(text), text=text)
    return Heard("job/3/log/", Header(kind="log_appended"), event)


def text_of(pieces: Iterator[_log.Piece]) -> str:
    return "".join(piece.text for piece in pieces)


# -- waiting --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (jobs.Done(finished=1.0), 0),
        (jobs.Failed(finished=1.0, reason="no disk"), 1),
        (jobs.Cancelled(finished=1.0), 1),
    ],
)
def test_waiting_ends_as_the_job_did(
    end: jobs.Status, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    paused = make_job(jobs.Paused())
    daemon = client(make_job(), paused, paused, make_job(), make_job(end))
    job, how = wait_for_end(daemon, make_job(), quiet=False)
    assert (job.status, how) == (end, code)
    told = capsys.readouterr()
    assert told.err.count("lorad resume 3") == 1, "a pause is told, and only once"
    assert told.out.startswith("Job 3 (mono) ")


def test_a_job_that_is_removed_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    assert wait_for_end(client(make_job(jobs.Queued())), make_job())[1] == 1
    assert capsys.readouterr().err == "Job 3 (mono) was removed.\n"


class Gone(Daemon):
    """Knows the job no longer."""

    def follow(self, job_id: int, *topics: str) -> Iterator[Heard | Job]:
        raise UnknownJob(id=job_id)
        yield


def test_a_job_that_is_removed_before_its_turn_was_removed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    gone = cast(Client, Gone())
    assert wait_for_end(gone, make_job())[1] == 1
    assert capsys.readouterr().err == "Job 3 (mono) was removed.\n"


def test_what_has_ended_is_told_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    gone = cast(Client, Gone())
    done = make_job(jobs.Done(finished=1.0))
    assert wait_for_end(gone, done, quiet=False) == (done, 0)
    assert capsys.readouterr().out == "Job 3 (mono) is done.\n"


@pytest.mark.parametrize("verb", [cancel, pause, save])
def test_who_waits_for_one_that_is_removed_is_told(
    verb: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = Gone()
    monkeypatch.setattr(gone, "ask", lambda _: Accepted(job=make_job()))
    monkeypatch.setattr(_steer, "connect", lambda: contextlib.nullcontext(gone))
    parser = argparse.ArgumentParser(prog=f"lorad {verb.__name__.rpartition('.')[2]}")
    verb.add_arguments(parser)
    assert verb.run(parser.parse_args(["3"])) == 1
    assert capsys.readouterr().out == "Job 3 (mono) was removed.\n"


def test_a_reason_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    reason = "\x1b[2Jno disk\nJob 4 is done."
    failed = make_job(jobs.Failed(finished=1.0, reason=reason))
    wait_for_end(client(failed), make_job(), quiet=False)
    print(_steer.sentence(make_job(jobs.Paused(cause=reason))))
    told = capsys.readouterr().out
    assert told.splitlines() == [
        "Job 3 (mono) failed: ␛[2Jno disk Job 4 is done.",
        "Job 3 (mono) is paused at step 30/300: ␛[2Jno disk Job 4 is done.",
    ]


def is_paused(then: jobs.Job, job: jobs.Job) -> bool:
    return job.state == "paused"


def test_pause_returns_when_it_is_paused() -> None:
    pausing = make_job(jobs.Pausing(process=PROCESS))
    paused = make_job(jobs.Paused())
    daemon = client(pausing, paused, make_job())
    assert _steer.wait_for(daemon, pausing, is_paused) is paused


def test_pause_returns_when_the_job_was_quicker() -> None:
    done = make_job(jobs.Done(finished=1.0))
    daemon = client(make_job(jobs.Pausing(process=PROCESS)), done, make_job())
    assert _steer.wait_for(daemon, make_job(), is_paused) is done


def test_cancel_returns_when_the_saving_failed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finishing = make_job(jobs.Finishing(process=PROCESS, outcome="cancelled"))
    paused = make_job(jobs.Paused(cause="the disk was full"))
    daemon = client(finishing, paused, make_job())
    monkeypatch.setattr(daemon, "ask", lambda _: Accepted(job=finishing))
    monkeypatch.setattr(_steer, "connect", lambda: contextlib.nullcontext(daemon))
    parser = argparse.ArgumentParser(prog="lorad cancel")
    cancel.add_arguments(parser)
    assert cancel.run(parser.parse_args(["3"])) == 1
    told = capsys.readouterr().out
    assert told == "Job 3 (mono) is paused at step 30/300: the disk was full\n"
    assert cancel.run(parser.parse_args(["3", "--no-wait"])) == 0


def test_what_is_so_already_is_not_waited_for() -> None:
    paused = make_job(jobs.Paused())
    assert _steer.wait_for(client(), paused, is_paused) is paused


# -- following ------------------------------------------------------------------------------------


def test_followed_to_the_end_it_says_where_the_files_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pytorch_lora_weights.safetensors").touch()
    (tmp_path / "mono.safetensors").touch()
    done = make_job(jobs.Done(finished=1.0), folder=str(tmp_path))
    assert follow(client(make_job(), done), make_job()) == 0
    assert capsys.readouterr().out.splitlines() == [
        str(tmp_path / "pytorch_lora_weights.safetensors"),
        str(tmp_path / "mono.safetensors"),
    ]
    assert follow(client(make_job(), done), make_job(), quiet=True) == 0
    assert capsys.readouterr().out == "", "nothing comes after a document"


def test_followed_to_a_failure_it_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    failed = make_job(jobs.Failed(finished=1.0, reason="no disk"))
    assert follow(client(make_job(), failed), make_job()) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.endswith("lorad: Job 3 (mono) failed: no disk\n")


def test_an_interrupted_view_leaves_the_job(capsys: pytest.CaptureFixture[str]) -> None:
    class Interrupted(Daemon):
        def follow(self, job_id: int, *topics: str) -> Iterator[Heard | Job]:
            yield make_job()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        follow(cast(Client, Interrupted()), make_job())
    assert "Job 3 (mono) goes on." in capsys.readouterr().err


def test_a_pipe_gets_a_line_each_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    lines.show(make_job(jobs.Queued(), progress=Progress()))
    for done in range(1, 13):
        phase = f"encoding pictures {done}/12"
        lines.show(make_job(jobs.Starting(process=PROCESS), progress=Progress(phase=phase)))
    for step in range(301):
        lines.show(make_job(RUNNING, progress=Progress(step=step, loss=0.5)))
    told = capsys.readouterr().err.splitlines()
    assert told[:2] == ["queued", "starting: encoding pictures 1/12"]
    assert [line.split("  ")[0] for line in told[2:5]] == [
        "step 0/300 (0%)",
        "step 30/300 (10%)",
        "step 60/300 (20%)",
    ]
    assert len(told) == 2 + 11


# -- logs -----------------------------------------------------------------------------------------

LOG = b"".join(b"line %02d\n" % number for number in range(20))


def test_a_log_is_read_whole_piece_by_piece() -> None:
    daemon = client(log=LOG, limit=13)
    assert text_of(_log.job_pieces(daemon, 3, None, False)) == LOG.decode()


@pytest.mark.parametrize("tail", [4, 30, 100_000])
@pytest.mark.parametrize("lines", [1, 3, 500])
def test_the_last_lines_however_far_back_they_begin(
    monkeypatch: pytest.MonkeyPatch, tail: int, lines: int
) -> None:
    monkeypatch.setattr(_log, "TAIL_BYTES", tail)
    pieces = list(_log.job_pieces(client(log=LOG, limit=13), 3, lines, False))
    assert (
        "".join(piece.text for piece in pieces).splitlines() == (LOG.decode().splitlines()[-lines:])
    )
    assert pieces[-1].next == len(LOG)


def test_a_progress_bar_is_one_line() -> None:
    log = "one\ntwo\nbar 1%\rbar 2%\rbar 3%\nlast\n"
    assert _log.last_lines(log, 3) == "two\nbar 1%\rbar 2%\rbar 3%\nlast\n"
    assert _log.last_lines("one\ntwo", 1) == "two"


def test_a_followed_log_has_no_gap_and_nothing_twice() -> None:
    class Growing(Daemon):
        def follow(self, job_id: int, *topics: str) -> Iterator[Heard | Job]:
            yield make_job()
            yield appended(0, "ab\n")  # was read already
            self.log += b"de\n"
            yield appended(6, "de\n")
            self.log += b"gh\njk\n"
            yield appended(12, "jk\n")  # the event with `gh` was lost
            self.log += b"end\n"
            yield make_job(jobs.Done(finished=1.0))

    daemon = Growing(log=b"ab\ncd\n")
    pieces = text_of(_log.job_pieces(cast(Client, daemon), 3, None, True))
    assert pieces == "ab\ncd\nde\ngh\njk\nend\n"


def test_a_daemons_log_goes_on_in_the_next_file(monkeypatch: pytest.MonkeyPatch) -> None:
    daemon = Daemon(log=b"a long first file\n", limit=100)
    grown = iter([b"", b"", b"new\n", b"new\nmore\n", b"new\nmore\n", b"new\nmore\nlast, and long"])
    monkeypatch.setattr(_log.time, "sleep", lambda _: setattr(daemon, "log", next(grown)))
    pieces = _log.daemon_pieces(cast(Client, daemon), None, follow=True)
    assert [next(pieces).text for _ in range(4)] == [
        "a long first file\n", "new\n", "more\n", "last, and long",
    ]  # fmt: skip


def test_a_printed_log_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    printer = _log.Text()
    printer.write(_log.Piece(0, 9, "one\x1b[2J\ntw"))
    assert capsys.readouterr().out == "one␛[2J\n"
    printer.write(_log.Piece(9, 20, "o\n 10%\r 20%\nlast"))
    printer.end()
    assert capsys.readouterr().out == "two\n 10%\n 20%\nlast\n"


def test_a_file_that_is_emptied_is_read_from_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    path.write_text("a long first line\n")
    monkeypatch.setattr(_log.time, "sleep", lambda seconds: None)
    pieces = _log.file_pieces(path, None, follow=True)
    assert next(pieces).text == "a long first line\n"
    path.write_text("new\n")
    assert next(pieces).text == "new\n"
    with path.open("a") as file:
        file.write("more\n")
    assert next(pieces) == _log.Piece(4, 9, "more\n")
