"""Jobs to render: one in each state."""

from __future__ import annotations

from typing import Any

from lorad.shared import jobs
from lorad.shared.jobs import Gpu, Host, Job, Process, Progress
from lorad.shared.messages import DaemonInfo, SamplePicture, Status

PROCESS = Process(pid=4242, birth="b/1", gpus=("GPU-abc", "GPU-def"))

STATUSES: list[jobs.Status] = [
    jobs.Stashed(),
    jobs.Queued(cause="its run died at step 120"),
    jobs.Starting(process=PROCESS),
    jobs.Running(process=PROCESS),
    jobs.Held(process=PROCESS),
    jobs.Pausing(process=PROCESS),
    jobs.Paused(cause="the disk was full"),
    jobs.Finishing(process=PROCESS),
    jobs.Done(finished=2.0),
    jobs.Failed(finished=2.0, reason="The GPU ran out of memory at step 3."),
    jobs.Cancelled(finished=2.0),
]


def make_job(status: jobs.Status | None = None, **fields: Any) -> Job:
    defaults: dict[str, Any] = {
        "id": 3,
        "name": "mono",
        "status": status or jobs.Running(process=PROCESS),
        "folder": "/data/output/mono-3",
        "max_train_steps": 300,
        "created": 1.0,
        "progress": Progress(step=30, loss=0.1234, images_per_second=88.4, eta_seconds=65.0),
    }
    return Job(**{**defaults, **fields})


def make_status(*queue: Job, gpus: list[Gpu] | None = None) -> Status:
    return Status(
        daemon=DaemonInfo(
            version="0.1.0", pid=7, started=1.0, epoch="e", home="/h", hostname="box"
        ),
        gpus=gpus or [],
        host=Host(
            cpu_percent=12.5,
            memory_total_bytes=16 << 30,
            memory_used_bytes=4 << 30,
            gpu_note="" if gpus else "no NVIDIA driver",
        ),
        jobs=list(queue),
        heads={},
    )


def make_gpu(**fields: Any) -> Gpu:
    defaults: dict[str, Any] = {
        "uuid": "GPU-abc",
        "index": 0,
        "name": "NVIDIA H200",
        "memory_total_bytes": 140 << 30,
        "memory_used_bytes": 12 << 30,
    }
    return Gpu(**{**defaults, **fields})


def make_picture(**fields: Any) -> SamplePicture:
    defaults: dict[str, Any] = {
        "step": 100,
        "index": 0,
        "prompt": "cat face",
        "seed": 1,
        "sha256": "00",
        "path": "/data/a.png",
        "width": 64,
        "height": 64,
        "thumb_width": 2,
        "thumb_height": 2,
        "thumb": b"",
    }
    return SamplePicture(**{**defaults, **fields})
