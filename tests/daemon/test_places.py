"""What the model of the queue found, or would find only in years: each as one short story."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lorad.daemon.store.replay import check_log
from lorad.daemon.store.rows import Attempt
from lorad.daemon.supervisor import Supervisor, birth
from lorad.shared.endpoints import Home
from lorad.shared.jobs import Process
from lorad.shared.messages import (
    AddGroup,
    CancelJob,
    Drain,
    MoveJob,
    RemoveGroup,
    RemoveJob,
    Undo,
    UpdateJob,
)

from .simulated import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A daemon whose queue is drained."""
    machine = Machine(tmp_path, seed=1)
    machine.ask(Drain())
    yield machine
    machine.close()


def order(machine: Machine) -> list[int]:
    assert machine.service is not None
    return [job.id for job in machine.service.store.jobs()]


def test_a_job_can_be_moved_to_the_same_place_for_ever(machine: Machine) -> None:
    """Each move halves the room between two places; a float has it fifty times."""
    for _ in range(3):
        machine.add()
    for _ in range(150):
        first, second, third = order(machine)
        machine.ask(MoveJob(id=third, to=2))
        assert order(machine) == [first, third, second]
    assert machine.service is not None
    assert check_log(machine.service.store) == []


def test_undo_does_not_put_a_job_into_a_group_that_is_gone(machine: Machine) -> None:
    machine.ask(AddGroup(name="night"))
    id = machine.add(group="night").id
    machine.ask(RemoveJob(id=id))
    machine.ask(RemoveGroup(name="night"))
    refused = machine.ask(Undo())
    assert getattr(refused, "kind", "") == "CannotUndo"
    assert "its group night is gone" in refused.message  # type: ignore[union-attr]
    assert order(machine) == []


def test_undo_does_not_let_two_jobs_wait_for_each_other(machine: Machine) -> None:
    machine.ask(Drain(end=True))
    running = machine.add().id  # a change of what a job with a process waits for is no edit
    other = machine.add().id
    machine.ask(UpdateJob(id=other, after=(running,)))
    machine.ask(UpdateJob(id=other, after=()))
    machine.ask(UpdateJob(id=running, after=(other,)))
    refused = machine.ask(Undo())
    assert getattr(refused, "kind", "") == "CannotUndo"
    assert "would wait for one that waits for it now" in refused.message  # type: ignore[union-attr]
    machine.ask(CancelJob(id=running))


@pytest.mark.parametrize("newest_first", [False, True])
def test_the_end_of_an_earlier_process_is_not_the_end_of_the_job(
    tmp_path: Path, newest_first: bool
) -> None:
    """One that was killed while it began, since a full disk did not take the news of it."""
    home = Home(tmp_path, tmp_path, tmp_path / "cache")
    supervisor = Supervisor(home, 0o022)
    for number in (1, 2):
        supervisor.spawn(Attempt(7, number, "token", True, 0, False, None), (), {})
        if number == 1:
            supervisor.kill(7)
    first, second = supervisor.descriptors
    if not newest_first:
        assert supervisor.gone(first) is None
        assert list(supervisor.descriptors.values()) == [7]
    supervisor.kill(7)
    assert supervisor.gone(second) == 7
    assert not newest_first or supervisor.gone(first) is None
    assert "SIGKILL" in supervisor.last_words(7)
    supervisor.close()


def test_a_process_that_has_the_number_of_an_old_one_is_not_taken_for_it(tmp_path: Path) -> None:
    supervisor = Supervisor(Home(tmp_path, tmp_path, tmp_path / "cache"), 0o022)
    ours = birth(os.getpid())
    assert ours is not None
    assert not supervisor.watch(7, Process(pid=os.getpid(), birth=f"another boot/{ours}"))
    assert not supervisor.descriptors
    assert supervisor.watch(7, Process(pid=os.getpid(), birth=ours))
    supervisor.close()


def test_a_thread_that_has_the_number_of_a_process_is_not_taken_for_it(tmp_path: Path) -> None:
    supervisor = Supervisor(Home(tmp_path, tmp_path, tmp_path / "cache"), 0o022)
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    assert thread.native_id is not None
    assert not supervisor.watch(7, Process(pid=thread.native_id, birth="boot/1"))
    over.set()
    thread.join()
    supervisor.close()
