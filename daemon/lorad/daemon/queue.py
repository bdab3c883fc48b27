"""The queue at work: each change of a job goes through here, is stored, and is told."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

import msgspec

from lorad.daemon import scheduler
from lorad.daemon.chart import mark_of
from lorad.daemon.events import Events
from lorad.daemon.failing import LASTING, has_tries, stop_group, try_again
from lorad.daemon.figures import Figures
from lorad.daemon.scheduler.board import Need, Now, memory_held
from lorad.daemon.scheduler.line import Line
from lorad.daemon.scheduler.rules import turns
from lorad.daemon.scheduler.terms import refuse_too_few, refuse_too_wide
from lorad.daemon.scheduler.why import why
from lorad.daemon.statuses import status_after, wants_cancel
from lorad.daemon.store import Store
from lorad.daemon.supervisor import Supervisor, boot, of_this_boot
from lorad.daemon.telemetry import Gauges
from lorad.shared import failpoints
from lorad.shared.clean import clean_line
from lorad.shared.endpoints import Home
from lorad.shared.errors import RecipeError
from lorad.shared.jobs import (
    Active,
    Finishing,
    Held,
    Job,
    Paused,
    Pausing,
    Process,
    Queued,
    Running,
    Starting,
)
from lorad.shared.lifecycle import Event
from lorad.shared.messages import (
    QUEUE_TOPIC,
    EndReport,
    GroupsChanged,
    JobChanged,
    Mark,
    TurnsChanged,
)
from lorad.shared.recipe import parse_recipe
from lorad.shared.recipe.changes import apply_changes, merge_changes, plain_changes

log = logging.getLogger(__name__)

MAX_DEATHS = 3
"""A run that dies this often in a row without a checkpoint fails."""
DOWN = "the daemon was shut down"
"""A job paused for this is resumed by the next daemon."""
DOWN_HELD = "it was held when the daemon was shut down"
"""A job paused for this is resumed by nobody but whoever held it."""
TERMINATED = "it was told to end (SIGTERM), as at a reboot"
REBOOTED = "the machine was started again"


class Queue(Figures):
    """The jobs, and the rooms that they need: store, events, processes, gauges."""

    def __init__(
        self, home: Home, store: Store, events: Events, supervisor: Supervisor, gauges: Gauges
    ) -> None:
        """Nothing happens before `wake` or `schedule`."""
        super().__init__(store, events, gauges)
        self.home = home
        self.supervisor = supervisor
        self._short = ""
        self.going_down = False
        self._taken_up = False
        self.stirred = True
        """Something changed since the last look at who may start."""
        self._line = Line()

    # -- changes ------------------------------------------------------------------------------

    def change(
        self,
        job: Job,
        event: Event,
        *,
        actor: str,
        cause: str = "",
        process: Process | None = None,
    ) -> Job:
        """Take the job where the event leads, store it and tell everybody.

        Raises:
            ImpossibleAction: the table of states has no such move.
        """
        status = status_after(job, event, cause, process)
        changed = self.store.change(job, status, event, cause=cause, actor=actor)
        log.info("job %d: %s -> %s (%s by %s) %s", job.id, job.state, changed.state, event, actor,
                 cause)  # fmt: skip
        if kind := mark_of(changed, event):
            self.mark(job.id, Mark(step=job.progress.step, kind=kind, text=cause))
        self.tell(changed, event)
        return changed

    def set_recipe(self, job: Job, changes: Mapping[str, str], actor: str) -> Job:
        """Change some of the job's recipe.

        Raises:
            RecipeError: what may not be, by its key.
            TooFewCards: the box has not so many.
            TooFewNamed: the job may not have so many.
        """
        stored, before = self.store.recipe(job.id), self.recipe(job.id)
        new = plain_changes(before, changes)
        apply_changes(before, new)  # refused by what was asked for now, not by what was before
        merged = merge_changes(stored.changes, new)
        recipe = apply_changes(parse_recipe(stored.text), merged)
        if recipe == before:
            return job
        if recipe.train.num_processes != before.train.num_processes:
            wanted = recipe.train.num_processes
            refuse_too_wide(wanted, self.gauges.newest.gpus)
            refuse_too_few(wanted, self.store.group(job.group), job.gpus)
        steps = recipe.train.known_steps
        if steps is None and recipe.train.num_train_epochs == before.train.num_train_epochs:
            steps = job.max_train_steps  # the run told
        cause = ", ".join(f"{key} = {value}" for key, value in new.items())
        job = self.store.set_changes(job, merged, steps, cause=cause, actor=actor)
        self.forget_recipe(job.id)
        log.info("job %d: set by %s: %s", job.id, actor, cause)
        self.tell(job, "set")
        return job

    def tell(self, job: Job, cause: str = "") -> None:
        """Publish the job as it is, once that is on the disk; a cause means more than progress."""
        self.stirred = self.stirred or bool(cause)
        event = JobChanged(job=self._line.standing(job), cause=cause)
        self.publish(QUEUE_TOPIC, event)

    def tell_groups(self) -> None:
        """Publish the groups as they are, once that is on the disk."""
        self.stirred = True
        groups, draining = self.store.groups(), self.store.draining()
        self.publish(QUEUE_TOPIC, GroupsChanged(groups=groups, draining=draining))

    # -- scheduling ---------------------------------------------------------------------------

    def now(self, jobs: list[Job]) -> Now:
        """All that is looked at when it is decided who starts."""
        reading = self.gauges.newest
        return Now(
            jobs=jobs,
            gpus=reading.gpus,
            needs=self._needs(jobs),
            groups={group.name: group for group in self.store.groups()},
            held=memory_held(reading.gpus),
            time=time.time(),
            draining=self.store.draining(),
        )

    def _needs(self, jobs: list[Job]) -> dict[int, Need]:
        """What each job that waits or runs must find."""
        gpus = self.gauges.newest.gpus
        return {
            job.id: scheduler.need_of(recipe, gpus)
            for job in jobs
            if isinstance(job.status, Queued | Active)
            if (recipe := self.readable(job.id)) is not None
        }

    def schedule(self) -> None:
        """Start whatever may start now."""
        self._line.stirred |= self.stirred
        self.stirred = False
        if not (self._taken_up or self.going_down):
            self._take_up()
        if self.going_down or self.gauges.newest.blind:
            return
        jobs = [job for job in self.store.jobs() if not self._failed_unread(job)]
        now = self.now(jobs)
        short, self._short = self._short, ""
        for start in scheduler.decide(now):
            if not self._start(self.store.job(start.job_id), start.gpus):
                break
        if self._short not in ("", short):  # said once: the next look may be in a moment
            log.warning("no process can be started, and jobs wait: %s", self._short)
        # Who started stirs the queue again, and is looked at then.
        if not self.stirred and self._line.is_old(now):
            for changed in self._line.look(now):
                self.publish(QUEUE_TOPIC, TurnsChanged(turns=changed))

    def standing(self, jobs: list[Job]) -> list[Job]:
        """The jobs, those that wait with how they stand now."""
        found = turns(self.now(jobs))
        return [
            msgspec.structs.replace(job, turn=found[job.id]) if job.id in found else job
            for job in jobs
        ]

    def _start(self, job: Job, gpus: tuple[str, ...]) -> bool:
        """Begin its run; false where the box can begin none now, so that it and all others wait."""
        attempt = self.store.begin_attempt(job.id)
        failpoints.passed("spawn.before")
        try:
            named = {"LORAD_GROUP": job.group, "LORAD_JOB_NAME": clean_line(job.name)}
            process = self.supervisor.spawn(attempt, gpus, named)
            failpoints.passed("spawn.after")
        except OSError as error:
            # Never the job's: the box lacks memory, descriptors, room, or for a moment its Python.
            self._short = ": ".join(filter(None, (error.filename, error.strerror)))
            self.store.drop_attempt(attempt)
            return False
        self._recent.pop(job.id, None)
        self._paces.pop(job.id, None)
        try:
            self.change(job, "start", actor="scheduler", process=process)
        except Exception:
            self.supervisor.kill(job.id)  # nobody would know of it
            raise
        return True

    def _failed_unread(self, job: Job) -> bool:
        """Whether a waiting job had to fail: its recipe, frozen by another version, is unusable."""
        if isinstance(job.status, Queued):
            try:
                self.recipe(job.id)
            except RecipeError as error:
                self._fail_unstarted(job, str(error))
                return True
        return False

    def _fail_unstarted(self, job: Job, reason: str) -> None:
        with self.store.transaction():
            self.change(job, "start", actor="scheduler", process=Process(pid=0, birth=""))
            self.change(self.store.job(job.id), "failed", actor="scheduler", cause=reason)
            stop_group(self, job, reason)

    def why(self, job: Job) -> str:
        """In one sentence: what it waits for, or what it does."""
        if isinstance(job.status, Queued):
            if self.going_down:
                return f"Job {job.id} waits: the daemon is going down."
            if blind := self.gauges.newest.blind:
                return f"Job {job.id} waits for the GPU driver to answer: {blind}."
            if self._short:
                return f"Job {job.id} waits: this box can start no process now ({self._short})."
        return why(job, self.now(self.store.jobs()))

    # -- the daemon's own life ----------------------------------------------------------------

    def wake(self) -> list[int]:
        """After a start: take over the runs that live; the jobs whose runs ended meanwhile."""
        ended = []
        for job in self.store.jobs():
            if job.process is not None and not self.supervisor.watch(job.id, job.process):
                log.warning("job %d: its process ended while no daemon was here", job.id)
                self.supervisor.end_leftovers(job.id)
                ended.append(job.id)
        self.supervisor.end_strangers()
        return ended

    def _take_up(self) -> None:
        """What `down` paused goes on; what a full disk refuses now is tried again."""
        rebooted = self.store.boot() not in ("", boot())
        with self.store.transaction():
            for job in self.store.jobs():
                if isinstance(job.status, Paused) and job.status.cause == DOWN:
                    self._go_on(job, rebooted)
            if self.store.boot() != boot():
                self.store.set_boot(boot())
        self._taken_up = True

    def _go_on(self, job: Job, rebooted: bool) -> None:
        """A paused job that waits for nobody: into the queue, unless it is to wait after that."""
        if rebooted and job.after_reboot == "pause":
            self.change(job, "rebooted", actor="daemon", cause=REBOOTED)
        else:
            cause = REBOOTED if rebooted else "the daemon is back"
            self.change(job, "resume", actor="daemon", cause=cause)

    def go_down(self) -> list[int]:
        """Pause what runs; the jobs that are waited for."""
        for job in self.active():
            if isinstance(job.status, Starting | Running):
                self.change(job, "pause", actor="daemon", cause=DOWN)
            elif isinstance(job.status, Held):
                self.change(job, "pause", actor="daemon", cause=DOWN_HELD)
        return [job.id for job in self.active()]

    def active(self) -> list[Job]:
        """The jobs with a process."""
        return [job for job in self.store.jobs() if isinstance(job.status, Active)]

    # -- the end of a process -----------------------------------------------------------------

    def settle(self, job_id: int) -> None:
        """The job's process is gone: act on its last word, or on its silence."""
        job = self.store.job(job_id)
        attempt = self.store.attempt(job_id)
        if job.process is None or attempt is None:
            return
        rebooted = not of_this_boot(job.process)
        job = self.note(job, phase="", eta_seconds=None)  # nothing goes on, nothing is to come
        words = self.supervisor.last_words(job_id)
        if attempt.ending is not None:
            self._settle_ending(job, attempt.ending)
            return
        log.warning("job %d: %s", job_id, words)
        if rebooted:
            words = f"T{REBOOTED[1:]}."
        if isinstance(job.status, Running | Starting | Finishing) and not wants_cancel(job):
            if rebooted and job.after_reboot == "pause":
                self._end(job, "rebooted", REBOOTED)
                return
            deaths = self.store.deaths(job_id) + 1
            if deaths >= MAX_DEATHS:
                reason = f"It died {deaths} times in a row without a new checkpoint. {words}"
                if not try_again(self, job, reason):
                    self._end(job, "failed", reason)
                return
        cause = f"its run died at step {job.progress.step}. {words}"
        if isinstance(job.status, Pausing) and job.status.cause:
            cause = job.status.cause
        self._end(job, "died", cause)

    def _settle_ending(self, job: Job, ending: EndReport) -> None:
        outcome, reason = ending.outcome, ending.reason
        if outcome == "failed" and ending.retryable and try_again(self, job, reason):
            self.forget(job.id)
            return
        if outcome == "failed" and not ending.retryable and has_tries(self, job):
            reason = f"{reason.rstrip('.')}. It is not tried again: {LASTING}."
        if isinstance(job.status, Pausing) and outcome == "yielded":
            reason = job.status.cause
        elif outcome == "yielded" and not wants_cancel(job):
            # Asked by nobody here, but by SIGTERM, which is what a reboot sends.
            outcome, reason = "left", DOWN if self.going_down else TERMINATED
        self._end(job, outcome, reason)

    def _end(self, job: Job, event: Event, cause: str) -> None:
        with self.store.transaction():
            actor = "daemon" if event in ("died", "rebooted") else "run"
            ended = self.change(job, event, actor=actor, cause=cause)
            if event == "failed":
                stop_group(self, job, cause)
            elif job.process is not None and not self.going_down:
                rebooted = not of_this_boot(job.process)
                if _waits_for_nobody(job, ended, rebooted):
                    self._go_on(ended, rebooted)
        self.forget(job.id)


def _waits_for_nobody(before: Job, ended: Job, rebooted: bool) -> bool:
    """Whether a job is paused because a daemon or the machine went down, and both are back."""
    if not isinstance(ended.status, Paused) or isinstance(before.status, Held):
        return False
    return ended.status.cause == DOWN or (rebooted and ended.status.cause == TERMINATED)
