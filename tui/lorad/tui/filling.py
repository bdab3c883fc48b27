"""What the dashboard misses, asked for in pieces that fit the line."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

from lorad.shared.client import Client
from lorad.shared.errors import RequestRefused
from lorad.shared.messages import (
    DAEMON_TOPIC,
    QUEUE_TOPIC,
    AnyReply,
    AnyRequest,
    Chart,
    GetChart,
    GetLog,
    GetMarks,
    GetMetrics,
    GetNotes,
    GetSamples,
    GetStatus,
    Log,
    Marks,
    Metric,
    Metrics,
    Notes,
    Point,
    SamplePicture,
    Samples,
    Status,
    job_topic,
)
from lorad.shared.watch import Heard, Watch
from lorad.tui import mirror as reducer
from lorad.tui.asking import Asking
from lorad.tui.curve import CURVE_COLUMNS
from lorad.tui.mirror import NOTHING, Needs

if TYPE_CHECKING:
    from lorad.tui.link import DaemonLink

REDRAW_SECONDS = 5.0
"""How often the daemon draws a growing curve anew: live points are smoothed from one side only."""
REDRAW_PARTS = 100
"""And not before it has grown by this part: what is new is then still within the smoothing."""
POINT_BYTES = 150
COLUMN_BYTES = 120
PICTURE_BYTES = 8600
NARROWEST = 60

R = TypeVar("R", bound=AnyReply)


class Drawn(NamedTuple):
    """Curves that came, while the newest figures beside them are still asked for."""

    id: int
    metrics: tuple[Metric, ...]
    asked: float
    chart: Chart


class Filling:
    """The part of a conversation that asks; events of what is asked for wait for its answer."""

    def __init__(self, link: DaemonLink, client: Client) -> None:
        """Nothing is asked before `_fill`."""
        self._link = link
        self._client = client
        self._watch: Watch
        self._asking = Asking(client, link.pace)
        self._mirror = link._mirror
        self._followed: int | None = None
        self._metrics = link._metrics
        self._needs = NOTHING
        self._under_way: set[str] = set()
        self._held: list[Heard] = []  # events of what is being asked for: they come after it
        self._earlier: list[tuple[int, int, int]] = []  # job, step, page: older pictures
        self._redrawn = 0.0

    def _apply(self, heard: Heard) -> None:
        topic, seq, event = heard.topic, heard.header.seq, heard.event
        self._mirror, needs = reducer.apply(self._mirror, topic, seq, event)
        self._needs |= needs

    def _is_held(self, topic: str) -> bool:
        """Whether a reply is on its way that what came after it must wait for.

        Applied at once it would show a hole, and the reply would put the older state over it.
        """
        held = {name for kind in self._under_way for name in _streams(kind, self._followed)}
        return topic in held or (topic == DAEMON_TOPIC and bool(held))

    def _release(self) -> None:
        held, self._held = self._held, []
        for heard in held:
            if self._is_held(heard.topic):
                self._held.append(heard)
            else:
                self._apply(heard)

    def _fill(self) -> None:
        """Ask for what is missing, once the streams that continue it are active.

        Each kind by itself and only some at a time: what was asked for last does not wait behind
        all that was missing before it.
        """
        if self._redraw_due():
            self._needs |= Needs(chart=True)
        if not (self._needs or self._earlier) or not self._watch.attached:
            return
        needs, self._needs = self._needs, NOTHING
        if needs.status and not self._ask_fill("status", GetStatus(), Status, self._status_came):
            self._needs |= Needs(status=True)
        if self._followed is None or self._followed not in self._mirror.jobs:
            return
        self._fill_job(self._followed, needs)

    def _fill_job(self, id: int, needs: Needs) -> None:
        if needs.chart and not self._fill_chart(id):
            self._needs |= Needs(chart=True)
        elif needs.points_after is not None and not needs.chart:
            self._fill_points(id, needs.points_after)
        if needs.notes and not self._fill_notes(id):
            self._needs |= Needs(notes=True)
        if needs.log_from is not None:
            self._fill_log(id, needs.log_from)
        if needs.samples and not self._fill_samples(id, None):
            self._needs |= Needs(samples=True)
        elif self._earlier:
            job, before, page = self._earlier[-1]
            if self._fill_samples(job, before, page):
                self._earlier.pop()

    def _ask_fill(
        self, kind: str, request: AnyRequest, reply: type[R], came: Callable[[R], object]
    ) -> bool:
        """Ask for a piece; false where it must wait for others, or for one of its own kind."""
        if kind in self._under_way or not self._asking.may_fill:
            return False
        self._under_way.add(kind)

        def done(answer: AnyReply) -> None:
            came(cast(R, answer))
            self._under_way.discard(kind)
            self._release()

        def refused(error: RequestRefused) -> None:
            # It was removed a moment ago: the news of that is on its way.
            self._under_way.discard(kind)
            self._release()
            self._needs |= Needs(status=True)

        self._asking.fill(request, done, refused)
        return True

    def _status_came(self, status: Status) -> None:
        self._mirror = reducer.with_status(self._mirror, status, time.time())

    def _fill_points(self, id: int, after: int) -> None:
        limit = max(50, self._link.pace.room // POINT_BYTES)

        def came(metrics: Metrics) -> None:
            self._mirror = reducer.with_points(self._mirror, id, metrics.points)
            self._mirror = reducer.with_validations(self._mirror, id, metrics.validations)
            if len(metrics.points) >= limit:
                self._needs |= Needs(points_after=metrics.points[-1].step)

        request = GetMetrics(id=id, after=after, limit=limit)
        if not self._ask_fill("points", request, Metrics, came):
            self._needs |= Needs(points_after=after)

    def _fill_notes(self, id: int) -> bool:
        """What happened so far, then where on the curves."""

        def came(notes: Notes) -> None:
            self._mirror = reducer.with_notes(self._mirror, id, notes.notes)
            if not self._ask_fill("marks", GetMarks(id=id), Marks, marks_came):
                self._needs |= Needs(notes=True)

        def marks_came(marks: Marks) -> None:
            self._mirror = reducer.with_marks(self._mirror, id, marks.marks)

        return self._ask_fill("notes", GetNotes(id=id, limit=reducer.NOTES), Notes, came)

    def _fill_log(self, id: int, begin: int) -> None:
        room = max(4096, min(-reducer.LOG_TAIL, self._link.pace.room))
        offset = max(begin, -room) if begin < 0 else begin

        def came(log: Log) -> None:
            self._mirror = reducer.with_log(self._mirror, id, log)
            if log.text and begin >= 0:
                self._needs |= Needs(log_from=log.next)

        if not self._ask_fill("log", GetLog(id=id, offset=offset, limit=room), Log, came):
            self._needs |= Needs(log_from=begin)

    def _fill_samples(self, id: int, before: int | None, page: int = 0) -> bool:
        """The newest pictures first, a page at a time."""
        page = max(page, 4, min(reducer.PICTURES, self._link.pace.room // PICTURE_BYTES))

        def came(samples: Samples) -> None:
            pictures, before_it = samples.pictures, self._mirror
            self._mirror = reducer.with_more_samples(before_it, id, pictures)
            if id != self._followed:
                return
            if len(pictures) < page:
                self._link.whole_samples = id
                return
            if self._link.whole_samples == id and _known(before_it, pictures):
                return  # back after a while: these were here, and so are all before them
            # The page may end within a step; one that is all of one step was too small.
            whole = pictures[0].step + 1
            larger = 2 * page if before is not None and whole >= before else 0
            self._earlier.append((id, whole, larger))

        request = GetSamples(id=id, before=before, limit=page)
        return self._ask_fill("samples", request, Samples, came)

    def _fill_chart(self, id: int) -> bool:
        wanted, asked = self._metrics, time.monotonic()
        room = self._link.pace.room // (COLUMN_BYTES * len(wanted))
        width = max(NARROWEST, min(CURVE_COLUMNS, room))

        def came(chart: Chart) -> None:
            drawn = Drawn(id, wanted, asked, chart)
            columns = chart.lines.get("loss")
            if columns:
                request = GetMetrics(id=id, after=columns[-1].step - 1, limit=max(50, width))
                if self._ask_fill(
                    "points", request, Metrics, lambda newest: self._drawn(drawn, newest.points)
                ):
                    return
            self._drawn(drawn, [])

        request = GetChart(id=id, width=width, metrics=list(wanted))
        return self._ask_fill("chart", request, Chart, came)

    def _drawn(self, drawn: Drawn, newest: list[Point]) -> None:
        self._mirror = reducer.with_chart(
            self._mirror, drawn.id, drawn.chart, newest, drawn.metrics
        )
        now = time.monotonic()
        # On a slow line the curve must not take more than a tenth of it.
        self._redrawn = now + 10 * (now - drawn.asked)

    def _redraw_due(self) -> bool:
        if self._mirror.detail is None:
            return False
        curve = self._mirror.detail.curve("loss")
        enough = max(CURVE_COLUMNS // 20, curve.last_step // REDRAW_PARTS)
        return curve.grown >= enough and time.monotonic() - self._redrawn > REDRAW_SECONDS


def _streams(kind: str, job_id: int | None) -> tuple[str, ...]:
    """The topics whose events go on where a reply of this kind ends."""
    if kind == "status":
        return (QUEUE_TOPIC,)
    if job_id is None:
        return ()
    match kind:
        case "chart" | "points":
            return (job_topic(job_id, "metrics"),)
        case "marks":
            return job_topic(job_id, "notes"), job_topic(job_id, "samples")
        case "log" | "notes":
            return (job_topic(job_id, kind),)
    return ()


def _known(mirror: reducer.Mirror, pictures: list[SamplePicture]) -> bool:
    """Whether all of these were there already."""
    detail = mirror.detail
    return detail is not None and all(
        detail.samples.get((picture.step, picture.index)) == picture for picture in pictures
    )
