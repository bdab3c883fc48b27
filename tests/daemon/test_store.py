"""What every store must do: the file on disk and the double in memory alike."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from lorad.daemon.store import Store, rows
from lorad.daemon.store.reported import MAX_NOTE, MAX_NOTES
from lorad.daemon.store.rows import NewJob
from lorad.shared.errors import StoreBusy, StoreFull, StoreUnreadable, UnknownGroup, UnknownJob
from lorad.shared.jobs import Group, Job, Paused, Progress, Queued, Stashed
from lorad.shared.messages import (
    EndReport,
    NoteReport,
    Point,
    Removed,
    SamplePicture,
    Validation,
)
from lorad.shared.recipe import parse_recipe

TEXT = 'name = "a"\n[data]\npath = "p"\n'


def new(stash: bool = False) -> NewJob:
    return NewJob(parse_recipe(TEXT), TEXT, Path("/recipes"), stash, 0)


def add(store: Store, job: NewJob, actor: str) -> Job:
    return store.add(job, actor, lambda id: Path(f"/out/{id}"))


def point(step: int, loss: float = 0.5) -> Point:
    return Point(
        step=step, time=1.0, loss=loss, learning_rate=1e-3, grad_norm=1.0, images_per_second=2.0
    )


def picture(step: int, index: int = 0) -> SamplePicture:
    return SamplePicture(
        step=step, index=index, prompt="cat", seed=1, sha256="0", path="/p", width=8, height=8,
        thumb_width=1, thumb_height=1, thumb=b"abc",
    )  # fmt: skip


@pytest.fixture(params=["disk", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "lorad.db" if request.param == "disk" else ":memory:")
    yield store
    store.close()


def test_a_new_job_is_at_the_end_with_a_folder_of_its_own(store: Store) -> None:
    first, second = add(store, new(), "t"), add(store, new(stash=True), "t")
    assert (first.id, second.id) == (1, 2)
    assert first.folder == "/out/1"
    assert store.writer(Path("/out/2")) == 2
    assert store.writer(Path("/out/3")) is None
    assert isinstance(first.status, Queued)
    assert isinstance(second.status, Stashed)
    assert [job.id for job in store.jobs()] == [1, 2]
    assert store.recipe(1) == (TEXT, "/recipes", {}, 0, 0, 0)


def test_numbers_are_never_used_twice(store: Store) -> None:
    store.remove(add(store, new(), "t"), "t")
    assert add(store, new(), "t").id == 2


def test_unknown_job(store: Store) -> None:
    for ask in (store.job, store.recipe):
        with pytest.raises(UnknownJob, match="no job 9"):
            ask(9)


def test_changes_are_logged_in_order(store: Store) -> None:
    job = add(store, new(), "me")
    job = store.change(job, Stashed(), "stash", cause="", actor="me")
    job = store.change(job, Queued(), "enqueue", cause="", actor="me")
    assert store.transitions(job.id) == [
        ("", "add", "queued"),
        ("queued", "stash", "stashed"),
        ("stashed", "enqueue", "queued"),
    ]


def test_order_is_priority_then_place(store: Store) -> None:
    for _ in range(3):
        add(store, new(), "t")
    store.set_place(store.job(3), 5, 9, "priority", "me")
    store.set_place(store.job(1), 0, 2.5, "move", "me")
    assert store.transitions(1)[-1] == ("queued", "move", "queued")
    assert [job.id for job in store.jobs()] == [3, 2, 1]


def test_points_replace_and_nan_survives(store: Store) -> None:
    job = add(store, new(), "t")
    store.add_points(job.id, [point(1), point(2, math.nan), point(3, math.inf)])
    store.add_points(job.id, [point(1, 0.25)])
    points = store.points(job.id, after=0, limit=10)
    assert [p.step for p in points] == [1, 2, 3]
    assert points[0].loss == 0.25
    assert math.isnan(points[1].loss)
    assert math.isinf(points[2].loss)
    assert [p.step for p in store.points(job.id, after=1, limit=1)] == [2]
    assert [p.step for p in store.points_up_to(job.id, 2, 2)] == [1, 2]


def test_samples(store: Store) -> None:
    job = add(store, new(), "t")
    for step, index in ((0, 1), (0, 0), (5, 0)):
        store.add_sample(job.id, picture(step, index))
    shown = [(p.step, p.index) for p in store.samples(job.id, newest=False)]
    assert shown == [(0, 0), (0, 1), (5, 0)]
    assert [p.step for p in store.samples(job.id, newest=True)] == [5]
    assert store.sample(job.id, 0, 1) == picture(0, 1)
    assert store.sample(job.id, 5, 1) is None


def test_the_base_model_stays_among_the_newest_pictures(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lorad.daemon.store.reported.MAX_PICTURES", 4)
    job = add(store, new(), "t")
    for step in range(0, 50, 10):
        for index in (0, 1):
            store.add_sample(job.id, picture(step, index))
    shown = [(p.step, p.index) for p in store.samples(job.id, newest=False)]
    assert shown == [(0, 0), (0, 1), (40, 0), (40, 1)]


def test_changes_are_kept_and_logged(store: Store) -> None:
    job = add(store, new(), "t")
    assert job.max_train_steps == 1000
    job = store.set_changes(job, {"train.x": "1"}, None, cause="train.x = 1", actor="me")
    assert job.max_train_steps is None
    assert store.set_steps(job.id, 30).max_train_steps == 30
    assert (store.ask_samples(job, "me"), store.ask_samples(job, "me")) == (1, 2)
    assert store.recipe(1) == (TEXT, "/recipes", {"train.x": "1"}, 1, 2, 0)
    told = store._db.execute("SELECT event, cause, actor FROM transitions WHERE job = 1").fetchall()
    assert told[1:] == [("set", "train.x = 1", "me"), ("sample", "", "me"), ("sample", "", "me")]


def test_a_job_of_epochs_has_no_known_length(store: Store) -> None:
    text = TEXT + "[train]\nnum_train_epochs = 2\n"
    job = add(store, new()._replace(recipe=parse_recipe(text), recipe_text=text), "t")
    assert job.max_train_steps is None


def test_looks_at_what_is_held_out(store: Store) -> None:
    job = add(store, new(), "t")
    looks = [Validation(step=step, loss=0.5, best=True) for step in (5, 10)]
    for look in (*looks, Validation(step=15, loss=math.nan, best=False)):
        store.add_validation(job.id, look)
    again = Validation(step=10, loss=0.75, best=False)
    store.add_validation(job.id, again)  # a resumed run looks once more
    assert store.validations(job.id, 0, 2) == [looks[0], again]
    assert math.isnan(store.validations(job.id, 10, 9)[0].loss)


def test_notes_are_in_order_bounded_and_never_double(store: Store) -> None:
    job, other = add(store, new(), "t"), add(store, new(), "t")
    for text in ("a", "b", "a"):
        store.add_note(job.id, NoteReport(step=3, kind="changed", text=text))
    assert [note.text for note in store.notes(job.id, 9)] == ["b", "a"]
    store.add_note(other.id, NoteReport(step=1, kind="plan", text="x" * 5000))
    assert len(store.notes(other.id, 1)[0].text) == MAX_NOTE
    with store.transaction():
        for step in range(MAX_NOTES + 5):
            store.add_note(job.id, NoteReport(step=step, kind="plan", text="c"))
    notes = store.notes(job.id, 10**6)
    assert (len(notes), notes[0].step) == (MAX_NOTES, 5)
    assert len(store.notes(other.id, 9)) == 1


def test_attempts(store: Store) -> None:
    job = add(store, new(), "t")
    assert store.attempt(job.id) is None
    first = store.begin_attempt(job.id)
    assert first.fresh
    second = store.begin_attempt(job.id)
    assert second.fresh  # the first one never said that it had begun
    assert second.token != first.token
    store.mark_begun(job.id)
    third = store.begin_attempt(job.id)
    assert not third.fresh
    store.acknowledge(third, 7)
    store.set_ending(third, EndReport(outcome="done"))
    now = store.attempt(job.id)
    assert now is not None
    assert (now.number, now.acknowledged) == (3, 7)
    assert now.ending == EndReport(outcome="done")


def test_deaths_count_since_a_checkpoint_and_since_a_word(store: Store) -> None:
    job = add(store, new(), "t")

    def die() -> int:
        attempt = store.begin_attempt(job.id)
        store.change(store.job(job.id), Queued(), "died", cause="", actor="d")
        return attempt.number

    die()
    die()
    assert store.deaths(job.id) == 2
    saved = store.begin_attempt(job.id)
    store.mark_saved(saved)
    assert store.deaths(job.id) == 0
    die()
    assert store.deaths(job.id) == 1
    store.change(store.job(job.id), Queued(), "resume", cause="", actor="me")
    assert store.deaths(job.id) == 0


def test_beginning_again_forgets(store: Store) -> None:
    job = add(store, new(), "t")
    store.begin_attempt(job.id)
    store.mark_begun(job.id)
    store.add_points(job.id, [point(1)])
    store.add_sample(job.id, picture(0))
    store.add_validation(job.id, Validation(step=1, loss=0.5, best=True))
    store.add_note(job.id, NoteReport(step=1, kind="plan", text="a"))
    store.set_progress(job.id, Progress(step=1))
    store.begin_again(job.id)
    assert store.points(job.id, 0, 10) == []
    assert store.samples(job.id, newest=False) == []
    assert store.validations(job.id, 0, 9) == []
    assert store.notes(job.id, 9) == []
    assert store.job(job.id).progress == Progress()
    assert store.begin_attempt(job.id).fresh


def test_a_command_is_remembered_once(store: Store) -> None:
    assert store.recall("x") is None
    store.remember("x", Removed(id=1))
    assert store.recall("x") == Removed(id=1)


def test_a_failed_transaction_changes_nothing(store: Store) -> None:
    with pytest.raises(RuntimeError), store.transaction():
        add(store, new(), "t")
        raise RuntimeError
    assert store.jobs() == []


def test_effects_come_after_the_commit_or_never(store: Store) -> None:
    done: list[str] = []
    with store.transaction():
        store.after_commit(lambda: done.append("kept"))
        assert done == []
    with pytest.raises(RuntimeError), store.transaction():
        store.after_commit(lambda: done.append("undone"))
        raise RuntimeError
    store.after_commit(lambda: done.append("at once"))
    assert done == ["kept", "at once"]


def test_an_effect_that_fails_keeps_none_from_being_done(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[str] = []

    def fails() -> None:
        raise OSError("no descriptor is left")

    with store.transaction():
        store.after_commit(fails)
        store.after_commit(lambda: done.append("after it"))
    store.after_commit(fails)
    assert done == ["after it"]
    assert caplog.text.count("no descriptor is left") >= 2


def test_a_locked_file_is_a_sentence(tmp_path: Path) -> None:
    store = Store(tmp_path / "lorad.db")
    store._db.execute("PRAGMA busy_timeout = 10")
    other = sqlite3.connect(tmp_path / "lorad.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy, match="database is locked"):
        add(store, new(), "t")
    other.close()
    assert add(store, new(), "t").id == 1
    store.close()


def test_removing_takes_everything_along(store: Store) -> None:
    job = add(store, new(), "t")
    store.begin_attempt(job.id)
    store.add_points(job.id, [point(1)])
    store.remove(job, "me")
    assert store.transitions(job.id)[-1] == ("queued", "rm", "")
    assert store.jobs() == []
    assert store.forget_removed() == [job.id]
    assert store.points(job.id, 0, 10) == []
    assert store.attempt(job.id) is None


def test_it_is_there_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "lorad.db"
    store = Store(path)
    job = add(store, new(), "t")
    store.change(job, Paused(cause="why"), "left", cause="why", actor="run")
    store.close()
    again = Store(path)
    assert again.job(job.id).status == Paused(cause="why")
    again.close()


def test_what_is_no_store_is_left_untouched(tmp_path: Path) -> None:
    path = tmp_path / "lorad.db"
    path.write_bytes(b"not a database, but somebody's file" * 100)
    before = path.read_bytes()
    with pytest.raises(StoreUnreadable, match="left untouched"):
        Store(path)
    assert path.read_bytes() == before


def test_a_database_of_version_1_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "lorad.db"
    with sqlite3.connect(path) as db:
        db.executescript(files("lorad.daemon.store").joinpath("schema.sql").read_text())
        db.execute(
            "INSERT INTO jobs (name, recipe, recipe_folder, folder, max_train_steps, created,"
            " priority, position, status, progress)"
            " VALUES ('a', ?, '/r', '/o', 9, 1.0, 0, 1, ?, ?)",
            (TEXT, rows.encode(Queued()), rows.encode({"step": 4})),
        )
    db.close()
    store = Store(path)
    job = store.job(1)
    assert (job.max_train_steps, job.progress.step) == (9, 4)
    assert store.recipe(1) == (TEXT, "/r", {}, 0, 0, 0)
    store.add_note(1, NoteReport(step=1, kind="plan", text="a"))
    store.close()
    Store(path).close()
    # Whoever goes back to the earlier lorad has the queue as it was.
    with sqlite3.connect(tmp_path / "lorad.db.v1") as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        assert db.execute("SELECT recipe FROM jobs").fetchall() == [(TEXT,)]
    db.close()


def test_a_database_of_version_2_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "lorad.db"
    with sqlite3.connect(path) as db:
        for name in ("schema.sql", "schema_2.sql"):
            db.executescript(files("lorad.daemon.store").joinpath(name).read_text())
        for name in ("a", "b"):
            db.execute(
                "INSERT INTO jobs (name, recipe, recipe_folder, folder, max_train_steps, created,"
                " priority, position, status, progress, changes, revision, samples)"
                " VALUES (?, ?, '/r', '/o', 9, 1.0, 3, 1, ?, ?, '{\"x\": \"1\"}', 1, 2)",
                (name, TEXT, rows.encode(Paused(cause="why")), rows.encode({"step": 4})),
            )
    db.close()
    store = Store(path)
    job = store.job(2)
    assert (job.name, job.priority, job.status) == ("b", 3, Paused(cause="why"))
    assert (job.group, job.after, job.start_after, job.gpus, job.retries) == (
        "default", (), None, (), 0,
    )  # fmt: skip
    assert store.recipe(2) == (TEXT, "/r", {"x": "1"}, 1, 2, 0)
    assert store.groups() == [Group(name="default")]
    assert not store.draining()
    store.close()
    with sqlite3.connect(tmp_path / "lorad.db.v2") as db:
        assert db.execute("PRAGMA user_version").fetchone() == (2,)
    db.close()


def test_what_a_job_waits_for_is_kept(store: Store) -> None:
    terms = {"group": "b", "after": (1, 2), "gpus": ("G1",), "retries": 3, "start_after": 5.5}
    job = add(store, new()._replace(terms=terms), "t")
    assert {name: getattr(job, name) for name in terms} == terms
    job = store.set_terms(job, {"after": (), "start_after": None}, cause="why", actor="me")
    assert (job.after, job.start_after, job.gpus) == ((), None, ("G1",))
    told = store._db.execute("SELECT event, cause, actor FROM transitions WHERE job = 1").fetchall()
    assert told[1:] == [("update", "why", "me")]


def test_groups_are_kept_and_default_is_first(store: Store) -> None:
    shape = Group(
        name="b", slots=2, gpus=("G1", "G2"), on_failure="stop", paused=True, cause="job 1 failed"
    )
    store.set_group(shape)
    store.set_group(Group(name="a"))
    assert store.groups() == [Group(name="default"), Group(name="a"), shape]
    assert store.group("b") == shape
    store.set_group(Group(name="b"))
    assert store.group("b") == Group(name="b")
    store.remove_group("b")
    with pytest.raises(UnknownGroup, match=r"no group b\. There are: default, a\."):
        store.group("b")


def test_draining_is_kept(tmp_path: Path) -> None:
    store = Store(tmp_path / "lorad.db")
    for draining in (True, True, False, True):
        store.set_draining(draining)
        assert store.draining() == draining
    store.close()
    again = Store(tmp_path / "lorad.db")
    assert again.draining()
    again.close()


def test_tries_count_since_a_word(store: Store) -> None:
    job = add(store, new(), "t")
    for count in (1, 2):
        store.change(store.job(job.id), Queued(), "retry", cause="", actor="d")
        assert store.retried(job.id) == count
    store.change(store.job(job.id), Queued(), "resume", cause="", actor="me")
    assert store.retried(job.id) == 0


def test_another_programs_database_is_left_untouched(tmp_path: Path) -> None:
    path = tmp_path / "lorad.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE letters (text)")
    db.close()
    before = path.read_bytes()
    with pytest.raises(StoreUnreadable, match="it is the database of another program"):
        Store(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["lorad.db"]


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lorad.db"
    Store(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreUnreadable, match="version 99"):
        Store(path)


def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    store = Store(tmp_path / "lorad.db")
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreFull, match="Free some space"):
        for _ in range(1000):
            add(store, new(), "t")
    count = len(store.jobs())
    store._db.execute("PRAGMA max_page_count = 1000000")
    add(store, new(), "t")
    assert len(store.jobs()) == count + 1
    store.close()
