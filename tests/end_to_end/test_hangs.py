"""A real run that hangs in each of its phases: found, its stacks saved, and brought to its end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support import Daemon, small_recipe

from lorad.shared.messages import GetMetrics, GetNews

STEPS = 6
CODE = """
import os, signal, sys, time
WHERE, MARK = os.environ.get("HANG_WHERE", ""), os.environ.get("HANG_MARK", "")

def hang():
    if not os.path.exists(MARK):
        open(MARK, "w").close()
        if WHERE in PROCESSES:
            os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(1e6)

words = sys.orig_argv
PROCESSES = {"decoder": "lorad.daemon.training.data.decoder", "peer": "lorad.daemon.training.peer"}
if PROCESSES.get(WHERE) in words:
    hang()
elif WHERE and "lorad.daemon.run" in words:
    from lorad.daemon import uplink
    real = uplink.Uplink.report

    def report(self, *reports):
        real(self, *reports)
        for one in reports:
            told = getattr(one, "phase", "")
            if getattr(getattr(one, "point", None), "step", 0) == 3:
                told = "training"
            if told.startswith(WHERE):
                hang()

    uplink.Uplink.report = report
"""
"""The loop's own thread sleeps, right after it has told what it does now."""
WHERE = ("saving", "training", "loading", "reading", "encoding", "drawing", "validating", "decoder",
         "peer")  # fmt: skip


@pytest.mark.proof  # tests/daemon/test_hangs.py has one without torch
@pytest.mark.timeout(600)
@pytest.mark.parametrize("where", WHERE)
def test_a_run_that_hangs_goes_on(where: str, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "sitecustomize.py").write_text(CODE)
    (tmp_path / "config.toml").write_text("[runs]\nhang_seconds = 2\n")
    path = [str(tmp_path / "code"), os.environ.get("PYTHONPATH")]
    daemon = Daemon(
        tmp_path / "home", HANG_WHERE=where, HANG_MARK=str(tmp_path / "hung"),
        LORAD_CONFIG=str(tmp_path / "config.toml"), PYTHONPATH=os.pathsep.join(filter(None, path)),
    )  # fmt: skip
    daemon.start()
    recipe = small_recipe(tmp_path, steps=STEPS, checkpointing_steps=2, prompts='["a cat"]')
    text = recipe.read_text() + "\n[validate]\nsplit = 0.3\nevery_n_steps = 2\n"
    count = 2 if where == "peer" else 1
    recipe.write_text(text.replace("[train]", f"[train]\nnum_processes = {count}"))
    job = daemon.add(recipe)
    try:
        job = daemon.wait_state(job.id, "done", timeout=400)
        client = daemon.client()
        news = client.ask(GetNews(limit=100)).happenings
        points = client.ask(GetMetrics(id=job.id)).points
        stacks = daemon.home.stacks(job.id).read_text()
    finally:
        daemon.stop()
    assert (tmp_path / "hung").exists()
    hung = [one.text for one in news if one.event == "hung"]
    print(f"{where}: {hung}")
    assert len(hung) == 1, "and nobody who was merely slow"
    assert [one.event for one in news].count("died") == 1
    assert sorted({point.step for point in points}) == list(range(1, STEPS + 1))
    assert "It hung: it reported nothing for" in stacks
    assert "Thread" in stacks
    if where not in ("decoder", "peer"):
        assert "in hang" in stacks, "where it stood"
