"""Who did what, in the one list of what happened: also what concerns no job, and what was refused.

The commands on a job are written down where the job is changed. `actor` is what a client called
itself in `Hello`: a claim of somebody who may use the sockets, not a proof.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgspec

from lorad.shared.errors import LoradError, UnknownJob
from lorad.shared.messages import (
    AnyRequest,
    Batch,
    GroupRequest,
    JobRequest,
    Request,
    ShutDown,
)

if TYPE_CHECKING:
    from lorad.daemon.service import Service

TEXT_LIMIT = 1000


def note_done(service: Service, request: AnyRequest, actor: str) -> None:
    """In the transaction of the command, for what is noted nowhere else: groups and the daemon."""
    if isinstance(request, Batch):
        for one in request.requests:
            note_done(service, one, actor)
    elif isinstance(request, GroupRequest | ShutDown):
        fields = msgspec.to_builtins(request)
        del fields["type"]
        said = ", ".join(f"{key} = {_word(value)}" for key, value in fields.items())
        service.store.happened(0, _verb(request), said[:TEXT_LIMIT], actor)


def note_refused(service: Service, request: AnyRequest, error: LoradError, actor: str) -> None:
    """After the command was taken back; a disk that takes nothing more does not take this."""
    job_id = request.id if isinstance(request, JobRequest) else 0
    if isinstance(error, UnknownJob):
        job_id = 0  # or there would be news of a job that never was
    with contextlib.suppress(LoradError):
        service.store.refused(job_id, f"{_verb(request)}: {error}"[:TEXT_LIMIT], actor)


def _verb(request: Request) -> str:
    """Its name on the wire."""
    return str(request.__struct_config__.tag)


def _word(value: object) -> str:
    """A value as the line has it."""
    if isinstance(value, list | tuple):
        return " ".join(map(str, value)) or "all"
    if value is None:
        return "unchanged"
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)
