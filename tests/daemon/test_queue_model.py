"""The queue against a plain model of it: whatever comes in whatever order, both say the same.

A disk that refuses, a daemon that is killed in the middle of a change or when all was done and
nobody was told, clients that repeat: the model knows of none of that, since it must not show.
"""

from __future__ import annotations

import copy
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from support import SOAK

from lorad.daemon.handlers.steering import MoveJob, SetPriority
from lorad.daemon.runs import wanted
from lorad.daemon.store.replay import check_log
from lorad.shared.lifecycle import REMOVABLE, TRANSITIONS
from lorad.shared.messages import (
    AddGroup,
    AddJob,
    AnyRequest,
    Batch,
    CancelJob,
    CopyJob,
    Drain,
    EndReport,
    EnqueueJob,
    FinishReport,
    HoldJob,
    PauseGroup,
    PauseJob,
    Point,
    PointReport,
    ReadyReport,
    RemoveGroup,
    RemoveJob,
    RestartJob,
    ResumeGroup,
    ResumeJob,
    SavedReport,
    SetGroup,
    ShutDown,
    StashJob,
    Undo,
    UpdateJob,
)

from .simulated import FAULTS, FAULTY, Machine, Run

SEED = 20261123
QUICK = (12, 40)
"""Histories, and steps of each."""
PROOF = (200 * SOAK, 50)
RECIPE = 'name = "a"\n[data]\npath = "p"\n'
ACTIVE = ("starting", "running", "held", "pausing", "finishing")
VERBS: dict[str, Any] = {
    "stash": StashJob, "enqueue": EnqueueJob, "pause": PauseJob, "hold": HoldJob,
    "resume": ResumeJob, "cancel": CancelJob, "restart": RestartJob,
}  # fmt: skip
EDITS = ("add", "move", "priority", "update", "stash", "enqueue", "resume", "cancel", "rm")
"""What can be taken back."""
LOOK = ("state", "priority", "place", "group", "after", "after_reboot", "removed")
MAX_DEATHS = 3


@dataclass
class Row:
    """A job, as the model has it."""

    id: int
    state: str
    priority: int
    place: float
    group: str = "default"
    after: tuple[int, ...] = ()
    after_reboot: str = "resume"
    removed: bool = False
    cancelled: bool = False
    """Finishing because somebody wanted it to."""
    down: bool = False
    """Paused, or pausing, by `down`."""
    attempts: int = 0
    saved_attempt: int = 0
    died: int = 0
    """Since somebody last said go on."""

    def look(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in LOOK}


@dataclass
class Shape:
    """A group."""

    slots: int = 0
    stop: bool = False
    paused: bool = False


Part = tuple[str, int, Callable[[], str]]
"""What is done (a word of `EDITS`, or another), to which job, and how; it returns the refusal."""


@dataclass
class Model:
    """The queue as a person would tell it."""

    rows: dict[int, Row] = field(default_factory=dict)
    groups: dict[str, Shape] = field(default_factory=lambda: {"default": Shape()})
    draining: bool = False
    last: int = 0
    edits: list[tuple[int, dict[int, tuple[dict[str, Any], dict[str, Any], int]]]] = field(
        default_factory=list
    )
    edit_number: int = 0

    # -- commands -----------------------------------------------------------------------------

    def jobs(self) -> list[Row]:
        there = [row for row in self.rows.values() if not row.removed]
        return sorted(there, key=lambda row: (-row.priority, row.place, row.id))

    def do(self, parts: list[Part]) -> str:
        """All of them or none; the refusal's kind, or nothing."""
        rows = copy.deepcopy(self.rows)
        before = {
            id: row.look()
            for kind, id, _ in parts
            if kind in EDITS and kind != "add" and (row := self.there(id))
            if row.state not in ACTIVE
        }
        for kind, _, act in parts:
            if refusal := act():
                self.rows = rows
                return refusal if len(parts) == 1 else "NothingDone"
            if kind == "add":
                before[self.last] = {**self.rows[self.last].look(), "removed": True}
        if before:
            self._keep(before)
        return ""

    def _keep(self, before: dict[int, dict[str, Any]]) -> None:
        changed = {}
        for id, old in before.items():
            row = self.rows[id]
            names = [name for name in LOOK if old[name] != getattr(row, name)]
            if names:
                new = {name: getattr(row, name) for name in names}
                changed[id] = ({name: old[name] for name in names}, new, row.attempts)
        if changed:
            self.edit_number += 1
            self.edits.append((self.edit_number, changed))
            self.edits = [edit for edit in self.edits if edit[0] > self.edit_number - 100]
        named = {id for _, jobs in self.edits for id in jobs}
        self.rows = {id: row for id, row in self.rows.items() if not row.removed or id in named}

    def there(self, id: int) -> Row | None:
        row = self.rows.get(id)
        return None if row is None or row.removed else row

    def add(self, state: str, priority: int, group: str, after_reboot: str) -> str:
        if group not in self.groups:
            return "UnknownGroup"
        place = max((row.place for row in self.rows.values()), default=0.0) + 1
        self.last += 1
        row = Row(self.last, state, priority, place, group, after_reboot=after_reboot)
        self.rows[row.id] = row
        return ""

    def copy(self, id: int) -> str:
        if (row := self.there(id)) is None:
            return "UnknownJob"
        return self.add("queued", 0, row.group, row.after_reboot)

    def verb(self, id: int, verb: str) -> str:
        if (row := self.there(id)) is None:
            return "UnknownJob"
        if verb == "cancel" and row.state == "finishing" and row.cancelled:
            return ""
        if (after := TRANSITIONS.get((row.state, verb))) is None:  # type: ignore[call-overload]
            return "ImpossibleAction"
        row.state, row.down = after, False
        row.cancelled = verb == "cancel"
        if verb in ("enqueue", "resume", "restart"):
            row.died = 0
        return ""

    def move(self, id: int, to: int) -> str:
        if (row := self.there(id)) is None:
            return "UnknownJob"
        if row.state != "queued":
            return "ImpossibleAction"
        others = [other for other in self.jobs() if other.state == "queued" and other is not row]
        at = max(0, min(to - 1, len(others)))
        before, after = others[at - 1] if at else None, others[at] if at < len(others) else None
        if neighbour := after or before:
            row.priority = neighbour.priority
            between = before and after and before.priority == after.priority
            if between and not before.place < (before.place + after.place) / 2 < after.place:
                self._spread()
            if before is None or before.priority != neighbour.priority:
                row.place = neighbour.place - 1
            elif after is None:
                row.place = before.place + 1
            else:
                row.place = (before.place + after.place) / 2
        return ""

    def _spread(self) -> None:
        ordered = sorted(self.rows.values(), key=lambda row: (row.place, row.id))
        for place, row in enumerate(ordered, 1):
            row.place = float(place)

    def change(self, id: int, **fields: Any) -> str:
        if (row := self.there(id)) is None:
            return "UnknownJob"
        for other in fields.get("after", ()):
            if self.there(other) is None:
                return "UnknownJob"
            if self._waits(other, id):
                return "WaitsForItself"
        if fields.get("group", "default") not in self.groups:
            return "UnknownGroup"
        for name, value in fields.items():
            setattr(row, name, value)
        return ""

    def _waits(self, id: int, for_: int, seen: frozenset[int] = frozenset()) -> bool:
        row = self.there(id)
        if id == for_ or row is None or row.state == "done" or id in seen:
            return id == for_
        return any(self._waits(one, for_, seen | {id}) for one in row.after)

    def rm(self, id: int) -> str:
        if (row := self.there(id)) is None:
            return "UnknownJob"
        if row.state not in REMOVABLE:
            return "ImpossibleAction"
        after = [other for other in self.jobs() if id in other.after]
        ended = ("done", "failed", "cancelled")
        if row.state != "done" and any(other.state not in ended for other in after):
            return "StillAwaited"
        for other in after:
            other.after = tuple(one for one in other.after if one != id)
        row.removed = True
        return ""

    def undo(self) -> str:
        if not self.edits:
            return "NothingToUndo"
        _, jobs = self.edits.pop()
        if any(self._moved_on(id, *parts) for id, parts in jobs.items()):
            return "CannotUndo"
        for id, (before, _, _) in jobs.items():
            for name, value in before.items():
                setattr(self.rows[id], name, value)
            self.rows[id].cancelled = False
        return ""

    def _moved_on(
        self, id: int, before: dict[str, Any], after: dict[str, Any], attempts: int
    ) -> bool:
        row = self.rows[id]
        if row.attempts != attempts or (row.removed and "removed" not in after):
            return True
        if any(getattr(row, name) != value for name, value in after.items()):
            return True
        removed = before.get("removed", row.removed)
        if not removed and before.get("group", row.group) not in self.groups:
            return True
        return any(self._waits(one, id) for one in before.get("after", row.after))

    def group(self, kind: str, name: str, slots: int, stop: bool) -> str:
        known = name in self.groups
        if kind == "add":
            if not known:
                self.groups[name] = Shape(slots, stop)
            return "GroupThere" if known else ""
        if not known:
            return "UnknownGroup"
        if kind == "remove":
            if name == "default" or any(row.group == name for row in self.jobs()):
                return "GroupUsed"
            del self.groups[name]
        elif kind == "set":
            self.groups[name].slots, self.groups[name].stop = slots, stop
        else:
            self.groups[name].paused = kind == "pause"
        return ""

    # -- runs ---------------------------------------------------------------------------------

    def hears(self, row: Row, run: Run, report: object) -> None:
        match report:
            case ReadyReport() if row.state == "starting":
                row.state = "running"
            case SavedReport():
                row.saved_attempt = run.attempt.number
            case FinishReport() if row.state in ("running", "held", "pausing"):
                row.state, row.cancelled = "finishing", False

    def ended(self, row: Row, run: Run, outcome: str, rebooted: bool) -> None:
        """The run's process is gone; the outcome is its last word, if it said one."""
        was = row.state
        asked = was == "pausing" or row.cancelled
        terminated = False
        if outcome == "yielded" and not asked:
            outcome, terminated = "left", True
        if not outcome:
            outcome = self._silence(row, run, rebooted)
            row.died += outcome == "died"
        cancelled = outcome in ("died", "left") and row.cancelled
        row.state = "cancelled" if cancelled else TRANSITIONS[was, outcome]  # type: ignore[index]
        row.cancelled = False
        if row.state == "failed" and self.groups[row.group].stop:
            self.groups[row.group].paused = True
        if row.state != "paused" or was == "held":
            row.down = False
        elif row.down or (terminated and rebooted and was != "pausing"):
            self.goes_on(row, rebooted)

    def _silence(self, row: Row, run: Run, rebooted: bool) -> str:
        if row.state in ("held", "pausing") or row.cancelled:
            return "died"
        if rebooted and row.after_reboot == "pause":
            return "rebooted"
        deaths = min(run.attempt.number - row.saved_attempt, row.died) + 1
        return "failed" if deaths >= MAX_DEATHS else "died"

    def goes_on(self, row: Row, rebooted: bool) -> None:
        row.down = False
        if not (rebooted and row.after_reboot == "pause"):
            row.state, row.died = "queued", 0

    def schedule(self) -> None:
        """A box without a card: one trains at a time, or as many as its group has slots."""
        for row in self.jobs():
            shape = self.groups.get(row.group, Shape())
            running = [other for other in self.jobs() if other.state in ACTIVE]
            ours = [other for other in running if other.group == row.group]
            if (
                row.state == "queued"
                and not (self.draining or shape.paused)
                and all((one := self.there(id)) and one.state == "done" for id in row.after)
                and not (shape.slots and len(ours) >= shape.slots)
                and len(running) < max(1, shape.slots)
            ):
                row.state = "starting"


class QueueAndModel(RuleBasedStateMachine):
    """Both, side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="lorad-model-")
        self.model = Model()
        self.boot = ""
        self.untold: list[tuple[Run, object]] = []
        """What runs said, and how they ended, while no daemon was there."""

    @initialize(number=st.integers(0, 2**32 - 1))
    def begin(self, number: int) -> None:
        self.machine = Machine(Path(self.folder.name), number)
        self.machine.faults.chance = FAULTY
        for _ in range(4):
            self.add(False, 0, "default", "resume", False)
        self.group("set", "default", 2, False)

    def teardown(self) -> None:
        FAULTS_SEEN.update(self.machine.faults.seen)
        self.machine.close()
        with closing(sqlite3.connect(self.machine.home.database)) as db:
            EVENTS_SEEN.update(event for (event,) in db.execute("SELECT event FROM transitions"))
        self.folder.cleanup()

    # -- helpers ------------------------------------------------------------------------------

    def ask(self, request: AnyRequest, expected: Callable[[], str], twice: bool = False) -> None:
        """Both do it, and say the same of whether it may be."""
        self.catch_up()
        reply = self.machine.ask(request, twice=twice)
        refusal = expected()
        assert getattr(reply, "kind", "") == refusal, (request, reply, refusal)
        self.model.schedule()

    def catch_up(self) -> None:
        """A daemon is there and knows what the runs said meanwhile."""
        self.machine.rest()
        untold, self.untold = self.untold, []
        paused = {name for name, shape in self.model.groups.items() if shape.paused}
        for run, what in sorted(untold, key=lambda one: one[0].alive):
            self.model_hears(run, what)
        if len(untold) > 1:
            self.adopt_starts(paused)
        self.model.schedule()
        for row in self.model.rows.values():
            attempt = self.store.attempt(row.id)
            number = attempt.number if attempt else 0
            assert number >= row.attempts
            row.attempts = number

    def adopt_starts(self, paused: set[str]) -> None:
        """Of several ends at once one stopped its group: others may have started before, or not.

        The daemon acts on all of them before it starts anything, but for one that the disk refused.
        """
        stopped = {n for n, shape in self.model.groups.items() if shape.paused} - paused
        found = {job.id: job.state for job in self.store.jobs()}
        for row in self.model.jobs():
            if row.group in stopped and (row.state, found.get(row.id)) == ("queued", "starting"):
                row.state = "starting"

    def model_hears(self, run: Run, what: object) -> None:
        row = self.model.rows[run.job_id]
        if isinstance(what, str):
            rebooted = not run.process.birth.startswith(f"{self.machine.boot}/")
            self.model.ended(row, run, what, rebooted)
        else:
            self.model.hears(row, run, what)

    @property
    def store(self) -> Any:
        assert self.machine.service is not None
        return self.machine.service.store

    def says(self, run: Run, *reports: Any, ends: bool = False) -> None:
        """A run says something and may end with it, whether or not a daemon is there."""
        if reports:
            run.say(*reports)
        self.untold.extend((run, report) for report in reports if report.__class__ is not EndReport)
        if ends:
            run.die()
            last = reports[-1] if reports else None
            self.untold.append((run, last.outcome if isinstance(last, EndReport) else ""))
        if self.machine.service is not None:
            self.catch_up()

    def some_id(self, pick: int) -> int:
        """Mostly one that there is."""
        ids = [row.id for row in self.model.jobs()]
        return ids[pick % len(ids)] if ids and pick % 10 else self.model.last + 1 - pick % 3

    def some_run(self, pick: int) -> Run:
        runs = self.machine.working()
        return runs[pick % len(runs)]

    # -- commands -----------------------------------------------------------------------------

    picks = st.integers(0, 10**6)
    groups = st.sampled_from(["default", "default", "night", "day"])
    policies = st.sampled_from(["resume", "pause"])
    twice = st.booleans()

    @precondition(lambda self: len(self.model.rows) < 15)
    @rule(
        stash=st.booleans(), priority=st.integers(-1, 1), group=groups, policy=policies, twice=twice
    )
    def add(self, stash: bool, priority: int, group: str, policy: str, twice: bool) -> None:
        request = AddJob(
            recipe=RECIPE, folder=str(self.machine.recipes), stash=stash, priority=priority,
            group=group, after_reboot=policy,  # type: ignore[arg-type]
        )  # fmt: skip
        state = "stashed" if stash else "queued"
        act = lambda: self.model.add(state, priority, group, policy)  # noqa: E731
        self.ask(request, lambda: self.model.do([("add", 0, act)]), twice)

    @rule(pick=picks)
    def copy(self, pick: int) -> None:
        id = self.some_id(pick)
        part = ("add", id, lambda: self.model.copy(id))
        self.ask(CopyJob(id=id, changes={}), lambda: self.model.do([part]))

    @rule(pick=picks, verb=picks, twice=twice)
    def verb(self, pick: int, verb: int, twice: bool) -> None:
        request, part = self.verb_part(self.some_id(pick), verb)
        self.ask(request, lambda: self.model.do([part]), twice)

    @rule(pick=picks, verb=picks)
    def another_verb(self, pick: int, verb: int) -> None:
        self.verb(pick, verb, False)

    def verb_part(self, id: int, number: int) -> tuple[Any, Part]:
        """Mostly one that may be asked for."""
        row = self.model.there(id)
        fitting = [verb for verb in VERBS if row and (row.state, verb) in TRANSITIONS]
        verbs = fitting if fitting and number % 8 else list(VERBS)
        verb = verbs[number // 8 % len(verbs)]
        return VERBS[verb](id=id), (verb, id, lambda: self.model.verb(id, verb))

    @rule(pick=picks, to=st.integers(0, 6), twice=twice)
    def move(self, pick: int, to: int, twice: bool) -> None:
        queued = [row.id for row in self.model.jobs() if row.state == "queued"]
        id = queued[pick % len(queued)] if queued and pick % 8 else self.some_id(pick)
        part = ("move", id, lambda: self.model.move(id, to))
        self.ask(MoveJob(id=id, to=to), lambda: self.model.do([part]), twice)

    @rule(pick=picks, priority=st.integers(-1, 1))
    def priority(self, pick: int, priority: int) -> None:
        id = self.some_id(pick)
        part = ("priority", id, lambda: self.model.change(id, priority=priority))
        self.ask(SetPriority(id=id, priority=priority), lambda: self.model.do([part]))

    @rule(pick=picks, other=picks, group=groups, policy=policies, what=st.integers(1, 7))
    def update(self, pick: int, other: int, group: str, policy: str, what: int) -> None:
        id = self.some_id(pick)
        after = (self.some_id(other),) if other % 3 else ()
        told = [("group", group), ("after_reboot", policy), ("after", after)]
        fields: Any = dict(pair for bit, pair in enumerate(told) if what & 1 << bit)
        part = ("update", id, lambda: self.model.change(id, **fields))
        self.ask(UpdateJob(id=id, **fields), lambda: self.model.do([part]))

    @rule(pick=picks, twice=twice)
    def rm(self, pick: int, twice: bool) -> None:
        id = self.some_id(pick)
        part = ("rm", id, lambda: self.model.rm(id))
        self.ask(RemoveJob(id=id), lambda: self.model.do([part]), twice)

    @rule(picks=st.lists(st.tuples(picks, picks), min_size=2, max_size=4))
    def batch(self, picks: list[tuple[int, int]]) -> None:
        both = [self.verb_part(self.some_id(pick), verb) for pick, verb in picks]
        request = Batch(requests=[request for request, _ in both])
        self.ask(request, lambda: self.model.do([part for _, part in both]))

    @rule(twice=twice)
    def undo(self, twice: bool) -> None:
        self.ask(Undo(), self.model.undo, twice)

    @rule(
        kind=st.sampled_from(["add", "set", "remove", "pause", "resume"]),
        name=groups, slots=st.integers(0, 3), stop=st.booleans(),
    )  # fmt: skip
    def group(self, kind: str, name: str, slots: int, stop: bool) -> None:
        on_failure: Any = "stop" if stop else "continue"
        shape = {"slots": slots, "on_failure": on_failure}
        requests = {"add": AddGroup, "set": SetGroup, "remove": RemoveGroup, "pause": PauseGroup,
                    "resume": ResumeGroup}  # fmt: skip
        more = shape if kind in ("add", "set") else {}
        self.ask(
            requests[kind](name=name, **more), lambda: self.model.group(kind, name, slots, stop)
        )

    @rule(end=st.booleans())
    def drain(self, end: bool) -> None:
        def drained() -> str:
            self.model.draining = not end
            return ""

        self.ask(Drain(end=end), drained)

    # -- runs ---------------------------------------------------------------------------------

    has_run = precondition(lambda self: self.machine.working())

    @has_run
    @rule(pick=picks, saves=st.booleans())
    def goes_on(self, pick: int, saves: bool) -> None:
        run = self.some_run(pick)
        if not run.step:
            run.step = 1
            self.says(run, ReadyReport(step=1, last_step=40))
        elif not run.finished:
            point = Point(step=run.step, time=1.0, loss=0.5, learning_rate=1e-3, grad_norm=1.0,
                          images_per_second=2.0)  # fmt: skip
            saved = [SavedReport(step=run.step)] if saves else []
            self.says(run, PointReport(point=point), *saved)
            run.step += 1

    @has_run
    @rule(picks=st.lists(picks, min_size=2, max_size=4))
    def all_go_on(self, picks: list[int]) -> None:
        for pick in picks:
            if self.machine.working():
                self.goes_on(pick, bool(pick % 2))

    @has_run
    @rule(pick=picks)
    def finishes(self, pick: int) -> None:
        run = self.some_run(pick)
        if run.step and not run.finished:
            run.finished = True
            self.says(run, FinishReport())

    @has_run
    @rule(pick=picks, outcome=st.sampled_from(["done", "failed", "left", "yielded"]))
    def ends(self, pick: int, outcome: Any) -> None:
        run = self.some_run(pick)
        if outcome == "done" and not run.finished:
            outcome = "yielded"
        self.says(run, EndReport(outcome=outcome, reason="why"), ends=True)

    @has_run
    @rule(pick=picks)
    def obeys(self, pick: int) -> None:
        run = self.some_run(pick)
        if run.wanted in ("pause", "cancel"):
            self.says(run, EndReport(outcome="yielded"), ends=True)

    @has_run
    @rule(pick=picks)
    def is_killed(self, pick: int) -> None:
        self.says(self.some_run(pick), ends=True)

    # -- the daemon and the machine ------------------------------------------------------------

    @rule(back=st.booleans())
    def daemon_is_killed(self, back: bool) -> None:
        self.machine.kill()
        if back:
            self.catch_up()

    @rule()
    def machine_is_started_again(self) -> None:
        for run in self.machine.working():
            self.untold.append((run, ""))
        self.machine.reboot()
        self.catch_up()

    @rule(kills=st.integers(0, 3))
    def down_and_up(self, kills: int) -> None:
        """The runs leave, or die of it; the next daemon takes up what they did."""
        self.catch_up()
        self.machine.faults.chance = 0
        self.machine.ask(ShutDown())
        for row in self.model.jobs():
            if row.state in ("starting", "running"):
                row.state, row.down = "pausing", True
            elif row.state == "held":
                row.state = "pausing"
        for index, run in enumerate(self.machine.working()):
            row = self.model.rows[run.job_id]
            last = [] if index < kills else [EndReport(outcome="yielded")]
            if last:
                run.say(*last)
            run.die()
            # One that finishes is not asked to leave; it may have been told by a signal.
            down = row.down or bool(last and row.state == "finishing" and not row.cancelled)
            row.down = False
            self.model.ended(row, run, "yielded" if last else "", rebooted=False)
            row.down = down and row.state == "paused"
        self.machine.rest()
        self.machine.kill()
        for row in self.model.jobs():
            if row.state == "paused" and row.down:
                self.model.goes_on(row, rebooted=False)
        self.machine.faults.chance = FAULTY
        self.catch_up()

    # -- what must hold -----------------------------------------------------------------------

    @invariant()
    def both_say_the_same(self) -> None:
        if self.machine.service is None:
            return
        found = [
            (job.id, job.state, job.priority, job.position, job.group, job.after, job.after_reboot)
            for job in self.store.jobs()
        ]
        assert found == [
            (row.id, row.state, row.priority, row.place, row.group, row.after, row.after_reboot)
            for row in self.model.jobs()
        ]
        groups = {one.name: one for one in self.store.groups()}
        assert {
            name: Shape(one.slots, one.on_failure == "stop", one.paused)
            for name, one in groups.items()
        } == self.model.groups
        assert self.store.draining() == self.model.draining

    @invariant()
    def the_log_tells_it_too(self) -> None:
        if self.machine.service is not None:
            assert check_log(self.store) == []

    @invariant()
    def every_job_has_one_run_or_none(self) -> None:
        if self.machine.service is None:
            return
        working = {run.job_id: run for run in self.machine.working()}
        assert len(working) == len(self.machine.working()), "a job is run twice"
        active = {job.id: job for job in self.store.jobs() if job.process}
        assert working.keys() == active.keys()
        for id, job in active.items():
            assert working[id].process == job.process
            assert working[id].wanted == wanted(job)


FAULTS_SEEN: Counter[str] = Counter()
EVENTS_SEEN: Counter[str] = Counter()


def check(histories: int, steps: int) -> None:
    FAULTS_SEEN.clear()
    EVENTS_SEEN.clear()
    machine = seed(SEED)(QueueAndModel)
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=histories, stateful_step_count=steps, deadline=None, database=None,
            suppress_health_check=list(HealthCheck), print_blob=False,
            report_multiple_bugs=False, phases=[Phase.generate, Phase.shrink],
        ),
    )  # fmt: skip
    print(f"\nseed {SEED}: {histories} histories of up to {steps} steps; {dict(FAULTS_SEEN)}")
    print(dict(EVENTS_SEEN))
    faults = sum(FAULTS_SEEN[kind] for kind in FAULTS)
    assert faults > 0.05 * FAULTS_SEEN["transactions"]


def test_whatever_happens_the_queue_does_as_the_model_says() -> None:
    check(*QUICK)


@pytest.mark.proof
@pytest.mark.timeout(0)
def test_whatever_happens_the_queue_does_as_the_model_says_10_000_steps() -> None:
    check(*PROOF)
