"""What must hold of the daemon and of the terminal: pure, from facts to lines."""

from __future__ import annotations

from lorad.shared.clean import clean_line
from lorad.shared.endpoints import IPC_PATH_MAX
from lorad.tui.doctor.facts import DaemonFacts, Terminal
from lorad.tui.doctor.lines import Line, ok, warning, wrong

LEAST = (80, 24)


def check_sockets(facts: DaemonFacts) -> Line:
    """Their paths fit what the kernel takes."""
    if facts.socket_bytes > IPC_PATH_MAX:
        return wrong(
            "sockets",
            f"Their path has {facts.socket_bytes} bytes, and the kernel takes {IPC_PATH_MAX}.",
            "Set LORAD_HOME or TMPDIR to a shorter folder.",
        )
    if facts.sockets_elsewhere:
        return ok("sockets", f"They are in {clean_line(facts.sockets_elsewhere)}, to be short.")
    return ok("sockets", f"Their path has {facts.socket_bytes} of {IPC_PATH_MAX} bytes.")


def check_daemon(facts: DaemonFacts, version: str) -> Line:
    """It answers, and is of the same version as this client."""
    where = f" on {clean_line(facts.where, 80)}" if facts.where else ""
    if facts.version:
        pid = f" (pid {facts.pid})" if facts.pid else ""
        said = f"lorad {clean_line(facts.version, 40)} answers{where}{pid}."
        if facts.version != version:
            return warning(
                "daemon",
                f"{said} This client is {version}.",
                "`lorad down` and `lorad up` start the installed version.",
            )
        return ok("daemon", said)
    if facts.where:
        return wrong("daemon", clean_line(facts.refusal, 400), f"`ssh {clean_line(facts.where)}`")
    if facts.pid is None:
        stale = " A killed one left its sockets; the next one replaces them."
        return ok("daemon", "None runs." + (stale if facts.socket_there else ""))
    return wrong(
        "daemon",
        f"Process {facts.pid or 'unknown'} holds the lock, and cannot be talked to:"
        f" {clean_line(facts.refusal, 400)}",
        "If it does not come back, end that process and `lorad up`; the runs train on.",
    )


def check_troubles(facts: DaemonFacts) -> Line | None:
    """What the daemon complained of; none where there is none to ask."""
    if not facts.version:
        return None
    if not facts.troubles:
        return ok("complaints", "The daemon has logged no warning and no error.")
    last = clean_line(facts.troubles[-1], 300).rstrip(".")
    return warning(
        "complaints", f"The newest in the daemon's log: {last}.", "`lorad health` has the others."
    )


def check_terminal(facts: Terminal) -> Line:
    """Whether the dashboard can be drawn here."""
    if not facts.tty:
        return ok("terminal", "This is none, so the dashboard cannot be judged from here.")
    term = clean_line(facts.term, 40)
    if term in ("", "dumb", "unknown"):
        return wrong("terminal", f"TERM is `{term}`.", "export TERM=xterm-256color")
    if facts.encoding.lower().replace("-", "") != "utf8":
        return warning(
            "terminal",
            f"Its text is {clean_line(facts.encoding, 40)}: curves and frames would be torn.",
            "export LC_ALL=C.UTF-8",
        )
    if facts.width < LEAST[0] or facts.height < LEAST[1]:
        return warning(
            "terminal",
            f"It has {facts.width} columns and {facts.height} rows.",
            f"The dashboard wants {LEAST[0]} by {LEAST[1]}.",
        )
    colours = "no colours, as NO_COLOR wishes" if facts.no_colour else _colours(facts.colours)
    return ok("terminal", f"{term}, {facts.width} by {facts.height}, {colours}.")


def _colours(count: int) -> str:
    return "16 million colours" if count > 256 else f"{count} colours"


def check_tmux(facts: Terminal) -> Line | None:
    """Inside of tmux: whether notices and pictures get out; none outside."""
    if not facts.tmux:
        return None
    version = clean_line(facts.tmux, 40)
    if facts.passthrough in ("on", "all"):
        return ok("tmux", f"{version}; it lets notices and pictures through.")
    return warning(
        "tmux",
        f"{version}; it keeps notices and pictures from the terminal.",
        "`tmux set -g allow-passthrough on` lets them through.",
    )


def check_ssh(facts: Terminal) -> Line:
    """Whether `--host` can work."""
    if not facts.ssh:
        return warning(
            "ssh", "There is no ssh, so --host reaches nothing.", "Install OpenSSH's client."
        )
    here = "; you came by it" if facts.over_ssh else ""
    return ok("ssh", f"{clean_line(facts.ssh, 60)}{here}.")
