"""What every conversation with the daemon needs: who speaks, and of which job."""

from __future__ import annotations

import getpass
import os
import socket

from lorad.shared.errors import UnknownJob
from lorad.shared.jobs import Job
from lorad.shared.messages import Status


def person() -> str:
    """Who sits here, as the queue's history names them: `anna@box`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def find_job(status: Status, job_id: int) -> Job:
    """A job of the queue.

    Raises:
        UnknownJob: there is none of that number.
    """
    for job in status.jobs:
        if job.id == job_id:
            return job
    raise UnknownJob(id=job_id)
