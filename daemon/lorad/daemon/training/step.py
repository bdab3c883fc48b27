"""One update of the adapter, within the memory that there is."""

from __future__ import annotations

import gc
import logging

import torch

from lorad.daemon.training.compiled import compile_network, count_layers, pays_back
from lorad.daemon.training.device import is_full_card
from lorad.daemon.training.exactness import IN_PARTS
from lorad.daemon.training.flat import clear
from lorad.daemon.training.forward import losses_of
from lorad.daemon.training.lora import seed_dropout
from lorad.daemon.training.optimizer import set_learning_rate
from lorad.daemon.training.plan import lighter, shares
from lorad.daemon.training.run import Run
from lorad.shared import failpoints
from lorad.shared.errors import OutOfMemory

log = logging.getLogger(__name__)


def take_step(run: Run, rate: float) -> torch.Tensor:
    """One update at a share of the learning rate; [loss, gradient norm], not waited for."""
    set_learning_rate(run.optimizer, rate)
    loss = gradients(run)
    limit = run.recipe.train.max_grad_norm or float("inf")
    norm = run.place.accelerator.clip_grad_norm_(run.trained, limit)
    failpoints.passed("step.before_update")
    update(run, torch.isfinite(loss) & torch.isfinite(norm))
    failpoints.passed("step.after_update")
    run.step += 1
    failpoints.passed("step.counted")
    return torch.stack([loss, norm.float()])


def gradients(run: Run) -> torch.Tensor:
    """Those of all pictures of the step, on every process; their loss.

    A step that does not fit is taken again in smaller parts: the same pictures, the same noise.

    Raises:
        OutOfMemory: not even one picture at a time fits.
    """
    while True:
        loss = None
        try:
            loss = own_gradients(run)
        except RuntimeError as error:  # torch.OutOfMemoryError is one
            if not is_full_card(error):
                raise
        # Freed from here on, not in the block above: the error holds the step's tensors there.
        if not run.peers.any(loss is None):
            assert loss is not None
            return run.peers.sum([p.grad for p in run.trained if p.grad is not None], loss)
        clear(run.trained)
        take_less(run)


def own_gradients(run: Run) -> torch.Tensor:
    """Those of this process's rows of every micro-batch."""
    train, peers = run.recipe.train, run.peers
    pictures = train.train_batch_size * train.gradient_accumulation_steps
    total = torch.zeros((), device=run.place.device)
    for micro in range(train.gradient_accumulation_steps):
        for rows in shares(train.train_batch_size, peers.count, peers.rank, run.plan.split):
            batch = run.dataset.batch(run.step, micro, rows)
            if run.drops_out:
                seed_dropout(train.seed, run.step, micro, rows.start)
            losses = losses_of(batch, run.objective, run.family, run.place)
            loss = (losses * batch.weights).sum() / pictures
            run.place.accelerator.backward(loss)
            total += loss.detach()
    return total


def update(run: Run, good: torch.Tensor) -> None:
    """Move the adapter, unless a figure is no number: then it stays.

    On a GPU a fused optimiser reads `good` there, so that the host need not wait for it. The others
    have the host wait: a step of gradients that are zero would still decay weights and moments and
    count a step, and what they count themselves (steps, Prodigy's estimate, schedule-free's sum)
    are Python's numbers, which no tensor can put back.
    """
    # A gradient scaler skips such steps by itself.
    if run.fused and not run.scaled and good.is_cuda:
        run.inner.found_inf = (~good).float()
    elif not run.scaled and not bool(good):
        clear(run.trained)
        return
    run.optimizer.step()
    if run.ema is not None:
        run.ema.update(run.moved, run.step)
    clear(run.trained)


def compile_if_it_pays(run: Run, step_seconds: float | None = None) -> bool:
    """Compile the network where the recipe says so, or where the steps left make up for it.

    Asked before the first step, and again once it is known what a plain one takes; whether it did.
    """
    wanted, network = run.recipe.train.compile, run.family.network
    if wanted == "auto":
        if step_seconds is None or run.place.exact:
            return False
        left = run.last_step - run.step
        if not pays_back(step_seconds, left, count_layers(network), run.place.device.type):
            return False
    elif not wanted or step_seconds is not None:
        return False
    run.tell("compiling the network")
    compile_network(network, lambda: own_gradients(run))
    clear(run.trained)
    run.tell("")
    return True


def take_less(run: Run) -> None:
    """The next lighter plan, said and kept.

    Raises:
        OutOfMemory: there is none.
    """
    share = run.recipe.train.train_batch_size // run.peers.count
    auto = run.recipe.train.gradient_checkpointing == "auto"
    plan = lighter(run.plan, share, may_checkpoint=auto)
    if plan is None:
        raise OutOfMemory(when=f"at step {run.step + 1}, one picture at a time")
    before = run.plan
    run.follow(plan)
    gc.collect()
    torch.cuda.empty_cache()
    if run.place.exact and plan.split > before.split:
        run.note("inexact", IN_PARTS)
    run.note("plan", f"Out of memory at step {run.step + 1}: from here on {plan}.")
