"""Why a job waits, or what it does: one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from lorad.daemon.scheduler import decide
from lorad.daemon.scheduler.board import GIB, Board, Now, in_order, rank
from lorad.daemon.scheduler.rules import IN_LINE, held_back, named, standing
from lorad.shared.jobs import Done, Gpu, Job, Paused, Queued


def why(job: Job, now: Now) -> str:
    """In one sentence: what the job waits for, or what it does."""
    if not isinstance(job.status, Queued):
        return _what_it_does(job)
    board = Board(now)
    said = held_back(job, board)
    turn = IN_LINE if said is None else said.turn
    if said is not None and not turn.in_line:
        return said.sentence
    ahead = [other for other in in_order(now.jobs) if rank(other) < rank(job)]
    stands = standing(ahead, board)
    ahead = [other for other in ahead if stands[other.id] == turn]
    if said is not None:
        return f"{said.sentence}{_queue(ahead)}"
    if any(start.job_id == job.id for start in decide(now)):
        return f"Job {job.id} starts now."
    if now.gpus and (sentence := _cards(job, board, ahead)):
        return sentence
    return f"Job {job.id} waits for the jobs ahead of it.{_queue(ahead)}"


def _cards(job: Job, board: Board, ahead: Sequence[Job]) -> str:
    """What of the cards there are is missing; empty where those ahead of it take them."""
    need, usable, open_ = board.need(job), board.usable(job), board.open(job)
    large = [gpu for gpu in usable if gpu.memory_total_bytes >= need.memory]
    if not open_ and len(large) == len(usable):
        what = "a card" if need.cards == 1 else f"{need.cards} cards at once"
        holders = _holders(board, usable)
        return f"Job {job.id} waits for {what}, held by {named(holders)}.{_queue(ahead)}"
    fitting = board.fitting(job)
    if need.cards > 1 and len(open_) < need.cards:
        verb = "is" if len(open_) == 1 else "are"
        memory = ""
        if len(fitting) < len(open_):
            has = "has" if len(fitting) == 1 else "have"
            some = len(fitting) or "none"
            memory = f", and {some} of them {has} the {_gib(need.memory)} it wants"
        return (
            f"Job {job.id} needs {need.cards} free cards, {len(open_)} of {len(usable)} {verb} free"
            f"{memory}.{_queue(ahead)}"
        )
    return _memory(job, board, large) if len(fitting) < need.cards else ""


def _memory(job: Job, board: Board, large: Sequence[Gpu]) -> str:
    """Who holds the memory of the cards that are large enough: jobs of ours, or strangers."""
    need, open_ = board.need(job), [gpu.uuid for gpu in board.open(job)]
    could = [gpu for gpu in large if gpu.uuid in open_]
    if len(could) < need.cards:
        holders = _holders(board, [gpu for gpu in large if gpu.uuid not in open_])
        what = "a card" if need.cards == 1 else f"{need.cards} cards"
        return (
            f"Job {job.id} waits for {what} of {_gib(need.memory)} or more, held by"
            f" {named(holders)}."
        )
    short = [gpu for gpu in could if board.free_memory(gpu) < need.memory]
    best = max(short, key=board.free_memory)
    where = "a card" if need.cards == 1 else f"each of {need.cards} cards"
    others = named(board.on(best))
    who = f"{others} and other programs" if others else "other programs"
    return (
        f"Job {job.id} waits for {_gib(need.memory)} of free memory on {where}: GPU {best.index}"
        f" has {_gib(max(0, board.free_memory(best)))} free, {who} hold the rest of its"
        f" {_gib(best.memory_total_bytes)}."
    )


def _holders(board: Board, gpus: Sequence[Gpu]) -> list[Job]:
    """Our jobs on these cards."""
    return [job for job in board.active if any(job in board.on(gpu) for gpu in gpus)]


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"


def _queue(ahead: Sequence[Job]) -> str:
    if not ahead:
        return " It is next."
    names = ", ".join(f"{job.id} ({job.name})" for job in ahead[:3])
    more = f" and {len(ahead) - 3} more" if len(ahead) > 3 else ""
    return f" Ahead of it: {names}{more}."


_DOING = {
    "stashed": "Job {id} is stashed; `lorad enqueue {id}` puts it in the queue.",
    "starting": "Job {id} is starting: {phase}.",
    "running": "Job {id} trains: {step}.",
    "held": "Job {id} is held at {step} and keeps its device; `lorad resume {id}` lets it go on,"
    " `lorad pause {id}` frees the device.",
    "pausing": "Job {id} writes its checkpoint and leaves the device.",
    "finishing": "Job {id} writes its last pictures and files.",
    "done": "Job {id} is done; its files are in {folder}.",
    "cancelled": "Job {id} was cancelled at {step}; `lorad resume {id}` goes on.",
}


def _what_it_does(job: Job) -> str:
    if job.status.__class__ is Paused:
        cause = getattr(job.status, "cause", "")
        because = f": {cause.rstrip('.')}" if cause else ""
        return f"Job {job.id} is paused{because}. `lorad resume {job.id}` lets it go on."
    if job.state == "failed":
        return f"Job {job.id} failed: {getattr(job.status, 'reason', '')}"
    of = "" if job.max_train_steps is None else f" of {job.max_train_steps}"
    doing = _DOING[job.state].format(
        id=job.id,
        step=f"step {job.progress.step}{of}",
        folder=job.folder,
        phase=job.progress.phase or "its process begins",
    )
    if isinstance(job.status, Done) and job.status.cause:
        return f"{doing} It {job.status.cause.rstrip('.')}."
    return f"{doing} Its newest note: {job.progress.note}" if job.progress.note else doing
