"""A link without a daemon, and the jobs that it shows."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable

from lorad.daemon.loglines import read_lines
from lorad.shared.jobs import Gpu, Host, Job, Process, Progress, Running, Status
from lorad.shared.messages import (
    AnyReply,
    AnyRequest,
    Chart,
    Column,
    DaemonInfo,
    Event,
    GetLogLines,
    Log,
    Mark,
    Metric,
    Point,
    SamplePicture,
)
from lorad.shared.messages import Status as StatusReply
from lorad.tui import mirror as reducer
from lorad.tui.messages import Answered, Declined, News
from lorad.tui.mirror import MAIN_METRICS, Mirror

PROCESS = Process(pid=1, birth="b/1")
DAEMON = DaemonInfo(version="0", pid=1, started=1.0, epoch="e", home="/h", hostname="box")
HOST = Host(cpu_percent=10, memory_total_bytes=8 << 30, memory_used_bytes=2 << 30)


def job(id: int, status: Status | None = None, name: str = "", **fields: object) -> Job:
    status = status or Running(process=PROCESS)
    name = name or f"job-{id}"
    return Job(  # type: ignore[arg-type]
        id=id,
        name=name,
        status=status,
        folder="/out",
        created=1.0,
        **{"max_train_steps": 100, "position": float(id), **fields},
    )


def at_step(id: int, step: int, **fields: object) -> Job:
    return job(id, progress=Progress(step=step, loss=0.5), **fields)


def point(step: int, loss: float = 0.5) -> Point:
    return Point(
        step=step,
        time=float(step),
        loss=loss,
        learning_rate=1e-4,
        grad_norm=1.0,
        images_per_second=8.0,
    )


def column(step: int, loss: float | None = 0.5, **fields: object) -> Column:
    return Column(  # type: ignore[arg-type]
        **{
            "step": step,
            "minimum": loss,
            "maximum": loss,
            "last": loss,
            "smoothed": loss,
            **fields,
        }
    )


def picture(step: int, index: int = 0, prompt: str = "a cat", side: int = 4) -> SamplePicture:
    return SamplePicture(
        step=step,
        index=index,
        prompt=prompt,
        seed=1,
        sha256=f"{step}-{index}",
        path="/out/a.png",
        width=64,
        height=64,
        thumb_width=side,
        thumb_height=side,
        thumb=zlib.compress(bytes([250, 10, 20]) * side * side),
    )


def status(*jobs: Job, gpus: list[Gpu] | None = None, host: Host = HOST) -> StatusReply:
    return StatusReply(daemon=DAEMON, gpus=gpus or [], host=host, jobs=list(jobs), heads={})


class FakeLink:
    """Answers from memory; what is asked of it is kept."""

    def __init__(self, *jobs: Job, status_reply: StatusReply | None = None) -> None:
        self.mirror = Mirror()
        self.seen: float | None = None
        if status_reply is not None or jobs:
            self.mirror = reducer.with_status(Mirror(), status_reply or status(*jobs))
        self.asked: list[AnyRequest] = []
        self.selected: list[int | None] = []
        self.answers: dict[type, AnyReply | str] = {}
        self.log = ""
        self.looked: list[GetLogLines] = []
        """How the log was read."""
        self.columns: list[Column] = []
        """Of the loss."""
        self.lines: dict[Metric, list[Column]] = {}
        """Of other figures."""
        self.marks: list[Mark] = []
        self.charted: tuple[Metric, ...] = MAIN_METRICS
        self.pictures: list[SamplePicture] = []
        self.stopped = False
        self.posted = False
        self.post: Callable[[object], object] = lambda message: None

    def start(self, post: Callable[[object], object]) -> None:
        self.post = post
        self.post(News())

    def stop(self) -> None:
        self.stopped = True

    def take(self) -> Mirror:
        self.posted = False
        return self.mirror

    def select(self, job_id: int | None) -> None:
        self.selected.append(job_id)
        self.mirror = reducer.with_selected(self.mirror, job_id)
        if job_id is not None:
            log = Log(offset=0, next=len(self.log.encode()), text=self.log)
            self._chart(job_id)
            self.mirror = reducer.with_marks(self.mirror, job_id, self.marks)
            self.mirror = reducer.with_samples(self.mirror, job_id, self.pictures)
            self.mirror = reducer.with_log(self.mirror, job_id, log)
        self.post(News())

    def chart(self, metrics: tuple[Metric, ...]) -> None:
        self.charted = metrics
        if self.selected and self.selected[-1] is not None:
            self._chart(self.selected[-1])
        self.post(News())

    def _chart(self, job_id: int) -> None:
        lines = {"loss": self.columns, **self.lines}
        known = {name: columns for name, columns in lines.items() if name in self.charted}
        drawn = Chart(lines={name: columns for name, columns in known.items() if columns})
        self.mirror = reducer.with_chart(self.mirror, job_id, drawn, (), self.charted)

    def hear(self, topic: str, event: Event, seq: int = 0) -> None:
        self.mirror, _ = reducer.apply(self.mirror, topic, seq, event)
        if not self.posted:
            self.posted = True
            self.post(News())

    def ask(self, request: AnyRequest) -> None:
        if isinstance(request, GetLogLines):
            self.looked.append(request)
            self.post(Answered(request, read_lines(io.BytesIO(self.log.encode()), request)))
            return
        self.asked.append(request)
        answer = self.answers.get(type(request))
        if isinstance(answer, str):
            self.post(Declined(request, answer))
        elif answer is not None:
            self.post(Answered(request, answer))
