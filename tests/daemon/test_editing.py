"""Changes of the queue: several as one, taken back, copied, and remembered with who and when."""

from __future__ import annotations

import getpass
import os
import socket
import sqlite3
from pathlib import Path

import pytest
from support import Daemon, eventually

from lorad.shared.client import Client
from lorad.shared.errors import RequestRefused
from lorad.shared.jobs import Job
from lorad.shared.messages import (
    AddJob,
    AnyRequest,
    Batch,
    CancelJob,
    CopyJob,
    EnqueueJob,
    GetNews,
    GetRecipe,
    GetStatus,
    GetUndo,
    HoldJob,
    JobRemoved,
    MoveJob,
    PauseJob,
    RemoveJob,
    ResumeJob,
    SetJob,
    SetPriority,
    StashJob,
    Undo,
)
from lorad.shared.recipe import parse_recipe

from .scripted import RECIPE, Make, add, said

FAR = """
def train(task, line, looking=None):
    line.report(ReadyReport(step=1, last_step=40), *(point(step) for step in range(1, 31)))
    told = False
    while line.wanted == "run":
        for order in line.orders():
            say(task, "length", order.recipe.train.max_train_steps)
        if (pathlib.Path(task.folder) / "go").exists() and not told:
            told = True
            line.report(*(point(step) for step in range(31, 61)))
        time.sleep(0.01)
    return "yielded"
"""
"""Takes half of its steps when a file says so."""


def stashed(daemon: Daemon, folder: Path, count: int) -> list[Job]:
    return [add(daemon, folder, stash=True) for _ in range(count)]


def queued(daemon: Daemon, folder: Path, count: int) -> list[int]:
    """Jobs that wait behind one that trains for ever."""
    daemon.wait_step(add(daemon, folder).id, 1)
    return [add(daemon, folder).id for _ in range(count)]


def queue(client: Client) -> list[tuple[int, str, int, float]]:
    return [(j.id, j.state, j.priority, j.position) for j in client.ask(GetStatus()).jobs]


def refused(client: Client, request: AnyRequest) -> str:
    with pytest.raises(RequestRefused) as caught:
        client.ask(request)
    return str(caught.value)


# -- several as one -----------------------------------------------------------------------------


def test_several_changes_are_made_together(make: Make, tmp_path: Path) -> None:
    daemon = make()
    jobs = stashed(daemon, tmp_path, 3)
    client = daemon.client()
    requests = [CancelJob(id=jobs[0].id), SetPriority(id=jobs[1].id, priority=3)]
    replies = client.ask(Batch(requests=[*requests, RemoveJob(id=jobs[2].id)])).replies
    assert [reply.__struct_config__.tag for reply in replies] == ["changed", "changed", "removed"]
    assert [state for _, state, *_ in queue(client)] == ["stashed", "cancelled"]


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (EnqueueJob(id=99), "There is no job 99."),
        (PauseJob(id=2), "Job 2 is stashed, so it cannot be paused."),
        (SetJob(id=2, changes={"rank": "8"}), "Job 2: `lora.rank` of a job cannot be changed"),
        (AddJob(recipe="x = 1", folder="/tmp"), "The recipe has an unknown key `x`."),
    ],
)
def test_one_refusal_takes_all_back(
    make: Make, tmp_path: Path, bad: AnyRequest, sentence: str
) -> None:
    daemon = make()
    jobs = stashed(daemon, tmp_path, 2)
    client = daemon.client()
    before, lines = queue(client), client.ask(GetNews()).happenings
    new = AddJob(recipe=RECIPE.format(train=""), folder=str(tmp_path), stash=True)
    changes = SetJob(id=jobs[0].id, changes={"learning_rate": "0.25"})
    why = refused(client, Batch(requests=[new, changes, changes, bad]))
    assert why.startswith(sentence)
    assert why.endswith("None of the 4 changes was made.")
    assert queue(client) == before
    assert len(list((tmp_path / "output").iterdir())) == 2, "nor is a folder left behind"
    # What was read of a recipe meanwhile is forgotten, too: it has 0.5 already.
    client.ask(SetJob(id=jobs[0].id, changes={"learning_rate": "0.5"}))
    *told, refused_line = client.ask(GetNews()).happenings
    assert told == lines
    assert refused_line.event == "refused"


# -- who and when -------------------------------------------------------------------------------


def test_history_says_who_did_what(make: Make, tmp_path: Path) -> None:
    daemon = make()
    first, second = stashed(daemon, tmp_path, 2)
    client = daemon.client()
    client.ask(SetJob(id=first.id, changes={"learning_rate": "0.25"}))
    client.ask(RemoveJob(id=second.id))
    changes = client.ask(GetNews()).happenings
    assert [(c.id, c.name, c.event, c.before, c.after) for c in changes] == [
        (1, "a", "add", "", "stashed"),
        (2, "a", "add", "", "stashed"),
        (1, "a", "set", "stashed", "stashed"),
        (2, "a", "rm", "stashed", ""),
    ]
    assert changes[2].text == "train.learning_rate = 0.25"
    who = f"test {getpass.getuser()}@{socket.gethostname()}:{os.getpid()}"
    assert {c.actor for c in changes} == {who}
    assert [c.time for c in changes] == sorted(c.time for c in changes)
    assert client.ask(GetNews(id=first.id, limit=1, newest=True)).happenings == [changes[2]]
    assert client.ask(GetNews(id=second.id)).happenings == [changes[1], changes[3]]
    assert refused(client, GetNews(id=99)).startswith("There is no job 99.")


# -- taking back --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "said_"),
    [
        (MoveJob(id=4, to=1), "job 4 (a) was moved"),
        (SetPriority(id=3, priority=5), "job 3 (a) was given another priority"),
        (StashJob(id=2), "job 2 (a) was stashed"),
        (CancelJob(id=2), "job 2 (a) was cancelled"),
        (RemoveJob(id=3), "job 3 (a) was removed"),
        (
            Batch(requests=[StashJob(id=2), RemoveJob(id=4), StashJob(id=3)]),
            "jobs 2 (a) and 3 (a) were stashed, job 4 (a) was removed",
        ),
    ],
)
def test_the_queue_is_as_it_was(
    make: Make, tmp_path: Path, request_: AnyRequest, said_: str
) -> None:
    daemon = make()
    queued(daemon, tmp_path, 3)
    client = daemon.client()
    before = queue(client)
    client.ask(request_)
    assert queue(client) != before
    daemon.kill()  # it is kept on the disk
    daemon.start()
    client = daemon.client()
    told = client.ask(GetUndo())
    assert (told.said, told.actor.split()[0]) == (said_, "test")
    assert client.ask(Undo(number=told.number)).said == said_
    assert queue(client) == before
    assert client.ask(GetNews()).happenings[-1].event == "undo"
    assert "changed meanwhile" in refused(client, Undo(number=told.number))


def test_a_recipe_is_as_it_was(make: Make, tmp_path: Path) -> None:
    daemon = make()
    (job,) = stashed(daemon, tmp_path, 1)
    client = daemon.client()
    client.ask(SetJob(id=job.id, changes={"learning_rate": "0.25", "max_train_steps": "7"}))
    client.ask(SetJob(id=job.id, changes={"learning_rate": "0.125"}))
    rates = []
    for _ in range(2):
        client.ask(Undo())
        rates.append(parse_recipe(client.ask(GetRecipe(id=job.id)).recipe).train.learning_rate)
    assert rates == [0.25, 0.5]
    assert daemon.job(job.id) == job
    client.ask(EnqueueJob(id=job.id))
    eventually(lambda: said(job) == ["task 0.5 4"], 20)


def test_what_was_added_goes_with_its_folder(make: Make, tmp_path: Path) -> None:
    daemon = make()
    (job,) = stashed(daemon, tmp_path, 1)
    client = daemon.client()
    watch = client.watch("queue/")
    watch.wait_attached(60)
    assert client.ask(Undo()).jobs == []
    assert queue(client) == []
    eventually(lambda: (e := watch.receive(1)) and e.event == JobRemoved(id=job.id))
    watch.close()
    assert not Path(job.folder).exists()
    assert refused(client, Undo()).startswith("There is nothing to undo.")


def test_what_ran_meanwhile_is_refused_and_what_was_before_it_is_next(
    make: Make, tmp_path: Path
) -> None:
    daemon = make()
    (waiting,) = stashed(daemon, tmp_path, 1)
    client = daemon.client()
    client.ask(SetPriority(id=waiting.id, priority=2))
    job = daemon.wait_step(add(daemon, tmp_path).id, 1)
    for _ in range(2):  # the answer was lost on the way, so it is asked again
        with pytest.raises(RequestRefused) as caught:
            client.ask(Undo(), command_id="this one")
        assert str(caught.value) == (
            f"It cannot be undone any more that job {job.id} (a) was added: job {job.id} was"
            " started since. `lorad undo` again takes back what was done before it."
        )
    assert client.ask(Undo()).said == f"job {waiting.id} (a) was given another priority"
    client.ask(PauseJob(id=job.id))
    daemon.wait_state(job.id, "paused")
    client.ask(SetJob(id=job.id, changes={"learning_rate": "0.25"}))
    client.ask(ResumeJob(id=job.id))
    daemon.wait_state(job.id, "running")
    why = f"that job {job.id} (a) was resumed: job {job.id} was started since."
    assert why in refused(client, Undo())
    assert client.ask(Undo()).said == f"job {job.id} (a) was changed", "a run takes that too"


def test_a_recipe_is_as_it_was_also_of_a_job_that_runs(make: Make, tmp_path: Path) -> None:
    daemon = make()
    job = daemon.wait_step(add(daemon, tmp_path, "max_train_steps = 40").id, 1)
    client = daemon.client()
    client.ask(
        Batch(
            requests=[
                SetJob(id=job.id, changes={"learning_rate": "0.25"}),
                HoldJob(id=job.id),  # is no edit of one that runs: nothing of it is taken back
                ResumeJob(id=job.id),
                HoldJob(id=job.id),
            ]
        )
    )
    eventually(lambda: "change 0.25 1" in said(job), 20)
    assert client.ask(GetUndo()).said == f"job {job.id} (a) was changed"
    assert [one.state for one in client.ask(Undo()).jobs] == ["held"]
    eventually(lambda: "change 0.5 2" in said(job), 20)
    assert daemon.job(job.id).state == "held"
    client.ask(SetJob(id=job.id, changes={"learning_rate": "0.125"}))
    client.ask(CancelJob(id=job.id))
    daemon.wait_state(job.id, "cancelled")
    assert f"job {job.id} ended since: it is cancelled." in refused(client, Undo())
    recipe = parse_recipe(client.ask(GetRecipe(id=job.id)).recipe)
    assert recipe.train.learning_rate == 0.125


def test_a_run_is_not_ended_by_taking_back_its_length(make: Make, tmp_path: Path) -> None:
    daemon = make(FAR)
    job = daemon.wait_step(add(daemon, tmp_path, "max_train_steps = 40").id, 30)
    client = daemon.client()
    client.ask(SetJob(id=job.id, changes={"max_train_steps": "90"}))
    eventually(lambda: "length 90" in said(job), 20)
    (Path(job.folder) / "go").touch()
    daemon.wait_step(job.id, 60)
    assert f"job {job.id} is at step 60, past the 40 that it had." in refused(client, Undo())
    assert daemon.job(job.id).max_train_steps == 90


def test_many_that_were_added_at_once_go_in_one_line(make: Make, tmp_path: Path) -> None:
    daemon = make()
    (job,) = stashed(daemon, tmp_path, 1)
    client = daemon.client()
    copies = [CopyJob(id=job.id, stash=True, name=f"b{n}") for n in range(6)]
    client.ask(Batch(requests=copies))
    assert client.ask(Undo()).said == "jobs 2 to 7 (b0 to b5) were added"
    told = [line for line in client.ask(GetNews()).happenings if line.event == "undo"]
    assert [(line.id, line.text) for line in told] == [(0, "jobs 2 to 7 (b0 to b5) were added")]


def test_a_removed_job_is_forgotten_when_nothing_brings_it_back(make: Make, tmp_path: Path) -> None:
    daemon = make()
    job = daemon.wait_step(add(daemon, tmp_path).id, 1)
    client = daemon.client()
    client.ask(CancelJob(id=job.id))
    daemon.wait_state(job.id, "cancelled")
    client.ask(RemoveJob(id=job.id))
    assert daemon.home.log(job.id).exists()
    (other,) = stashed(daemon, tmp_path, 1)
    client.ask(Batch(requests=[SetPriority(id=other.id, priority=n % 2) for n in range(3)]))
    for number in range(100):
        client.ask(SetPriority(id=other.id, priority=number))
    assert not daemon.home.log(job.id).exists()
    with sqlite3.connect(daemon.home.database) as db:
        assert db.execute("SELECT id FROM jobs").fetchall() == [(other.id,)]
        assert db.execute("SELECT count(*) FROM edits").fetchone() == (100,)


# -- copies -------------------------------------------------------------------------------------


def test_a_copy_has_other_values_a_name_and_a_folder(make: Make, tmp_path: Path) -> None:
    daemon = make()
    (job,) = stashed(daemon, tmp_path, 1)
    client = daemon.client()
    client.ask(SetJob(id=job.id, changes={"max_train_steps": "7"}))
    changes = {"lr": "0.25", "rank": "8", "output.trigger_phrase": '"a [b]"'}
    copy = client.ask(CopyJob(id=job.id, changes=changes, stash=True)).job
    assert (copy.name, copy.state, copy.max_train_steps) == ("a-2", "stashed", 7)
    assert copy.folder == str(tmp_path / "output" / f"a-2-{copy.id}")
    recipe = parse_recipe(client.ask(GetRecipe(id=copy.id)).recipe)
    assert (recipe.train.learning_rate, recipe.lora.rank) == (0.25, 8)
    assert recipe.output.trigger_phrase == "a [b]"
    again = client.ask(CopyJob(id=copy.id, stash=True)).job
    assert again.name == "a-3"
    assert "Did you mean `lora.rank`" in refused(client, CopyJob(id=job.id, changes={"rnk": "8"}))
    assert client.ask(Undo()).said == f"job {again.id} (a-3) was added"


def test_a_copy_writes_nowhere_else(make: Make, tmp_path: Path) -> None:
    daemon = make()
    client = daemon.client()
    text = RECIPE.format(train="") + '[output]\nfolder = "mine"\n'
    job = client.ask(AddJob(recipe=text, folder=str(tmp_path), stash=True)).job
    copy = client.ask(CopyJob(id=job.id, stash=True, name="b")).job
    assert (copy.name, copy.folder) == ("b", str(tmp_path / "output" / f"b-{copy.id}"))
