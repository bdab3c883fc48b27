"""One verb on several jobs: which of them it fits, and what to ask about it first. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from lorad.shared import lifecycle
from lorad.shared.clean import clean_line
from lorad.shared.jobs import Held, Job, Stashed
from lorad.shared.lifecycle import PARTICIPLES, Verb
from lorad.shared.messages import (
    CancelJob,
    EnqueueJob,
    HoldJob,
    OneRequest,
    PauseJob,
    RemoveJob,
    RestartJob,
    ResumeJob,
    SampleJob,
    SaveJob,
    StashJob,
)

REQUESTS: dict[str, Callable[[Job], OneRequest]] = {
    "pause": lambda job: PauseJob(id=job.id),
    "hold": lambda job: HoldJob(id=job.id),
    "resume": lambda job: ResumeJob(id=job.id),
    "restart": lambda job: RestartJob(id=job.id),
    "stash": lambda job: StashJob(id=job.id),
    "enqueue": lambda job: EnqueueJob(id=job.id),
    "cancel": lambda job: CancelJob(id=job.id, force=job.state == "finishing"),
    "rm": lambda job: RemoveJob(id=job.id),
    "sample": lambda job: SampleJob(id=job.id),
    "save": lambda job: SaveJob(id=job.id),
}
NAMED = 4
"""Jobs that a question names; of more it says how many."""


class Plan(NamedTuple):
    """What a verb comes to."""

    requests: list[OneRequest]
    left_out: str = ""
    """Which jobs it does not fit, in one sentence; empty when it fits all."""
    question: str = ""
    """To be answered with yes first; empty where nothing is lost."""
    note: str = ""


def pause_or_resume(jobs: Sequence[Job]) -> Verb:
    """What `p` means now: pause, as long as one of them can be paused."""
    if any(lifecycle.can(job.state, "pause") for job in jobs):
        return "pause"
    if all(job.state in ("queued", "stashed", "pausing") for job in jobs):
        return "pause"
    return "resume"


def hold_or_resume(jobs: Sequence[Job]) -> Verb:
    """What `H` means now: hold, unless all are held."""
    return "resume" if all(isinstance(job.status, Held) for job in jobs) else "hold"


def stash_or_enqueue(jobs: Sequence[Job]) -> Verb:
    """What `S` means now: stash, unless all are stashed."""
    return "enqueue" if all(isinstance(job.status, Stashed) for job in jobs) else "stash"


def plan(jobs: Sequence[Job], verb: str) -> Plan:
    """The verb on those jobs that it fits."""
    fitting = [job for job in jobs if lifecycle.can(job.state, verb)]
    left_out = ""
    if len(fitting) < len(jobs):
        first = next(job for job in jobs if not lifecycle.can(job.state, verb))
        left_out = str(lifecycle.impossible(first, verb))
        if len(jobs) > 1:
            how = PARTICIPLES.get(verb, verb)
            left_out = f"{len(jobs) - len(fitting)} of {len(jobs)} jobs cannot be {how}. {left_out}"
    question, note = _question(fitting, verb)
    return Plan([REQUESTS[verb](job) for job in fitting], left_out, question, note)


def _question(jobs: Sequence[Job], verb: str) -> tuple[str, str]:
    """What to ask before, and what the answer means."""
    if not jobs:
        return "", ""
    who = named(jobs)
    match verb:
        case "cancel":
            return _before_cancel(jobs, who)
        case "restart" if any(job.progress.step for job in jobs):
            note = "Their steps so far are taken again; p goes on from there instead."
            if len(jobs) == 1:
                note = f"It is at step {jobs[0].progress.step}; p goes on from there instead."
                if jobs[0].state == "done":
                    note = "Its files are replaced as the new run saves."
            return f"Train {who} again from the first step?", note
        case "rm":
            what = "It is" if len(jobs) == 1 else "They are"
            whose = "its" if len(jobs) == 1 else "their"
            return (
                f"Forget {who}?",
                f"{what} gone from the queue; {whose} files stay. z takes it back.",
            )
    return "", ""


def _before_cancel(jobs: Sequence[Job], who: str) -> tuple[str, str]:
    if len(jobs) > 1:
        kills = sum(job.state == "finishing" for job in jobs)
        note = "What trains saves what there is and ends; p resumes it later."
        return f"Cancel {who}?", f"{note} {kills} are saving and are killed." if kills else note
    (job,) = jobs
    if job.state == "finishing":
        note = "It is saving its last files; its last checkpoint remains."
        return f"Kill {who} at once?", note
    if job.process is None:
        return f"Cancel {who}?", "It leaves the queue; p puts it back."
    return f"Cancel {who}?", "It saves what there is and ends; p resumes it later."


def named(jobs: Sequence[Job]) -> str:
    """`job 3 (cats)`, or `5 jobs: cats, dogs, … and 2 more`."""
    if len(jobs) == 1:
        return f"job {jobs[0].id} ({jobs[0].name})"
    names = ", ".join(clean_line(job.name, 24) for job in jobs[:NAMED])
    more = f" and {len(jobs) - NAMED} more" if len(jobs) > NAMED else ""
    return f"{len(jobs)} jobs ({names}{more})"
