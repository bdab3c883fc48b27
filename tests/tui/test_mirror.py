"""The reducer: what events make of the mirror, and what they show to be missing."""

from __future__ import annotations

import math

import pytest
from msgspec.structs import replace
from tui.fakes import DAEMON, HOST, at_step, column, job, picture, point, status

from lorad.shared.jobs import Done, Failed, Group, Paused, Queued, Stashed, Turn
from lorad.shared.messages import (
    Beat,
    Chart,
    GroupsChanged,
    JobChanged,
    JobRemoved,
    Log,
    LogAppended,
    MachineSampled,
    Note,
    NoteAdded,
    PointsAdded,
    SampleDrawn,
    TurnsChanged,
    Validation,
    ValidationAdded,
)
from lorad.tui import curve, mirror
from lorad.tui.curve import Curve, add_value, condense
from lorad.tui.mirror import Absence, Mirror, Needs, apply, in_order, waiting

METRICS, SAMPLES, LOG = "job/1/metrics/", "job/1/samples/", "job/1/log/"
NOTES = "job/1/notes/"


def watching(steps: int = 0) -> Mirror:
    """A mirror with job 1 selected and some of its steps."""
    seen = mirror.with_status(Mirror(), status(at_step(1, steps), job(2, Queued())))
    seen = mirror.with_selected(seen, 1)
    columns = [column(step) for step in range(1, steps + 1)]
    return mirror.with_chart(seen, 1, Chart(lines={"loss": columns}))


def drawn(seen: Mirror) -> Curve:
    assert seen.detail is not None
    return seen.detail.curve("loss")


def test_points_go_on_where_the_chart_ends() -> None:
    seen, needs = apply(watching(3), METRICS, 1, PointsAdded(id=1, points=[point(4), point(5)]))
    assert [c.step for c in drawn(seen).columns] == [1, 2, 3, 4, 5]
    assert seen.detail is not None
    assert seen.detail.newest == point(5)
    assert not needs


def look(step: int) -> Validation:
    return Validation(step=step, loss=0.5, best=True)


def note(step: int) -> Note:
    return Note(step=step, kind="plan", text=f"at {step}", time=1.0)


def test_looks_and_notes_are_kept() -> None:
    lines = {"loss": [column(3)], "validation_loss": [column(2)]}
    seen = mirror.with_chart(watching(3), 1, Chart(lines=lines))
    seen = mirror.with_notes(seen, 1, [note(2)])
    seen, _ = apply(seen, METRICS, 1, ValidationAdded(id=1, validation=look(3)))
    seen, _ = apply(seen, NOTES, 1, NoteAdded(id=1, note=note(3)))
    seen, _ = apply(seen, NOTES, 2, NoteAdded(id=2, note=note(4)))  # another job's
    assert seen.detail is not None
    assert [c.step for c in seen.detail.curve("validation_loss").columns] == [2, 3]
    assert seen.detail.notes == (note(2), note(3))
    for step in range(2 * mirror.NOTES):
        seen, _ = apply(seen, NOTES, 3 + step, NoteAdded(id=1, note=note(step)))
    assert seen.detail is not None
    assert len(seen.detail.notes) == mirror.NOTES
    assert seen.detail.notes[-1] == note(2 * mirror.NOTES - 1)


def test_a_note_that_a_refill_brought_is_not_told_twice() -> None:
    seen = mirror.with_notes(watching(3), 1, [note(2), note(3)])
    again = Note(step=3, kind="plan", text="at 3", time=2.0)
    seen, _ = apply(seen, NOTES, 1, NoteAdded(id=1, note=again))
    assert seen.detail is not None
    assert seen.detail.notes == (note(2), note(3))


def test_a_lost_look_or_note_is_asked_for() -> None:
    seen, _ = apply(watching(3), NOTES, 1, NoteAdded(id=1, note=note(1)))
    seen, _ = apply(seen, METRICS, 1, ValidationAdded(id=1, validation=look(1)))
    _, needs = apply(seen, NOTES, 3, NoteAdded(id=1, note=note(3)))
    assert needs == Needs(notes=True)
    _, needs = apply(seen, METRICS, 3, ValidationAdded(id=1, validation=look(3)))
    assert needs == Needs(points_after=3)
    _, needs = apply(seen, "daemon/", 1, Beat(heads={NOTES: 2}))
    assert needs == Needs(notes=True)


def test_a_gap_in_the_steps_is_asked_for_from_where_it_begins() -> None:
    seen, needs = apply(watching(3), METRICS, 1, PointsAdded(id=1, points=[point(7)]))
    assert needs == Needs(points_after=3)
    assert drawn(seen).last_step == 3
    seen = mirror.with_points(seen, 1, [point(step) for step in range(4, 8)])
    assert drawn(seen).last_step == 7


def test_a_gap_in_the_numbers_shows_even_where_the_steps_hide_it() -> None:
    seen, _ = apply(watching(3), METRICS, 5, PointsAdded(id=1, points=[point(4)]))
    _, needs = apply(seen, METRICS, 7, PointsAdded(id=1, points=[point(5)]))
    assert needs == Needs(points_after=4)


def test_an_event_that_the_snapshot_holds_already_is_dropped() -> None:
    seen, _ = apply(watching(3), METRICS, 5, PointsAdded(id=1, points=[point(4)]))
    again, needs = apply(seen, METRICS, 5, PointsAdded(id=1, points=[point(9)]))
    assert again is seen
    assert not needs


def test_steps_taken_twice_replace_the_first_time() -> None:
    points = [point(6, 0.9), point(7, 0.9)]
    seen, needs = apply(watching(10), METRICS, 1, PointsAdded(id=1, points=points))
    assert [c.step for c in drawn(seen).columns] == [1, 2, 3, 4, 5, 6, 7]
    assert drawn(seen).columns[-1].last == 0.9
    assert not needs


def test_a_wide_column_that_reaches_over_the_place_keeps_its_extremes() -> None:
    wide = [column(10), column(20, 0.5, maximum=9.0)]
    again = add_value(Curve(tuple(wide)), 15, 0.2)
    assert [(c.step, c.maximum) for c in again.columns] == [(10, 0.5), (14, 9.0), (15, 0.2)]


def test_a_job_that_starts_from_the_first_step_is_cleared_and_asked_for() -> None:
    seen, _ = apply(watching(9), SAMPLES, 1, SampleDrawn(id=1, picture=picture(5)))
    seen, needs = apply(seen, "queue/", 1, JobChanged(job=job(1, Queued()), cause="restart"))
    assert drawn(seen).columns == ()
    assert seen.detail is not None
    assert not seen.detail.samples
    assert needs == mirror.EVERYTHING


def test_mere_progress_clears_nothing() -> None:
    seen, needs = apply(watching(9), "queue/", 1, JobChanged(job=at_step(1, 10)))
    assert drawn(seen).last_step == 9
    assert seen.jobs[1].progress.step == 10
    assert not needs


def test_a_loss_that_is_not_finite_is_a_gap_with_a_mark() -> None:
    seen, _ = apply(watching(2), METRICS, 1, PointsAdded(id=1, points=[point(3, math.nan)]))
    bad = drawn(seen).columns[-1]
    assert (bad.step, bad.last, bad.nonfinite) == (3, None, 1)
    seen, _ = apply(seen, METRICS, 2, PointsAdded(id=1, points=[point(4, 0.7)]))
    assert drawn(seen).columns[-1].last == 0.7
    assert drawn(seen).columns[-1].smoothed is not None


def test_the_curve_stays_bounded_and_keeps_every_spike() -> None:
    grown = Curve()
    for step in range(1, 5 * curve.CURVE_COLUMNS):
        grown = add_value(grown, step, 50.0 if step == 77 else 0.5)
    assert len(grown.columns) <= 2 * curve.CURVE_COLUMNS
    assert max(c.maximum or 0 for c in grown.columns) == 50.0
    assert grown.last_step == 5 * curve.CURVE_COLUMNS - 1


def test_condensed_columns_count_what_is_not_finite() -> None:
    merged = condense([column(1), column(2, None, nonfinite=1), column(3, 0.9)], 1)
    assert [(c.step, c.minimum, c.maximum, c.last, c.nonfinite) for c in merged] == [
        (3, 0.5, 0.9, 0.9, 1)
    ]


def test_the_log_goes_on_and_a_hole_in_it_is_asked_for() -> None:
    seen = mirror.with_log(watching(), 1, Log(offset=0, next=6, text="one\ntw"))
    seen, needs = apply(seen, LOG, 1, LogAppended(id=1, offset=6, next=8, text="o\n"))
    assert seen.detail is not None
    assert seen.detail.log.shown() == ("one", "two")
    assert not needs
    _, needs = apply(seen, LOG, 2, LogAppended(id=1, offset=20, next=24, text="far\n"))
    assert needs == Needs(log_from=8)


def test_a_piece_of_the_log_that_is_there_already_is_dropped() -> None:
    seen = mirror.with_log(watching(), 1, Log(offset=0, next=4, text="one\n"))
    seen, needs = apply(seen, LOG, 1, LogAppended(id=1, offset=0, next=4, text="one\n"))
    assert seen.detail is not None
    assert seen.detail.log.lines == ("one",)
    assert not needs


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2Jgone\n", "␛[2Jgone"),
        ("10%\r20%\r30%\n", "30%"),
        ("windows\r\n", "windows"),
        ('  File "x.py"\n', '  File "x.py"'),
    ],
)
def test_log_lines_are_what_a_terminal_may_show(text: str, shown: str) -> None:
    seen = mirror.with_log(watching(), 1, Log(offset=0, next=len(text), text=text))
    assert seen.detail is not None
    assert seen.detail.log.lines == (shown,)


def test_the_log_is_bounded() -> None:
    text = "".join(f"{n}\n" for n in range(mirror.LOG_LINES + 5))
    seen = mirror.with_log(watching(), 1, Log(offset=0, next=len(text), text=text))
    assert seen.detail is not None
    assert len(seen.detail.log.lines) == mirror.LOG_LINES
    assert seen.detail.log.lines[0] == "5"


def test_pictures_are_kept_by_step_and_prompt() -> None:
    seen = mirror.with_samples(watching(), 1, [picture(0, 0), picture(0, 1), picture(5, 1)])
    seen, _ = apply(seen, SAMPLES, 1, SampleDrawn(id=1, picture=picture(5, 0)))
    assert seen.detail is not None
    assert seen.detail.steps() == [0, 5]
    assert [p.index for p in seen.detail.pictures(5)] == [0, 1]


def test_of_too_many_pictures_the_first_and_the_newest_stay() -> None:
    steps = mirror.PICTURES + 9
    seen = mirror.with_samples(watching(), 1, [picture(step) for step in range(steps)])
    assert seen.detail is not None
    assert len(seen.detail.samples) == mirror.PICTURES
    assert seen.detail.steps()[0] == 0
    assert seen.detail.steps()[-1] == steps - 1


def test_lost_pictures_are_asked_for() -> None:
    seen, _ = apply(watching(), SAMPLES, 1, SampleDrawn(id=1, picture=picture(0)))
    _, needs = apply(seen, SAMPLES, 3, SampleDrawn(id=1, picture=picture(9)))
    assert needs == Needs(samples=True, notes=True)  # their marks on the curves come with the notes


def test_a_lost_last_event_shows_in_the_beat() -> None:
    seen, _ = apply(watching(3), METRICS, 4, PointsAdded(id=1, points=[point(4)]))
    seen, needs = apply(seen, "daemon/", 1, Beat(heads={METRICS: 6, "job/2/log/": 9}))
    assert needs == Needs(points_after=4)
    _, needs = apply(seen, "daemon/", 2, Beat(heads={METRICS: 6}))
    assert not needs


def test_groups_come_with_the_status_and_by_themselves() -> None:
    night = Group(name="night", slots=2)
    told = replace(status(), groups=[Group(name="default"), night], draining=True)
    seen = mirror.with_status(Mirror(), told)
    assert (seen.groups, seen.draining) == ((Group(name="default"), night), True)
    seen, needs = apply(seen, "queue/", 1, GroupsChanged(groups=[night], draining=False))
    assert (seen.groups, seen.draining, needs) == ((night,), False, mirror.NOTHING)


def test_how_those_that_wait_stand_comes_by_itself() -> None:
    paused = Turn(kind="group", words="group night is paused", lasting=True)
    seen, _ = apply(watching(), "queue/", 1, JobChanged(job=job(2, Queued())))
    seen, needs = apply(seen, "queue/", 2, TurnsChanged(turns={1: paused, 2: paused, 9: paused}))
    assert {id: one.turn for id, one in seen.jobs.items()} == {1: None, 2: paused}
    assert needs == mirror.NOTHING


def test_a_hole_in_the_queue_asks_for_the_status() -> None:
    seen, _ = apply(watching(), "queue/", 4, JobChanged(job=job(2, Queued())))
    _, needs = apply(seen, "queue/", 6, JobChanged(job=job(2, Stashed())))
    assert needs == Needs(status=True)


def test_a_removed_job_is_gone() -> None:
    seen, _ = apply(watching(), "queue/", 1, JobRemoved(id=2))
    assert list(seen.jobs) == [1]


def test_gauges_are_replaced() -> None:
    seen, needs = apply(watching(), "machine/", 1, MachineSampled(gpus=[], host=HOST))
    assert seen.host == HOST
    assert not needs


def test_events_of_another_job_change_nothing_of_this_one() -> None:
    before = watching(3)
    seen, needs = apply(before, "job/2/metrics/", 1, PointsAdded(id=2, points=[point(99)]))
    assert seen.detail == before.detail
    assert not needs


def test_what_is_known_stays_with_its_age_when_nobody_answers() -> None:
    seen = mirror.gone(watching(3), 100.0, "No daemon.")
    seen = mirror.gone(seen, 200.0, "No daemon.")
    assert (seen.stale_since, drawn(seen).last_step) == (100.0, 3)
    seen = mirror.with_status(seen, status(at_step(1, 3)))
    assert seen.stale_since is None


def test_each_absence_is_kept_with_its_end() -> None:
    seen = mirror.gone(Mirror(), 50.0, "Nobody yet.")  # who never answered is not gone
    seen = mirror.with_status(seen, status(at_step(1, 3)), 60.0)
    seen = mirror.gone(seen, 100.0, "Silent.")
    seen = mirror.gone(seen, 110.0, "No daemon.", none_runs=True)
    assert (seen.none_runs, seen.absences) == (True, (Absence(100.0, "No daemon."),))
    other = replace(status(), daemon=replace(DAEMON, epoch="other"))
    seen = mirror.with_status(seen, other, 120.0)
    assert seen.absences == (Absence(100.0, "No daemon.", 120.0, other=True),)
    assert not seen.none_runs
    seen = mirror.back(mirror.gone(seen, 200.0, "Silent."), 205.0)
    assert seen.absences[1:] == (Absence(200.0, "Silent.", 205.0),)
    for at in range(300, 400):
        seen = mirror.back(mirror.gone(seen, float(at), "Silent."), at + 0.5)
    assert (len(seen.absences), seen.absences[-1].since) == (50, 399.0)


def test_both_needs_together_begin_at_the_earlier_place() -> None:
    both = Needs(points_after=7, samples=True) | Needs(points_after=3, log_from=5)
    assert both == Needs(points_after=3, samples=True, log_from=5)


def test_the_order_is_by_what_people_look_for() -> None:
    jobs = [
        job(1, Done(finished=1.0)),
        job(2, Failed(finished=2.0, reason="x")),
        job(3, Stashed()),
        job(4, Paused()),
        job(5, Queued()),
        job(6, Queued(), priority=3),
        job(7),
    ]
    assert [j.id for j in in_order(jobs)] == [7, 6, 5, 4, 3, 2, 1]
    assert waiting({j.id: j for j in jobs}) == [6, 5]


def test_a_look_taken_again_leaves_nothing_of_the_first() -> None:
    seen = watching(200)
    for step, loss in ((100, 0.9), (200, 0.8)):
        event = ValidationAdded(id=1, validation=Validation(step=step, loss=loss, best=False))
        seen, _ = apply(seen, METRICS, 0, event)
    again = ValidationAdded(id=1, validation=Validation(step=200, loss=0.7, best=True))
    seen, _ = apply(seen, METRICS, 0, again)
    assert seen.detail is not None
    looks = seen.detail.curve("validation_loss").columns
    assert [(one.step, one.last) for one in looks] == [(100, 0.9), (200, 0.7)]
