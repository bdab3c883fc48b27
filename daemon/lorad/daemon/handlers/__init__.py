"""One function a request: what it does to the queue, and the reply."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lorad.daemon.later import InPieces, Later, refusal
from lorad.shared.codec import Header
from lorad.shared.errors import (
    BadRequest,
    CannotUndo,
    LoradError,
    NothingDone,
    StaleEpoch,
)
from lorad.shared.messages import (
    READING,
    AddGroup,
    AddJob,
    AnyReply,
    AnyRequest,
    Batch,
    Batched,
    CancelJob,
    CopyJob,
    Drain,
    EnqueueJob,
    GetChart,
    GetFile,
    GetHealth,
    GetLog,
    GetLogLines,
    GetMarks,
    GetMetrics,
    GetNews,
    GetNotes,
    GetPicture,
    GetRecipe,
    GetSamples,
    GetStatus,
    GetUndo,
    HashFile,
    Hello,
    HoldJob,
    JobRequest,
    ListFiles,
    MoveJob,
    PauseGroup,
    PauseJob,
    RemoveGroup,
    RemoveJob,
    RestartJob,
    ResumeGroup,
    ResumeJob,
    SampleJob,
    SaveJob,
    SetGroup,
    SetJob,
    SetPriority,
    ShutDown,
    ShuttingDown,
    StashJob,
    Undo,
    UpdateJob,
    WhyJob,
)

if TYPE_CHECKING:
    from lorad.daemon.service import Service
from lorad.daemon.handlers.adding import (
    add_job,
    copy_job,
)
from lorad.daemon.handlers.auditing import (
    note_done,
    note_refused,
)
from lorad.daemon.handlers.bringing import (
    get_file,
    get_news,
    hash_file,
    list_files,
)
from lorad.daemon.handlers.grouping import (
    add_group,
    drain,
    pause_group,
    remove_group,
    resume_group,
    set_group,
    update_job,
)
from lorad.daemon.handlers.reading import (
    get_chart,
    get_health,
    get_log,
    get_log_lines,
    get_marks,
    get_metrics,
    get_notes,
    get_picture,
    get_recipe,
    get_samples,
    get_status,
    hello,
    why_job,
)
from lorad.daemon.handlers.steering import (
    cancel_job,
    enqueue_job,
    hold_job,
    move_job,
    pause_job,
    remove_job,
    restart_job,
    resume_job,
    sample_job,
    save_job,
    set_job,
    set_priority,
    stash_job,
)
from lorad.daemon.handlers.undoing import (
    get_undo,
    keep_edit,
    look_before,
    undo,
)


def batch(service: Service, request: Batch, actor: str) -> Batched:
    """In the caller's transaction, so that one refusal takes all of them back."""
    replies: list[Any] = []
    for one in request.requests:
        try:
            replies.append(HANDLERS[type(one)](service, one, actor))
        except LoradError as error:
            why = str(error)
            if isinstance(one, JobRequest) and not re.search(rf"[Jj]ob {one.id}\b", why):
                why = f"Job {one.id}: {why}"
            raise NothingDone(why, len(request.requests), error.exit_code) from error
    return Batched(replies=replies)


def shut_down(service: Service, request: ShutDown, actor: str) -> ShuttingDown:
    return ShuttingDown(pausing=service.go_down(leave_runs=request.leave_runs))


HANDLERS: dict[type, Callable[[Service, Any, str], AnyReply | Later | InPieces]] = {
    Hello: hello,
    GetStatus: get_status,
    AddJob: add_job,
    WhyJob: why_job,
    PauseJob: pause_job,
    HoldJob: hold_job,
    ResumeJob: resume_job,
    CancelJob: cancel_job,
    RestartJob: restart_job,
    StashJob: stash_job,
    EnqueueJob: enqueue_job,
    MoveJob: move_job,
    SetPriority: set_priority,
    SetJob: set_job,
    UpdateJob: update_job,
    AddGroup: add_group,
    SetGroup: set_group,
    RemoveGroup: remove_group,
    PauseGroup: pause_group,
    ResumeGroup: resume_group,
    Drain: drain,
    SampleJob: sample_job,
    SaveJob: save_job,
    RemoveJob: remove_job,
    CopyJob: copy_job,
    Batch: batch,
    GetUndo: get_undo,
    Undo: undo,
    GetRecipe: get_recipe,
    GetMetrics: get_metrics,
    GetChart: get_chart,
    GetMarks: get_marks,
    GetSamples: get_samples,
    GetNotes: get_notes,
    GetPicture: get_picture,
    GetLog: get_log,
    GetLogLines: get_log_lines,
    GetHealth: get_health,
    GetNews: get_news,
    ListFiles: list_files,
    GetFile: get_file,
    HashFile: hash_file,
    ShutDown: shut_down,
}


def handle(
    service: Service, request: AnyRequest, header: Header, actor: str
) -> AnyReply | Later | InPieces:
    """The reply, and the request's effect exactly once however often it is sent.

    Raises:
        LoradError: why it is refused; nothing was changed.
    """
    handler = HANDLERS[type(request)]
    if isinstance(request, READING):
        return handler(service, request, actor)
    if not header.id:
        raise BadRequest(why="a request that changes something needs an id of its own")
    if known := service.store.recall(header.id):
        return known
    if header.epoch not in ("", service.info.epoch):
        raise StaleEpoch
    try:
        with service.store.transaction():
            before = look_before(service, request)
            reply = handler(service, request, actor)
            assert not isinstance(reply, Later | InPieces), (
                "only what changes nothing may be answered later"
            )
            keep_edit(service, request, reply, before, actor)
            note_done(service, request, actor)
            service.store.remember(header.id, reply)
    except CannotUndo as error:
        reply = refusal(error)
        with service.store.transaction():
            # It would bar the way to those before it. Asked again, it must not take those back.
            service.store.drop_edit(error.number)
            service.store.remember(header.id, reply)
        note_refused(service, request, error, actor)
    except LoradError as error:
        note_refused(service, request, error, actor)
        raise
    return reply
