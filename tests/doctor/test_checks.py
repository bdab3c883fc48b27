"""Each check is a function of facts: what it says when all is well, and of each way it is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lorad.tui.doctor import checks_box as box
from lorad.tui.doctor import checks_reach as reach
from lorad.tui.doctor import judge, judge_far
from lorad.tui.doctor.facts import Box, DaemonFacts, Facts, Folder, Hub, Install, Session, Terminal
from lorad.tui.doctor.lines import Line, Verdict, summary, told

CARD: dict[str, Any] = {"index": 0, "name": "RTX", "processes": []}
CARDS: dict[str, Any] = {"note": "", "blind": False, "driver": "570.1", "cards": [CARD]}
TORCH: dict[str, Any] = {"there": True, "version": "2.13", "built_for": "12.9", "cards": 1}
DATABASE: dict[str, Any] = {"there": True, "check": "ok", "version": 3, "knows": 3, "jobs": 2}
WHOLE: dict[str, Any] = {"count": 2, "faults": []}
GOOD = Box(database=DATABASE, cards=CARDS, torch=TORCH, checkpoints=WHOLE)
INSTALL = Install(base={"pyzmq": "27"}, train={"torch": "2.13", "peft": "1"})
HEALTHY = Facts(
    install=INSTALL,
    folders=(("state", Folder("/s")), ("cache", Folder("/c"))),
    daemon=DaemonFacts(pid=7, version="0.1.0"),
    session=Session(linger=True, clock_synchronized=True),
    terminal=Terminal(ssh="OpenSSH_9"),
    hub=Hub(cache="/h", there=True, token=True),
    box=GOOD,
)
STRANGER = {"pid": 9, "memory_bytes": 3 << 30, "job": None, "user": "bob", "name": "python x.py"}
OURS = {**STRANGER, "job": 4}


def with_processes(*processes: dict[str, Any]) -> Box:
    return replace(GOOD, cards={**CARDS, "cards": [{**CARD, "processes": list(processes)}]})


def test_a_healthy_box_is_well() -> None:
    lines = judge(HEALTHY)
    assert [line for line in lines if line.verdict != "ok" or line.todo] == []
    assert len({line.name for line in lines}) == len(lines) == 18
    assert summary(lines) == "All is well."


FAULTS: list[tuple[Line | None, Verdict, str]] = [
    (box.check_python(replace(INSTALL, python=(3, 10, 4))), "wrong", "3.11 or newer"),
    (box.check_packages(replace(INSTALL, base={"pyzmq": ""})), "wrong", "pyzmq cannot be found"),
    (box.check_packages(replace(INSTALL, train={"torch": "2", "peft": ""})), "wrong", "[train]"),
    (box.check_packages(replace(INSTALL, train={"torch": ""})), "ok", "thin client"),
    (box.check_cards(Box(why="it took more than 9 s"), True), "warning", "more than 9 s"),
    (box.check_cards(Box(cards={**CARDS, "blind": True, "note": "mismatch"}), True), "wrong",
     "reboot"),
    (box.check_cards(Box(cards={**CARDS, "cards": [], "note": "no driver"}), True), "warning",
     "No driver"),
    (box.check_cards(Box(cards={**CARDS, "cards": [], "note": "no driver"}), False), "ok", ""),
    (box.check_torch(replace(GOOD, torch={**TORCH, "built_for": "", "cards": 0})), "wrong",
     "without CUDA"),
    (box.check_torch(replace(GOOD, torch={**TORCH, "cards": 0})), "wrong", "sees no GPU"),
    (box.check_torch(replace(GOOD, torch={"there": False, "why": "no libcudart"})), "wrong",
     "imported: no libcudart"),
    (box.check_torch(replace(GOOD, torch=None, why="cut")), "warning", "cut"),
    (box.check_strangers(with_processes(STRANGER)), "warning", "3.0 GiB of GPU 0 (pid 9, python"),
    (box.check_strangers(with_processes(OURS)), "ok", ""),
    (box.check_folder("state", Folder("/s", why="Permission denied")), "wrong", "cannot be looked"),
    (box.check_folder("state", Folder("/s", there=False)), "ok", "not there yet"),
    (box.check_folder("state", Folder("/s", owned=False)), "wrong", "somebody else"),
    (box.check_folder("cache", Folder("/s", writable=False)), "wrong", "chmod u+rwx"),
    (box.check_folder("state", Folder("/s", mode=0o755)), "warning", "chmod 700"),
    (box.check_folder("cache", Folder("/s", mode=0o755)), "ok", ""),
    (box.check_folder("state", Folder("/s", filesystem="nfs4")), "wrong", "LORAD_HOME"),
    (box.check_folder("output", Folder("/s", filesystem="nfs4")), "ok", ""),
    (box.check_folder("output", Folder("/s", free_bytes=4 << 30)), "warning", "4.0 GiB free"),
    (box.check_folder("output", Folder("/s", free_bytes=1 << 20)), "wrong", "1.0 MiB free"),
    (box.check_folder("output", Folder("/s", free_bytes=None)), "warning", "cannot be told"),
    (box.check_database(Box(database={"there": False})), "ok", "no database yet"),
    (box.check_database(Box(database={**DATABASE, "check": "row 3 missing"})), "wrong", "row 3"),
    (box.check_database(Box(database={**DATABASE, "version": 9})), "wrong", "version 9"),
    (box.check_database(Box(database={**DATABASE, "version": 2})), "ok", "brings it to 3"),
    (box.check_database(Box(why="cut")), "warning", "cut"),
    (box.check_checkpoints(Box(checkpoints={"count": 2, "faults": [
        {"job": 3, "folder": "/o/checkpoint-5", "why": "ema is not what was written"}]})), "wrong",
     "job 3, /o/checkpoint-5: ema"),
    (box.check_checkpoints(Box(checkpoints={"count": 0, "faults": []})), "ok", "No unfinished"),
    (box.check_checkpoints(Box(why="cut")), "warning", "cut"),
    (box.check_session(Session(linger=None)), "ok", "No logind"),
    (box.check_session(Session(linger=False, kills=False)), "ok", "by hand"),
    (box.check_session(Session(linger=False, kills=True)), "wrong", "enable-linger anna"),
    (box.check_session(Session(linger=False, kills=False, unit=True)), "wrong", "enable-linger"),
    (box.check_files(Session(files=256)), "warning", "ulimit -n 1024"),
    (box.check_clock(Session(clock_synchronized=False)), "warning", "NTP"),
    (box.check_clock(Session(skew_seconds=-60)), "warning", "-60 s"),
    (box.check_hub(Hub(cache="/h", why="Permission denied")), "warning", "Permission denied"),
    (box.check_hub(Hub(cache="/h", offline=True)), "ok", "no token"),
    (reach.check_sockets(DaemonFacts(socket_bytes=120)), "wrong", "107"),
    (reach.check_sockets(DaemonFacts(sockets_elsewhere="/tmp/l")), "ok", "/tmp/l"),
    (reach.check_daemon(DaemonFacts(), "0.1.0"), "ok", "None runs."),
    (reach.check_daemon(DaemonFacts(socket_there=True), "0.1.0"), "ok", "left its sockets"),
    (reach.check_daemon(DaemonFacts(pid=7, version="0.0.9"), "0.1.0"), "warning", "is 0.1.0"),
    (reach.check_daemon(DaemonFacts(pid=7, refusal="It is silent."), "0.1.0"), "wrong", "7 holds"),
    (reach.check_daemon(DaemonFacts(where="far", refusal="No way."), "0.1.0"), "wrong", "No way."),
    (reach.check_troubles(DaemonFacts(version="1", troubles=("A.", "B."))), "warning", "log: B."),
    (reach.check_terminal(Terminal(tty=False)), "ok", "none"),
    (reach.check_terminal(Terminal(term="dumb")), "wrong", "export TERM"),
    (reach.check_terminal(Terminal(encoding="ANSI_X3.4-1968")), "warning", "LC_ALL"),
    (reach.check_terminal(Terminal(width=60)), "warning", "60 columns"),
    (reach.check_terminal(Terminal(no_colour=True)), "ok", "NO_COLOR"),
    (reach.check_tmux(Terminal(tmux="tmux 3.4", passthrough="off")), "warning", "passthrough on"),
    (reach.check_tmux(Terminal(tmux="tmux 3.4", passthrough="on")), "ok", "lets"),
    (reach.check_ssh(Terminal()), "warning", "OpenSSH"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "verdict", "words"), FAULTS)
def test_a_fault_is_told_with_what_to_do(line: Line | None, verdict: Verdict, words: str) -> None:
    assert line is not None
    assert line.verdict == verdict
    assert words in f"{line.text} {line.todo}"
    assert line.text.endswith(".")
    if verdict == "wrong":
        assert line.todo


def test_what_is_not_there_is_not_spoken_of() -> None:
    thin = replace(HEALTHY, install=replace(INSTALL, train={"torch": ""}), daemon=DaemonFacts())
    names = [line.name for line in judge(replace(thin, box=Box(cards={**CARDS, "cards": []})))]
    gone = {"torch", "checkpoints", "GPU memory", "complaints", "tmux"}
    assert gone.isdisjoint(names)


def test_another_box_is_judged_by_what_its_daemon_tells() -> None:
    far = replace(HEALTHY, folders=(("disk", Folder("/d", filesystem="there")),))
    assert {line.name for line in judge_far(far)} >= {"daemon", "GPUs", "disk", "ssh"}
    lost = replace(far, daemon=DaemonFacts(where="far", refusal="No way."), box=Box(), folders=())
    assert [line.name for line in judge_far(lost) if line.verdict == "wrong"] == ["daemon"]


def test_hostile_names_do_nothing() -> None:
    evil = "\x1b]52;c;eA==\x07\n[/b]"
    facts = replace(
        HEALTHY,
        folders=(("state", Folder(f"/{evil}")),),
        box=with_processes({**STRANGER, "name": evil, "user": evil}),
        daemon=DaemonFacts(pid=7, version=evil, troubles=(evil,)),
    )
    lines = judge(facts)
    assert "\x1b" not in told(lines)
    assert all("\n" not in line.text for line in lines)


def test_the_summary_counts() -> None:
    one, two = Line("a", "wrong", "A.", "B."), Line("b", "warning", "C.")
    assert summary([one]) == "1 thing is wrong."
    assert summary([one, one, two]) == "2 things are wrong and 1 thing is worth a look."
    assert summary([two, two]) == "Nothing is wrong; 2 things are worth a look."
    assert told([one]).splitlines()[:2] == ["wrong    a  A.", "            → B."]
