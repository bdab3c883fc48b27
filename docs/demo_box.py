"""A made-up box for the pictures of the screens: two cards, some jobs, a link that answers.

All figures are invented, by formulas with a fixed seed; only the sample pictures are real: the run
of `make demo` drew them (docs/screens/samples.png, prompts from top to bottom).
"""

from __future__ import annotations

import hashlib
import math
import random
import sys
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
from PIL import Image

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent / "tests"))

from tui.fakes import FakeLink, column  # noqa: E402

from lorad.shared.errors import DataChanged, DiskFull  # noqa: E402
from lorad.shared.jobs import (  # noqa: E402
    Disk,
    Done,
    Failed,
    Gpu,
    GpuProcess,
    Group,
    Host,
    Job,
    Paused,
    Process,
    Progress,
    Queued,
    Running,
    Stashed,
    Status,
)  # fmt: skip
from lorad.shared.messages import (  # noqa: E402
    AnyReply,
    AnyRequest,
    Chart,
    Column,
    DaemonInfo,
    GetChart,
    GetHealth,
    GetNews,
    GetRecipe,
    Happening,
    Happenings,
    Health,
    Mark,
    Metric,
    RecipeText,
    SamplePicture,
    Why,
    WhyJob,
)  # fmt: skip
from lorad.shared.messages import Status as StatusReply  # noqa: E402
from lorad.tui import mirror as reducer  # noqa: E402
from lorad.tui.messages import Answered  # noqa: E402

GIB = 1 << 30
DAY = 1_795_132_800.0
"""Midnight UTC of a day in November 2026."""
UUIDS = ("GPU-3f1c2a90-77d1-4be2", "GPU-9b04e7d6-10aa-4c55")
ROUNDS = (0, 50, 100, 150, 200, 250, 300)
CHANGED = str(DataChanged(names="pictures/041.png"))
FULL = str(DiskFull(path="/data", needed_mib=812))
LOWERED = "train.learning_rate was 0.001 and is 0.0005"
PROMPTS = ("cat face", "rocket", "red apple", "green heart", "grinning face", "evergreen tree")
DAEMON = DaemonInfo(
    version="0.1.0", pid=2211, started=DAY - 3 * 86400, epoch="e", home="/home/ann", hostname="gpu1"
)


def at(hour: float) -> float:
    """A time of that day."""
    return DAY + 3600 * hour


def running(pid: int, card: int) -> Running:
    """A state with a process on that card."""
    return Running(process=Process(pid=pid, birth="b/1", gpus=(UUIDS[card],)))


def job(id: int, name: str, status: Status, steps: int, **more: object) -> Job:
    """One entry of the queue."""
    return Job(  # type: ignore[arg-type]
        **{
            "id": id, "name": name, "status": status, "folder": f"/data/out/{name}-{id}",
            "max_train_steps": steps, "created": at(8), "position": float(id), **more,
        }
    )  # fmt: skip


def progress(step: int, loss: float, rate: float, batch: int, left: float = 0.0) -> Progress:
    """How far a job is, at so many pictures a second."""
    return Progress(
        step=step,
        loss=loss,
        images_per_second=rate,
        eta_seconds=left or None,
        seconds_per_step=batch / rate,
        saved_step=step // 50 * 50,
        trend=tuple(loss * (1 + 0.9 * math.exp(-k / 4)) + 0.002 * (k % 3) for k in range(16)),
    )


JOBS = (
    job(4, "sprites-r8", Done(finished=at(8.2)), 1500, progress=progress(1500, 0.0931, 8.1, 4)),
    job(5, "sprites-r16", Done(finished=at(9.1)), 1500, progress=progress(1500, 0.0874, 7.9, 4)),
    job(6, "sprites-fast", Done(finished=at(9.7)), 1500, progress=progress(1500, 0.0902, 8.0, 4)),
    job(
        7, "sketch", Failed(finished=at(9.8), reason=CHANGED), 800,
        progress=progress(240, 0.131, 6.4, 4),
    ),
    job(8, "emoji-ink", running(41877, 0), 400, progress=progress(312, 0.0687, 284.0, 16, 5.0)),
    job(9, "sdxl-style", running(41990, 1), 2000, progress=progress(640, 0.1124, 3.1, 4, 1755.0)),
    job(10, "portrait-r16", Queued(), 1500, group="night"),
    job(11, "portrait-r32", Queued(), 1500, group="night", after=(10,)),
    job(12, "lighthouse", Queued(), 2000, start_after=at(22)),
    job(
        13, "sd35-watercolour", Paused(cause=FULL), 3000,
        progress=progress(1100, 0.151, 1.2, 4),
    ),
    job(14, "ideas", Stashed(), 1000),
)  # fmt: skip


def card(index: int, load: float, used: int, watts: float, heat: float, *who: GpuProcess) -> Gpu:
    """What the driver says of one."""
    return Gpu(
        uuid=UUIDS[index], index=index, name="NVIDIA L40S", memory_total_bytes=48 * GIB,
        memory_used_bytes=used * GIB, utilization_percent=load, power_watts=watts,
        power_limit_watts=350.0, temperature_celsius=heat, processes=who,
    )  # fmt: skip


CARDS = (
    card(0, 71, 3, 188, 54, GpuProcess(
        pid=41877, memory_bytes=2 * GIB, user="ann", name="python", job=8)),
    card(1, 99, 37, 331, 71,
         GpuProcess(pid=41990, memory_bytes=29 * GIB, user="ann", name="python", job=9),
         GpuProcess(pid=3871, memory_bytes=7 * GIB, user="bob", name="python serve.py")),
)  # fmt: skip
HOST = Host(
    cpu_percent=14.0, memory_total_bytes=256 * GIB, memory_used_bytes=61 * GIB, cpu_count=32,
    load=(3.1, 2.8, 2.6),
    disks=(Disk(path="/home/ann", total_bytes=900 * GIB, free_bytes=412 * GIB),
           Disk(path="/data", total_bytes=3600 * GIB, free_bytes=4 * GIB)),
)  # fmt: skip
HEALTH = Health(
    daemon=DAEMON, uptime_seconds=3 * 86400.0 + 9 * 3600, memory_bytes=71 << 20, cpu_percent=1.0,
    database_bytes=19 << 20, events_per_second=11.0, beat_late_seconds=0.0,
    clients=["lorad dashboard", "lorad events"], watchers=2, unsettled=0, troubles=[],
)  # fmt: skip


# -- curves and what happened on them ----------------------------------------------------------


def loss(steps: int, final: float, seed: int, every: int = 1) -> list[Column]:
    """A curve that falls to `final`, with the noise of single steps around its mean."""
    dice = random.Random(seed)
    columns, mean = [], 0.0
    for step in range(1, steps + 1):
        value = final * (1 + 1.3 * math.exp(-4.5 * step / steps)) * dice.lognormvariate(0, 0.22)
        mean = value if step == 1 else 0.97 * mean + 0.03 * value
        if step % every == 0:
            columns.append(column(step, value, smoothed=mean))
    return columns


def level(steps: int, value: float, spread: float, seed: int) -> list[Column]:
    """A figure that hardly changes."""
    dice = random.Random(seed)
    values = [value + dice.gauss(0, spread) for _ in range(steps)]
    return [column(step, one, smoothed=value) for step, one in enumerate(values, 1)]


def warmed(steps: int, total: int, rate: float) -> list[Column]:
    """A learning rate with a tenth of warm-up and a cosine, halved by somebody after step 120."""
    rates = [
        rate * (1.0 if step <= 120 else 0.5) * (step / (total / 10) if step < total / 10 else
                0.5 + 0.5 * math.cos(math.pi * (step - total / 10) / (0.9 * total)))
        for step in range(1, steps + 1)
    ]  # fmt: skip
    return [column(step, one, smoothed=one) for step, one in enumerate(rates, 1)]


MARKS = [
    *(Mark(step=step, kind="sample") for step in ROUNDS),
    *(Mark(step=step, kind="saved") for step in ROUNDS[1:]),
    Mark(step=120, kind="changed", text=LOWERED),
    Mark(step=180, kind="paused"),
    Mark(step=180, kind="resumed"),
]
LINES: Mapping[Metric, list[Column]] = {
    "learning_rate": warmed(312, 400, 1e-3),
    "grad_norm": level(312, 0.41, 0.06, 2),
    "images_per_second": level(312, 284.0, 6.0, 3),
    "gpu_utilization": level(312, 71.0, 4.0, 4),
    "gpu_memory": level(312, 3.0 * GIB, 1e6, 5),
    "gpu_power": level(312, 188.0, 8.0, 6),
    "gpu_temperature": level(312, 54.0, 0.6, 7),
}
FINALS = {4: 0.0931, 5: 0.0874, 6: 0.0902}


def log_lines() -> Iterator[str]:
    """What the run printed."""
    yield from (
        "Pictures: 48, with 48 different captions",
        "Buckets: 64x64: 48",
        "Training: every picture about 133 times",
        "Epoch: 48 pictures in 3 steps",
        "48 pictures to train, 0 held out",
        "emoji on cuda (bfloat16), 0.96 million weights to train",
    )
    for step in ROUNDS:
        yield f"Step {step}: drew {len(PROMPTS)} pictures"
        if step:
            yield f"Step {step}: saved checkpoint-{step}"


def pictures() -> list[SamplePicture]:
    """Those of the demo's run, cut out of their sheet."""
    sheet = Image.open(DOCS / "screens" / "samples.png").convert("RGB")
    side = sheet.width // len(ROUNDS)
    return [
        picture(sheet.crop((x * side, y * side, (x + 1) * side, (y + 1) * side)), step, y, prompt)
        for y, prompt in enumerate(PROMPTS)
        for x, step in enumerate(ROUNDS)
    ]


def picture(cut: Image.Image, step: int, index: int, prompt: str) -> SamplePicture:
    """One of them."""
    raw = cut.tobytes()
    return SamplePicture(
        step=step, index=index, prompt=prompt, seed=7, sha256=hashlib.sha256(raw).hexdigest(),
        path=f"/data/out/emoji-ink-8/samples/step-{step:06d}-{index}.png",
        width=cut.width, height=cut.height, thumb_width=cut.width, thumb_height=cut.height,
        thumb=zlib.compress(raw, 9),
    )  # fmt: skip


# -- recipes and news --------------------------------------------------------------------------


def recipe(id: int) -> str:
    """A job's."""
    if id == 8:
        text = (DOCS.parent / "shared/lorad/shared/shipped_files/demo/demo.toml").read_text()
        return text.replace('name = "demo"', 'name = "emoji-ink"').replace("300", "400")
    rank, rate = {4: (8, 1e-4), 5: (16, 1e-4), 6: (16, 3e-4)}.get(id, (16, 1e-4))
    name = next(job.name for job in JOBS if job.id == id)
    return (
        f'name = "{name}"\n[model]\nbase = "stable-diffusion-v1-5/stable-diffusion-v1-5"\n'
        f'[data]\npath = "pictures"\n[lora]\nrank = {rank}\n[train]\nmax_train_steps = 1500\n'
        f"learning_rate = {rate}\ntrain_batch_size = 4\n"
        '[sample]\nprompts = ["a knight, sprite"]\n'
    )


def changes(id: int) -> list[Happening]:
    """A finished run's life: 1500 steps of four pictures."""
    ready = at(8.2 - 0.21 + 0.01 * id)
    states = [(ready, "ready", "starting", "running"), (ready + 745, "finish", "running", "done")]
    return [
        Happening(number=n, time=time, id=id, name="", before=before, after=after, event=event,
                  text="", actor="run")
        for n, (time, event, before, after) in enumerate(states, 1)
    ]  # fmt: skip


def news() -> list[Happening]:
    """What happened that morning, oldest first."""
    told = (
        (8.2, 4, "running", "done", "done", ""),
        (8.4, 13, "running", "paused", "left", FULL),
        (9.1, 5, "running", "done", "done", ""),
        (9.7, 6, "running", "done", "done", ""),
        (9.8, 7, "running", "failed", "failed", CHANGED),
        (9.9, 8, "", "queued", "add", ""),
        (10.1, 8, "running", "running", "changed", LOWERED),
    )  # fmt: skip
    names = {job.id: job.name for job in JOBS}
    return [
        Happening(number=n, time=at(hour), id=id, name=names[id], before=before, after=after,
                  event=event, text=text, actor="run")
        for n, (hour, id, before, after, event, text) in enumerate(told, 1)
    ]  # fmt: skip


# -- links -------------------------------------------------------------------------------------


class BoxLink(FakeLink):
    """Answers as the daemon of that box would."""

    def __init__(self) -> None:
        groups = [Group(name="default"), Group(name="night", slots=1, gpus=(UUIDS[1],))]
        super().__init__(status_reply=StatusReply(
            daemon=DAEMON, gpus=list(CARDS), host=HOST, jobs=list(JOBS), heads={}, groups=groups,
        ))  # fmt: skip
        self.log = "\n".join(log_lines()) + "\n"
        self.columns = loss(312, 0.0687, 1)
        self.lines = dict(LINES)
        self.marks = sorted(MARKS, key=lambda mark: mark.step)
        self.pictures = pictures()
        self.mirror = reducer.with_away(self.mirror, at(8), Happenings(
            happenings=news(), head=7, steps=6152))  # fmt: skip

    def ask(self, request: AnyRequest) -> None:
        """What only looks is answered; the rest is kept."""
        reply = self._reply(request)
        if reply is None:
            super().ask(request)
        else:
            self.post(Answered(request, reply))

    def _reply(self, request: AnyRequest) -> AnyReply | None:
        match request:
            case GetChart(id=id) if id in FINALS:
                lines: dict[Metric, list[Column]] = {
                    "loss": loss(1500, FINALS[id], id, every=3),
                    "images_per_second": level(500, 8.0 + (5 - id) / 10, 0.1, id),
                }
                return Chart(lines={name: lines[name] for name in request.metrics if name in lines})
            case GetRecipe(id=id):
                return RecipeText(recipe=recipe(id), folder="/data")
            case GetNews(id=id):
                return Happenings(happenings=changes(id) if id else news(), head=7)
            case GetHealth():
                return HEALTH
            case WhyJob():
                return Why(sentence="Job 10 (portrait-r16) waits for GPU 1, on which job 9 trains.")
        return None


def other_box() -> FakeLink:
    """A box where one job trains."""
    here = FakeLink(*(msgspec.structs.replace(one, id=n) for n, one in enumerate(JOBS[5:8], 1)))
    here.mirror = placed(here.mirror, "gpu2")
    return here


def silent_box() -> FakeLink:
    """One that cannot be reached."""
    link = FakeLink()
    link.mirror = reducer.gone(link.mirror, at(10), "lab does not answer: no route to host.")
    return link


def placed(mirror: reducer.Mirror, place: str) -> reducer.Mirror:
    """The same, on a box of that name."""
    return reducer.with_status(reducer.Mirror(place=place), StatusReply(
        daemon=DAEMON, gpus=[], host=HOST, jobs=list(mirror.jobs.values()), heads={}))  # fmt: skip
