"""The training loop. Read this page first.

A run draws its prompts once with the untouched model, then takes one step after another: noise the
latents, let the network guess what was added, move the adapter. Between two steps it obeys, looks
at the pictures held out, draws and saves when that is due. Everything random is a function of the
seed and the step, so it may stop after any step and go on as if it had not.
"""

from __future__ import annotations

import logging
import time

from lorad.daemon.training.between import (
    change,
    draw,
    finish,
    judge,
    leave,
    look,
    roll_back,
    save,
)
from lorad.daemon.training.data.looking import Looking
from lorad.daemon.training.device import is_full_card
from lorad.daemon.training.line import Line, Unwanted
from lorad.daemon.training.peers import Peers, gather
from lorad.daemon.training.run import Run
from lorad.daemon.training.setup import prepare
from lorad.daemon.training.step import compile_if_it_pays, take_step
from lorad.shared.errors import Diverged, OutOfMemory
from lorad.shared.messages import Assignment, ChangeRecipe, EndReport, ReadyReport, SampleNow

log = logging.getLogger(__name__)
PLAIN_STEPS = 10
"""Taken before it is judged whether compiling pays: the first ones are slow by themselves."""


def train(
    task: Assignment, line: Line, peers: Peers | None = None, looking: Looking | None = None
) -> EndReport:
    """Train until all steps are taken or somebody wants otherwise.

    `looking` is after the task's pictures already; see `begin.py`.

    Raises:
        LoradError: what went wrong, in one sentence.
    """
    run = None
    peers = peers or gather(task)
    try:
        run = prepare(task, line, peers, looking)
        return run_steps(run)
    except Unwanted:
        return EndReport(outcome="yielded")  # before its first step; the cache keeps what there is
    except RuntimeError as error:
        if not is_full_card(error):
            raise
        when = f"at step {run.step + 1}" if run else "while it was loading"
        raise OutOfMemory(when=when) from error
    finally:
        peers.end()
        if run is not None:
            run.trackers.close()
            run.dataset.flush()


def run_steps(run: Run) -> EndReport:
    """From where the run stands to its end, or to where it is no longer wanted."""
    if run.step == 0 and run.peers.hear(run.line.wanted) == "run":
        draw(run)
        look(run)
    run.tell("")
    run.line.report(ReadyReport(step=run.step + 1, last_step=run.last_step))
    compile_if_it_pays(run)
    encoding, first, began = True, run.step, time.perf_counter()
    # Heard first: an order may change which step is the last.
    while wanted(run) and run.step < run.last_step and not run.stops_early:
        rate = run.rates(run.step)
        loss_and_norm = take_step(run, rate)
        now = time.perf_counter()
        run.figures.note(
            run.step, loss_and_norm, rate * run.learning_rate, run.images / (now - began)
        )
        verdict = run.peers.hear(judge(run, run.figures.ready()))
        if verdict == "give_up":
            raise Diverged(step=run.step)
        if verdict == "roll_back":
            roll_back(run)
            began = time.perf_counter()
            continue
        if run.step == first + PLAIN_STEPS and compile_if_it_pays(run, now - began):
            now = time.perf_counter()
        interrupted = run.step < run.last_step and between_steps(run)
        if encoding and run.step < run.last_step:
            encoding = run.dataset.make_more(now - began)
            interrupted = True
        began = time.perf_counter() if interrupted else now
    judge(run, run.figures.ready(wait=True))
    return finish(run) if run.step >= run.last_step or run.stops_early else leave(run)


def wanted(run: Run) -> bool:
    """Whether it is to take another step; what it was told meanwhile is done first."""
    wanted, orders = run.peers.hear((run.line.wanted, run.line.orders()))
    for order in orders:
        if isinstance(order, ChangeRecipe):
            change(run, order.recipe)
    if wanted == "run" and any(isinstance(order, SampleNow) for order in orders):
        draw(run)
    return wanted == "run"


def between_steps(run: Run) -> bool:
    """Look, draw and save where that is due; whether anything was."""
    recipe, step = run.recipe, run.step
    looks = run.validator is not None and step % recipe.validate.every_n_steps == 0
    draws = run.preview.due(step, run.last_step, recipe.sample.every_n_steps)
    saves = step % recipe.train.checkpointing_steps == 0
    if draws:
        draw(run)
    if looks:
        look(run)
    if saves:
        save(run)
    return looks or draws or saves
