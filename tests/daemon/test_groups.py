"""Groups, what jobs wait for, draining and other tries, through the sockets and real processes."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import Daemon, eventually

from lorad.shared.errors import RequestRefused
from lorad.shared.jobs import Group, Job, Queued, Turn
from lorad.shared.messages import (
    AddGroup,
    AddJob,
    CancelJob,
    Drain,
    EnqueueJob,
    GetStatus,
    Groups,
    GroupsChanged,
    JobChanged,
    PauseGroup,
    PauseJob,
    RemoveGroup,
    RemoveJob,
    Request,
    RestartJob,
    ResumeGroup,
    ResumeJob,
    SetGroup,
    SetJob,
    TurnsChanged,
    UpdateJob,
    WhyJob,
)
from lorad.shared.watch import Watch
from lorad.tui.totals import totals

from .scripted import RECIPE, add, said, scripted

Make = Callable[..., Daemon]

FILE = """
def train(task, line, looking=None):
    say(task, os.environ.get("CUDA_VISIBLE_DEVICES", "none"))
    line.report(ReadyReport(step=1, last_step=40), point(1))
    order = pathlib.Path(task.recipe_folder) / f"end-{task.id}"
    while line.wanted == "run" and not order.exists():
        time.sleep(0.01)
    if line.wanted != "run":
        return "yielded"
    word = order.read_text()
    order.unlink()
    if word == "break":
        raise RuntimeError("It broke")
    if word == "recipe":
        from lorad.shared.errors import NoPictures
        raise NoPictures(path="/p")
    return EndReport(outcome="done")
"""
"""Trains until a file tells it how to end."""


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Daemons whose runs end as they are told."""
    made: list[Daemon] = []

    def one(**env: str) -> Daemon:
        made.append(scripted(tmp_path, FILE, **env))
        return made[-1]

    yield one
    for daemon in made:
        daemon.stop()


def end(folder: Path, job: Job, word: str = "done") -> None:
    new = folder / "word"
    new.write_text(word)
    new.rename(folder / f"end-{job.id}")


def why(daemon: Daemon, job: Job) -> str:
    return daemon.client().ask(WhyJob(id=job.id)).sentence


def waits(daemon: Daemon, job: Job, sentence: str) -> None:
    """It is in the queue, and this is why; also after the daemon had time to think otherwise."""
    eventually(lambda: sentence in why(daemon, job), 5)
    beats = daemon.client().watch("daemon/")
    assert beats.receive(60)
    assert beats.receive(60), "a beat comes after a look at who may start"
    beats.close()
    assert daemon.job(job.id).state == "queued"
    assert sentence in why(daemon, job)


def refused(daemon: Daemon, request: Request, sentence: str, exit_code: int = 2) -> None:
    with pytest.raises(RequestRefused) as caught:
        daemon.client().ask(request)  # type: ignore[call-overload]
    assert sentence in str(caught.value)
    assert caught.value.exit_code == exit_code


# -- groups -------------------------------------------------------------------------------------


def test_a_group_from_add_to_rm(make: Make) -> None:
    daemon = make(LORAD_FAKE_GPUS="2")
    client = daemon.client()
    watch = client.watch("queue/")
    watch.wait_attached(60)
    assert client.ask(GetStatus()).groups == [Group(name="default")]
    reply = client.ask(AddGroup(name="night", slots=2, gpus=("1",), on_failure="stop"))
    night = Group(name="night", slots=2, gpus=("GPU-fake-1",), on_failure="stop")
    assert reply == Groups(groups=[Group(name="default"), night], draining=False)
    heard = watch.receive(60)
    assert heard is not None
    assert heard.event == GroupsChanged(groups=reply.groups, draining=False)
    reply = client.ask(SetGroup(name="night", slots=0, gpus=()))
    assert reply.groups[1] == Group(name="night", on_failure="stop")
    assert client.ask(SetGroup(name="default", slots=3)).groups[0].slots == 3
    assert client.ask(PauseGroup(name="night")).groups[1].paused
    assert not client.ask(ResumeGroup(name="night")).groups[1].paused
    assert [one.name for one in client.ask(RemoveGroup(name="night")).groups] == ["default"]
    assert client.ask(GetStatus()).groups == [Group(name="default", slots=3)]
    watch.close()


def test_groups_that_cannot_be(make: Make, tmp_path: Path) -> None:
    daemon = make(LORAD_FAKE_GPUS="1")
    daemon.client().ask(AddGroup(name="night"))
    for request, sentence, exit_code in (
        (AddGroup(name="night"), "There is a group night already.", 2),
        (AddGroup(name="a b"), "its name is up to 32 letters", 2),
        (AddGroup(name="a", slots=-1), "from 0 to 10000 slots", 2),
        (AddGroup(name="a", gpus=("7",)), "There is no GPU `7` here. There are 0 (Fake", 2),
        (SetGroup(name="noon"), "There is no group noon. There are: default, night.", 2),
        (SetGroup(name="night", slots=-1), "from 0 to 10000 slots", 2),
        (PauseGroup(name="noon"), "There is no group noon.", 2),
        (ResumeGroup(name="noon"), "There is no group noon.", 2),
        (RemoveGroup(name="noon"), "There is no group noon.", 2),
        (RemoveGroup(name="default"), "cannot be removed: it is there for whoever names none.", 1),
    ):
        refused(daemon, request, sentence, exit_code)
    job = add(daemon, tmp_path, stash=True, group="night")
    refused(daemon, RemoveGroup(name="night"), f"job {job.id} (a) is in it. `lorad update ID", 1)
    assert daemon.client().ask(GetStatus()).groups == [Group(name="default"), Group(name="night")]
    daemon.client().ask(UpdateJob(id=job.id, group="default"))
    daemon.client().ask(RemoveGroup(name="night"))


def test_slots_hold_back_and_a_change_lets_start(make: Make, tmp_path: Path) -> None:
    daemon = make(LORAD_FAKE_GPUS="3")
    client = daemon.client()
    client.ask(AddGroup(name="night", slots=1))
    first = add(daemon, tmp_path, group="night")
    second = add(daemon, tmp_path, group="night")
    other = add(daemon, tmp_path)
    daemon.wait_state(first.id, "running")
    daemon.wait_state(other.id, "running")
    waits(daemon, second, f"waits for the one slot of its group night, held by job {first.id} (a).")
    client.ask(SetGroup(name="night", slots=2))
    daemon.wait_state(second.id, "running")


def test_a_paused_group_lets_go_on_what_runs_also_after_a_crash(make: Make, tmp_path: Path) -> None:
    daemon = make(LORAD_FAKE_GPUS="2")
    first = daemon.wait_state(add(daemon, tmp_path).id, "running")
    daemon.client().ask(PauseGroup(name="default"))
    second = add(daemon, tmp_path)
    waits(daemon, second, "its group default is paused. `lorad group resume default` lets it")
    daemon.kill()
    daemon.start()
    waits(daemon, second, "its group default is paused.")
    assert daemon.job(first.id).state == "running"
    daemon.client().ask(ResumeGroup(name="default"))
    daemon.wait_state(second.id, "running")


def test_more_slots_than_cards_share_a_card(make: Make, tmp_path: Path) -> None:
    """A made-up card has 23 GiB free, and does not tell what a run holds."""
    daemon = make(LORAD_FAKE_GPUS="1")
    daemon.client().ask(SetGroup(name="default", slots=5))
    jobs = [add(daemon, tmp_path, "gpu_memory_gib = 8") for _ in range(3)]
    for job in jobs[:2]:
        daemon.wait_state(job.id, "running")
        assert said(job) == ["GPU-fake-0"]
    waits(daemon, jobs[2], "GPU 0 has 7.0 GiB free, job 1 (a), job 2 (a) and other programs hold")
    daemon.client().ask(CancelJob(id=jobs[0].id))
    daemon.wait_state(jobs[2].id, "running")


def test_a_box_without_a_card_trains_one_or_as_many_as_the_slots_say(
    make: Make, tmp_path: Path
) -> None:
    daemon = make(CUDA_VISIBLE_DEVICES="")
    first, second = add(daemon, tmp_path), add(daemon, tmp_path)
    daemon.wait_state(first.id, "running")
    waits(daemon, second, "one trains at a time on a box without a GPU.")
    daemon.client().ask(SetGroup(name="default", slots=2))
    daemon.wait_state(second.id, "running")


def test_a_failure_stops_a_group_that_wants_it(make: Make, tmp_path: Path) -> None:
    daemon = make(LORAD_FAKE_GPUS="2")
    client = daemon.client()
    client.ask(AddGroup(name="night", slots=1, on_failure="stop"))
    first, second = (add(daemon, tmp_path, group="night") for _ in range(2))
    daemon.wait_state(first.id, "running")
    end(tmp_path, first, "break")
    daemon.wait_state(first.id, "failed")
    waits(daemon, second, f"its group night is paused, since job {first.id} (a) failed: The run br")
    night = client.ask(GetStatus()).groups[1]
    assert (night.paused, night.cause.startswith(f"job {first.id} (a) failed: ")) == (True, True)
    assert not client.ask(ResumeGroup(name="night")).groups[1].cause
    daemon.wait_state(second.id, "running")
    # The usual group goes on.
    third = add(daemon, tmp_path)
    daemon.wait_state(third.id, "running")
    end(tmp_path, third, "break")
    daemon.wait_state(third.id, "failed")
    assert not client.ask(GetStatus()).groups[0].paused


def test_a_recipe_that_no_lorad_reads_stops_its_group_too(make: Make, tmp_path: Path) -> None:
    daemon = make()
    daemon.client().ask(SetGroup(name="default", on_failure="stop"))
    job = add(daemon, tmp_path, stash=True)
    daemon.kill()
    with sqlite3.connect(daemon.home.database) as db:
        db.execute("UPDATE jobs SET recipe = 'x = 1'")
    db.close()
    daemon.start()
    daemon.client().ask(EnqueueJob(id=job.id))
    daemon.wait_state(job.id, "failed")
    assert daemon.client().ask(GetStatus()).groups[0].paused


def stands(daemon: Daemon, job: Job) -> Turn:
    """How a status says that a job stands."""
    (found,) = [one for one in daemon.client().ask(GetStatus()).jobs if one.id == job.id]
    assert found.turn is not None
    return found.turn


def test_all_say_the_same_of_who_cannot_start(make: Make, tmp_path: Path) -> None:
    daemon = make(LORAD_FAKE_GPUS="2")
    client = daemon.client()
    client.ask(AddGroup(name="night"))
    client.ask(AddGroup(name="day", slots=1))
    client.ask(PauseGroup(name="night"))
    kept = add(daemon, tmp_path, group="night")
    runs = [add(daemon, tmp_path, group="day"), add(daemon, tmp_path)]
    for job in runs:
        daemon.wait_state(job.id, "running")
    full, next_one = add(daemon, tmp_path, group="day"), add(daemon, tmp_path)
    after = add(daemon, tmp_path, after=(runs[1].id,))
    behind = add(daemon, tmp_path, after=(after.id,))
    large = add(daemon, tmp_path, "gpu_memory_gib = 100")
    assert stands(daemon, kept) == Turn(kind="group", words="group night is paused", lasting=True)
    assert stands(daemon, full) == Turn(kind="slots", words="a slot of day")
    assert why(daemon, full).endswith("It is next."), "who waits for a card is not ahead of it"
    assert stands(daemon, next_one) == Turn(kind="line")
    assert why(daemon, next_one).endswith("It is next."), "who is kept out of line is not ahead"
    assert stands(daemon, after) == Turn(kind="after", words=f"after {runs[1].id}")
    assert stands(daemon, behind) == Turn(kind="after", words=f"after {after.id}")
    assert stands(daemon, large) == Turn(
        kind="size", words="no card here has 100.0 GiB", lasting=True
    )
    found = totals(client.ask(GetStatus()).jobs, 2)
    assert (found.waiting, found.lasting) == (6, 2)
    end(tmp_path, runs[1], "break")
    daemon.wait_state(next_one.id, "running")
    words = f"after {runs[1].id}, which failed"
    assert stands(daemon, after) == Turn(kind="after", words=words, lasting=True)
    assert stands(daemon, behind).lasting, "it waits for one that waits for ever"
    assert f"{runs[1].id} (a), which failed." in why(daemon, after)
    client.ask(Drain())
    for job in (kept, full, after):
        assert stands(daemon, job) == Turn(kind="drain", words="the queue is drained", lasting=True)


def told(watch: Watch) -> object:
    """The next event, or nobody says anything any more."""
    event = watch.receive(10)
    assert event is not None, "nothing more was said"
    return event.event


def test_who_watches_hears_how_those_that_wait_stand(make: Make, tmp_path: Path) -> None:
    daemon = make(LORAD_FAKE_GPUS="1")
    client = daemon.client()
    daemon.wait_state(add(daemon, tmp_path).id, "running")
    first, second = add(daemon, tmp_path), add(daemon, tmp_path, start_after=time.time() + 2)
    watch = client.watch("queue/")
    watch.wait_attached(5)

    heard: dict[int, Turn] = {}

    def hears(wanted: dict[int, Turn]) -> None:
        while heard != wanted:
            if isinstance(event := told(watch), TurnsChanged):
                heard.update(event.turns)

    client.ask(PauseGroup(name="default"))
    paused = Turn(kind="group", words="group default is paused", lasting=True)
    hears({first.id: paused, second.id: paused})
    client.ask(UpdateJob(id=first.id, retries=1))
    while not isinstance(changed := told(watch), JobChanged):
        pass
    assert changed.job.turn == paused, "a job that is told comes with what is known of it"
    client.ask(ResumeGroup(name="default"))
    in_line = Turn(kind="line")  # the second once its time has come, where nobody changed anything
    hears({first.id: in_line, second.id: in_line})
    watch.close()


# -- what a job waits for -----------------------------------------------------------------------


def test_after_another_is_done(make: Make, tmp_path: Path) -> None:
    daemon = make(LORAD_FAKE_GPUS="3")
    first = add(daemon, tmp_path)
    second = add(daemon, tmp_path, after=(first.id, first.id))
    assert second.after == (first.id,)
    daemon.wait_state(first.id, "running")
    waits(daemon, second, f"Job {second.id} starts after job {first.id} (a).")
    end(tmp_path, first, "break")
    daemon.wait_state(first.id, "failed")
    waits(daemon, second, f"starts after job {first.id} (a), which failed. `lorad update")
    daemon.client().ask(RestartJob(id=first.id))
    daemon.wait_state(first.id, "running")
    end(tmp_path, first)
    daemon.wait_state(second.id, "running")
    # Nobody waits for one that is done: it may go.
    third = add(daemon, tmp_path, stash=True, after=(first.id, second.id))
    daemon.client().ask(RemoveJob(id=first.id))
    assert daemon.job(third.id).after == (second.id,)


def test_nobody_removes_what_others_wait_for(make: Make, tmp_path: Path) -> None:
    daemon = make()
    first = add(daemon, tmp_path, stash=True)
    second = add(daemon, tmp_path, stash=True, after=(first.id,))
    third = add(daemon, tmp_path, stash=True, after=(first.id, second.id))
    sentence = "Job 1 cannot be removed: job 2 (a), job 3 (a) wait until it is done. `lorad update"
    refused(daemon, RemoveJob(id=first.id), sentence, 1)
    client = daemon.client()
    client.ask(CancelJob(id=second.id))  # who has ended waits for nobody
    client.ask(UpdateJob(id=third.id, after=(second.id,)))
    client.ask(RemoveJob(id=first.id))
    assert daemon.job(second.id).after == ()
    refused(daemon, RemoveJob(id=second.id), "job 3 (a) waits until it is done.", 1)


def test_an_order_that_cannot_be(make: Make, tmp_path: Path) -> None:
    daemon = make()
    first = add(daemon, tmp_path, stash=True)
    second = add(daemon, tmp_path, stash=True, after=(first.id,))
    third = add(daemon, tmp_path, stash=True, after=(second.id,))
    for after in ((third.id,), (first.id,)):
        refused(
            daemon,
            UpdateJob(id=first.id, after=after),
            f"Job 1 cannot wait for job {after[0]}: that one waits for job 1, so neither would",
        )
    text = RECIPE.format(train="")
    refused(daemon, AddJob(recipe=text, folder=str(tmp_path), after=(9,)), "There is no job 9.")
    refused(daemon, UpdateJob(id=first.id, after=(9,)), "There is no job 9.")
    assert daemon.job(first.id).after == ()
    assert len(daemon.client().ask(GetStatus()).jobs) == 3


def test_not_before_its_time(make: Make, tmp_path: Path) -> None:
    daemon = make(LORAD_FAKE_GPUS="2")
    later = add(daemon, tmp_path, start_after=time.time() + 3600)
    soon = add(daemon, tmp_path, start_after=time.time() + 1.5)
    assert "or later. `lorad update 2 --delay none` lets it start now." in why(daemon, soon)
    waits(daemon, later, "or later. `lorad update 1 --delay none` lets it start now.")
    assert soon.start_after is not None
    daemon.wait_state(soon.id, "running")  # nobody asks: the daemon looks by itself
    assert time.time() >= soon.start_after
    reply = daemon.client().ask(UpdateJob(id=later.id, start_after=0))
    assert reply.job.start_after is None
    daemon.wait_state(later.id, "running")


def test_on_the_cards_that_it_names(make: Make, tmp_path: Path) -> None:
    daemon = make(LORAD_FAKE_GPUS="3")
    client = daemon.client()
    job = add(daemon, tmp_path, gpus=("2",))
    assert job.gpus == ("GPU-fake-2",)
    daemon.wait_state(job.id, "running")
    assert said(job) == ["GPU-fake-2"]
    behind = add(daemon, tmp_path, gpus=("GPU-fake-2",))
    waits(
        daemon, behind, f"Job {behind.id} waits for a card, held by job {job.id} (a). It is next."
    )
    client.ask(UpdateJob(id=behind.id, gpus=()))
    daemon.wait_state(behind.id, "running")
    client.ask(AddGroup(name="night", gpus=("0", "1")))
    both = add(daemon, tmp_path, "num_processes = 2", group="night")
    assert "needs 2 free cards, 1 of 2 is free" in why(daemon, both)
    client.ask(CancelJob(id=behind.id))
    running = daemon.wait_state(both.id, "running")
    assert running.process is not None
    assert sorted(running.process.gpus) == ["GPU-fake-0", "GPU-fake-1"]


def test_terms_that_cannot_be(make: Make, tmp_path: Path) -> None:
    daemon = make(LORAD_FAKE_GPUS="4")
    client = daemon.client()
    client.ask(AddGroup(name="night", gpus=("0", "1")))
    wide = RECIPE.format(train="num_processes = 2")

    def request(**terms: object) -> AddJob:
        return AddJob(recipe=wide, folder=str(tmp_path), stash=True, **terms)  # type: ignore[arg-type]

    refused(daemon, request(group="noon"), "There is no group noon. There are: default, night.")
    refused(daemon, request(gpus=("4",)), "There is no GPU `4` here. There are 0 (Fake RTX, GPU-f")
    refused(daemon, request(retries=-1), "a job is tried again from 0 to 1000 times")
    few = "wants 2 GPUs at once (`train.num_processes`), and the job may have 1: GPU-fake-1."
    refused(daemon, request(gpus=("1",)), few)
    refused(daemon, request(gpus=("1", "2"), group="night"), few)
    assert client.ask(GetStatus()).jobs == []
    job = client.ask(request()).job
    refused(daemon, UpdateJob(id=job.id, gpus=("1",)), few)
    refused(daemon, UpdateJob(id=job.id, group="noon"), "There is no group noon.")
    assert daemon.job(job.id) == job
    job = client.ask(UpdateJob(id=job.id, gpus=("1", "2"))).job
    refused(daemon, UpdateJob(id=job.id, group="night"), few)
    wider = SetJob(id=job.id, changes={"num_processes": "4"})
    refused(daemon, wider, "wants 4 GPUs at once (`train.num_processes`), and the job may have 2:")


def test_an_update_is_logged_told_and_once(make: Make, tmp_path: Path) -> None:
    daemon = make()
    job = add(daemon, tmp_path, stash=True)
    client = daemon.client()
    client.ask(AddGroup(name="night"))
    other = add(daemon, tmp_path, stash=True)
    updated = client.ask(UpdateJob(id=job.id, group="night", retries=2)).job
    assert (updated.group, updated.retries) == ("night", 2)
    client.ask(UpdateJob(id=job.id, group="night", retries=2))
    updated = client.ask(UpdateJob(id=job.id, after=(other.id,), start_after=4e9)).job
    updated = client.ask(UpdateJob(id=job.id, after=())).job
    daemon.kill()
    daemon.start()
    assert daemon.job(job.id) == updated
    with sqlite3.connect(daemon.home.database) as db:
        told = db.execute(
            "SELECT cause FROM transitions WHERE event = 'update' ORDER BY number"
        ).fetchall()
    db.close()
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(4e9))
    assert [cause for (cause,) in told] == [
        "group = night, retries = 2",
        f"after = {other.id}, start after = {at}",
        "after = none",
    ]


# -- draining -----------------------------------------------------------------------------------


def test_a_drained_queue_lets_go_on_what_runs_also_after_a_crash(
    make: Make, tmp_path: Path
) -> None:
    daemon = make(LORAD_FAKE_GPUS="2")
    first = daemon.wait_state(add(daemon, tmp_path).id, "running")
    assert daemon.client().ask(Drain()).draining
    second = add(daemon, tmp_path)
    waits(daemon, second, "the queue is drained, so nothing starts. `lorad drain --end` lets jobs")
    daemon.kill()
    daemon.start()
    assert daemon.client().ask(GetStatus()).draining
    waits(daemon, second, "the queue is drained")
    end(tmp_path, first)
    daemon.wait_state(first.id, "done")
    waits(daemon, second, "the queue is drained")
    assert not daemon.client().ask(Drain(end=True)).draining
    daemon.wait_state(second.id, "running")


# -- other tries --------------------------------------------------------------------------------


def test_a_failed_run_is_tried_again_later_and_not_for_ever(make: Make, tmp_path: Path) -> None:
    daemon = make(LORAD_FAKE_GPUS="1")
    client = daemon.client()
    client.ask(SetGroup(name="default", on_failure="stop"))
    job = add(daemon, tmp_path, retries=2)
    pauses = []
    for count in (1, 2):
        daemon.wait_state(job.id, "running")
        end(tmp_path, job, "break")
        again = daemon.wait_state(job.id, "queued")
        assert isinstance(again.status, Queued)
        assert again.status.cause.startswith(f"try {count} of 2 after it failed: The run broke on")
        assert again.start_after is not None
        pauses.append(again.start_after - time.time())
        waits(daemon, job, f"or later. Try {count} of 2 after it failed: The run broke on someth")
        client.ask(UpdateJob(id=job.id, start_after=0))
    assert 15 < pauses[0] <= 30 < pauses[1] <= 60
    daemon.wait_state(job.id, "running")
    end(tmp_path, job, "break")
    failed = daemon.wait_state(job.id, "failed")
    assert failed.reason.startswith("The run broke on something unforeseen (RuntimeError: It broke")
    group = client.ask(GetStatus()).groups[0]
    assert group.paused, "only now"
    # Who says go on begins a new count.
    client.ask(ResumeGroup(name="default"))
    client.ask(ResumeJob(id=job.id))
    daemon.wait_state(job.id, "running")
    end(tmp_path, job, "break")
    assert daemon.wait_state(job.id, "queued").reason.startswith("try 1 of 2")


def test_a_mistake_is_not_tried_again(make: Make, tmp_path: Path) -> None:
    daemon = make()
    job = add(daemon, tmp_path, retries=2)
    daemon.wait_state(job.id, "running")
    end(tmp_path, job, "recipe")
    reason = daemon.wait_state(job.id, "failed").reason
    assert "There are no pictures in /p." in reason
    assert reason.endswith("It is not tried again: what is wrong with it would be so again.")


def test_without_retries_a_failure_is_the_end(make: Make, tmp_path: Path) -> None:
    daemon = make()
    job = add(daemon, tmp_path)
    daemon.wait_state(job.id, "running")
    end(tmp_path, job, "break")
    daemon.wait_state(job.id, "failed")


LEAVES = """
def train(task, line, looking=None):
    line.report(ReadyReport(step=1, last_step=40), point(1))
    while line.wanted == "run":
        time.sleep(0.01)
    raise RuntimeError("It broke")
"""
DIES = """
def train(task, line, looking=None):
    say(task, "here")
    os._exit(9)
"""


@pytest.mark.parametrize("request_type", [PauseJob, CancelJob])
def test_one_that_breaks_while_it_leaves_is_not_tried_again(
    tmp_path: Path, request_type: type[PauseJob | CancelJob]
) -> None:
    daemon = scripted(tmp_path, LEAVES)
    try:
        job = add(daemon, tmp_path, retries=2)
        daemon.wait_state(job.id, "running")
        daemon.client().ask(request_type(id=job.id))
        daemon.wait_state(job.id, "failed")
    finally:
        daemon.stop()


def test_one_that_died_too_often_is_tried_again_too(tmp_path: Path) -> None:
    daemon = scripted(tmp_path, DIES)
    try:
        job = add(daemon, tmp_path, retries=1)
        cause = "try 1 of 1 after it failed: It died 3 times in a row without a new checkpoint."
        eventually(lambda: daemon.job(job.id).reason.startswith(cause))
        assert len(said(job)) == 3
        daemon.client().ask(UpdateJob(id=job.id, start_after=0))
        daemon.wait_state(job.id, "failed")
        assert len(said(job)) == 6
    finally:
        daemon.stop()
