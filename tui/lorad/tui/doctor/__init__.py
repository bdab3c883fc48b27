"""`lorad doctor`: facts are gathered at the edge, judged by pure functions, told in lines."""

from __future__ import annotations

from lorad.tui.doctor import checks_box as box
from lorad.tui.doctor import checks_reach as reach
from lorad.tui.doctor.facts import Facts
from lorad.tui.doctor.lines import Line


def judge(facts: Facts) -> list[Line]:
    """A line for each thing that was looked at on this box."""
    trains = any(facts.install.train.values())
    lines = [
        box.check_python(facts.install),
        box.check_packages(facts.install),
        box.check_cards(facts.box, trains),
        box.check_torch(facts.box) if trains else None,
        box.check_strangers(facts.box),
        *(box.check_folder(name, folder) for name, folder in facts.folders),
        reach.check_sockets(facts.daemon),
        reach.check_daemon(facts.daemon, facts.install.lorad),
        reach.check_troubles(facts.daemon),
        box.check_database(facts.box),
        box.check_checkpoints(facts.box) if trains else None,
        box.check_session(facts.session),
        box.check_files(facts.session),
        box.check_clock(facts.session),
        reach.check_terminal(facts.terminal),
        reach.check_tmux(facts.terminal),
        reach.check_ssh(facts.terminal),
        box.check_hub(facts.hub),
    ]
    return [line for line in lines if line is not None]


def judge_far(facts: Facts) -> list[Line]:
    """What can be told of a box that is reached through ssh, and of the way to it."""
    answers = bool(facts.daemon.version)
    lines = [
        box.check_python(facts.install),
        box.check_packages(facts.install),
        reach.check_terminal(facts.terminal),
        reach.check_tmux(facts.terminal),
        reach.check_ssh(facts.terminal),
        reach.check_daemon(facts.daemon, facts.install.lorad),
        reach.check_troubles(facts.daemon),
        box.check_cards(facts.box, True) if answers else None,
        box.check_strangers(facts.box) if answers else None,
        *(box.check_folder(name, folder) for name, folder in facts.folders),
    ]
    return [line for line in lines if line is not None]
