"""`lorad selftest --kill N`: what is promised of `kill -9`, proved on the box where it is called.

A job trains on the shipped model without being disturbed. The same job trains again, and its
process is killed at random, again and again, until there were N kills. All that the two leave
behind must be the same to the last bit. Nothing of the user's daemon is touched.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from lorad.daemon.tools.outcome import Outcome, differences, plain
from lorad.daemon.tools.trial import Trial, trial
from lorad.shared import shipped
from lorad.shared.jobs import Ended, Job
from lorad.shared.words import counted

STEPS = 60
KILLS_A_RUN = 5
PICTURES = 12
MOST_DEATHS = 2
"""A run that dies a third time without a new checkpoint fails, as it should."""
STARTS = 0.3
"""The share of kills that may also hit a run before its first step."""
RECIPE = """
name = "selftest"
[data]
path = "pictures"
random_flip = true
caption_dropout = 0.2
[lora]
rank = 4
dropout = 0.1
[train]
max_train_steps = {steps}
train_batch_size = 2
gradient_accumulation_steps = 2
resolution = 64
learning_rate = 1e-3
ema_decay = 0.99
seed = {seed}
checkpointing_steps = 4
exact = true
[validate]
split = 0.2
every_n_steps = 10
[sample]
prompts = ["cat face", "rocket"]
every_n_steps = 7
num_inference_steps = 2
"""
WHERE = (
    (r"in (save|_write|_about|sync|fault|_remove)\b.*|/(checkpoint|export|lora_file)\.py",
     "saving a checkpoint"),
    (r"/(card|sheets)\.py|in copy_files", "writing the files for people"),
    (r"/preview\.py", "drawing pictures"),
    (r"/validation\.py", "validating"),
    (r"in backward", "the backward pass"),
    (r"in update\b|/ema\.py", "moving the weights"),
    (r"in (own_gradients|take_step)\b", "the forward pass"),
    (r"/data/", "reading and encoding pictures"),
    (r"in run_steps\b", "between two steps"),
    (r"in (prepare|load_family)\b|/families/", "loading the model"),
    (r"in (close|wait_assignment)\b", "beginning or ending"),
)  # fmt: skip
"""Where a run is, by what its stack holds: the first of them that is found."""
FRAME = re.compile(r'^  File "([^"]*)", line \d+ in (.*)$', re.MULTILINE)


NAMES = {
    "tensors": "tensors",
    "state": "other parts of the last checkpoint",
    "losses": "losses",
    "pictures": "pictures",
}
"""Of what is compared, in the answer."""


class Kill(Struct, frozen=True):
    """One of them."""

    run: int
    step: int
    """That the daemon knew of then."""
    where: str


class SelfTest(Struct, frozen=True, kw_only=True):
    """What came of it; the document of `--json`."""

    schema: int = 1
    seed: int
    steps: int
    runs: int
    kills: list[Kill]
    compared: dict[str, int]
    """How many things of each kind."""
    differences: list[str]
    seconds: float
    folder: str
    """Where all of it lies, if something differed."""

    @property
    def passed(self) -> bool:
        """Whether everything was as if nobody had killed anything."""
        return not self.differences


def selftest(kills: int, seed: int) -> SelfTest:
    """Kill so often.

    Raises:
        SelfTestStuck: something that had to come did not.
    """
    began, dice = time.monotonic(), random.Random(seed)
    recipe = RECIPE.format(steps=STEPS, seed=seed)
    with trial() as own:
        lay_out(own.folder)
        first = own.add(recipe)
        wanted, pace = undisturbed(own, first)
        made: list[Kill] = []
        told: list[str] = []
        number = 0
        while len(made) < kills:
            number += 1
            most = min(KILLS_A_RUN, kills - len(made))
            job = own.add(recipe)
            done, hit = disturbed(own, job, Chance(dice, pace, number, most))
            made += hit
            told += [f"run {number}: {one}" for one in compared(own, done, wanted)]
        own.kept = bool(told)
        return SelfTest(
            seed=seed,
            steps=STEPS,
            runs=number,
            kills=made,
            compared=plain(wanted),
            differences=told,
            seconds=time.monotonic() - began,
            folder=str(own.folder) if told else "",
        )


def lay_out(folder: Path) -> None:
    """A few of the shipped pictures, with their captions."""
    pictures = folder / "pictures"
    pictures.mkdir()
    lines = (shipped.DEMO / "pictures" / "metadata.csv").read_text().splitlines()
    for line in lines[1 : PICTURES + 1]:
        shutil.copy(shipped.DEMO / "pictures" / line.split(",")[0], pictures)
    (pictures / "metadata.csv").write_text("\n".join(lines[: PICTURES + 1]) + "\n")


class Pace(Struct, frozen=True):
    """How long an undisturbed run takes, in seconds."""

    start: float
    """To its first step, with everything encoded already."""
    steps: float


def undisturbed(own: Trial, job: Job) -> tuple[Outcome, Pace]:
    """Wait for the end of the run that nobody kills."""
    began = time.monotonic()
    own.wait(lambda: _training(own, job) or _ended(own, job), "the first step")
    stepped = time.monotonic()
    job = own.wait(lambda: _ended(own, job), "the end of the undisturbed run")
    ended = time.monotonic()
    say(f"undisturbed: {STEPS} steps in {ended - began:.0f} s")
    return own.outcome(job), Pace(stepped - began, ended - stepped)


class Chance(Struct, frozen=True):
    """By which a run is killed."""

    dice: random.Random
    pace: Pace
    number: int
    """Of the run."""
    most: int
    """How often."""


def disturbed(own: Trial, job: Job, chance: Chance) -> tuple[Job, list[Kill]]:
    """Kill a run at random moments of its start and of its steps, and wait for its end."""
    hit: list[Kill] = []
    # Encoding is something that can be killed, too.
    shutil.rmtree(own.home.cache, ignore_errors=True)
    deaths = saved = 0
    while len(hit) < chance.most:
        at = own.wait(lambda: _alive(own, job), "the run to begin")
        if at.process is None:
            break
        # Each leaves room for those after it: a run that has ended cannot be killed.
        share = 1 / (chance.most - len(hit))
        if not moment(own, at, chance, share, must_save=deaths >= MOST_DEATHS):
            continue
        at = own.job(job.id)
        where = where_is(own, at)
        if own.kill_run(at):
            hit.append(Kill(chance.number, at.progress.step, where))
            say(f"kill {len(hit)} of run {chance.number}: {where}, step {at.progress.step}")
            own.wait(_left(own, at), "the daemon to notice")
            # Asked again: it may have saved after the look at it, and the daemon counts by that.
            newest = own.job(job.id).progress.saved_step or 0
            deaths, saved = (deaths if newest == saved else 0) + 1, newest
    done = own.wait(lambda: _ended(own, job), "the end of a run that was killed")
    return done, hit


def moment(own: Trial, job: Job, chance: Chance, share: float, *, must_save: bool) -> bool:
    """Wait for one in this share of what is left; false where the run ended before it."""
    dice, gone = chance.dice, _left(own, job)
    left = share * chance.pace.steps * max(0, STEPS - job.progress.step) / STEPS
    if must_save:
        saved = job.progress.saved_step
        own.wait(lambda: gone() or own.job(job.id).progress.saved_step != saved, "a checkpoint")
    elif dice.random() < STARTS:
        left += chance.pace.start
    else:
        own.wait(lambda: gone() or _training(own, job), "a step")
    time.sleep(dice.uniform(0, left))
    return not gone()


def where_is(own: Trial, job: Job) -> str:
    """What a process is doing now: it writes its stack when it is told to (`run.py`)."""
    path = own.home.stacks(job.id)
    if job.process is None or not _listens(job.process.pid):
        return "starting Python"
    before = path.stat().st_size
    os.kill(job.process.pid, signal.SIGUSR1)
    deadline = time.monotonic() + 0.1
    while path.stat().st_size == before and time.monotonic() < deadline:
        time.sleep(0.001)
    frames = FRAME.findall(path.read_bytes()[before:].decode(errors="replace"))
    stack = "\n".join(f"{file} in {name}" for file, name in frames)
    for pattern, words in WHERE:
        if re.search(pattern, stack):
            return words
    return "importing torch"


def _listens(pid: int) -> bool:
    """Whether SIGUSR1 would not simply end it."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    caught = re.search(r"^SigCgt:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return caught is not None and bool(int(caught[1], 16) >> (signal.SIGUSR1 - 1) & 1)


def compared(own: Trial, job: Job, wanted: Outcome) -> list[str]:
    """What is not as it was without a kill."""
    if job.state != "done":
        return [f"it is {job.state} and not done: {job.status}"]
    return differences(wanted, own.outcome(job))


def _left(own: Trial, job: Job) -> Callable[[], bool]:
    """Whether the daemon knows that the process is gone."""
    return lambda: own.job(job.id).process != job.process


def _training(own: Trial, job: Job) -> Job | None:
    now = own.job(job.id)
    return now if now.state == "running" else None


def _alive(own: Trial, job: Job) -> Job | None:
    now = own.job(job.id)
    return now if now.process is not None else _ended(own, job)


def _ended(own: Trial, job: Job) -> Job | None:
    now = own.job(job.id)
    return now if isinstance(now.status, Ended) or now.state == "paused" else None


def say(text: str) -> None:
    """How far it is, for whoever looks; not part of the answer."""
    if sys.stderr.isatty():
        print(text, file=sys.stderr, flush=True)


def readable(found: SelfTest) -> str:
    """The answer as a calm table."""
    places = Counter(kill.where for kill in found.kills)
    width = max((len(place) for place in places), default=0)
    lines = [
        f"{len(found.kills)} times `kill -9`, in {counted(found.runs, 'run')}"
        f" of {found.steps} steps (seed {found.seed}, {found.seconds:.0f} s)",
        "",
        *(f"  {place:<{width}}  {count:>4}" for place, count in places.most_common()),
        "",
    ]
    counts = ", ".join(f"{count} {NAMES[name]}" for name, count in found.compared.items())
    if found.passed:
        lines.append(f"Bit for bit equal to a run that nobody killed: {counts}.")
    else:
        lines += ["It is not the same as a run that nobody killed:"]
        lines += [f"  {one}" for one in found.differences[:20]]
        more = len(found.differences) - 20
        lines += [f"  and {more} more"] if more > 0 else []
        lines.append(f"All of it lies in {found.folder}.")
    return "\n".join(lines)
