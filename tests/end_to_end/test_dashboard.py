"""The dashboard in a real terminal: it shows a live run, and its death costs the run nothing."""

from __future__ import annotations

import sysconfig
from pathlib import Path

from support import Daemon, eventually, small_recipe
from terminal import Terminal

from lorad.shared.messages import CancelJob, GetChart, GetMetrics

LORAD = str(Path(sysconfig.get_path("scripts")) / "lorad")


def test_killed_and_opened_again_while_a_run_goes_on(daemon: Daemon, tmp_path: Path) -> None:
    job = daemon.add(small_recipe(tmp_path, steps=3000, checkpointing_steps=3000))
    with Terminal([LORAD], daemon.env, 120, 40) as terminal:
        eventually(lambda: "small" in terminal.text, 30)
        daemon.wait_step(job.id, 2)
        eventually(lambda: "running" in terminal.text, 30)
        terminal.process.kill()
        terminal.process.wait()
    step = daemon.job(job.id).progress.step
    assert daemon.wait_step(job.id, step + 2).state == "running"
    with Terminal([LORAD], daemon.env, 80, 24) as terminal:
        eventually(lambda: "running" in terminal.text, 30)
        terminal.send("q")
        assert terminal.process.wait(60) == 0
    step = daemon.job(job.id).progress.step
    assert daemon.wait_step(job.id, step + 2).state == "running"
    daemon.client().ask(CancelJob(id=job.id, force=True))


def test_a_terminal_that_goes_away_takes_the_viewer_along(daemon: Daemon, tmp_path: Path) -> None:
    daemon.add(small_recipe(tmp_path), stash=True)
    terminal = Terminal([LORAD], daemon.env, 80, 24)
    with terminal:
        eventually(lambda: "small" in terminal.text, 30)
        process = terminal.process
        terminal.hang_up()
        eventually(lambda: process.poll() is not None, 15)
    assert daemon.job(1).state == "stashed"


def test_the_curves_of_a_live_run_zoomed_and_left_again(daemon: Daemon, tmp_path: Path) -> None:
    job = daemon.add(small_recipe(tmp_path, steps=3000, checkpointing_steps=3000))
    daemon.wait_step(job.id, 3)
    with Terminal([LORAD, "dashboard", str(job.id)], daemon.env, 120, 40) as terminal:
        eventually(lambda: "running" in terminal.text, 30)
        terminal.send("\r")
        eventually(lambda: "Gradient norm" in terminal.text and "Events" in terminal.text, 30)
        terminal.send("\x1b[D\x1b[D")
        eventually(lambda: "Events up to step" in terminal.text, 30)
        terminal.send("+y")
        eventually(lambda: "· log" in terminal.text, 30)
        terminal.send("0\r")
        daemon.wait_step(job.id, daemon.job(job.id).progress.step + 2)
        terminal.send("q")
        assert terminal.process.wait(60) == 0
    client = daemon.client()
    lines = client.ask(GetChart(id=job.id, width=50, metrics=["loss", "grad_norm"])).lines
    points = client.ask(GetMetrics(id=job.id, limit=lines["loss"][-1].step)).points
    assert max(column.maximum or 0 for column in lines["loss"]) == max(p.loss for p in points)
    assert len(lines["grad_norm"]) == len(lines["loss"])
    client.ask(CancelJob(id=job.id, force=True))
