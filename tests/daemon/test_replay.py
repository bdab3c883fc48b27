"""The log leads to the queue as it is; where it does not, that is said."""

from __future__ import annotations

from pathlib import Path

from lorad.daemon.store import Store
from lorad.daemon.store.replay import Line, Standing, check_log, replay
from lorad.daemon.store.rows import NewJob
from lorad.shared.jobs import Paused
from lorad.shared.recipe import parse_recipe

TEXT = 'name = "a"\n[data]\npath = "p"\n'


def test_lines_are_folded_in_their_order() -> None:
    lines = [
        Line(1, 1, "", "queued", 0, 1.0),
        Line(2, 0, "", "", None, None),  # the daemon's own
        Line(3, 2, "", "stashed", 0, 2.0),
        Line(4, 1, "queued", "starting", None, None),
        Line(5, 2, "stashed", "", 0, 2.0),
        Line(6, 1, "starting", "starting", 5, 0.1),
    ]
    assert replay(lines) == ({1: Standing("starting", 5, 0.1)}, [])
    again = [*lines, Line(7, 2, "", "stashed", 0, 2.0)]  # an undo
    assert replay(again)[0][2] == Standing("stashed", 0, 2.0)


def test_a_line_that_is_missing_shows() -> None:
    lines = [Line(1, 1, "", "queued", 0, 1.0), Line(3, 1, "running", "done", 0, 1.0)]
    _, gaps = replay(lines)
    assert gaps == ["Line 3 of the log takes job 1 from running, but it was queued."]


def test_a_change_that_no_line_tells_shows(tmp_path: Path) -> None:
    store = Store(tmp_path / "lorad.db")
    new = NewJob(parse_recipe(TEXT), TEXT, Path("/r"), False, 3)
    for _ in range(2):
        store.add(new, "me", lambda id: Path(f"/o/{id}"))
    store.set_place(store.job(1), 3, 1 / 3, "move", "me")
    store.change(store.job(1), Paused(), "made", cause="", actor="me")
    assert check_log(store) == []
    store._db.execute("UPDATE jobs SET position = 0.3333333 WHERE id = 1")
    (sentence,) = check_log(store)
    assert "place 0.3333333)" in sentence
    store._db.execute("DELETE FROM jobs WHERE id = 1")
    (sentence,) = check_log(store)
    assert sentence.startswith("Job 1 is not there in the table and paused (priority 3")
    store.close()
