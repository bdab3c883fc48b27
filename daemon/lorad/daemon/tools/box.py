"""What the doctor cannot see without the daemon's rooms: a JSON object a line, quick ones first."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from lorad.daemon.store import rows
from lorad.daemon.store.database import VERSION
from lorad.daemon.telemetry import BlindError, find_cards
from lorad.daemon.telemetry.owners import Owners
from lorad.shared.codec import UNDECODABLE
from lorad.shared.endpoints import Home, find_home
from lorad.shared.jobs import Ended, Job


def box() -> int:
    """Print what is found, each as soon as it is known: whoever waits may lose patience."""
    home = find_home()
    for name, found in _found(home):
        print(json.dumps({"name": name, **found}), flush=True)
    return 0


def _found(home: Home) -> Iterator[tuple[str, dict[str, Any]]]:
    health, jobs = look_at_database(home.database)
    yield "database", health
    yield "cards", look_at_cards(home)
    yield "torch", look_at_torch()
    yield "checkpoints", look_at_checkpoints(jobs)


def look_at_database(path: Path) -> tuple[dict[str, Any], list[Job]]:
    """Whether it is sound, and the jobs in it; it is opened for reading alone."""
    if not path.exists():
        return {"there": False}, []
    about: dict[str, Any] = {"there": True, "bytes": path.stat().st_size, "knows": VERSION}
    try:
        db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=2.0)
        try:
            about["version"] = int(db.execute("PRAGMA user_version").fetchone()[0])
            about["check"] = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
            jobs = _jobs(db) if about["version"] == VERSION else []
        finally:
            db.close()
    except (sqlite3.Error, *UNDECODABLE) as error:
        return {**about, "check": str(error)}, []
    return {**about, "jobs": len(jobs)}, jobs


def _jobs(db: sqlite3.Connection) -> list[Job]:
    found = db.execute(f"SELECT {rows.JOB} FROM jobs WHERE removed IS NULL ORDER BY id")
    return [rows.job(row) for row in found]


def look_at_cards(home: Home) -> dict[str, Any]:
    """The cards, and who computes on them."""
    cards = find_cards()
    owners = Owners(home.runs)
    try:
        found = cards.sample()
    except BlindError as error:
        return {"note": str(error), "blind": True, "cards": []}
    named = [msgspec.structs.replace(c, processes=owners.named(c.processes)) for c in found]
    return {
        "note": cards.note,
        "blind": False,
        "driver": _driver(),
        "cards": msgspec.to_builtins(named),
    }


def _driver() -> str:
    """The driver's version; empty without one."""
    try:
        import pynvml

        pynvml.nvmlInit()
        version = pynvml.nvmlSystemGetDriverVersion()
    except Exception:  # NVMLError, whose classes only exist where pynvml does
        return ""
    return version.decode() if isinstance(version, bytes) else str(version)


def look_at_torch() -> dict[str, Any]:
    """Whether torch is there and which cards it sees; nothing is put on a card."""
    try:
        import torch
    except (ImportError, OSError) as error:  # it is not there, or a library of its is not
        return {"there": False, "why": str(error)}
    return {
        "there": True,
        "version": torch.__version__,
        "built_for": torch.version.cuda or "",
        "cards": torch.cuda.device_count() if torch.cuda.is_available() else 0,
    }


def look_at_checkpoints(jobs: list[Job]) -> dict[str, Any]:
    """The checkpoints of jobs that have not ended: each file against its hash."""
    try:
        from lorad.daemon.training.checkpoint import NAME, fault
    except ImportError as error:
        return {"count": 0, "faults": [], "why": str(error)}
    count, faults = 0, []
    for job in jobs:
        if isinstance(job.status, Ended):
            continue
        try:
            folders = [path for path in Path(job.folder).iterdir() if NAME.fullmatch(path.name)]
        except OSError:  # it has written nothing yet
            continue
        for folder in sorted(folders):
            why = fault(folder)
            if why and not folder.exists():
                continue  # its run replaced it by a newer one meanwhile
            count += 1
            if why:
                faults.append({"job": job.id, "folder": str(folder), "why": why})
    return {"count": count, "faults": faults}
