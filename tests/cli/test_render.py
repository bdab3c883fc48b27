"""What people read: plain in a pipe, a table in a terminal."""

from __future__ import annotations

import io

import pytest
from cli.jobs_to_show import STATUSES, make_gpu, make_job, make_status
from msgspec.structs import replace
from rich.console import Console

from lorad.shared import jobs
from lorad.shared.jobs import Progress
from lorad.tui import format, render


def test_the_piped_status_is_for_awk() -> None:
    queue = [make_job(status, id=number) for number, status in enumerate(STATUSES, 1)]
    head, *rest = render.plain_status(make_status(*queue)).splitlines()
    assert head.split() == ["ID", "STATE", "NAME", "STEP", "LOSS", "IMG/S", "ETA", "GROUP"]
    rows = [line.split() for line in rest[: len(queue)]]
    assert {len(row) for row in rows} == {8}
    states = ["starting", "running", "held", "pausing", "finishing", "queued", "paused", "stashed"]
    assert [row[1] for row in rows] == [*states, "done", "failed", "cancelled"]
    job = queue[3]
    figures = [format.loss(job), format.figure(88.4, 3), format.duration(65.0)]
    assert rows[1] == ["4", "running", "mono", "30/300", *figures, "default"]


def test_the_piped_status_is_ascii_but_for_names() -> None:
    assert render.plain_status(make_status(make_job())).isascii()


def test_a_job_without_figures_keeps_its_columns() -> None:
    row = render.plain_status(make_status(make_job(progress=Progress()))).splitlines()[1]
    assert row.split() == ["3", "running", "mono", "0/300", "-", "-", "-", "default"]


def test_nan_is_named() -> None:
    job = make_job(progress=Progress(step=5, loss_nonfinite=True))
    assert " NaN " in render.plain_status(make_status(job))


@pytest.mark.parametrize(
    "show", [render.plain_status, lambda status: render.plain_job(status.jobs[0], "w\x1by")]
)
def test_a_reason_is_told_and_cannot_steer_the_terminal(show: object) -> None:
    job = make_job(jobs.Failed(finished=1.0, reason="out \x1b[31mof\nmemory"), name="a\x1bb")
    text = show(make_status(job))  # type: ignore[operator]
    assert "\x1b" not in text


def test_the_reason_stands_below_the_queue() -> None:
    job = make_job(jobs.Failed(finished=1.0, reason="out of memory"))
    assert "job 3: out of memory" in render.plain_status(make_status(job))


def test_groups_stand_below_the_queue_where_there_is_something_to_say() -> None:
    queue = [make_job(group="night"), make_job(jobs.Queued(), id=4, group="night", after=(3, 9))]
    plain = jobs.Group(name="default")
    night = jobs.Group(
        name="night", slots=2, gpus=("GPU-abc", "GPU-x"), paused=True, cause="a\x1bb."
    )
    status = replace(make_status(*queue, gpus=[make_gpu()]), groups=[plain, night])
    line = "group night: 1 of 2 slots taken, 1 waiting, on GPU 0,GPU-x, paused since a␛b"
    for shown in (render.plain_status(status), _drawn(status, 100, color_system=None)):
        lines = [one.rstrip() for one in shown.splitlines()]
        assert [one for one in lines if one.startswith("group ")] == [
            "group default: 0 running",
            line,
        ]
        assert "job 4: after 3, 9" in lines
        assert "drained" not in shown
    assert "drained: nothing" in render.plain_status(replace(status, draining=True))
    alone = _drawn(make_status(make_job()), no_color=True)
    assert "group" not in alone
    assert "night" in _drawn(status, 60, no_color=True).splitlines()[1]


def test_the_terms_of_a_job() -> None:
    job = make_job(jobs.Queued(), after=(1, 2), start_after=50.0, gpus=("G\x1b",), retries=1)
    assert format.terms(job, 100.0) == "after 1, 2; on G␛; 1 retry"
    assert format.terms(job, 10.0) == f"after 1, 2; not before {format.moment(50)}; on G␛; 1 retry"
    assert format.terms(make_job(after=(1,), retries=2), 0) == "", "it runs"
    waits = format.terms(make_job(after=(1,), after_reboot="pause"), 0)
    assert waits == "paused after a reboot", "which it may meet while it runs"
    assert format.terms(make_job(jobs.Done(finished=1.0), after=(1,)), 0) == ""


def test_an_empty_queue_says_what_to_do() -> None:
    assert render.plain_status(make_status()).startswith("The queue is empty. `lorad add")
    assert "The queue is empty. `lorad add" in _drawn(make_status())


def test_cards_and_box() -> None:
    bare = make_gpu()
    full = make_gpu(utilization_percent=61.4, power_watts=320.0, power_limit_watts=700.0)
    lines = render.machine_lines(make_status(gpus=[bare, full]))
    assert lines == [
        f"GPU 0 NVIDIA H200: {format.memory(12 << 30, 140 << 30)}",
        f"GPU 0 NVIDIA H200: 61 %, {format.memory(12 << 30, 140 << 30)}, 320/700 W",
        f"CPU: 12 %, memory {format.memory(4 << 30, 16 << 30)}",
    ]
    assert render.machine_lines(make_status())[-1].endswith("; no NVIDIA driver")


def test_the_queue_as_a_whole() -> None:
    queue = [make_job(), make_job(jobs.Queued(), id=4), make_job(jobs.Done(finished=1.0), id=5)]
    line = "queue: 1 training, 1 waiting, 1 done; time left: over 1m05s"
    assert line in render.plain_status(make_status(*queue)).splitlines()
    assert "queue:" not in render.plain_status(make_status())
    assert "time left" not in render.plain_status(make_status(queue[2]))


def test_one_job_in_full_leaves_out_what_it_has_not() -> None:
    waiting = render.plain_job(make_job(jobs.Queued(), progress=Progress()), "It is next.")
    assert "why       It is next." in waiting
    assert "process" not in waiting
    assert "loss" not in waiting
    running = render.plain_job(make_job(), "It trains.")
    assert "process   pid 4242 on GPU-abc" in running
    assert "step      30/300 (10%)" in running


def _drawn(status: object, width: int = 100, **options: object) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, **options)  # type: ignore[arg-type]
    console.print(render.status_table(status, width))  # type: ignore[arg-type]
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_the_table_has_every_state_by_sign_and_word() -> None:
    queue = [make_job(status, id=number) for number, status in enumerate(STATUSES, 1)]
    drawn = _drawn(make_status(*queue), no_color=True)
    for job in queue:
        sign = format.LOOKS[job.state][0]
        assert f"{sign} {job.state}" in drawn


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_table_fits_the_terminal(width: int) -> None:
    job = make_job(name="n" * 64, max_train_steps=1_000_000)
    lines = _drawn(make_status(job), width, no_color=True, color_system=None).splitlines()
    assert max(map(len, lines)) <= width
    assert "30/1000000" in lines[1]
    assert ("─" in lines[1]) == (width > 80)


@pytest.mark.parametrize("width", [60, 80])
def test_a_narrow_table_keeps_names_and_sets_in_what_wraps(width: int) -> None:
    progress = Progress(step=123456, loss=0.1, images_per_second=88.4, eta_seconds=1e5)
    job = make_job(
        name="portraits of ann", progress=progress, max_train_steps=1_000_000, group="nightly"
    )
    failed = make_job(jobs.Failed(finished=1.0, reason="word " * 30), id=4)
    told = _drawn(make_status(job, failed), width, no_color=True, color_system=None)
    lines = told.splitlines()
    assert max(map(len, lines)) <= width
    assert "portraits o" in lines[1]
    assert "123456/1000000" in lines[1]
    assert ("img/s" in lines[0]) == (width == 80), "less than the name"
    first = next(n for n, line in enumerate(lines) if line.startswith("job 4: "))
    assert all(line.startswith("  word") for line in lines[first + 1 : first + 2])


def test_markup_in_a_name_is_text() -> None:
    assert "[red]x[/red]" in _drawn(make_status(make_job(name="[red]x[/red]")), no_color=True)


def test_what_is_known_of_a_run_of_unknown_length() -> None:
    progress = Progress(step=12, loss=0.5, validation_loss=0.25, best_step=8, note="It went back.")
    job = make_job(progress=progress, max_train_steps=None)
    assert format.steps(job) == "12"
    assert format.share(job) == 0.0
    assert render.figures(job) == "12  loss 0.500  val 0.250, best at 8"
    lines = render.plain_job(job, "It trains.").splitlines()
    assert "step      12" in lines
    assert "held out  val 0.250, best at 8" in lines
    assert "note      It went back." in lines
    assert any(line.endswith(" on GPU-abc, GPU-def") for line in lines)
    assert "12" in _drawn(make_status(job), 100, no_color=True)


@pytest.mark.parametrize(("step", "share"), [(0, 0.0), (150, 0.5), (300, 1.0), (400, 1.0)])
def test_share(step: int, share: float) -> None:
    assert format.share(make_job(progress=Progress(step=step))) == share
