"""The table of a job's life: which event leads from which state to which.

An entry that is missing is the error. The daemon applies it, the dashboard and the command line
read it to know what a key or a verb may do now. Three kinds of event:

- verbs, asked for by somebody: stash, enqueue, pause, hold, resume, cancel, restart;
- reports of the run: ready (first step ahead), finish (all steps taken), done, failed, left (it
  saved and went because it had to: a full disk, SIGTERM) and yielded (it saved and went because
  it was asked to);
- observations of the daemon: start (process made), died (process gone without a word), retry
  (it failed, and is one of those that are tried again) and rebooted (the machine was started again
  under it, and it is one of those that are paused then).

A run that died is queued again and resumes from its checkpoint; the daemon's budget of tries
turns `died` into `failed` when it makes no progress. One that died while it was leaving is simply
gone: paused from its last checkpoint, or cancelled; and one that had to leave while it was being
cancelled is cancelled, with what it saved before. One that died while it was held is paused too:
somebody wants no step of it until they say so. A run that takes its last step before it hears
a pause is done: nobody is served by holding finished work back.
"""

from __future__ import annotations

from typing import Literal, get_args

from lorad.shared.errors import ImpossibleAction
from lorad.shared.jobs import Job, State

Verb = Literal["stash", "enqueue", "pause", "hold", "resume", "cancel", "restart"]
Happening = Literal[
    "start", "ready", "finish", "done", "failed", "left", "yielded", "died", "retry",
    "rebooted",
]  # fmt: skip
Event = Verb | Happening

TRANSITIONS: dict[tuple[State, Event], State] = {
    ("queued", "stash"): "stashed",
    ("stashed", "enqueue"): "queued",
    # One's mind may change in any state with a process, and in any that waits.
    ("starting", "pause"): "pausing",
    ("running", "pause"): "pausing",
    ("running", "hold"): "held",
    ("held", "resume"): "running",
    ("held", "pause"): "pausing",
    ("paused", "resume"): "queued",
    ("failed", "resume"): "queued",
    ("cancelled", "resume"): "queued",
    ("stashed", "cancel"): "cancelled",
    ("queued", "cancel"): "cancelled",
    ("paused", "cancel"): "cancelled",
    ("starting", "cancel"): "finishing",
    ("running", "cancel"): "finishing",
    ("held", "cancel"): "finishing",
    ("pausing", "cancel"): "finishing",
    ("finishing", "cancel"): "finishing",
    ("paused", "restart"): "queued",
    ("done", "restart"): "queued",
    ("failed", "restart"): "queued",
    ("cancelled", "restart"): "queued",
    ("queued", "start"): "starting",
    ("starting", "ready"): "running",
    ("running", "finish"): "finishing",
    ("held", "finish"): "finishing",
    ("pausing", "finish"): "finishing",
    ("finishing", "done"): "done",
    ("running", "done"): "done",
    ("held", "done"): "done",
    ("pausing", "done"): "done",
    ("starting", "failed"): "failed",
    ("running", "failed"): "failed",
    ("held", "failed"): "failed",
    ("pausing", "failed"): "failed",
    ("finishing", "failed"): "failed",
    ("starting", "left"): "paused",
    ("running", "left"): "paused",
    ("held", "left"): "paused",
    ("pausing", "left"): "paused",
    ("finishing", "left"): "paused",  # but cancelled, when that is where it was going
    ("starting", "died"): "queued",
    ("running", "died"): "queued",
    ("finishing", "died"): "queued",  # but cancelled, when that is where it was going
    ("held", "died"): "paused",
    ("pausing", "died"): "paused",
    ("starting", "retry"): "queued",
    ("running", "retry"): "queued",
    ("finishing", "retry"): "queued",
    ("starting", "rebooted"): "paused",
    ("running", "rebooted"): "paused",
    ("finishing", "rebooted"): "paused",
    ("paused", "rebooted"): "paused",  # by `down`, which the next daemon would take back
    ("pausing", "yielded"): "paused",
    ("finishing", "yielded"): "cancelled",
}

REMOVABLE: frozenset[State] = frozenset(
    {"stashed", "queued", "paused", "done", "failed", "cancelled"}
)

SETTABLE: frozenset[State] = frozenset(get_args(State)) - {"finishing"}
"""Where the recipe may be changed: whatever may still take a step, now or when it is taken up."""

PARTICIPLES: dict[str, str] = {
    "stash": "stashed",
    "enqueue": "enqueued",
    "pause": "paused",
    "hold": "held",
    "resume": "resumed",
    "cancel": "cancelled",
    "restart": "restarted",
    "rm": "removed",
    "move": "moved",
    "set": "changed",
    "sample": "asked for pictures",
    "save": "saved",
}

# What somebody who asked for the impossible most likely wants.
HINTS: dict[tuple[State, str], str] = {
    ("queued", "pause"): "`lorad stash {id}` keeps it from starting.",
    ("queued", "resume"): "It starts by itself; `lorad why {id}` says what it waits for.",
    ("queued", "restart"): "It starts by itself; `lorad why {id}` says what it waits for.",
    ("stashed", "pause"): "It does not run; `lorad enqueue {id}` puts it in the queue.",
    ("stashed", "resume"): "`lorad enqueue {id}` puts it in the queue.",
    ("stashed", "restart"): "`lorad enqueue {id}` puts it in the queue.",
    ("done", "resume"): "`lorad restart {id}` trains it again from the start.",
    ("paused", "enqueue"): "`lorad resume {id}` lets it go on.",
    ("paused", "pause"): "`lorad resume {id}` lets it go on.",
    ("pausing", "resume"): "Wait until it is paused, then resume it.",
    ("running", "rm"): "`lorad cancel {id}` ends it first.",
    ("starting", "rm"): "`lorad cancel {id}` ends it first.",
    ("pausing", "rm"): "Wait until it is paused.",
    ("running", "restart"): "`lorad cancel {id}` ends it first.",
    ("finishing", "set"): "No step is to come; wait until it has ended.",
    ("finishing", "sample"): "It draws its last pictures anyway.",
    ("starting", "sample"): "It draws its first pictures before its first step.",
    ("queued", "sample"): "It draws while it trains; `lorad why {id}` says what it waits for.",
    ("paused", "sample"): "It draws while it trains; `lorad resume {id}` lets it go on.",
    ("pausing", "sample"): "It leaves the device; `lorad resume {id}` lets it go on later.",
    ("stashed", "sample"): "It draws while it trains; `lorad enqueue {id}` puts it in the queue.",
    ("failed", "sample"): "`lorad log {id}` tells more; `lorad generate {id} PROMPT` draws with"
    " what it saved.",
    ("cancelled", "sample"): "`lorad generate {id} PROMPT` draws with what it saved.",
    ("done", "sample"): "`lorad generate {id} PROMPT` draws with its LoRA.",
    ("queued", "hold"): "`lorad stash {id}` keeps it from starting.",
    ("stashed", "hold"): "It does not run; `lorad enqueue {id}` puts it in the queue.",
    ("starting", "hold"): "It can be held from its first step on; `lorad pause {id}` stops it now.",
    ("held", "hold"): "`lorad resume {id}` lets it go on.",
    ("pausing", "hold"): "It leaves the device; `lorad resume {id}` lets it go on later.",
    ("paused", "hold"): "It has no device to keep; `lorad resume {id}` lets it go on.",
    ("held", "rm"): "`lorad cancel {id}` ends it first.",
    ("held", "restart"): "`lorad cancel {id}` ends it first.",
    ("held", "stash"): "`lorad pause {id}` frees its device.",
    ("held", "enqueue"): "`lorad resume {id}` lets it go on.",
    ("running", "resume"): "It trains; `lorad status {id}` shows how far it is.",
    ("starting", "save"): "It has taken no step yet.",
    ("queued", "save"): "It saves while it trains; `lorad why {id}` says what it waits for.",
    ("stashed", "save"): "It saves while it trains; `lorad enqueue {id}` puts it in the queue.",
    ("pausing", "save"): "It saves anyway before it leaves the device.",
    ("paused", "save"): "It saved when it was paused; its files are in its folder.",
    ("finishing", "save"): "It saves its last files anyway.",
    ("done", "save"): "Its files are in its folder.",
    ("cancelled", "save"): "What it had is in its folder; `lorad resume {id}` goes on from there.",
    ("failed", "save"): "What it saved is in its folder; `lorad log {id}` tells more.",
}


def can(state: State, verb: str) -> bool:
    """Whether somebody may ask for this now."""
    if verb == "rm":
        return state in REMOVABLE
    if verb == "set":
        return state in SETTABLE
    if verb in ("sample", "save"):
        return state in ("running", "held")
    return (state, verb) in TRANSITIONS


def next_state(job: Job, event: Event) -> State:
    """Where the event leads.

    Raises:
        ImpossibleAction: the table has no such move.
    """
    try:
        return TRANSITIONS[job.state, event]
    except KeyError:
        raise impossible(job, event) from None


def impossible(job: Job, verb: str) -> ImpossibleAction:
    """The refusal of a verb, with the hint that helps."""
    hint = HINTS.get((job.state, verb), f"`lorad status {job.id}` shows it.")
    return ImpossibleAction(
        id=job.id,
        state=job.state,
        participle=PARTICIPLES.get(verb, verb),
        hint=hint.format(id=job.id),
    )
