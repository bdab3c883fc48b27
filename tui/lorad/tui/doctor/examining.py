"""The whole examination: of this box, or of one that `--host` names."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import msgspec

from lorad.shared.client import Client
from lorad.shared.endpoints import Home, Place
from lorad.shared.errors import LoradError
from lorad.shared.jobs import Ended
from lorad.shared.messages import GetHealth, GetStatus, Health, Status
from lorad.tui import places
from lorad.tui.doctor import judge, judge_far, looking
from lorad.tui.doctor.facts import Box, DaemonFacts, Facts, Folder
from lorad.tui.doctor.lines import Line
from lorad.tui.doctor.port import Port, ThisBox

OUTPUTS = 5
"""So many jobs' folders are looked at: they are mostly on one disk."""


def examine(where: Place, port: Port | None = None) -> list[Line]:
    """A line for each thing that was looked at."""
    port = port or ThisBox()
    home = places.local(where)
    if home is None:
        return judge_far(facts_far(where, port))
    return judge(facts_here(home, port))


def facts_here(home: Home, port: Port) -> Facts:
    """All that can be known on this box, whether a daemon runs or not."""
    daemon, status = _daemon(home)
    mounts = port.read("/proc/mounts")
    folders = [("state", home.folder), ("cache", home.cache)]
    folders += [("output", path) for path in _outputs(status)]
    return Facts(
        install=looking.look_at_install(),
        folders=tuple((name, looking.look_at_folder(path, mounts)) for name, path in folders),
        daemon=daemon,
        session=looking.look_at_session(port, home.folder),
        terminal=looking.look_at_terminal(port),
        hub=looking.look_at_hub(port),
        box=looking.look_at_box(home),
    )


def _daemon(home: Home) -> tuple[DaemonFacts, Status | None]:
    control = home.sockets / "control.sock"
    facts = DaemonFacts(
        pid=home.daemon_pid(),
        socket_there=os.path.exists(control),
        socket_bytes=len(os.fsencode(control)),
        sockets_elsewhere="" if home.sockets == home.folder else str(home.sockets),
    )
    if facts.pid is None:
        return facts, None
    return _asked(home, facts)


def _asked(where: Place, facts: DaemonFacts) -> tuple[DaemonFacts, Status | None]:
    """With what it answers, or with the sentence why it does not."""
    try:
        with Client(where, name="lorad doctor") as client:
            info = client.greet()
            status, health = client.ask(GetStatus()), client.ask(GetHealth())
    except LoradError as error:
        return replace(facts, refusal=str(error)), None
    return replace(facts, version=info.version, pid=info.pid, troubles=_troubles(health)), status


def _troubles(health: Health) -> tuple[str, ...]:
    return tuple(trouble.text for trouble in health.troubles)


def _outputs(status: Status | None) -> list[Path]:
    """Where unfinished jobs write: each folder above them once."""
    jobs = [job for job in status.jobs if not isinstance(job.status, Ended)] if status else []
    return list(dict.fromkeys(Path(job.folder).parent for job in jobs))[:OUTPUTS]


def facts_far(where: Place, port: Port) -> Facts:
    """What the daemon there tells, and what the way to it needs here."""
    facts, status = _asked(where, DaemonFacts(where=places.host()))
    box, folders = Box(), []
    if status is not None:
        cards = msgspec.to_builtins(status.gpus)
        box = Box(cards={"note": status.host.gpu_note, "blind": False, "cards": cards})
        folders = [
            ("disk", Folder(disk.path, filesystem="there", free_bytes=disk.free_bytes))
            for disk in status.host.disks
        ]
    return Facts(
        install=looking.look_at_install(),
        terminal=looking.look_at_terminal(port),
        daemon=facts,
        folders=tuple(folders),
        box=box,
    )
