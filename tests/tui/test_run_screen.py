"""The run screen: each key, the mouse, windows that the daemon draws, and what comes live."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable

import pytest
from textual.pilot import Pilot
from tui.driving import drive, seen, settle, text_of
from tui.fakes import HOST, FakeLink, at_step, column, job, point

from lorad.shared.jobs import Gpu, Paused, Process, Progress, Queued, Running
from lorad.shared.messages import (
    METRICS,
    Chart,
    GetChart,
    JobRemoved,
    MachineSampled,
    Mark,
    MarkAdded,
    PauseJob,
    PointsAdded,
    ValidationAdded,
)
from lorad.shared.messages import Validation as Look
from lorad.tui.mirror import MAIN_METRICS
from lorad.tui.screens.main import MainScreen
from lorad.tui.screens.run import RunScreen
from lorad.tui.screens.samples import SamplesScreen
from lorad.tui.widgets.job_charts import JobCharts
from lorad.tui.widgets.view import View


def linked(steps: int = 1000) -> FakeLink:
    link = FakeLink(at_step(1, steps, max_train_steps=steps), job(2, Queued()))
    link.columns = [column(step, 0.5 + 1 / step) for step in range(10, steps + 1, 10)]
    link.lines = {
        "learning_rate": [column(step, 1e-4) for step in range(10, steps + 1, 10)],
        "grad_norm": [column(step, 2.0) for step in range(10, steps + 1, 10)],
        "images_per_second": [column(step, 8.0) for step in range(10, steps + 1, 10)],
        "validation_loss": [column(200, 0.9), column(600, 0.7), column(1000, 0.8)],
    }
    link.marks = [Mark(step=500, kind="saved"), Mark(step=700, kind="died", text="It died [/b].")]
    return link


Act = Callable[[Pilot[int], JobCharts], Awaitable[None]]


def on_run(link: FakeLink, act: Act, size: tuple[int, int] = (120, 40)) -> None:
    """Open the run screen and do this."""

    async def go(pilot: Pilot[int]) -> None:
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(pilot.app.screen, RunScreen)
        await act(pilot, pilot.app.screen.charts)

    drive(link, go, size)


async def asked(pilot: Pilot[int], link: FakeLink, count: int = 1) -> list[GetChart]:
    """What was asked of the daemon, once the view rests."""
    for _ in range(1000):
        found = [request for request in link.asked if isinstance(request, GetChart)]
        if len(found) >= count:
            break
        await pilot.pause(0.02)
    await settle(pilot)
    return found


def screen_of(pilot: Pilot[int]) -> str:
    return text_of(pilot.app)  # type: ignore[arg-type]


# -- what is shown -----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60), (40, 10), (80, 60), (200, 20)])
def test_every_size_shows_what_fits(size: tuple[int, int]) -> None:
    shown = seen(linked(), "enter", size=size)
    assert len(shown.splitlines()) == size[1]
    assert "job-1" in shown
    assert "Loss" in shown
    assert ("Learning rate" in shown) == (size != (40, 10))
    if size in ((120, 40), (200, 60)):
        assert "Speed" in shown
        assert "Events" in shown
        assert ("Validation loss" in shown) == (size == (200, 60))
    if size == (80, 24):
        assert "charts 1 to 2 of 5" in shown


def test_charts_without_a_value_are_not_there() -> None:
    shown = seen(linked(), "enter", size=(200, 60))
    assert "GPU memory" not in shown
    assert "Temperature" not in shown


def test_what_happened_is_told_as_it_is() -> None:
    shown = seen(linked(), "enter")
    assert "It died [/b]." in shown
    assert "checkpoint saved" in shown
    assert "†" in shown


def test_opening_it_asks_for_all_curves_and_leaving_it_for_fewer() -> None:
    link = linked()
    charted: list[object] = []

    async def act(pilot: Pilot[int], charts: JobCharts) -> None:
        charted.append(link.charted)
        await pilot.press("escape")
        await settle(pilot)
        assert isinstance(pilot.app.screen, MainScreen)

    on_run(link, act)
    assert charted == [METRICS]
    assert link.charted == MAIN_METRICS


def test_news_arrive_while_one_looks() -> None:
    link = linked()

    async def act(pilot: Pilot[int], charts: JobCharts) -> None:
        link.hear("job/1/metrics/", PointsAdded(id=1, points=[point(1001, 0.1234)]))
        look = Look(step=1001, loss=0.0625, best=True)
        link.hear("job/1/metrics/", ValidationAdded(id=1, validation=look))
        link.hear("job/1/notes/", MarkAdded(id=1, mark=Mark(step=1001, kind="paused")))
        await settle(pilot)
        await pilot.pause(0.3)
        shown = screen_of(pilot)
        assert "0.123" in shown
        assert "1001  paused" in shown
        assert charts.charts["validation_loss"].plot.lines[0].columns[-1].last == 0.0625

    on_run(link, act, (200, 60))


def test_the_gauges_of_its_cards_come_by_step() -> None:
    card = Gpu(
        uuid="u", index=0, name="H200", memory_total_bytes=141 << 30, memory_used_bytes=61 << 30,
        utilization_percent=97.0, power_watts=500.0, temperature_celsius=None,
    )  # fmt: skip
    link = linked()
    running = job(
        1, Running(process=Process(pid=1, birth="b", gpus=("u",))), progress=Progress(step=1000),
        max_train_steps=1000,
    )  # fmt: skip
    link.mirror = FakeLink(running).mirror

    async def act(pilot: Pilot[int], charts: JobCharts) -> None:
        link.hear("job/1/metrics/", PointsAdded(id=1, points=[point(1001)]))
        for _ in range(2):
            link.hear("machine/", MachineSampled(gpus=[card], host=HOST))
        await pilot.pause(0.3)
        await settle(pilot)
        detail = link.mirror.detail
        assert detail is not None
        load = detail.curve("gpu_utilization").columns
        assert [(one.step, one.last) for one in load] == [(1001, 97.0)], "once a step"
        assert detail.curve("gpu_temperature").columns[-1].nonfinite == 1
        assert "gpu_memory" in charts.full

    on_run(link, act)


def test_a_job_that_is_gone_says_so() -> None:
    link = linked()

    async def act(pilot: Pilot[int], charts: JobCharts) -> None:
        link.hear("queue/", JobRemoved(id=1))
        await pilot.pause(0.3)
        await settle(pilot)
        assert "no longer in the queue" in screen_of(pilot)
        await pilot.press("p")
        await settle(pilot)
        assert not [request for request in link.asked if isinstance(request, PauseJob)]

    on_run(link, act)


# -- keys --------------------------------------------------------------------------------------


def test_the_cursor_is_the_same_on_all_charts_and_reads_out() -> None:
    async def act(pilot: Pilot[int], charts: JobCharts) -> None:
        app = pilot.app
        await pilot.press("left", "left", "left")
        await settle(pilot)
        step = app.cursor_step  # type: ignore[attr-defined]
        assert step is not None
        assert step < 1000
        assert screen_of(pilot).count(f"step {step} ") >= 4
        assert f"Events up to step {step}" in screen_of(pilot)
        await pilot.press("right", "right", "right", "right", "right")
        await settle(pilot)
        assert app.cursor_step is None  # type: ignore[attr-defined]

    on_run(linked(), act)


def test_zooming_draws_at_once_and_asks_for_the_window_when_it_rests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Two keys on a busy machine are not at rest in between.
    monkeypatch.setattr("lorad.tui.widgets.charts.DEBOUNCE_SECONDS", 0.5)
    link = linked()
    fine = [column(step, 0.25) for step in range(750, 1001)]
    link.answers[GetChart] = Chart(lines={"loss": fine})

    async def act(pilot: Pilot[int], charts: JobCharts) -> None:
        await pilot.press("plus", "plus")
        assert charts.view == View(750.0, 1000.0)
        assert charts.charts["loss"].plot.view == charts.view
        (request,) = await asked(pilot, link)
        assert (request.id, request.first, request.last) == (1, 750.0, 1000.0)
        assert set(request.metrics) == set(METRICS)
        assert list(charts.charts["loss"].plot.lines[0].columns) == fine
        await pilot.press("minus", "minus")
        assert charts.view == View()
        await pilot.press("plus", "0")
        assert charts.view == View()

    on_run(link, act)


def test_a_window_with_the_newest_step_goes_on_with_what_comes() -> None:
    link = linked()
    link.answers[GetChart] = Chart(lines={"loss": [column(900), column(1000)]})

    async def act(pilot: Pilot[int], charts: JobCharts) -> None:
        await pilot.press("plus", "plus")
        await asked(pilot, link)
        link.hear("job/1/metrics/", PointsAdded(id=1, points=[point(1001, 0.125)]))
        await pilot.pause(0.3)
        await settle(pilot)
        assert charts.charts["loss"].plot.lines[0].columns[-1].step == 1001
        first, last = charts.view.span(charts.reach)
        assert first < 1001 <= last

    on_run(link, act)


def test_panning_needs_a_window_and_else_l_is_the_log() -> None:
    link = linked()

    async def act(pilot: Pilot[int], charts: JobCharts) -> None:
        await pilot.press("plus", "plus", "h")
        assert charts.view.first == 750.0 - 62.5
        await pilot.press("l")
        assert charts.view.first == 750.0
        await pilot.press("shift+left")
        assert charts.view.first == 750.0 - 62.5
        await pilot.press("shift+right", "0", "l")
        await settle(pilot)
        assert "Log of job 1" in screen_of(pilot)

    on_run(link, act)


def test_log_scale_and_grid_lines_are_the_charts_own() -> None:
    async def act(pilot: Pilot[int], charts: JobCharts) -> None:
        await pilot.press("y", "g")
        await settle(pilot)
        assert "Loss · log" in screen_of(pilot)
        assert "┈" in screen_of(pilot)
        assert screen_of(pilot).count("· log") == 1
        await pilot.press("y", "g")
        await settle(pilot)
        assert "┈" not in screen_of(pilot)

    on_run(linked(), act)


def test_the_axis_may_be_time_or_pictures() -> None:
    link = linked()
    timed = [column(step, 0.5, at=step * 7.2) for step in range(10, 1001, 10)]
    link.answers[GetChart] = Chart(lines={"loss": timed})

    async def act(pilot: Pilot[int], charts: JobCharts) -> None:
        await pilot.press("t")
        (request,) = await asked(pilot, link)
        assert (request.axis, request.first) == ("time", None)
        assert "1h00m" in screen_of(pilot)
        await pilot.press("left", "left")
        await settle(pilot)
        assert pilot.app.cursor_step in range(10, 1000, 10)  # type: ignore[attr-defined]
        await pilot.press("t")
        assert (await asked(pilot, link, 2))[-1].axis == "images"
        await pilot.press("t")
        assert charts.view == View()

    on_run(link, act)


def test_one_chart_may_have_the_whole_screen() -> None:
    async def act(pilot: Pilot[int], charts: JobCharts) -> None:
        await pilot.press("tab", "enter")
        await settle(pilot)
        assert "Learning rate" in screen_of(pilot)
        assert "Loss" not in screen_of(pilot)
        assert "Events" not in screen_of(pilot)
        assert charts.charts["learning_rate"].size.height > 30
        await pilot.press("tab")
        await settle(pilot)
        assert "Gradient norm" in screen_of(pilot)
        assert "Learning rate" not in screen_of(pilot)
        await pilot.press("escape")
        await settle(pilot)
        assert isinstance(pilot.app.screen, RunScreen)
        assert "Events" in screen_of(pilot)
        assert charts.focused_metric == "grad_norm"

    on_run(linked(), act)


def test_pages_and_focus_go_round() -> None:
    async def act(pilot: Pilot[int], charts: JobCharts) -> None:
        assert charts.in_view == ["loss", "learning_rate"]
        await pilot.press("right_square_bracket")
        assert charts.in_view == ["grad_norm", "images_per_second"]
        assert charts.focused_metric == "grad_norm"
        await pilot.press("tab", "tab")
        assert charts.in_view == ["validation_loss"]
        await pilot.press("tab")
        assert (charts.in_view[0], charts.focused_metric) == ("loss", "loss")
        await pilot.press("shift+tab")
        assert charts.focused_metric == "validation_loss"
        await pilot.press("left_square_bracket", "left_square_bracket")
        assert charts.in_view == ["loss", "learning_rate"]

    on_run(linked(), act, (80, 24))


def test_the_jobs_keys_work_here_too() -> None:
    link = linked()

    async def act(pilot: Pilot[int], charts: JobCharts) -> None:
        await pilot.press("p")
        assert PauseJob(id=1) in link.asked
        await pilot.press("s")
        await settle(pilot)
        assert isinstance(pilot.app.screen, SamplesScreen)

    on_run(link, act)


def test_the_main_screens_chart_has_the_same_keys() -> None:
    link = linked()
    link.answers[GetChart] = Chart(lines={"loss": [column(900), column(1000)]})

    async def act(pilot: Pilot[int]) -> None:
        await pilot.press("tab", "plus")
        charts = pilot.app.screen.query_one(JobCharts)
        assert not charts.view.whole
        (request,) = await asked(pilot, link)
        assert set(request.metrics) == {"loss", "validation_loss"}
        assert len(charts.charts["loss"].plot.lines[0].columns) == 2
        await pilot.press("shift+tab", "j")
        await settle(pilot)
        assert charts.view.whole, "another job is another run"

    drive(link, act)


# -- the mouse ---------------------------------------------------------------------------------


def test_the_wheel_zooms_where_the_pointer_is_and_dragging_pans() -> None:
    async def act(pilot: Pilot[int], charts: JobCharts) -> None:
        chart = charts.charts["loss"]
        middle = (chart.size.width // 2, 5)
        await pilot._post_mouse_events(  # the pilot has no name for the wheel
            [_wheel()], widget=chart, offset=middle, times=1
        )
        await settle(pilot)
        first, last = charts.view.span(charts.reach)
        assert 200 < first < 300
        assert last - first == pytest.approx(500)
        await pilot.mouse_down(chart, offset=middle)
        await pilot.hover(chart, offset=(middle[0] - 5, 5))
        await pilot.mouse_up(chart, offset=(middle[0] - 5, 5))
        await settle(pilot)
        assert charts.view.span(charts.reach)[0] > first
        assert pilot.app.cursor_step is None  # type: ignore[attr-defined]

    on_run(linked(), act)


def _wheel() -> type:
    from textual.events import MouseScrollUp

    return MouseScrollUp


def test_a_click_sets_the_cursor_and_one_beside_the_plot_takes_it_away() -> None:
    async def act(pilot: Pilot[int], charts: JobCharts) -> None:
        chart = charts.charts["loss"]
        await pilot.click(chart, offset=(chart.size.width // 2, 5))
        await settle(pilot)
        step = pilot.app.cursor_step  # type: ignore[attr-defined]
        assert step is not None
        assert 350 < step < 650
        await pilot.click(chart, offset=(0, 5))
        await settle(pilot)
        assert pilot.app.cursor_step is None  # type: ignore[attr-defined]

    on_run(linked(), act)


# -- odd runs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("pressed", [["left"], ["plus"], ["t"], ["y"], ["enter"], ["tab"], ["0"]])
def test_a_run_without_a_step_bears_every_key(pressed: list[str]) -> None:
    for columns in ([], [column(1)], [column(1, None, nonfinite=1)]):
        link = FakeLink(job(1, Paused()))
        link.columns = columns
        link.answers[GetChart] = Chart(lines={})
        shown = seen(link, "enter", *pressed)
        assert "job-1" in shown


def test_a_nan_is_told_by_the_cursor() -> None:
    link = linked()
    link.columns[-2] = column(990, None, nonfinite=7)
    link.columns[-1] = column(1000, math.pi, nonfinite=2)

    async def act(pilot: Pilot[int], charts: JobCharts) -> None:
        chart = charts.charts["loss"]
        assert chart._read_out(990)[0] == "NaN"
        assert chart._read_out(1000)[0] == "3.142, 2 NaN"

    on_run(link, act)
