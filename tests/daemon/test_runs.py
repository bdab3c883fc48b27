from __future__ import annotations

import time
from types import SimpleNamespace

from lorad.daemon.runs import EXIT_SECONDS, Runs


def test_a_process_that_does_not_go_after_its_last_word_is_killed() -> None:
    killed: list[int] = []
    queue = SimpleNamespace(supervisor=SimpleNamespace(kill=killed.append))
    runs = Runs(None, queue)  # type: ignore[arg-type]
    runs._ended = {3: time.monotonic() - EXIT_SECONDS - 1, 4: time.monotonic()}
    runs.end_the_overdue()
    assert killed == [3]
