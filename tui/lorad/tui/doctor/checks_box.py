"""What must hold of the box: pure, from facts to lines."""

from __future__ import annotations

from typing import Any

from lorad.shared.clean import clean_line
from lorad.shared.words import counted
from lorad.tui.doctor.facts import Box, Folder, Hub, Install, Session
from lorad.tui.doctor.lines import Line, ok, warning, wrong
from lorad.tui.machine import size

PYTHON = (3, 11)
NETWORK = frozenset(
    {
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "fuse.glusterfs",
        "fuse.s3fs",
        "fuse.sshfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "smb3",
        "smbfs",
        "virtiofs",
    }
)
LOW_BYTES, BARE_BYTES = 5 << 30, 256 << 20
"""Below the first a run soon pauses for room; below the second the queue itself may not write."""
FILES = 1024
"""What Linux gives by default; a daemon with a few dozen viewers and runs needs some hundred."""
SKEW_SECONDS = 5.0
SHARED_CARD = 1 << 30
"""What strangers hold of a card before it is worth a word."""


def check_python(facts: Install) -> Line:
    """The interpreter."""
    version = ".".join(map(str, facts.python))
    if facts.python[:2] < PYTHON:
        least = ".".join(map(str, PYTHON))
        return wrong("Python", f"It is {version}.", f"lorad needs {least} or newer.")
    return ok("Python", f"It is {version}.")


def check_packages(facts: Install) -> Line:
    """The base packages are there; whether this is a box that trains or a thin client."""
    gone = [name for name, version in facts.base.items() if not version]
    if gone:
        return wrong("lorad", f"{_listed(gone)} cannot be found.", "Install lorad again.")
    named = f"It is {facts.lorad}, with {_versions(facts.base)}"
    missing = [name for name, version in facts.train.items() if not version]
    if len(missing) == len(facts.train):
        return ok("lorad", f"{named}; a thin client: this box watches, it does not train.")
    if missing:
        return wrong(
            "lorad",
            f"{named}; of what trains, {_listed(missing)} cannot be found.",
            "pip install 'lorad[train]' brings it.",
        )
    return ok("lorad", f"{named}; for training {_versions(facts.train)}.")


def _versions(packages: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in packages.items())


def check_cards(facts: Box, trains: bool) -> Line:
    """The driver, through NVML."""
    found = facts.cards
    if found is None:
        return warning("GPUs", f"They could not be looked at: {facts.why}.")
    if found["blind"]:
        return wrong(
            "GPUs",
            f"The driver does not answer: {clean_line(found['note'])}.",
            "After an update of the driver reboot the box; until then nothing is started.",
        )
    cards = found["cards"]
    if not cards:
        note = clean_line(found["note"]) or "no card is visible (CUDA_VISIBLE_DEVICES?)"
        say = warning if trains else ok
        return say("GPUs", f"{note[:1].upper()}{note[1:]}.")
    names = ", ".join(f"{card['index']}: {clean_line(card['name'], 60)}" for card in cards)
    driver = f" (driver {clean_line(found['driver'], 40)})" if found.get("driver") else ""
    return ok("GPUs", f"{counted(len(cards), 'card')}{driver}: {names}.")


def check_torch(facts: Box) -> Line:
    """What torch sees must be what the driver shows. A thin client is not asked."""
    found = facts.torch
    if found is None:
        return warning("torch", f"It could not be looked at: {facts.why}.")
    if not found["there"]:
        why = clean_line(found["why"], 300)
        return wrong(
            "torch", f"It cannot be imported: {why}.", "pip install 'lorad[train]' brings it."
        )
    version = f"torch {clean_line(found['version'], 40)}"
    shown = len((facts.cards or {}).get("cards", ()))
    if shown and not found["built_for"]:
        return wrong(
            "torch",
            f"{version} was built without CUDA, and there is a GPU here.",
            "Install the build for CUDA: https://pytorch.org/get-started/locally/.",
        )
    if shown and not found["cards"]:
        return wrong(
            "torch",
            f"{version} (CUDA {clean_line(found['built_for'], 20)}) sees no GPU, the driver does.",
            "The driver may be too old for this CUDA, or CUDA_VISIBLE_DEVICES hides the card.",
        )
    sees = counted(found["cards"], "GPU") if found["cards"] else "no GPU: training uses the CPU"
    return ok("torch", f"{version} sees {sees}.")


def check_strangers(facts: Box) -> Line | None:
    """What others hold of the cards; none without cards."""
    cards = (facts.cards or {}).get("cards", ())
    if not cards:
        return None
    said = []
    for card in cards:
        for process in card["processes"]:
            held = process["memory_bytes"] or 0
            if process["job"] is None and held >= SHARED_CARD:
                who = " of ".join(
                    clean_line(word, 60) for word in (process["name"], process["user"]) if word
                )
                pid = f"pid {process['pid']}" + (f", {who}" if who else "")
                said.append(f"{size(held)} of GPU {card['index']} ({pid})")
    if said:
        return warning(
            "GPU memory",
            f"Others hold {', '.join(said)}.",
            "Jobs that need it wait for it; `lorad why ID` says so.",
        )
    return ok("GPU memory", "Nobody else holds any worth a word.")


def check_folder(name: str, folder: Folder) -> Line:
    """Owner, permissions, file system and room of a folder."""
    path = clean_line(folder.path)
    if folder.why:
        return wrong(
            name,
            f"{path} cannot be looked at: {clean_line(folder.why)}.",
            f"Be let into the folders above it, or set another place for {name}.",
        )
    if not folder.there:
        return ok(name, f"{path} is not there yet; it is made when it is needed.")
    if not folder.owned:
        return wrong(
            name, f"{path} belongs to somebody else.", f"chown it, or set another place for {name}."
        )
    if not folder.writable:
        return wrong(name, f"{path} cannot be written to.", f"chmod u+rwx {path}")
    if name == "state" and folder.mode & 0o077:
        return warning(
            name, f"Others may look into {path} ({folder.mode:04o}).", f"chmod 700 {path}"
        )
    if name == "state" and folder.filesystem in NETWORK:
        return wrong(
            name,
            f"{path} lies on a network file system ({folder.filesystem}), where locks and the"
            " queue's database cannot be trusted.",
            "Set LORAD_HOME to a folder on a disk of this box.",
        )
    return _room(name, folder)


def _room(name: str, folder: Folder) -> Line:
    path, free = clean_line(folder.path), folder.free_bytes
    if free is None:
        return warning(name, f"How much room {path} has cannot be told.")
    text = f"{path} has {size(free)} free ({folder.filesystem})."
    if free < BARE_BYTES:
        return wrong(name, text, "Free some space: nothing can be stored there.")
    if free < LOW_BYTES:
        return warning(name, text, "Free some space before a run pauses for it.")
    return ok(name, text)


def check_database(facts: Box) -> Line:
    """Sound, and of a version that this lorad knows."""
    found = facts.database
    if found is None:
        return warning("queue", f"Its database could not be looked at: {facts.why}.")
    if not found["there"]:
        return ok("queue", "There is no database yet; the daemon makes it.")
    if found["check"] != "ok":
        return wrong(
            "queue",
            f"Its database is damaged: {clean_line(found['check'])}.",
            "`lorad down`, then put a copy in its place, or move it away to begin anew.",
        )
    version, knows = found["version"], found["knows"]
    if version > knows:
        return wrong(
            "queue",
            f"Its database is of version {version}, this lorad knows {knows}.",
            "Install the newer lorad again.",
        )
    later = f"; the daemon brings it to {knows} when it starts" if version < knows else ""
    return ok("queue", f"Its database is sound (version {version}{later}).")


def check_checkpoints(facts: Box) -> Line:
    """Every file of a checkpoint that a job may still need, against its hash."""
    found = facts.checkpoints
    if found is None or found.get("why"):
        why = facts.why if found is None else clean_line(found["why"])
        return warning("checkpoints", f"They could not be looked at: {why}.")
    if not found["faults"]:
        return ok("checkpoints", _whole(found["count"]))
    said = "; ".join(_fault(one) for one in found["faults"][:5])
    return wrong(
        "checkpoints",
        f"{len(found['faults'])} of {found['count']} cannot be used: {said}.",
        "The job resumes from the newest whole one; move the others away.",
    )


def _whole(count: int) -> str:
    if not count:
        return "No unfinished job has one."
    return f"Unfinished jobs have {count}, whole to the last byte."


def _fault(one: dict[str, Any]) -> str:
    return f"job {one['job']}, {clean_line(one['folder'])}: {clean_line(one['why'])}"


def check_session(facts: Session) -> Line:
    """Whether the daemon lives on when its user logs out."""
    how = f"`loginctl enable-linger {clean_line(facts.user, 60)}`"
    if facts.linger is None:
        return ok("logout", "No logind here: nothing ends a user's processes.")
    if facts.linger:
        return ok("logout", "Lingering is on: the daemon stays when you log out.")
    if facts.unit:
        return wrong(
            "logout", "The daemon's unit ends with your last login, as lingering is off.", how
        )
    if facts.kills:
        return wrong(
            "logout", "logind ends all that you run when you log out (KillUserProcesses).", how
        )
    return ok("logout", "Lingering is off, and logind ends nothing that you started by hand.")


def check_files(facts: Session) -> Line:
    """How many files the daemon may have open."""
    if facts.files < FILES:
        return warning(
            "open files",
            f"A process may have {facts.files}.",
            f"`ulimit -n {FILES}` before `lorad up`; `lorad install` sets it in its unit.",
        )
    return ok("open files", f"A process may have {facts.files}.")


def check_clock(facts: Session) -> Line:
    """Times in the history are only as good as it."""
    if abs(facts.skew_seconds) > SKEW_SECONDS:
        return warning(
            "clock",
            f"The disk's clock differs from this box's by {facts.skew_seconds:.0f} s.",
            "Set both by NTP.",
        )
    if facts.clock_synchronized is False:
        return warning("clock", "It is not set by NTP.", "`timedatectl set-ntp true`")
    if facts.clock_synchronized is None:
        return ok("clock", "Nobody says whether it is set by NTP.")
    return ok("clock", "It is set by NTP.")


def check_hub(facts: Hub) -> Line:
    """Where models come from, and whether private ones may."""
    token = "a token is found" if facts.token else "no token: only what is public"
    cache = clean_line(facts.cache)
    if facts.why:
        return warning("hub", f"{cache} cannot be looked at: {clean_line(facts.why)}.")
    cache = cache if facts.there else f"{cache} is not there yet"
    offline = ", offline" if facts.offline else ""
    return ok("hub", f"{cache}; {token}{offline}.")


def _listed(names: list[str]) -> str:
    return ", ".join(names)
