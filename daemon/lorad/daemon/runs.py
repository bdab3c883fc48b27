"""The daemon's ear for its runs: hello, reports in, orders out."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from typing import Any

import zmq

from lorad.daemon.hangs import Hangs
from lorad.daemon.journal import journal_path, read_journal
from lorad.daemon.queue import Queue
from lorad.daemon.server import ROUND
from lorad.daemon.statuses import wants_cancel
from lorad.daemon.store.rows import Attempt
from lorad.shared import codec
from lorad.shared.errors import LoradError
from lorad.shared.jobs import Active, Held, Job, Pausing, Running, Starting
from lorad.shared.messages import (
    Acknowledged,
    AnyReport,
    Assignment,
    ChangeRecipe,
    EndReport,
    FinishReport,
    Mark,
    Message,
    NoteAdded,
    NoteReport,
    Order,
    PhaseReport,
    PointReport,
    PointsAdded,
    ReadyReport,
    Reports,
    RunHello,
    RunWelcome,
    SampleDrawn,
    SampleReport,
    SavedReport,
    Steer,
    Validation,
    ValidationAdded,
    ValidationReport,
    Wanted,
    job_topic,
)
from lorad.shared.redact import redact_bytes

log = logging.getLogger(__name__)
EXIT_SECONDS = 30.0
"""Between a run's last word and the end of its process."""


class Runs:
    """One line to every run that said hello."""

    def __init__(self, socket: Callable[[], zmq.Socket[Any]], queue: Queue) -> None:
        """`socket` is the bound ROUTER; it may be another one later."""
        self._socket = socket
        self._queue = queue
        self._lines: dict[int, bytes] = {}  # job -> its run's identity
        self._jobs: dict[bytes, int] = {}
        self._ended: dict[int, float] = {}  # job -> when it said its last word
        self.heard: dict[int, float] = {}
        """When each job's run reported last, by the monotonic clock."""
        self.hangs = Hangs()

    def hear(self) -> None:
        """Take what waits on the socket, for a while; the rest in the loop's next round."""
        for _ in range(ROUND):
            if not self._socket().poll(0):
                return
            identity, *frames = self._socket().recv_multipart()
            try:
                _, message = codec.decode([*map(redact_bytes, frames)], codec.from_run)
                if isinstance(message, RunHello):
                    self._welcome(identity, message)
                else:
                    self._reports(identity, message)
            except LoradError as error:
                # Not acknowledged, so the run sends it again: a full disk loses nothing.
                log.warning("a run's message was not taken: %s", error)
            except Exception:  # whatever one run says must not end the others' daemon
                log.exception("a run's message was not taken")

    def steer(self, job: Job) -> None:
        """Tell the job's run what is wanted of it now; one that is away asks when it is back."""
        if line := self._lines.get(job.id):
            self._send(line, Steer(wanted=wanted(job)))

    def order(self, job: Job, order: Order) -> None:
        """Give the job's run an order; one that is away finds it in its next welcome."""
        if line := self._lines.get(job.id):
            self._send(line, order)

    def change(self, job: Job) -> None:
        """Tell the job's run by which recipe to go on; a job without one may be gone by now."""
        if job.id not in self._lines:
            return
        revision = self._queue.store.recipe(job.id).revision
        self.order(job, ChangeRecipe(recipe=self._queue.recipe(job.id), revision=revision))

    def collect(self, job_id: int) -> None:
        """Take from a dead run's journal what it could not deliver."""
        if line := self._lines.pop(job_id, None):
            self._jobs.pop(line, None)
        attempt = self._queue.store.attempt(job_id)
        if attempt is not None:
            path = journal_path(self._queue.home.run_folder(job_id), attempt.number)
            reports = read_journal(path, attempt.acknowledged)
            if reports:
                self._take(attempt, attempt.acknowledged + 1, reports)
        # Only now: its last word may be in there, and the job's next process must not pay for it.
        self._ended.pop(job_id, None)

    def forget(self, job_id: int) -> None:
        """Remove a job's journals: what its runs said, and how they ended, is stored."""
        for path in self._queue.home.run_folder(job_id).glob("journal-*.msgpack"):
            path.unlink(missing_ok=True)

    def end_the_overdue(self) -> None:
        """A process that said its last word and does not go would hold its card for ever."""
        for job_id, since in self._ended.items():
            if time.monotonic() - since > EXIT_SECONDS:
                self._queue.supervisor.kill(job_id)

    # -- hello --------------------------------------------------------------------------------

    def _welcome(self, identity: bytes, hello: RunHello) -> None:
        attempt = self._queue.store.attempt(hello.id)
        if attempt is None or (attempt.token, attempt.number) != (hello.token, hello.attempt):
            log.warning("a stranger says that it is the run of job %d", hello.id)
            return
        job = self._queue.store.job(hello.id)
        if not isinstance(job.status, Active):
            return
        if (recipe := self._queue.readable(hello.id)) is None:
            # Its work is saved. It is queued again, and fails there with the recipe's sentence.
            log.warning("job %d: its run is ended, since nobody can tell it its recipe", job.id)
            self._queue.store.after_commit(lambda: self._queue.supervisor.kill(job.id))
            return
        self._jobs.pop(self._lines.get(hello.id, b""), None)
        self._lines[hello.id] = identity
        self._jobs[identity] = hello.id
        stored = self._queue.store.recipe(hello.id)
        assignment = Assignment(
            id=job.id,
            recipe=recipe,
            recipe_folder=stored.folder,
            folder=job.folder,
            cache=str(self._queue.home.cache),
            fresh=attempt.fresh,
            life=self._queue.store.life(job.id),
            revision=stored.revision,
            samples=stored.samples,
            saves=stored.saves,
        )
        welcome = RunWelcome(
            acknowledged=attempt.acknowledged, wanted=wanted(job), assignment=assignment
        )
        self._send(identity, welcome)

    def _send(self, identity: bytes, message: Message) -> None:
        try:
            self._socket().send_multipart([identity, *codec.encode(message)], zmq.DONTWAIT)
        except zmq.ZMQError as error:  # it went away, or does not read: it says hello again
            log.info("a run cannot be reached: %s", error)

    # -- reports ------------------------------------------------------------------------------

    def _reports(self, identity: bytes, batch: Reports) -> None:
        job_id = self._jobs.get(identity)
        attempt = None if job_id is None else self._queue.store.attempt(job_id)
        if attempt is None:
            return
        self.heard[attempt.job_id] = now = time.monotonic()
        self.hangs.reported(attempt.job_id, batch.reports, now)
        newest = self._take(attempt, batch.first, batch.reports)
        self._send(identity, Acknowledged(number=newest))

    def _take(self, attempt: Attempt, first: int, reports: list[AnyReport]) -> int:
        """Store what is new among numbered reports; the number of the newest stored."""
        skip = attempt.acknowledged + 1 - first
        if skip < 0 or skip >= len(reports):
            return attempt.acknowledged  # a hole, or nothing new: it sends again from there
        newest = first + len(reports) - 1
        with self._queue.store.transaction():
            self._note(attempt, reports[skip:])
            self._queue.store.acknowledge(attempt, newest)
        return newest

    def _note(self, attempt: Attempt, reports: list[AnyReport]) -> None:
        queue, job_id = self._queue, attempt.job_id
        job = queue.store.job(job_id)
        before = (job.progress, job.max_train_steps)
        for report in reports:
            if isinstance(report, ReadyReport):
                # Back at a checkpoint, or beyond points that a full disk did not take.
                job = queue.rewound(job, report.step - 1)
                recipe = queue.readable(job_id)
                if recipe is None or recipe.train.known_steps is None:
                    job = queue.store.set_steps(job_id, report.last_step)
        points = [report.point for report in reports if isinstance(report, PointReport)]
        if points:
            job = queue.note_points(job, points)
            queue.publish(job_topic(job_id, "metrics"), PointsAdded(id=job_id, points=points))
        for report in reports:
            job = self._note_one(attempt, job, report)
        if (job.progress, job.max_train_steps) != before:
            queue.tell(job)

    def _note_one(self, attempt: Attempt, job: Job, report: AnyReport) -> Job:
        queue = self._queue
        match report:
            case SampleReport() | ValidationReport() | NoteReport():
                return self._note_news(job, report)
            case PhaseReport(phase=phase):
                return queue.note(job, phase=phase)
            case SavedReport(step=step):
                return self._note_saved(attempt, job, step)
            case EndReport():
                queue.store.set_ending(attempt, report)
                self._ended[job.id] = time.monotonic()
            case ReadyReport():
                queue.store.mark_begun(job.id)
                if isinstance(job.status, Starting):
                    if report.step > 1:
                        queue.mark(job.id, Mark(step=report.step - 1, kind="resumed"))
                    return queue.change(job, "ready", actor="run")
            case FinishReport():
                if isinstance(job.status, Running | Held | Pausing):
                    done = queue.change(job, "finish", actor="run")
                    queue.store.after_commit(lambda: self.steer(done))  # no hold, no pause any more
                    return done
        return job

    def _note_saved(self, attempt: Attempt, job: Job, step: int) -> Job:
        queue = self._queue
        if step != job.progress.saved_step:  # else it is the one that it went on from
            queue.store.mark_saved(attempt)
        queue.mark(job.id, Mark(step=step, kind="saved"))
        return queue.note(job, saved_step=step, saved=time.time())

    def _note_news(self, job: Job, report: SampleReport | ValidationReport | NoteReport) -> Job:
        """Store and tell what has a stream of its own."""
        queue, id = self._queue, job.id
        match report:
            case SampleReport(picture=picture):
                queue.store.add_sample(id, picture)
                queue.publish(job_topic(id, "samples"), SampleDrawn(id=id, picture=picture))
                return job
            case NoteReport():
                note = queue.store.add_note(id, report)
                queue.store.happened(id, note.kind, note.text, "run")
                queue.publish(job_topic(id, "notes"), NoteAdded(id=id, note=note))
                return queue.note(job, note=note.text)
        look = Validation(step=report.step, loss=report.loss, best=report.best)
        queue.store.add_validation(id, look)
        queue.charts.note_look(id, look)
        queue.publish(job_topic(id, "metrics"), ValidationAdded(id=id, validation=look))
        best = look.step if look.best else job.progress.best_step
        loss = look.loss if math.isfinite(look.loss) else None
        return queue.note(job, validation_loss=loss, best_step=best)


def wanted(job: Job) -> Wanted:
    """What the job's state asks of its run."""
    if isinstance(job.status, Held):
        return "hold"
    if isinstance(job.status, Pausing):
        return "pause"
    if wants_cancel(job):
        return "cancel"
    return "run"
