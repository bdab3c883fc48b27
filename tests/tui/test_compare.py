"""Comparing runs: the table and the differences as values, the screen by its keys."""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot
from textual.widgets import OptionList
from tui.driving import drive, seen, settle, text_of, told
from tui.fakes import FakeLink, column, job

from lorad.shared.errors import TooManyRuns
from lorad.shared.jobs import Done, Job, Progress, Queued
from lorad.shared.messages import (
    AnyRequest,
    Axis,
    Chart,
    Column,
    GetChart,
    GetNews,
    GetRecipe,
    Happening,
    Happenings,
    JobChanged,
    JobRemoved,
    Metric,
    RecipeText,
)
from lorad.tui import compare
from lorad.tui.compare import FIELDS, Entry, against, cells, entry, ordered, value_at
from lorad.tui.kinds import KINDS
from lorad.tui.messages import Answered
from lorad.tui.screens.choose import ChooseJob
from lorad.tui.screens.compare import CompareScreen
from lorad.tui.screens.main import MainScreen
from lorad.tui.screens.run import RunScreen
from lorad.tui.widgets.compare import STYLES, Table, fitting, sample
from lorad.tui.widgets.drawing import Line, Plot, draw
from lorad.tui.widgets.view import Reach

# -- values ------------------------------------------------------------------------------------


def change(time: float, event: str, before: str, after: str) -> Happening:
    return Happening(
        number=1, id=1, name="a", time=time, event=event, before=before, after=after, text="",
        actor="run",
    )  # fmt: skip


def entry_of(job: Job, lines: dict[Metric, list[Column]], metric: Metric = "loss") -> Entry:
    return entry(job, metric, lines, (), 0.0)


def test_the_newest_loss_is_the_smoothed_one_and_the_best_its_lowest() -> None:
    columns = [
        column(1, 9.0, smoothed=5.0), column(2, 0.1, smoothed=2.0), column(3, 7.0, smoothed=3.0)
    ]  # fmt: skip
    found = entry_of(job(1), {"loss": columns})
    assert (found.final, found.best, found.best_step) == (3.0, 2.0, 2)


def test_the_best_validation_is_the_lowest_look_and_not_a_mean() -> None:
    looks = [column(10, 0.9), column(20, 0.4, smoothed=0.7), column(30, 0.6)]
    found = entry_of(job(1), {"validation_loss": looks}, "validation_loss")
    assert (found.validation, found.validation_step, found.final) == (0.4, 20, 0.6)


def test_a_best_look_inside_a_column_has_the_step_that_the_run_told() -> None:
    looks = [column(10, 0.9), column(20, 0.6, minimum=0.4)]
    one = job(1, progress=Progress(step=20, best_step=17))
    found = entry_of(one, {"validation_loss": looks})
    assert (found.validation, found.validation_step) == (0.4, 17)
    before = job(1, progress=Progress(step=20, best_step=9))
    assert entry_of(before, {"validation_loss": looks}).validation_step == 20


def test_the_best_speed_is_the_highest_and_a_learning_rate_has_none() -> None:
    lines: dict[Metric, list[Column]] = {
        "images_per_second": [column(1, 4.0), column(2, 8.0), column(3, 6.0)],
        "learning_rate": [column(1, 1e-3), column(2, 1e-4)],
    }
    fast = entry_of(job(1), lines, "images_per_second")
    assert (fast.best, fast.best_step, fast.rate) == (8.0, 2, 6.0)
    rate = entry_of(job(1), lines, "learning_rate")
    assert (rate.final, rate.best) == (1e-4, None)


def test_a_run_without_a_step_has_no_figures_and_one_at_nan_says_so() -> None:
    assert entry_of(job(1), {}) == Entry(job(1))
    broken = entry_of(job(1), {"loss": [column(1, 0.5), column(2, None, nonfinite=1)]})
    assert broken.final is not None
    assert math.isnan(broken.final)
    assert broken.best == 0.5


def test_time_trained_leaves_out_what_it_waited_held_and_paused() -> None:
    changes = [
        change(0, "start", "queued", "starting"),
        change(10, "ready", "starting", "running"),
        change(15, "set", "running", "running"),
        change(30, "hold", "running", "held"),
        change(90, "resume", "held", "running"),
        change(100, "pause", "running", "pausing"),
        change(101, "yielded", "pausing", "paused"),
        change(500, "ready", "starting", "running"),
    ]
    assert compare.trained_seconds(changes, 507.0) == 20.0 + 10.0 + 7.0
    assert compare.trained_seconds(changes[:4], 507.0) == 20.0
    assert compare.trained_seconds(changes[:1], 507.0) is None
    again = [
        *changes,
        change(510, "done", "running", "done"),
        change(600, "restart", "done", "queued"),
    ]
    assert compare.trained_seconds(again, 700.0) is None
    assert (
        compare.trained_seconds([*again, change(650, "ready", "starting", "running")], 700.0) == 50
    )


ENTRIES = st.lists(
    st.builds(
        Entry,
        st.integers(1, 9).map(job),
        st.one_of(st.none(), st.floats()),
        seconds=st.one_of(st.none(), st.floats(0, 9)),
    ),
    max_size=8,
)


@given(ENTRIES, st.sampled_from(FIELDS), st.booleans())
def test_what_is_not_known_comes_last_however_it_is_sorted(
    entries: list[Entry], by: compare.Field, reverse: bool
) -> None:
    found = ordered(entries, by, reverse)
    assert sorted(map(id, found)) == sorted(map(id, entries))
    values = [one.value(by) for one in found]
    known = [v for v in values if isinstance(v, str) or (v is not None and math.isfinite(v))]
    assert values[: len(known)] == sorted(known, reverse=reverse)  # type: ignore[type-var]


def test_differences_have_a_sign_and_nothing_is_made_of_nan() -> None:
    assert against(0.5, 0.25) == "+0.250"
    assert against(0.25, 0.5) == "-0.250"
    assert against(0.5, 0.5) == "="
    assert (against(None, 0.5), against(math.nan, 0.5), against(0.5, math.inf)) == ("", "", "")


def test_the_baseline_has_no_difference_to_itself() -> None:
    base, other = Entry(job(1), final=0.5), Entry(job(2), final=0.25)
    assert cells(base, "loss", base).final_off == ""
    assert cells(other, "loss", base).final_off == "-0.250"
    assert cells(other, "loss").final_off == ""


def test_memory_is_told_in_gibibytes() -> None:
    base, other = Entry(job(1), final=float(1 << 30)), Entry(job(2), final=3.0 * (1 << 30))
    told = cells(other, "gpu_memory", base)
    assert (told.final, told.final_off) == ("3.000", "+2.000")


def test_names_and_values_can_steer_no_terminal() -> None:
    hostile = "a\x1b[2J\u202eb"
    shown = cells(Entry(job(1, name=hostile)), "loss").name + compare.value_text([hostile])
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_a_curve_that_is_compared_has_no_spread() -> None:
    columns = [column(1, 0.5, minimum=0.1, maximum=9.0, smoothed=0.6), column(2, None, nonfinite=2)]
    first, second = compare.drawn("loss", columns)
    assert (first.minimum, first.maximum, first.last) == (0.6, 0.6, 0.6)
    assert (second.last, second.nonfinite) == (None, 2)
    looks = [column(1, 0.5, minimum=0.1)]
    assert compare.drawn("validation_loss", looks) is looks


def test_a_value_at_a_place_of_any_axis() -> None:
    steps = [column(10, 1.0), column(20, 2.0)]
    assert [value_at(steps, at) for at in (1, 10, 11, 20, 21)] == [1.0, 1.0, 2.0, 2.0, None]
    times = [column(10, 1.0, at=3.0), column(20, 2.0, at=60.0)]
    assert [value_at(times, at) for at in (3.0, 30.0, 61.0)] == [1.0, 2.0, None]
    assert value_at([], 1.0) is None


def test_more_runs_than_can_be_told_apart_are_refused() -> None:
    compare.check_count(compare.MOST)
    with pytest.raises(TooManyRuns, match="9 jobs, and at most 8"):
        compare.check_count(9)


def test_recipes_of_other_folders_and_of_other_versions() -> None:
    good, other = (RecipeText(recipe='name = "a"\n[data]\npath = "p"', folder=f) for f in "ab")
    broken = compare.written(RecipeText(recipe="what = is this", folder="a"))
    assert broken.recipe is None
    found = compare.differing([compare.written(good), compare.written(other), broken, None])
    assert found == [("(folder)", ("a", "b", "a", None))]
    assert compare.differing([compare.written(good), broken]) == []


# -- what is drawn -----------------------------------------------------------------------------


def test_each_of_eight_runs_looks_another_also_without_colours() -> None:
    assert len(STYLES) == compare.MOST
    assert len({style.dash for style in STYLES}) == len({style.tone for style in STYLES}) == 8
    assert sample(STYLES[0], True) != sample(STYLES[0], False)


def plotted(lines: Sequence[Line]) -> list[str]:
    rows = draw(Plot(lines, reach=Reach(100.0, 100.0)), 60, 12)
    assert rows is not None
    return ["".join(span.text for span in row) for row in rows]


def flat(value: float, **look: object) -> Line:
    return Line([column(1, value), column(100, value)], look="plain", **look)  # type: ignore[arg-type]


def test_a_line_is_dashed_thick_and_named_at_its_end() -> None:
    plain = plotted([flat(1.0), flat(2.0)])
    dashed = plotted([flat(1.0, dash=(2, 2), end="12"), flat(2.0)])
    strong = plotted([flat(1.0, thick=2), flat(2.0)])  # on the lowest row of dots
    higher = plotted([flat(2.0, thick=2), flat(1.0)])
    assert "12" in "".join(dashed[:-2])
    assert "12" not in "".join(plain[:-2])

    def dots(rows: list[str]) -> int:
        return sum(
            (ord(char) - 0x2800).bit_count() for row in rows for char in row if char > "\u2800"
            and char < "\u2900"
        )  # fmt: skip

    line = dots(plain) // 2
    assert dots(strong) == dots(higher) == 3 * line
    assert line < dots(dashed) < 1.6 * line


def test_two_lines_that_end_at_one_place_have_both_their_names() -> None:
    shown = "".join(plotted([flat(1.0, end="12"), flat(1.0, end="34"), flat(2.0)]))
    assert "12" in shown
    assert "34" in shown


def test_a_narrow_table_keeps_the_column_that_it_is_sorted_by() -> None:
    entries = [Entry(job(1), final=1.0, best=1.0, validation=1.0, seconds=9.0)]
    narrow = [one.name for one in fitting(Table(entries, field="id"), 76)]
    assert {"id", "name", "final", "validation"} <= set(narrow)
    assert "seconds" not in narrow
    assert "seconds" in [one.name for one in fitting(Table(entries, field="seconds"), 76)]
    assert len(fitting(Table(entries, values={}, baseline=entries[0]), 196)) == 16


# -- the screen --------------------------------------------------------------------------------


class Compared(FakeLink):
    """Answers for runs whose losses are flat: 1.0 for job 1, 2.0 for job 2, and so on."""

    def __init__(self, *jobs: Job) -> None:
        super().__init__(*jobs)
        self.mute = False
        self.taken: dict[int, int] = {}
        """Steps of a run, where it is not a hundred times its number."""

    def ask(self, request: AnyRequest) -> None:
        if self.mute or not isinstance(request, GetChart | GetRecipe | GetNews):
            super().ask(request)
            return
        self.asked.append(request)
        assert request.id is not None
        id = request.id
        if isinstance(request, GetChart):
            lines = {metric: self._line(id, metric, request.axis) for metric in request.metrics}
            self.post(Answered(request, Chart(lines=lines)))
        elif isinstance(request, GetRecipe):
            text = f'name = "r"\n[data]\npath = "p"\n[train]\nseed = {id}\n[sample]\n'
            text += f'prompts = ["a \\u001b[2J cat {id}"]\n'
            self.post(Answered(request, RecipeText(recipe=text, folder="/f")))
        else:
            changes = [change(0, "ready", "starting", "running")]
            changes.append(change(60.0 * id, "done", "running", "done"))
            self.post(Answered(request, Happenings(happenings=changes, head=2)))

    def _line(self, id: int, metric: Metric, axis: Axis) -> list[Column]:
        scale = {"step": None, "time": 10.0 * id, "images": 4.0}[axis]
        value = {"loss": 1.0, "validation_loss": 0.5, "images_per_second": 8.0}.get(metric)
        if value is None:
            return []
        return [
            column(step, value * id, at=None if scale is None else step * scale)
            for step in range(1, self.taken.get(id, 100 * id) + 1)
        ]


def done(id: int, **fields: object) -> Job:
    return job(id, Done(finished=1.0), progress=Progress(step=100 * id), **fields)


def linked(count: int = 3) -> Compared:
    return Compared(*(done(id, max_train_steps=100 * id) for id in range(1, count + 1)))


Act = Callable[[Pilot[int], CompareScreen], Awaitable[None]]


def opened(link: Compared, act: Act, *, size: tuple[int, int] = (120, 40), count: int = 3) -> None:
    """Mark so many jobs, compare them and do this."""

    async def go(pilot: Pilot[int]) -> None:
        await pilot.press(*["space"] * count, "c")
        await settle(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, CompareScreen)
        await act(pilot, screen)

    drive(link, go, size)


async def press(pilot: Pilot[int], *keys: str) -> str:
    for key in keys:
        await pilot.press(key)
        await settle(pilot)
    return text_of(pilot.app)  # type: ignore[arg-type]


def rows_of(screen: CompareScreen) -> list[int]:
    return [entry.job.id for entry in screen.table.table.entries]


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60), (40, 12)])
def test_it_fits_every_terminal(size: tuple[int, int]) -> None:
    text = seen(linked(8), *["space"] * 8, "c", "b", "left", size=size)
    lines = text.splitlines()
    assert len(lines) == size[1]
    assert {len(line) for line in lines} == {size[0]}
    assert "Loss" in text
    if size[0] >= 80:
        for id in range(1, 9):
            assert re.search(rf"\s{id} job-{id}\s", text), id
        assert lines[-1].strip().endswith("? all keys")


def test_two_jobs_are_needed_and_one_mark_means_the_one_under_the_cursor_too() -> None:
    assert "Mark two jobs or more" in told(linked(), "c")
    assert "Mark two jobs or more" in told(linked(), "space", "k", "c")

    async def act(pilot: Pilot[int]) -> None:
        await press(pilot, "space", "c")
        assert isinstance(pilot.app.screen, CompareScreen)
        assert rows_of(pilot.app.screen) == [1, 2]

    drive(linked(), act)


def test_nine_jobs_are_too_many() -> None:
    link = linked(9)
    assert "at most 8 can be compared" in told(link, "A", "c")
    assert not any(isinstance(request, GetChart) for request in link.asked)


def test_the_run_screen_asks_for_the_other_job() -> None:
    async def act(pilot: Pilot[int]) -> None:
        main = pilot.app.screen
        assert isinstance(main, MainScreen)
        main.queue.select(1)
        text = await press(pilot, "enter", "c")
        assert isinstance(pilot.app.screen, ChooseJob)
        assert "Compare job 1 with" in text
        choice = pilot.app.screen.query_one(OptionList)
        assert {option.id for option in choice.options} == {"2", "3"}  # 4 has taken no step
        await press(pilot, "j", "k", "j", "enter")
        assert isinstance(pilot.app.screen, CompareScreen)
        assert rows_of(pilot.app.screen) == [1, int(choice.options[1].id or 0)]
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, RunScreen)
        await press(pilot, "c", "escape")
        assert isinstance(pilot.app.screen, RunScreen)

    drive(Compared(*(done(id) for id in (1, 2, 3)), job(4, Queued())), act)


def test_a_run_alone_cannot_be_compared() -> None:
    assert "No other job has taken a step" in told(Compared(done(1)), "enter", "c")


def test_every_run_is_in_the_chart_and_the_table() -> None:
    async def act(pilot: Pilot[int], screen: CompareScreen) -> None:
        lines = screen.chart.plot.lines
        assert [line.end for line in lines] == ["1", "2", "3"]
        assert len({line.tone for line in lines}) == 3
        assert [len(line.columns) for line in lines] == [100, 200, 300]
        text = await press(pilot)
        (row,) = [line for line in text.splitlines() if "job-3" in line]
        assert re.search(r"3 job-3 .*300/300\s+3\.000\s+3\.000\s+.*1\.500\s+1\s+24\.0\s+3m00s", row)

    opened(linked(), act)


def test_the_figure_changes_there_and_back() -> None:
    async def act(pilot: Pilot[int], screen: CompareScreen) -> None:
        assert "Validation loss" in await press(pilot, "right_square_bracket")
        assert [line.look for line in screen.chart.plot.lines] == ["dots"] * 3
        assert screen.chart.plot.lines[1].columns[0].last == 1.0
        text = await press(pilot, "m")
        assert "Learning rate: no run has a value here" in text
        await press(pilot, "left_square_bracket", "left_square_bracket")
        assert screen.chart.kind is KINDS["loss"]
        assert screen.chart.plot.lines[0].columns[0].last == 1.0

    opened(linked(), act)


async def windows(pilot: Pilot[int], link: Compared, count: int) -> list[GetChart]:
    """The windows that were asked for, once the view rests."""
    for _ in range(200):
        found = [one for one in link.asked if isinstance(one, GetChart) and len(one.metrics) == 1]
        if len(found) >= count:
            break
        await pilot.pause(0.02)
    await settle(pilot)
    return found


def test_runs_are_aligned_by_step_time_and_pictures() -> None:
    link = linked()

    async def act(pilot: Pilot[int], screen: CompareScreen) -> None:
        assert screen.chart.plot.reach.last == 300.0
        await press(pilot, "t")
        found = await windows(pilot, link, 3)
        assert [(one.id, one.axis, one.first) for one in found] == [
            (id, "time", None) for id in (1, 2, 3)
        ]
        assert screen.chart.plot.reach.last == 300 * 30.0
        assert "over time" in await press(pilot)
        await press(pilot, "t")
        assert {one.axis for one in (await windows(pilot, link, 6))[3:]} == {"images"}
        assert screen.chart.plot.reach.last == 300 * 4.0
        await press(pilot, "t")
        assert screen.chart.plot.view.axis == "step"
        assert screen.chart.plot.reach.last == 300.0

    opened(link, act)


def test_the_cursor_tells_every_runs_value_at_its_place() -> None:
    async def act(pilot: Pilot[int], screen: CompareScreen) -> None:
        text = await press(pilot, *["left"] * 8)
        at = screen.chart.plot.at
        assert at is not None
        assert 200 < at < 300
        assert f"at step {at:.0f}" in text
        assert screen.table.table.values == {3: 3.0}
        screen.chart.action_cursor(-40)
        await settle(pilot)
        assert screen.table.table.values == {2: 2.0, 3: 3.0}
        screen.chart.action_cursor(-50)
        await settle(pilot)
        assert screen.table.table.values == {1: 1.0, 2: 2.0, 3: 3.0}
        screen.chart.action_cursor(200)
        await press(pilot, "right", "right")
        assert screen.chart.plot.at is None
        assert screen.table.table.values is None

    opened(linked(), act)


def test_the_cursor_goes_when_the_axis_is_another() -> None:
    async def act(pilot: Pilot[int], screen: CompareScreen) -> None:
        await press(pilot, "left", "t")
        assert screen.chart.plot.at is None

    opened(linked(), act)


def test_zooming_asks_for_a_finer_window_of_each_run() -> None:
    link = linked()

    async def act(pilot: Pilot[int], screen: CompareScreen) -> None:
        await press(pilot, "plus")
        found = await windows(pilot, link, 3)
        assert {(one.first, one.last) for one in found} == {(150.0, 300.0)}
        await press(pilot, "h")
        assert screen.chart.plot.view.first == 112.5
        await press(pilot, "0", "y", "g")
        assert screen.chart.plot.view.whole
        assert screen.chart.plot.log
        assert screen.chart.plot.grid

    opened(link, act)


def test_the_charts_keys_work_from_the_tables_too() -> None:
    async def act(pilot: Pilot[int], screen: CompareScreen) -> None:
        await press(pilot, "tab")
        assert screen.table.has_focus
        await press(pilot, "left", "plus", "y")
        assert screen.chart.plot.at is not None
        assert not screen.chart.plot.view.whole
        assert screen.chart.plot.log

    opened(linked(), act)


def test_the_baseline_is_pinned_and_taken_away() -> None:
    async def act(pilot: Pilot[int], screen: CompareScreen) -> None:
        text = await press(pilot, "j", "b")
        first = screen.chart.plot.lines[0]
        assert (first.end, first.thick, first.dash) == ("2", 2, ())
        assert "± to job 2" in text
        (row,) = [line for line in text.splitlines() if "job-1" in line]
        assert "-1.000" in row
        (row,) = [line for line in text.splitlines() if "job-3" in line]
        assert "+1.000" in row
        text = await press(pilot, "b")
        assert {line.thick for line in screen.chart.plot.lines} == {1}
        assert "± to" not in text

    opened(linked(), act)


def test_rows_are_sorted_by_each_column_both_ways() -> None:
    async def act(pilot: Pilot[int], screen: CompareScreen) -> None:
        assert rows_of(screen) == [1, 2, 3]
        await press(pilot, "r")
        assert rows_of(screen) == [3, 2, 1]
        for name in FIELDS[1:]:
            await press(pilot, "greater_than_sign")
            assert screen.table.table.field == name
        await press(pilot, "greater_than_sign", "less_than_sign")
        assert screen.table.table.field == "seconds"
        assert "trained↓" in await press(pilot)
        await press(pilot, "r")
        assert rows_of(screen) == [1, 2, 3]

    opened(linked(), act)


def test_the_cursor_stays_on_its_run_when_the_order_changes() -> None:
    async def act(pilot: Pilot[int], screen: CompareScreen) -> None:
        await press(pilot, "r", "k")
        assert screen.table.table.chosen == 2
        await press(pilot, "k", "k")
        assert screen.table.table.chosen == 3
        await pilot.click("#runs", offset=(12, 4))
        await settle(pilot)
        assert screen.table.table.chosen == 1

    opened(linked(), act)


def test_the_recipes_show_only_what_differs_and_cannot_steer_the_terminal() -> None:
    async def act(pilot: Pilot[int], screen: CompareScreen) -> None:
        text = await press(pilot)
        assert "train.seed" in text
        assert "sample.prompts" in text
        assert "lora.rank" not in text
        assert "\x1b" not in text
        assert "\\u001b" in text

    opened(linked(), act)


def test_the_recipes_columns_are_in_the_order_of_the_runs() -> None:
    async def act(pilot: Pilot[int], screen: CompareScreen) -> None:
        for key, wanted in (("r", ["3", "2", "1"]), ("r", ["1", "2", "3"])):
            text = await press(pilot, key)
            assert [str(id) for id in rows_of(screen)] == wanted
            (line,) = [line for line in text.splitlines() if "train.seed" in line]
            assert line.split()[1:] == wanted

    opened(linked(), act)


def test_on_a_small_terminal_tab_shows_the_recipes_in_place_of_the_runs() -> None:
    async def act(pilot: Pilot[int], screen: CompareScreen) -> None:
        text = await press(pilot)
        assert "train.seed" not in text
        text = await press(pilot, "tab", "tab")
        assert screen.differences.has_focus
        assert "train.seed" in text
        assert "job-1" not in text
        text = await press(pilot, "shift+tab")
        assert "job-1" in text
        await press(pilot, "shift+tab")
        assert screen.chart.has_focus

    opened(linked(), act, size=(80, 24))


def test_where_not_all_runs_fit_the_recipes_go_aside() -> None:
    async def act(pilot: Pilot[int], screen: CompareScreen) -> None:
        text = await press(pilot, "tab", "tab")
        assert "4 of 8 runs" in text
        assert "cat 1" not in text  # long values are cut
        (line,) = [line for line in text.splitlines() if "train.seed" in line]
        assert line.split()[1:] == ["1", "2", "3", "4"]
        text = await press(pilot, *["right"] * 9)
        (line,) = [line for line in text.splitlines() if "train.seed" in line]
        assert line.split()[1:] == ["5", "6", "7", "8"]
        text = await press(pilot, "left")
        (line,) = [line for line in text.splitlines() if "train.seed" in line]
        assert line.split()[1:] == ["4", "5", "6", "7"]
        await press(pilot, "j", "pagedown", "k", "pageup")

    opened(linked(8), act, size=(80, 24), count=8)


def test_a_run_that_goes_on_is_asked_for_again_and_the_others_are_not() -> None:
    link = Compared(job(1, progress=Progress(step=100)), done(2))

    async def act(pilot: Pilot[int], screen: CompareScreen) -> None:
        link.asked.clear()
        screen._go_on()
        assert link.asked == []
        link.taken[1] = 140
        link.hear("queue/", JobChanged(job=job(1, progress=Progress(step=140))))
        await settle(pilot)
        screen._go_on()
        await settle(pilot)
        assert {one.id for one in link.asked if isinstance(one, GetChart)} == {1}
        assert len(screen.chart.plot.lines[0].columns) == 140

    opened(link, act, count=2)


def test_nothing_is_asked_for_twice_while_it_is_under_way() -> None:
    link = Compared(job(1, progress=Progress(step=100)), done(2))
    link.mute = True

    async def act(pilot: Pilot[int], screen: CompareScreen) -> None:
        count = len(link.asked)
        link.hear("queue/", JobChanged(job=job(1, progress=Progress(step=140))))
        await settle(pilot)
        screen._go_on()
        assert len(link.asked) == count

    opened(link, act, count=2)


def test_time_trained_is_reckoned_by_the_clock_of_the_box() -> None:
    link = linked(2)

    async def act(pilot: Pilot[int], screen: CompareScreen) -> None:
        screen._runs[1].changes = [change(0, "ready", "starting", "running")]
        link.seen = 100.0
        assert next(one.seconds for one in screen._entries() if one.job.id == 1) == 100.0

    opened(link, act, count=2)


def test_an_answer_for_another_figure_comes_too_late() -> None:
    link = linked(2)

    async def act(pilot: Pilot[int], screen: CompareScreen) -> None:
        link.mute = True
        await press(pilot, "m")
        late = [one for one in link.asked if isinstance(one, GetChart)][-1]
        assert late.metrics[0] == "validation_loss"
        link.mute = False
        await press(pilot, "left_square_bracket")
        lines = {"validation_loss": [column(1, 77.0)]}
        link.post(Answered(late, Chart(lines=lines)))
        await settle(pilot)
        assert [line.columns[0].last for line in screen.chart.plot.lines] == [1.0, 2.0]

    opened(link, act, count=2)


def test_a_run_that_is_removed_stays_with_what_was_known() -> None:
    link = linked(2)

    async def act(pilot: Pilot[int], screen: CompareScreen) -> None:
        link.hear("queue/", JobRemoved(id=2))
        await settle(pilot)
        text = await press(pilot)
        (row,) = [line for line in text.splitlines() if "job-2" in line]
        assert "removed" in row
        assert "2.000" in row

    opened(link, act, count=2)


def test_a_refusal_is_not_told_and_a_recipe_that_nobody_knows_is_a_question_mark() -> None:
    link = Compared(done(1), done(2))
    link.mute = True
    for kind in (GetChart, GetRecipe, GetNews):
        link.answers[kind] = "It cannot be."

    async def act(pilot: Pilot[int], screen: CompareScreen) -> None:
        assert not pilot.app._notifications
        assert "no run has a value here" in await press(pilot)

    opened(link, act, count=2)


def test_escape_leads_back_to_the_queue_with_its_marks() -> None:
    async def act(pilot: Pilot[int], screen: CompareScreen) -> None:
        await press(pilot, "escape")
        main = pilot.app.screen
        assert isinstance(main, MainScreen)
        assert len(main.queue.marked) == 3

    opened(linked(), act)
