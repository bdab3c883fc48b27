"""Everything that the dashboard can show, with nothing in it that changes from day to day.

As a program it is the dashboard on these data: `python tests/tui/showcase.py [hostile]`.
"""

from __future__ import annotations

import json
import math
import sys
import time
import zlib
from dataclasses import replace
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parent.parent))

from tui.fakes import FakeLink, column, job, picture, status

from lorad.shared.jobs import (
    Cancelled,
    Disk,
    Done,
    Failed,
    Finishing,
    Gpu,
    GpuProcess,
    Group,
    Held,
    Host,
    Job,
    Paused,
    Pausing,
    Process,
    Progress,
    Queued,
    Running,
    Starting,
    Stashed,
)
from lorad.shared.messages import (
    AnyRequest,
    Chart,
    Column,
    DaemonInfo,
    GetChart,
    GetHealth,
    GetNews,
    GetRecipe,
    GetUndo,
    Happening,
    Happenings,
    Health,
    Mark,
    Metric,
    Note,
    NoteAdded,
    PauseJob,
    Point,
    PointsAdded,
    RecipeText,
    SamplePicture,
    Trouble,
    Undoable,
    Why,
    WhyJob,
)
from lorad.tui.messages import Answered
from lorad.tui.mirror import Away

NOW = 1_700_000_000.0
"""When it is: 14 November 2023, 22:13:20 UTC."""
GIB = 1 << 30
STEPS = 600
SOME = 4
"""Hostile texts at once."""
LONG = "a name that is longer than any column has room for and goes on and on to the very end"


class Words:
    """What others say. Each call gives what is said there, or what must do no harm instead."""

    def __init__(self, hostile: str = "") -> None:
        self._texts = json.loads(hostile) if hostile.startswith("[") else [hostile]
        self._next = 0

    @property
    def hostile(self) -> str:
        """The texts take turns, a few at a time, so that each comes first somewhere."""
        few = [self._texts[(self._next + at) % len(self._texts)] for at in range(SOME)]
        self._next += SOME
        return " ".join(few) if len(self._texts) > 1 else self._texts[0]

    def __call__(self, text: str) -> str:
        """The text; on the hostile scene with all of that in it."""
        hostile = self.hostile
        return f"{hostile} {text} {hostile}" if hostile else text


def on(*cards: int) -> Process:
    return Process(pid=4100 + cards[0], birth="b", gpus=tuple(f"GPU-{card}" for card in cards))


def jobs(say: Words) -> list[Job]:
    """One in each state, and some that are special."""
    trend = tuple(0.5 / (1 + at) + 0.06 for at in range(16))
    foxes = Progress(
        step=412, loss=0.0871, images_per_second=8.25, eta_seconds=372.0, trend=trend,
        validation_loss=0.0934, best_step=400, saved_step=400, saved=NOW - 75.0,
        seconds_per_step=0.97, note=say("The batch is taken in 2 parts of 4 to fit the memory."),
    )  # fmt: skip
    return [
        job(1, Done(finished=NOW - 7200.0), say("emoji"), max_train_steps=STEPS,
            progress=Progress(step=STEPS, loss=0.0712, trend=trend)),
        job(2, Failed(finished=NOW - 5400.0, reason=say(
            "The GPU ran out of memory at step 17: 23.1 GiB of 24 GiB are in use by others."
            " Lower resolution or train_batch_size.")), say("portraits by night"),
            progress=Progress(step=17)),
        job(3, Running(process=on(0)), say("watercolour foxes"), max_train_steps=STEPS,
            progress=foxes, group="night"),
        job(4, Starting(process=on(1)), say("line art"),
            progress=Progress(phase=say("encoding pictures 12/48"))),
        job(5, Held(process=on(1)), say("猫の絵"), progress=at_step(foxes, 80)),
        job(6, Pausing(process=on(1)), say("blueprints"), progress=at_step(foxes, 33)),
        job(7, Queued(), say("foxes, rank 32"), after=(3,), group="night", priority=5),
        job(8, Queued(cause=say("its run died at step 120")), say("old maps"), retries=2,
            progress=Progress(step=120)),
        job(9, Queued(), LONG if not say.hostile else say(""), start_after=NOW + 9000.0),
        job(10, Paused(cause=say("The disk is full: 80 MiB are left on /out.")), say("mosaics"),
            progress=at_step(foxes, 50)),
        job(11, Stashed(), say("stained glass"), max_train_steps=None),
        job(12, Cancelled(finished=NOW - 60.0), say("etchings"), progress=Progress(step=64)),
        job(13, Finishing(process=on(1)), say("woodcuts"), max_train_steps=STEPS,
            progress=Progress(step=STEPS, loss=0.0654, trend=trend, phase=say("drawing 3/4"))),
        job(14, Running(process=on(0)), say("went wrong"), max_train_steps=STEPS,
            progress=Progress(step=200, loss_nonfinite=True, images_per_second=8.0)),
    ]  # fmt: skip


def at_step(progress: Progress, step: int) -> Progress:
    return Progress(step=step, loss=progress.loss, trend=progress.trend[:5])


def loss(step: int, scale: float = 1.0) -> float:
    return scale * (0.06 + 0.5 * math.exp(-step / 90) + 0.02 * math.sin(step / 7.0) ** 2)


def curve(last: int, scale: float = 1.0, broken: range = range(0)) -> list[Column]:
    found = []
    for step in range(2, last + 1, 2):
        if step in broken:
            found.append(column(step, None, nonfinite=2))
            continue
        value = loss(step, scale)
        found.append(column(
            step, value, minimum=0.8 * value, maximum=1.3 * value, smoothed=value
        ))  # fmt: skip
    return found


def half(step: int, index: int, prompt: str) -> SamplePicture:
    """Bands whose colours tell step and prompt apart."""
    above, below = bytes([40 * index, 120, 200]), bytes([220, 40 * index, step % 250])
    data = zlib.compress((above * 32 + below * 32) * 8)
    found = picture(step, index, prompt, 32)
    return SamplePicture(**{
        **{name: getattr(found, name) for name in found.__struct_fields__},
        "thumb": data, "thumb_height": 16,
    })  # fmt: skip


def pictures(say: Words) -> list[SamplePicture]:
    prompts = (
        "a fox in the snow, watercolour", "a fox asleep under a birch, watercolour, soft light",
        "an otter, watercolour", "a lighthouse in a storm, watercolour",
    )  # fmt: skip
    return [
        half(step, index, say(prompt))
        for step in (0, 100, 200, 300, 400) for index, prompt in enumerate(prompts)
    ]  # fmt: skip


def log(say: Words) -> str:
    lines = ["loading the model", "48 pictures, 4 are held out"]
    lines += [f"step {step:>4}  loss {loss(step):.4f}  8.25 img/s" for step in range(1, 413)]
    lines.insert(300, "warning: a picture is small: fox-031.png, 300x200")
    lines.insert(402, "error: could not draw prompt 3: out of memory")
    if say.hostile:
        lines += [say("said by a library"), "x" * 10_000_000 + say.hostile, say.hostile * 20]
    return "\n".join(lines) + "\n"


def cards(say: Words) -> list[Gpu]:
    ours = GpuProcess(pid=4100, memory_bytes=14 * GIB, user=say("anna"), name="python", job=3)
    theirs = GpuProcess(
        pid=977, memory_bytes=6 * GIB, user=say("bob"), name=say("python serve.py --port 80")
    )
    hidden = GpuProcess(pid=12)

    def card(index: int, used: int, *processes: GpuProcess) -> Gpu:
        return Gpu(
            uuid=f"GPU-{index}", index=index, name=say("NVIDIA RTX 4090"),
            memory_total_bytes=24 * GIB, memory_used_bytes=used * GIB,
            utilization_percent=97.0 - 60 * index, power_watts=412.0 - 300 * index,
            power_limit_watts=450.0, temperature_celsius=67.0 - 20 * index, processes=processes,
        )  # fmt: skip

    return [card(0, 15, ours), card(1, 7, theirs, hidden)]


def host(say: Words) -> Host:
    return Host(
        cpu_percent=23.0, memory_total_bytes=64 * GIB, memory_used_bytes=21 * GIB, cpu_count=16,
        load=(3.1, 2.4, 1.9), gpu_note=say("") if say.hostile else "",
        disks=(Disk(path=say("/home/anna"), total_bytes=900 * GIB, free_bytes=120 * GIB),
               Disk(path=say("/scratch"), total_bytes=4000 * GIB, free_bytes=12 * GIB)),
    )  # fmt: skip


def happenings(say: Words) -> list[Happening]:
    told = (
        (3, "ready", "starting", "running", "", "run"),
        (3, "saved", "running", "running", "at step 400", "run"),
        (2, "failed", "running", "failed", "The GPU ran out of memory at step 17.", "run"),
        (8, "died", "running", "queued", "its run died at step 120", "daemon"),
        (7, "move", "queued", "queued", "", "lorad dashboard"),
        (1, "done", "finishing", "done", "", "run"),
    )
    return [
        Happening(
            number=at, time=NOW - 3000.0 + 400 * at, id=id, name=say(f"job-{id}"), event=event,
            before=before, after=after, text=say(text) if text else "", actor=say(actor),
        )
        for at, (id, event, before, after, text, actor) in enumerate(told, 1)
    ]  # fmt: skip


def health(say: Words) -> Health:
    return Health(
        daemon=daemon(say), uptime_seconds=93_600.0, memory_bytes=61 << 20, cpu_percent=1.5,
        database_bytes=5 << 20, events_per_second=4.25, beat_late_seconds=0.0,
        clients=[say("lorad dashboard"), say("cron")], watchers=2, unsettled=0,
        troubles=[Trouble(time=NOW - 500, level="warning", text=say("A hook took 31 s."))],
    )  # fmt: skip


def recipe(id: int, say: Words) -> str:
    def quoted(text: str) -> str:
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(
            char if char.isprintable() else f"\\u{ord(char):04x}" for char in escaped
        ) + '"'  # fmt: skip

    rate = {1: "1e-4", 3: "5e-5"}.get(id, "2e-4")
    return (
        f'name = "run-{id}"\n[data]\npath = {quoted(say("pictures"))}\n'
        f"[train]\nlearning_rate = {rate}\nmax_train_steps = {STEPS}\nseed = {id}\n"
        f"[sample]\nprompts = [{quoted(say(f'a fox, seed {id}'))}]\n"
    )


class Showcase(FakeLink):
    """Answers all that the screens ask."""

    def __init__(self, hostile: str = "") -> None:
        say = self.say = Words(hostile)
        self.status_reply = reply_of(say)
        super().__init__(status_reply=self.status_reply)
        self.columns = curve(412, broken=range(150, 171))
        self.lines = {
            "learning_rate": [column(step, 1e-4 * (1 - step / 700)) for step in range(2, 413, 2)],
            "grad_norm": curve(412, 4.0),
            "images_per_second": [column(s, 8.0 + math.sin(s / 9)) for s in range(2, 413, 2)],
            "validation_loss": [column(step, 1.1 * loss(step)) for step in range(50, 413, 50)],
            "gpu_utilization": [column(s, 95 + 3 * math.sin(s)) for s in range(2, 413, 2)],
            "gpu_memory": [column(step, 14.0 * GIB) for step in range(2, 413, 2)],
        }  # fmt: skip
        self.marks = [
            Mark(step=100, kind="saved"), Mark(step=100, kind="sample"),
            Mark(step=150, kind="nonfinite", text=say("The loss is no number; the step is left.")),
            Mark(step=200, kind="paused"), Mark(step=200, kind="resumed"),
            Mark(step=260, kind="changed", text=say("learning_rate 1e-4 -> 5e-5")),
            Mark(step=300, kind="died", text=say("Its process was killed.")),
            Mark(step=400, kind="saved"), Mark(step=400, kind="sample"),
        ]  # fmt: skip
        self.pictures = pictures(say)
        self.log = log(say)
        self.answers = {
            GetHealth: health(say),
            GetNews: Happenings(happenings=happenings(say), head=6),
            WhyJob: Why(sentence=say("It waits for job 3, which trains.")),
            GetUndo: Undoable(number=1, said=say("job 5 was held"), actor=say("cron"), time=NOW),
        }  # fmt: skip
        self.mirror = replace(
            self.mirror, away=Away(since=NOW - 36_000.0, happenings=tuple(happenings(say)), steps=9)
        )

    def select(self, job_id: int | None) -> None:
        """With the newest step's figures and notes."""
        super().select(job_id)
        if job_id is None:
            return
        newest = Point(step=412, time=NOW, loss=0.0871, learning_rate=5e-5, grad_norm=0.41,
                       images_per_second=8.25)  # fmt: skip
        note = Note(step=260, kind="changed", text=self.say("The rate is 5e-5 now."), time=NOW)
        self.hear(f"job/{job_id}/notes/", NoteAdded(id=job_id, note=note))
        self.hear(f"job/{job_id}/metrics/", PointsAdded(id=job_id, points=[newest]))

    def ask(self, request: AnyRequest) -> None:
        """Curves and recipes differ from job to job."""
        if isinstance(request, GetRecipe):
            text = recipe(request.id, self.say)
            self.post(Answered(request, RecipeText(recipe=text, folder="/recipes")))
        elif isinstance(request, GetChart):
            lines = {metric: self._line(request.id, metric) for metric in request.metrics}
            self.post(Answered(request, Chart(lines={k: v for k, v in lines.items() if v})))
        else:
            super().ask(request)

    def _line(self, id: int, metric: Metric) -> list[Column]:
        last = self.mirror.jobs[id].progress.step
        if metric == "loss":
            return curve(last, 1 + 0.02 * id)
        return [one for one in self.lines.get(metric, []) if one.step <= last]


def daemon(say: Words) -> DaemonInfo:
    return DaemonInfo(
        version=say("1.0"), pid=1, started=NOW - 93_600.0, epoch="e", home=say("/h"),
        hostname=say("box"),
    )  # fmt: skip


def reply_of(say: Words):  # type: ignore[no-untyped-def]
    reply = status(*jobs(say), gpus=cards(say), host=host(say))
    groups = [
        Group(name="default"),
        Group(name=say("night"), slots=1, gpus=("GPU-0",), paused=True, cause=say("it failed")),
    ]
    return msgspec.structs.replace(reply, daemon=daemon(say), groups=groups)


def main() -> None:
    """The dashboard on these data, at a time that stands still."""
    time.time = lambda: NOW
    import getpass

    getpass.getuser = lambda: "anna"
    from lorad.tui.app import LoradApp

    hostile = Path(sys.argv[1]).read_bytes().decode() if len(sys.argv) > 1 else ""
    link = Showcase(hostile)
    link.answers[PauseJob] = link.say("It cannot be paused.")
    LoradApp(link, 3, hosts={"": link, link.say("gpu1"): FakeLink()}).run()
    print("asked for", *sorted({type(one).__name__ for one in link.asked}))


if __name__ == "__main__":
    main()
