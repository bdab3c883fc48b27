"""Hooks: a program with the facts in its environment, a webhook, and what calls for them."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from support import Daemon, eventually

from daemon.scripted import WAIT, add, scripted
from lorad.daemon import hooks
from lorad.daemon.hooks import Limit, Runner, notice_of
from lorad.daemon.watch import GIB, Disk, Outlook, Watchman
from lorad.shared.config import Hooks
from lorad.shared.jobs import Done, Job, Process, Queued, Running, Status
from lorad.shared.messages import CancelJob, GetNews, Happening

RUNNING = Running(process=Process(pid=1, birth="b"))


def line(event: str, **more: object) -> Happening:
    return Happening(  # type: ignore[arg-type]
        **{
            "number": 1, "time": 5.0, "id": 3, "name": "cats", "before": "running",
            "after": "running", "event": event, "text": "why.", "actor": "run", **more,
        }
    )  # fmt: skip


DONE = line("done", before="finishing", after="done", text="")


@pytest.mark.parametrize(
    ("happening", "event", "sentence"),
    [
        (DONE, "done", "Job 3 (cats) is done."),
        (line("failed", after="failed"), "failed", "Job 3 (cats) failed: why."),
        (line("left", after="paused"), "paused", "Job 3 (cats) was paused: why."),
        (line("nonfinite"), "nan", "Job 3 (cats): why."),
        (line("queue_empty", id=0, name=""), "queue_empty", "why."),
        (line("yielded", before="pausing", after="paused"), None, ""),
        (line("set"), None, ""),
    ],
)
def test_what_hooks_are_about(happening: Happening, event: str | None, sentence: str) -> None:
    notice = notice_of(happening)
    assert (notice and notice.event) == event
    assert notice is None or notice.sentence == sentence


def run(wanted: Hooks, *lines: Happening) -> None:
    """All hooks for these, to their end."""
    runner = Runner(lambda: wanted, "box", 0o022)
    for one in lines:
        runner.put(one)
    runner._waiting.put(None)
    if runner._thread is not None:
        runner._thread.join(30)
        assert not runner._thread.is_alive()


def test_a_program_gets_the_facts_and_no_shell(tmp_path: Path) -> None:
    script = 'printf "%s|%s|%s|%s|%s" "$1" "$LORAD_EVENT" "$LORAD_JOB_ID" "$LORAD_JOB_NAME"'
    script += f' "$LORAD_SENTENCE" > {tmp_path}/said'
    command = ("sh", "-c", script, "sh", "$(touch /tmp/no) {a}")
    run(Hooks(command=command), line("failed", after="failed", name="a\x1b[2J'; rm -rf /"))
    said = (tmp_path / "said").read_text()
    assert said.startswith("$(touch /tmp/no) {a}|failed|3|a␛[2J'; rm -rf /|Job 3 (a␛")


def test_only_what_is_wanted(tmp_path: Path) -> None:
    run(Hooks(on=("failed",), command=("touch", str(tmp_path / "no"))), DONE)
    assert not (tmp_path / "no").exists()


def test_a_program_that_fails_or_hangs_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "COMMAND_SECONDS", 0.2)
    with caplog.at_level(logging.WARNING):
        run(Hooks(command=("sh", "-c", "echo no bus >&2; exit 3")), DONE)
        run(Hooks(command=("sleep", "600")), DONE)
        run(Hooks(command=("/no/such/program",)), DONE)
    assert "ended with 3: no bus" in caplog.text
    assert "took too long" in caplog.text
    assert "cannot be run" in caplog.text


class Server:
    """Answers with these codes, one after the other."""

    def __init__(self, *codes: int) -> None:
        self.codes = list(codes)
        self.bodies: list[dict[str, object]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.bodies.append(json.loads(body))
                self.send_response(outer.codes.pop(0))
                self.end_headers()

            def log_message(self, *words: object) -> None:
                """Quiet."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/secret-token"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.mark.parametrize(("codes", "asked"), [((200,), 1), ((500, 503, 200), 3), ((404,), 1)])
def test_a_webhook_is_tried_again_where_that_may_help(
    codes: tuple[int, ...], asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "PAUSES", (0.01, 0.01))
    server = Server(*codes)
    run(Hooks(webhook=server.url), DONE)
    server.close()
    assert len(server.bodies) == asked
    assert server.bodies[0] == {
        "schema": 1, "event": "done", "sentence": "Job 3 (cats) is done.", "id": 3, "name": "cats",
        "seq": 1, "time": 5.0, "hostname": "box",
    }  # fmt: skip


def test_a_secret_is_never_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "PAUSES", ())
    with caplog.at_level(logging.DEBUG):
        run(Hooks(webhook="http://127.0.0.1:1/secret-token?key=secret-token"), DONE)
        run(Hooks(webhook="ftp://host/secret-token"), DONE)
        run(Hooks(webhook="https://anna:secret-token@host.example/"), DONE)
        run(Hooks(webhook="https://host.example/secret-token x"), DONE)
        run(Hooks(webhook="https://[secret-token/"), DONE)
    assert "127.0.0.1 was not told" in caplog.text
    assert caplog.text.count("host.example was not told: its address has") == 2
    assert "secret-token" not in caplog.text


def test_a_flood_is_limited() -> None:
    limit = Limit(most=2, seconds=10)
    assert [limit.allows(now) for now in (0, 1, 2, 9, 10.5, 10.6)] == [
        True, True, False, False, True, False,
    ]  # fmt: skip


# -- what nobody reports --------------------------------------------------------------------------


def job(id: int, status: Status) -> Job:
    return Job(id=id, name="a", status=status, folder="/out", max_train_steps=9, created=1.0)


def outlook(free: float = 100.0) -> Outlook:
    found = Outlook()
    found.hooks = Hooks(stalled_seconds=60, disk_low_gib=5)
    found.disks = (Disk("/data", int(free * GIB)),)
    return found


def test_a_run_that_says_nothing_is_told_of_once() -> None:
    man, runs = Watchman(), [job(1, RUNNING)]
    told = [man.look(now, runs, {1: 10.0}, outlook()) for now in (20.0, 69.0, 81.0, 90.0)]
    assert [[alarm.event for alarm in alarms] for alarms in told] == [[], [], ["stalled"], []]
    assert man.look(91.0, runs, {1: 90.5}, outlook()) == []
    assert [one.job_id for one in man.look(160.0, runs, {1: 90.5}, outlook())] == [1]


def test_a_run_of_an_earlier_daemon_gets_its_time() -> None:
    man = Watchman()
    assert man.look(1e6, [job(1, RUNNING)], {}, outlook()) == []


def test_a_disk_that_fills_is_told_of_once_until_it_has_room() -> None:
    man = Watchman()
    told = [bool(man.look(0.0, [], {}, outlook(free))) for free in (6, 4, 3, 5.5, 4, 7, 4)]
    assert told == [False, True, False, False, False, False, True]


def test_an_empty_queue_is_news_only_after_it_was_none() -> None:
    man = Watchman()
    told = [
        [alarm.event for alarm in man.look(0.0, jobs, {}, outlook())]
        for jobs in ([], [job(1, Queued())], [job(1, Done(finished=1.0))], [])
    ]
    assert told == [[], [], ["queue_empty"], []]


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    command = json.dumps(["sh", "-c", f'echo "$LORAD_SENTENCE" >> {tmp_path}/told'])
    config = tmp_path / "config.toml"
    monkeypatch.setenv("LORAD_CONFIG", str(config))
    config.write_text(
        f'[hooks]\non = ["nan", "stalled", "disk_low", "queue_empty"]\nstalled_seconds = 1\n'
        f"disk_low_gib = 1e9\ncommand = {command}\n"
    )
    no_number = 'NoteReport(step=1, kind="nonfinite", text="The loss of step 1 is no number.")'
    daemon = scripted(tmp_path, WAIT.replace("point(1))", f"point(1), {no_number})"))
    yield daemon
    daemon.stop()


def test_with_a_real_daemon(daemon: Daemon, tmp_path: Path) -> None:
    """A run that reports a step without a number and then nothing, on a disk that is too small."""
    first = add(daemon, tmp_path)
    daemon.wait_state(first.id, "running")
    told = tmp_path / "told"

    def hears(words: str) -> None:
        eventually(lambda: told.exists() and words in told.read_text(), 30)

    hears("Job 1 (a): The loss of step 1 is no number.")
    hears("reported nothing for")
    hears(" GiB left.")
    daemon.client().ask(CancelJob(id=first.id))
    hears("The queue is empty")
    news = daemon.client().ask(GetNews(limit=100)).happenings
    wanted = ["nonfinite", "disk_low", "stalled", "queue_empty"]
    assert sorted(one.event for one in news if one.event in wanted) == sorted(wanted), "each once"
