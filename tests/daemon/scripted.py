"""A real daemon with real run processes, whose `train` is a few lines of the test's own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from support import Daemon

from lorad.shared.jobs import Job

Make = Callable[..., Daemon]
"""What the fixture `make` is."""

CUSTOM = """
import sys, types
if "lorad.daemon.run" in sys.orig_argv:
    loop = types.ModuleType("lorad.daemon.training.loop")
    exec(open({script!r}).read(), loop.__dict__)
    sys.modules["lorad.daemon.training.loop"] = loop
"""
HEAD = """
import os, pathlib, subprocess, time
from lorad.shared.messages import *

def say(task, *words):
    with open(pathlib.Path(task.folder) / "said", "a") as file:
        print(*words, file=file)

def point(step):
    return PointReport(point=Point(step=step, time=1.0, loss=0.5, learning_rate=1e-3,
                                   grad_norm=1.0, images_per_second=4.0))

def turns(task, line):
    told = "run"
    while line.wanted in ("run", "hold"):
        if line.wanted != told:
            told = line.wanted
            say(task, told)
        yield
        time.sleep(0.01)
"""
WAIT = """
def train(task, line, looking=None):
    say(task, "task", task.recipe.train.learning_rate, task.revision)
    line.report(ReadyReport(step=1, last_step=40), point(1))
    for _ in turns(task, line):
        for order in line.orders():
            if isinstance(order, ChangeRecipe):
                say(task, "change", order.recipe.train.learning_rate, order.revision)
            elif isinstance(order, SaveNow):
                say(task, "save", order.number)
                line.report(SavedReport(step=1))
            else:
                say(task, "draw", order.number)
    return "yielded"
"""
"""Trains until it is stopped, and says what it is told."""
RECIPE = 'name = "a"\n[data]\npath = "p"\n[train]\nlearning_rate = 0.5\n{train}\n'


def scripted(folder: Path, script: str, **env: str) -> Daemon:
    """A daemon that is up; its runs do `train(task, line)` of the script."""
    code = folder / "code"
    code.mkdir()
    (code / "script.py").write_text(HEAD + script)
    (code / "sitecustomize.py").write_text(CUSTOM.format(script=str(code / "script.py")))
    path = os.pathsep.join(filter(None, [str(code), os.environ.get("PYTHONPATH")]))
    daemon = Daemon(folder / "home", PYTHONPATH=path, **env)
    daemon.start()
    return daemon


def add(daemon: Daemon, folder: Path, train: str = "", **more: object) -> Job:
    """Queue a recipe with these lines in its `[train]`."""
    path = folder / "a.toml"
    path.write_text(RECIPE.format(train=train))
    return daemon.add(path, **more)


def said(job: Job) -> list[str]:
    """What the runs of a job said, oldest first."""
    path = Path(job.folder) / "said"
    return path.read_text().splitlines() if path.exists() else []
