"""Steering a run and hearing of it, through the sockets and a process of its own."""

from __future__ import annotations

import math
import os
import signal
import sqlite3
from pathlib import Path

import psutil
import pytest
from support import Daemon, eventually

from lorad.shared.errors import RequestRefused
from lorad.shared.jobs import Done, Paused
from lorad.shared.messages import (
    AddJob,
    CancelJob,
    EnqueueJob,
    GetChart,
    GetMarks,
    GetMetrics,
    GetNotes,
    GetRecipe,
    GetStatus,
    JobChanged,
    MarkAdded,
    NoteAdded,
    PauseJob,
    RestartJob,
    ResumeJob,
    SampleJob,
    SetJob,
    ValidationAdded,
    WhyJob,
    job_topic,
)
from lorad.shared.recipe import parse_recipe

from .scripted import RECIPE, Make, add, said


def transitions(daemon: Daemon, job_id: int) -> list[tuple[str, str, str]]:
    with sqlite3.connect(daemon.home.database) as db:
        return db.execute(
            "SELECT event, cause, actor FROM transitions WHERE job = ? ORDER BY number", (job_id,)
        ).fetchall()


# -- changing a recipe --------------------------------------------------------------------------


def test_a_waiting_job_has_another_recipe(make: Make, tmp_path: Path) -> None:
    daemon = make()
    job = add(daemon, tmp_path, stash=True)
    client = daemon.client()
    changed = client.ask(
        SetJob(id=job.id, changes={"learning_rate": "0.25", "max_train_steps": "7"})
    )
    assert (changed.__struct_config__.tag, changed.job.max_train_steps) == ("changed", 7)
    text = client.ask(GetRecipe(id=job.id)).recipe
    assert parse_recipe(text).train.learning_rate == 0.25
    assert text.startswith('name = "a"\n[data]\npath = "p"\n[train]\n')
    event, cause, actor = transitions(daemon, job.id)[-1]
    assert (event, actor.split()[0]) == ("set", "test")
    assert cause == "train.learning_rate = 0.25, train.max_train_steps = 7"
    client.ask(SetJob(id=job.id, changes={"output.keep": "3"}))  # the earlier ones stay
    client.ask(EnqueueJob(id=job.id))
    eventually(lambda: said(job) == ["task 0.25 2"], 20)


def test_a_running_job_is_told_once(make: Make, tmp_path: Path) -> None:
    daemon = make()
    job = add(daemon, tmp_path)
    daemon.wait_step(job.id, 1)
    client = daemon.client()
    reply = client.ask(SetJob(id=job.id, changes={"learning_rate": "0.25"}))
    assert reply.__struct_config__.tag == "accepted"
    client.ask(SetJob(id=job.id, changes={"train.learning_rate": "0.25"}))  # nothing new
    client.ask(SetJob(id=job.id, changes={"train.learning_rate": "0.125"}))
    eventually(lambda: said(job)[-1:] == ["change 0.125 2"])
    assert said(job) == ["task 0.5 0", "change 0.25 1", "change 0.125 2"]
    # A resumed one has it in its task.
    client.ask(PauseJob(id=job.id))
    daemon.wait_state(job.id, "paused")
    client.ask(SetJob(id=job.id, changes={"learning_rate": "1"}))
    client.ask(ResumeJob(id=job.id))
    eventually(lambda: said(job)[-1] == "task 1.0 3")


def test_what_a_run_did_not_read_it_hears_from_the_next_daemon(make: Make, tmp_path: Path) -> None:
    daemon = make()
    job = daemon.wait_step(add(daemon, tmp_path, SAMPLE).id, 1)
    assert job.process is not None
    os.kill(job.process.pid, signal.SIGSTOP)
    daemon.client().ask(SetJob(id=job.id, changes={"learning_rate": "0.25"}))
    daemon.client().ask(SampleJob(id=job.id))
    daemon.kill()
    daemon.start()
    daemon.client().ask(SetJob(id=job.id, changes={"learning_rate": "0.125"}))
    os.kill(job.process.pid, signal.SIGCONT)
    eventually(lambda: "change 0.125 2" in said(job) and "draw 1" in said(job))
    daemon.client().ask(SetJob(id=job.id, changes={"learning_rate": "0.0625"}))
    eventually(lambda: said(job)[-1] == "change 0.0625 3")
    assert len(said(job)) == len(set(said(job))), "each of them once"


def test_a_daemon_that_comes_back_knows_the_changes(make: Make, tmp_path: Path) -> None:
    daemon = make()
    job = add(daemon, tmp_path, stash=True)
    daemon.client().ask(SetJob(id=job.id, changes={"learning_rate": "0.25"}))
    daemon.kill()
    daemon.start()
    recipe = daemon.client().ask(GetRecipe(id=job.id)).recipe
    assert parse_recipe(recipe).train.learning_rate == 0.25


@pytest.mark.parametrize(
    ("changes", "sentence", "exit_code"),
    [
        ({"learnin_rate": "1"}, "Did you mean `train.learning_rate`?", 2),
        ({"rank": "8"}, "`lora.rank` of a job cannot be changed: its adapter is made with it", 2),
        ({"learning_rate": "-1"}, "`train.learning_rate` does not fit", 2),
        ({"patience": "3"}, "nothing is held out to look at", 2),
        ({"learning_rate": "1", "seed": "1"}, "Say `sample.seed`", 2),
    ],
)
def test_what_may_not_change_changes_nothing(
    make: Make, tmp_path: Path, changes: dict[str, str], sentence: str, exit_code: int
) -> None:
    daemon = make()
    job = add(daemon, tmp_path, stash=True)
    with pytest.raises(RequestRefused) as caught:
        daemon.client().ask(SetJob(id=job.id, changes=changes))
    assert sentence in str(caught.value)
    assert caught.value.exit_code == exit_code
    assert daemon.client().ask(GetRecipe(id=job.id)).recipe == RECIPE.format(train="")
    assert [event for event, *_ in transitions(daemon, job.id)] == ["add", "refused"]


# -- pictures now -------------------------------------------------------------------------------

SAMPLE = '[sample]\nprompts = ["a cat"]'


def test_pictures_when_somebody_asks(make: Make, tmp_path: Path) -> None:
    daemon = make()
    job = add(daemon, tmp_path)
    daemon.wait_step(job.id, 1)
    client = daemon.client()
    with pytest.raises(RequestRefused, match=rf"no prompts to draw\. `lorad set {job.id} "):
        client.ask(SampleJob(id=job.id))
    client.ask(SetJob(id=job.id, changes={"sample.prompts": '["a cat"]'}))
    assert client.ask(SampleJob(id=job.id)).job.id == job.id
    client.ask(SampleJob(id=job.id))
    eventually(lambda: said(job)[-1] == "draw 2")
    assert said(job)[2:] == ["draw 1", "draw 2"]
    client.ask(PauseJob(id=job.id))
    daemon.wait_state(job.id, "paused")
    with pytest.raises(RequestRefused, match=r"is paused, so it cannot be asked for pictures\."):
        client.ask(SampleJob(id=job.id))
    client.ask(ResumeJob(id=job.id))
    eventually(lambda: len(said(job)) == 5)
    assert said(job)[-1].startswith("task"), "what was drawn already is not asked for again"


# -- what runs report ---------------------------------------------------------------------------


def test_only_the_run_knows_how_long_epochs_are(make: Make, tmp_path: Path) -> None:
    daemon = make()
    job = add(daemon, tmp_path, "num_train_epochs = 3")
    assert job.max_train_steps is None
    job = daemon.wait_step(job.id, 1)
    assert job.max_train_steps == 40
    assert job.progress.eta_seconds == 39 * 4 / 4.0
    client = daemon.client()
    assert client.ask(SetJob(id=job.id, changes={"log.project": "b"})).job.max_train_steps == 40
    longer = client.ask(SetJob(id=job.id, changes={"num_train_epochs": "4"}))
    assert longer.job.max_train_steps is None, "until the run has said it"
    assert client.ask(SetJob(id=job.id, changes={"max_train_steps": "9"})).job.max_train_steps == 9


LOOKS = """
def train(task, line, looking=None):
    line.report(ReadyReport(step=1, last_step=40))
    for step in (1, 2, 3):
        line.report(point(step))
        loss = {1: 0.5, 2: 0.25, 3: float("nan")}[step]
        line.report(ValidationReport(step=step, loss=loss, best=step < 3))
    line.report(NoteReport(step=2, kind="plan", text="It is better."))
    line.report(NoteReport(step=3, kind="nonfinite", text="The loss is NaN."))
    while line.wanted == "run":
        time.sleep(0.01)
    return "yielded"
"""


def test_looks_and_notes_are_stored_told_and_shown(make: Make, tmp_path: Path) -> None:
    daemon = make(LOOKS)
    client = daemon.client()
    watch = client.watch("queue/", job_topic(1, "metrics"), job_topic(1, "notes"))
    watch.wait_attached(60)
    job = add(daemon, tmp_path)
    job = eventually(lambda: (j := daemon.job(job.id)).progress.note == "The loss is NaN." and j)
    assert (job.progress.best_step, job.progress.validation_loss) == (2, None)
    metrics = client.ask(GetMetrics(id=job.id))
    assert [(look.step, look.best) for look in metrics.validations] == [
        (1, True), (2, True), (3, False),
    ]  # fmt: skip
    assert math.isnan(metrics.validations[-1].loss)
    assert [look.step for look in client.ask(GetMetrics(id=job.id, after=2)).validations] == [3]
    chart = client.ask(GetChart(id=job.id, width=10, metrics=["loss", "validation_loss"]))
    looks = chart.lines["validation_loss"]
    assert [(look.step, look.last) for look in looks] == [(1, 0.5), (2, 0.25), (3, None)]
    notes = client.ask(GetNotes(id=job.id)).notes
    assert [(note.step, note.kind) for note in notes] == [(2, "plan"), (3, "nonfinite")]
    assert client.ask(GetNotes(id=job.id, limit=1)).notes == notes[1:]
    assert "Its newest note: The loss is NaN." in client.ask(WhyJob(id=job.id)).sentence
    heard = []
    while (event := watch.receive(2)) and not (
        isinstance(event.event, JobChanged) and event.event.job.progress.note == job.progress.note
    ):
        heard.append(event)
    told = [(one.topic, one.event) for one in heard]
    looks = [event for _, event in told if isinstance(event, ValidationAdded)]
    assert [event.validation.step for event in looks] == [1, 2, 3]
    assert [t for t, event in told if isinstance(event, NoteAdded)] == [job_topic(1, "notes")] * 2
    watch.close()
    client.ask(CancelJob(id=job.id))
    daemon.wait_state(job.id, "cancelled")
    client.ask(RestartJob(id=job.id))
    daemon.wait_state(job.id, "running")
    eventually(lambda: len(client.ask(GetNotes(id=job.id)).notes) == 2)


ENDS = """
from lorad.shared.errors import LoradError

class Unsteady(LoradError):
    \"\"\"The loss was no number three times.\"\"\"
    pauses = True

def train(task, line, looking=None):
    line.report(ReadyReport(step=1, last_step=40), point(1))
    if task.recipe.train.learning_rate == 0.5:
        raise Unsteady
    return EndReport(outcome="done", reason="stopped early at step 1: it was enough")
"""


def test_a_run_may_pause_with_a_cause_and_be_done_with_one(make: Make, tmp_path: Path) -> None:
    daemon = make(ENDS)
    job = daemon.wait_state(add(daemon, tmp_path).id, "paused")
    assert job.status == Paused(cause="The loss was no number three times.")
    client = daemon.client()
    client.ask(SetJob(id=job.id, changes={"learning_rate": "0.25"}))
    client.ask(ResumeJob(id=job.id))
    job = daemon.wait_state(job.id, "done")
    assert isinstance(job.status, Done)
    assert job.status.cause == "stopped early at step 1: it was enough"
    assert "It stopped early at step 1" in client.ask(WhyJob(id=job.id)).sentence


# -- several cards ------------------------------------------------------------------------------

CARDS = """
def train(task, line, looking=None):
    say(task, os.environ.get("CUDA_VISIBLE_DEVICES", "none"))
    line.report(ReadyReport(step=1, last_step=40), point(1))
    while line.wanted == "run":
        time.sleep(0.01)
    return "yielded"
"""


def test_a_run_on_two_cards_has_both(make: Make, tmp_path: Path) -> None:
    daemon = make(CARDS, LORAD_FAKE_GPUS="2")
    client = daemon.client()
    small = add(daemon, tmp_path)
    daemon.wait_state(small.id, "running")
    wide = add(daemon, tmp_path, "num_processes = 2")
    behind = add(daemon, tmp_path)
    sentence = client.ask(WhyJob(id=wide.id)).sentence
    assert sentence == f"Job {wide.id} needs 2 free cards, 1 of 2 is free. It is next."
    assert daemon.job(behind.id).state == "queued"
    client.ask(CancelJob(id=small.id))
    job = daemon.wait_state(wide.id, "running")
    assert job.process is not None
    assert sorted(job.process.gpus) == ["GPU-fake-0", "GPU-fake-1"]
    assert said(job) == [",".join(job.process.gpus)]
    assert daemon.job(behind.id).state == "queued"
    client.ask(CancelJob(id=wide.id))
    daemon.wait_state(behind.id, "running")


def test_more_cards_than_there_are_are_refused_at_once(make: Make, tmp_path: Path) -> None:
    daemon = make(CARDS, LORAD_FAKE_GPUS="2")
    text = RECIPE.format(train="num_processes = 4")
    with pytest.raises(RequestRefused, match=r"wants 4 GPUs at once .* this box has 2\."):
        daemon.client().ask(AddJob(recipe=text, folder=str(tmp_path)))
    assert daemon.client().ask(GetStatus()).jobs == []
    job = add(daemon, tmp_path, "num_processes = 2\ntrain_batch_size = 4", stash=True)
    with pytest.raises(RequestRefused, match=r"wants 4 GPUs at once .* this box has 2\."):
        daemon.client().ask(SetJob(id=job.id, changes={"num_processes": "4"}))
    recipe = parse_recipe(daemon.client().ask(GetRecipe(id=job.id)).recipe)
    assert recipe.train.num_processes == 2, "nothing was changed"


TICKING = """
def train(task, line, looking=None):
    line.report(ReadyReport(step=1, last_step=40))
    step = 0
    while line.wanted == "run":
        step += 1
        line.report(point(step))
        time.sleep(0.01)
    return "yielded"
"""


def test_a_run_whose_recipe_no_lorad_reads_fails_with_its_sentence(
    make: Make, tmp_path: Path
) -> None:
    """As after an update of lorad under a run that goes on."""
    daemon = make(TICKING)
    job = add(daemon, tmp_path)
    daemon.wait_step(job.id, 1)
    daemon.client().ask(SetJob(id=job.id, changes={"learning_rate": "0.25"}))
    daemon.kill()
    with sqlite3.connect(daemon.home.database) as db:
        db.execute("UPDATE jobs SET recipe = 'x = 1'")
    db.close()
    daemon.start()
    job = daemon.wait_state(job.id, "failed")
    assert "unknown key `x`" in job.status.reason  # type: ignore[union-attr]
    text = daemon.client().ask(GetRecipe(id=job.id)).recipe
    assert text == "x = 1\n# lorad set: train.learning_rate = 0.25\n"


CHILD = """
def train(task, line, looking=None):
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    say(task, child.pid)
    line.report(ReadyReport(step=1, last_step=40), point(1))
    while line.wanted == "run":
        time.sleep(0.01)
    os._exit(9)
"""


def test_what_a_run_left_behind_while_no_daemon_was_here_is_ended(
    make: Make, tmp_path: Path
) -> None:
    daemon = make(CHILD)
    job = daemon.wait_step(add(daemon, tmp_path).id, 1)
    assert job.process is not None
    child = psutil.Process(int(said(job)[0]))
    daemon.kill()
    os.kill(job.process.pid, signal.SIGKILL)
    eventually(lambda: not psutil.pid_exists(job.process.pid))
    assert child.is_running()
    daemon.start()
    eventually(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


@pytest.mark.parametrize("adopted", [False, True])
def test_what_a_run_left_behind_is_ended(make: Make, tmp_path: Path, adopted: bool) -> None:
    daemon = make(CHILD)
    job = daemon.wait_step(add(daemon, tmp_path).id, 1)
    if adopted:
        daemon.kill()
        daemon.start()
    child = psutil.Process(int(said(job)[0]))
    assert child.is_running()
    daemon.client().ask(PauseJob(id=job.id))
    daemon.wait_state(job.id, "paused")
    eventually(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_what_happens_is_marked_on_the_curves_and_the_cards_are_kept_by_step(
    make: Make, tmp_path: Path
) -> None:
    daemon = make(MARKED, LORAD_FAKE_GPUS="1")
    client = daemon.client()
    watch = client.watch(job_topic(1, "notes"))
    watch.wait_attached(60)
    job = add(daemon, tmp_path)
    eventually(lambda: client.ask(GetMarks(id=job.id)).marks)
    assert client.ask(GetChart(id=job.id, width=9)).lines["loss"][-1].step == 2
    client.ask(PauseJob(id=job.id))
    daemon.wait_state(job.id, "paused")
    client.ask(ResumeJob(id=job.id))
    daemon.wait_state(job.id, "running")
    marks = eventually(lambda: len(m := client.ask(GetMarks(id=job.id)).marks) >= 4 and m)
    assert [(mark.step, mark.kind) for mark in marks] == [
        (2, "nonfinite"), (2, "paused"), (2, "resumed"), (2, "saved"),
    ]  # fmt: skip
    told = [event.event for _ in range(5) if (event := watch.receive(2))]
    kinds = [event.mark.kind for event in told if isinstance(event, MarkAdded)]
    assert kinds[:3] == ["saved", "paused", "resumed"]
    watch.close()
    request = GetChart(id=job.id, width=9, metrics=["loss", "gpu_power", "validation_loss"])
    lines = eventually(lambda: len((n := client.ask(request).lines)["loss"]) == 4 and n)
    assert [column.step for column in lines["loss"]] == [1, 2, 3, 4], "they grow while one looks"
    assert lines["gpu_power"][0].last == 20.0
    assert "validation_loss" not in lines
    zoomed = client.ask(GetChart(id=job.id, width=9, first=2.0, last=3.0)).lines["loss"]
    assert [column.step for column in zoomed] == [2, 3]
    client.ask(CancelJob(id=job.id))
    daemon.wait_state(job.id, "cancelled")
    client.ask(RestartJob(id=job.id))
    assert not client.ask(GetMarks(id=job.id)).marks
    assert not client.ask(request).lines


MARKED = """
def train(task, line, looking=None):
    again = pathlib.Path(task.folder) / "again"
    begin = 1 if task.fresh else 3
    line.report(ReadyReport(step=begin, last_step=40))
    if not (task.fresh and again.exists()):
        line.report(point(begin), point(begin + 1))
        if task.fresh:
            line.report(SavedReport(step=2))
            line.report(NoteReport(step=2, kind="nonfinite", text="The loss is NaN."))
        again.touch()
    while line.wanted == "run":
        time.sleep(0.01)
    return EndReport(outcome="yielded")
"""
