"""The documented JSON, as docs/cli-json.md promises it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from cli.jobs_to_show import PROCESS, STATUSES, make_gpu, make_job, make_picture, make_status

from lorad.shared import jobs
from lorad.shared.jobs import Active, Progress
from lorad.shared.messages import Metrics, Note, Notes, Validation
from lorad.tui.commands import _json

FIELDS = [
    "id",
    "name",
    "state",
    "step",
    "max_train_steps",
    "loss",
    "loss_nonfinite",
    "images_per_second",
    "eta_seconds",
    "priority",
    "pid",
    "gpu",
    "gpus",
    "folder",
    "reason",
    "phase",
    "validation_loss",
    "best_step",
    "note",
    "group",
    "after",
    "start_after",
    "wanted_gpus",
    "retries",
    "after_reboot",
    "saved_step",
    "saved",
    "trend",
    "seconds_per_step",
    "turn",
]


@pytest.mark.parametrize("status", STATUSES, ids=lambda one: type(one).__name__)
def test_every_state_has_every_field(status: jobs.Status) -> None:
    fields = _json.job_fields(make_job(status))
    assert list(fields) == FIELDS
    assert fields["state"] == type(status).__name__.lower()
    active = isinstance(status, Active)
    assert fields["pid"] == (PROCESS.pid if active else None)
    assert fields["gpu"] == (PROCESS.gpus[0] if active else None)
    assert fields["gpus"] == (list(PROCESS.gpus) if active else [])


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (jobs.Failed(finished=1.0, reason="no disk"), "no disk"),
        (jobs.Paused(cause="a reboot"), "a reboot"),
        (jobs.Paused(), None),
        (jobs.Queued(cause="its run died"), "its run died"),
        (jobs.Queued(), None),
        (jobs.Done(finished=1.0), None),
        (jobs.Done(finished=1.0, cause="stopped early at step 4"), "stopped early at step 4"),
    ],
)
def test_the_reason_is_the_cause_or_null(status: jobs.Status, reason: str | None) -> None:
    assert _json.job_fields(make_job(status))["reason"] == reason


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_null_and_marked(value: float) -> None:
    job = make_job(progress=Progress(step=1, loss=value, images_per_second=value))
    told = json.loads(_json.document(**_json.job_fields(job)))
    assert told["loss"] is None
    assert told["images_per_second"] is None
    assert told["loss_nonfinite"] is True


def test_what_is_held_out_and_what_happened() -> None:
    progress = Progress(step=9, validation_loss=0.5, best_step=4, note="It went back to step 4.")
    fields = _json.job_fields(make_job(progress=progress, max_train_steps=None))
    assert (fields["validation_loss"], fields["best_step"]) == (0.5, 4)
    assert fields["note"] == "It went back to step 4."
    assert fields["max_train_steps"] is None


def test_the_history_of_a_job() -> None:
    looks = Metrics(points=[], validations=[Validation(step=4, loss=math.inf, best=False)])
    notes = Notes(notes=[Note(step=4, kind="nonfinite", text="The loss is NaN.", time=1.0)])
    told = json.loads(_json.document(**_json.history_fields(looks, notes)))
    assert told["validations"] == [{"step": 4, "loss": None, "best": False}]
    assert told["notes"] == [
        {"step": 4, "kind": "nonfinite", "text": "The loss is NaN.", "time": 1.0}
    ]


def test_a_sound_loss_is_not_marked() -> None:
    assert _json.job_fields(make_job())["loss_nonfinite"] is False


def test_the_whole_status() -> None:
    status = make_status(make_job(), make_job(id=4), gpus=[make_gpu(power_watts=math.nan)])
    told = json.loads(_json.document(**_json.status_fields(status)))
    assert list(told) == ["schema", "daemon", "gpus", "host", "jobs", "groups", "draining"]
    assert told["schema"] == 1
    assert [job["id"] for job in told["jobs"]] == [3, 4]
    assert told["gpus"][0]["memory_total_bytes"] == 140 << 30
    assert told["gpus"][0]["power_watts"] is None
    assert told["daemon"]["pid"] == 7


def test_a_picture_travels_by_its_path() -> None:
    fields = _json.picture_fields(make_picture(thumb=b"\x00\xff"))
    assert "thumb" not in fields
    assert fields["path"] == "/data/a.png"


def test_a_terminal_obeys_nothing_in_it() -> None:
    written = _json.document(prompt="\x1b[2J \x9b2J \u202e \ud800")
    assert written.isascii()
    assert "\x1b" not in written
    assert json.loads(written)["prompt"] == "\x1b[2J \x9b2J \u202e \ud800"


def test_the_document_says_all_fields() -> None:
    text = (Path(__file__).parents[2] / "docs" / "cli-json.md").read_text()
    missing = [name for name in FIELDS if f"`{name}`" not in text]
    assert missing == []


def test_the_totals_have_every_state_and_are_null_where_nothing_is_known() -> None:
    found = _json.totals_fields(make_status(make_job(), make_job(jobs.Queued(), id=4)))
    assert list(found["states"]) == [type(one).__name__.lower() for one in STATUSES]
    assert (found["states"]["running"], found["states"]["failed"]) == (1, 0)
    assert (found["eta_seconds"], found["eta_complete"]) == (65.0, False)
    waiting = _json.totals_fields(make_status(make_job(jobs.Queued(), progress=Progress())))
    assert (waiting["eta_seconds"], waiting["eta_complete"]) == (None, False)
