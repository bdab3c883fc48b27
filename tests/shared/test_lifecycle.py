from __future__ import annotations

import typing

import pytest

from lorad.shared.errors import ImpossibleAction
from lorad.shared.jobs import Job, Process, State, Status, state_of
from lorad.shared.lifecycle import (
    PARTICIPLES,
    REMOVABLE,
    TRANSITIONS,
    Event,
    Verb,
    can,
    impossible,
    next_state,
)

STATES = typing.get_args(State)
EVENTS = [event for part in typing.get_args(Event) for event in typing.get_args(part)]


def job_in(state: str) -> Job:
    process = Process(pid=1, birth="b/1")
    for kind in typing.get_args(Status):
        if kind.__struct_config__.tag == state:
            fields = {"process": process, "finished": 1.0, "reason": "It broke."}
            status = kind(**{k: v for k, v in fields.items() if k in kind.__struct_fields__})
            return Job(id=3, name="a", status=status, folder="/f", max_train_steps=9, created=1.0)
    raise AssertionError(state)


def test_every_state_has_a_status_and_a_way_in_and_out() -> None:
    assert {state_of(job_in(state).status) for state in STATES} == set(STATES)
    assert {to for to in TRANSITIONS.values()} == set(STATES)
    assert {before for before, _ in TRANSITIONS} == set(STATES)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("event", EVENTS)
def test_every_pair_is_in_the_table_or_refused(state: State, event: Event) -> None:
    job = job_in(state)
    if (state, event) in TRANSITIONS:
        assert next_state(job, event) == TRANSITIONS[state, event]
    else:
        with pytest.raises(ImpossibleAction) as caught:
            next_state(job, event)
        assert f"Job 3 is {state}" in str(caught.value)
        assert len(str(caught.value).partition(". ")[2]) > 10  # and what to do


def test_whatever_has_a_process_can_end_badly() -> None:
    for state in STATES:
        active = job_in(state).process is not None
        for event in ("failed", "died"):
            assert ((state, event) in TRANSITIONS) == active
        assert (state in REMOVABLE) != active


@pytest.mark.parametrize("verb", typing.get_args(Verb))
def test_verbs_have_participles_and_somewhere_to_be_used(verb: Verb) -> None:
    assert verb in PARTICIPLES
    assert any(can(state, verb) for state in STATES)


def test_hint_names_the_job() -> None:
    assert "lorad stash 3" in str(impossible(job_in("queued"), "pause"))


@pytest.mark.parametrize("verb", ["sample", "save", "hold"])
@pytest.mark.parametrize("state", STATES)
def test_whoever_may_not_now_is_told_what_to_do(state: State, verb: str) -> None:
    ended = state in ("done", "failed", "cancelled", "finishing") and verb == "hold"
    if not can(state, verb) and not ended:
        assert "lorad status" not in str(impossible(job_in(state), verb))


def test_a_held_job_hears_all_that_a_running_one_hears() -> None:
    for verb in ("pause", "cancel", "set", "sample", "save"):
        assert can("held", verb)
        assert can("running", verb)
    assert next_state(job_in("held"), "resume") == "running"
    assert next_state(job_in("held"), "died") == "paused", "somebody wants no step of it"
    assert job_in("held").process is not None
