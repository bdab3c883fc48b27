"""Made the databases beside it: `python make.py FOLDER` with the lorad of that version on the path.

One queue with a job in every state that the version knows, and what its own store says of them.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path
from typing import Any, get_args

import msgspec

from lorad.daemon.store import Store
from lorad.daemon.store.rows import NewJob
from lorad.shared import jobs
from lorad.shared.jobs import Process
from lorad.shared.messages import EndReport, Point, Removed
from lorad.shared.recipe import parse_recipe

RECIPE = 'name = "{name}"\n[data]\npath = "pictures"\n[train]\nmax_train_steps = 40\n'
GONE = Process(pid=4_000_000, birth="another boot/1", gpus=("GPU-1",))
"""No process of any box that this is opened on."""


def status(kind: type) -> Any:
    """A status of that kind with all the data that it has."""
    said = {"process": GONE, "finished": 1000.5, "reason": "It broke.", "cause": "why"}
    return kind(**{name: said[name] for name in kind.__struct_fields__ if name in said})


def fill(store: Store) -> None:
    """A job in every state, moved about, with a history."""
    for kind in (*get_args(jobs.Status), jobs.Done):
        name = kind.__name__.lower()
        text = RECIPE.format(name=name)
        new = NewJob(parse_recipe(text), text, Path("/recipes"), False, 0)
        job = store.add(new, "me", lambda id: Path(f"/out/{id}"))
        attempt = store.begin_attempt(job.id)
        store.mark_begun(job.id)
        store.add_points(job.id, [point(step) for step in (1, 2, 3)])
        store.acknowledge(attempt, 3)
        store.mark_saved(attempt)
        store.set_progress(job.id, jobs.Progress(step=3, loss=0.25))
        job = store.change(job, status(kind), "made", cause="why", actor="me")
        if job.state in ("done", "failed"):
            store.set_ending(attempt, EndReport(outcome=job.state, reason=""))
    store.set_place(store.job(2), 5, 1.0625, "move", "me")
    store.set_place(store.job(1), 0, 7.123456789, "move", "me")
    last = store.jobs()[-1]
    store.remove(store.job(last.id), "me")
    store.remember("a command", Removed(id=last.id))
    if hasattr(store, "set_changes"):
        changes = {"train.learning_rate": "0.5"}
        store.set_changes(store.job(2), changes, 40, cause="learning_rate = 0.5", actor="me")
    if hasattr(store, "set_group"):
        store.set_group(jobs.Group(name="night", slots=2, on_failure="stop"))
        terms = {"group": "night", "after": (1,), "retries": 2}
        store.set_terms(store.job(2), terms, cause="group = night", actor="me")
        store.set_draining(True)


def point(step: int) -> Point:
    """A step taken."""
    return Point(
        step=step, time=1.0, loss=0.5, learning_rate=1e-3, grad_norm=1.0, images_per_second=2.0
    )


def told(store: Store) -> list[dict[str, Any]]:
    """What the store says of its jobs, in order."""
    return [
        {
            "id": job.id, "name": job.name, "status": msgspec.to_builtins(job.status),
            "priority": job.priority, "position": job.position, "step": job.progress.step,
            "folder": job.folder, "steps": job.max_train_steps,
            "history": store.transitions(job.id),
        }
        for job in store.jobs()
    ]  # fmt: skip


def main(folder: Path) -> None:
    """Make both files."""
    path = folder / "making.db"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA page_size = 1024")  # or each table would take 4 KiB
        db.execute("VACUUM")
    db.close()
    store = Store(path)
    fill(store)
    version = store._db.execute("PRAGMA user_version").fetchone()[0]
    text = json.dumps(told(store), indent=1)
    store._db.execute("VACUUM")
    store.close()
    path.rename(folder / f"v{version}.db")
    (folder / f"v{version}.json").write_text(text + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
