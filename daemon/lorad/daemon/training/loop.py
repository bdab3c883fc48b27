"""The training loop. Read this page first.

A run draws its prompts once with the untouched model, then takes one step after another: noise the
latents, let the network guess what was added, move the adapter. Between two steps it obeys, looks
at the pictures held out, draws and saves when that is due. Everything random is a function of the
seed and the step, so it may stop after any step and go on as if it had not.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

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
from lorad.daemon.training.checkpoint import NAME
from lorad.daemon.training.data.looking import Looking
from lorad.daemon.training.device import is_card_fault, is_full_card
from lorad.daemon.training.line import Line, Unwanted
from lorad.daemon.training.peers import Peers, gather
from lorad.daemon.training.run import Run
from lorad.daemon.training.setup import prepare
from lorad.daemon.training.step import compile_if_it_pays, take_step
from lorad.shared.clean import first_line
from lorad.shared.errors import CardFault, DataError, Diverged, MemoryShort, OutOfMemory
from lorad.shared.messages import (
    Assignment,
    ChangeRecipe,
    EndReport,
    Order,
    ReadyReport,
    SampleNow,
    SaveNow,
    Wanted,
)

log = logging.getLogger(__name__)
PLAIN_STEPS = 10
"""Taken before it is judged whether compiling pays: the first ones are slow by themselves."""
HOLD_SECONDS = 0.1
"""From one look to the next of a held run at what is wanted of it."""


def train(
    task: Assignment, line: Line, peers: Peers | None = None, looking: Looking | None = None
) -> EndReport:
    """Train until all steps are taken or somebody wants otherwise.

    `looking` is after the task's pictures already; see `begin.py`.

    Raises:
        LoradError: what went wrong, in one sentence.
    """
    run = None
    try:
        peers = peers or gather(task)
        run = prepare(task, line, peers, looking)
        return run_steps(run)
    except Unwanted:
        return EndReport(outcome="yielded")  # before its first step; the cache keeps what there is
    except DataError:
        if run is not None:  # a file is not what it was; the steps so far were taken on what it was
            give_up_step(run)
        raise
    except OutOfMemory as error:
        raise out_of_memory(task, error.details["when"]) from error
    except RuntimeError as error:
        if not is_full_card(error):
            if is_card_fault(error):
                raise CardFault(what=first_line(error, 200)) from error
            raise
        when = f"at step {run.step + 1}" if run else "while it was loading"
        raise out_of_memory(task, when) from error
    finally:
        if peers is not None:
            peers.end()
        if run is not None:
            run.trackers.close()
            run.dataset.flush()


def out_of_memory(task: Assignment, when: object) -> OutOfMemory:
    """A pause where there is a checkpoint to go on from: the card may be freed. Else a failure."""
    kept = any(NAME.fullmatch(path.name) for path in Path(task.folder).glob("checkpoint-*"))
    return MemoryShort(when=when) if kept else OutOfMemory(when=when)


def run_steps(run: Run) -> EndReport:
    """From where the run stands to its end, or to where it is no longer wanted."""
    if run.step == 0 and run.peers.hear(run.line.wanted) in ("run", "hold"):
        draw(run)
        look(run)
    run.tell("")
    run.line.report(ReadyReport(step=run.step + 1, last_step=run.last_step))
    compile_if_it_pays(run)
    encoding, first, run.began = True, run.step, time.perf_counter()
    # Heard first: an order may change which step is the last.
    while wanted(run) and run.step < run.last_step and not run.stops_early:
        rate = run.rates(run.step)
        try:
            loss_and_norm = take_step(run, rate)
        except OutOfMemory:
            give_up_step(run)
            raise
        now = time.perf_counter()
        run.figures.note(
            run.step, loss_and_norm, rate * run.learning_rate, run.images / (now - run.began)
        )
        if went_back(run):
            continue
        if run.step == first + PLAIN_STEPS and compile_if_it_pays(run, now - run.began):
            now = time.perf_counter()
        interrupted = run.step < run.last_step and between_steps(run)
        if encoding and run.step < run.last_step:
            encoding = run.dataset.make_more(now - run.began)
            interrupted = True
        run.began = time.perf_counter() if interrupted else now
    judge(run, run.figures.ready(wait=True))
    return finish(run) if run.step >= run.last_step or run.stops_early else leave(run)


def went_back(run: Run, *, wait: bool = False) -> bool:
    """Tell the figures that have arrived, or wait for all; whether they led to a checkpoint.

    Raises:
        Diverged: that did not help, or there is none.
    """
    verdict = judge(run, run.figures.ready(wait=wait))
    if run.verdict != "fine":  # on figures that a save waited for
        verdict, run.verdict = run.verdict, "fine"
    verdict = run.peers.hear(verdict)
    if verdict == "give_up":
        raise Diverged(step=run.step)
    if verdict == "roll_back":
        roll_back(run)
        run.began = time.perf_counter()
    return verdict == "roll_back"


def give_up_step(run: Run) -> None:
    """Keep the steps before one that cannot be taken; of that one nothing was done."""
    run.peers.leave()  # they met the same and end by themselves, perhaps before all is saved
    judge(run, run.figures.ready(wait=True))
    if run.step > 0:
        save(run)


def wanted(run: Run) -> bool:
    """Whether it is to take another step; what it was told meanwhile is done first.

    A held run stays here, hears on, and looks, draws and saves as it is told.
    """
    held = False
    while True:
        wanted, orders = run.peers.hear((run.line.wanted, run.line.orders()))
        obey(run, wanted, orders)
        if wanted != "hold":
            break
        if not held:
            went_back(run, wait=True)
            log.info("Step %d: held", run.step)
        if orders or not held:
            run.tell("held")
        held = True
        time.sleep(HOLD_SECONDS)
        run.began = time.perf_counter()
    if held and wanted == "run":
        log.info("Step %d: goes on", run.step)
        run.tell("")
    return wanted == "run"


def obey(run: Run, wanted: Wanted, orders: list[Order]) -> None:
    """Do what is to be done once. A run that leaves draws no more, and saves anyway."""
    for order in orders:
        if isinstance(order, ChangeRecipe):
            change(run, order.recipe)
        elif isinstance(order, SampleNow):
            run.asked = order.number
    if wanted in ("pause", "cancel"):
        return
    # What was asked of a run that died before it came to it is drawn here by the next one.
    if run.asked > run.drawn:
        draw(run)
    if any(isinstance(order, SaveNow) for order in orders) and run.step:
        save(run)
    if orders:
        run.began = time.perf_counter()


def between_steps(run: Run) -> bool:
    """Look, draw and save where that is due; whether anything was."""
    recipe, step = run.recipe, run.step
    looks = run.validator is not None and step % recipe.validate.every_n_steps == 0
    draws = run.preview.due(step, run.last_step, recipe.sample.every_n_steps)
    saves = step % recipe.train.checkpointing_steps == 0
    if draws:
        draw(run)
    saved = looks and look(run)
    if saves and not saved:
        save(run)
    return looks or draws or saves
