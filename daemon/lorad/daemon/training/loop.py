"""The training loop. Read this page first.

A run draws its prompts once with the untouched model, then takes one step after another: noise the
latents, let the network guess the noise, move the adapter. After a step it tells what it has to
tell, draws and saves when that is due, and asks whether it is still wanted. Everything random is a
function of the seed and the step, so it may stop after any step and go on as if it had not.
"""

from __future__ import annotations

import logging
import time
from typing import Literal

import torch

from lorad.daemon.training import objective
from lorad.daemon.training.checkpoint import Tensors
from lorad.daemon.training.export import DIFFUSERS_FILE, export, kohya_file
from lorad.daemon.training.families.base import Diffusion
from lorad.daemon.training.files import write_atomically
from lorad.daemon.training.late import LateFigures
from lorad.daemon.training.optimizer import optimizer_tensors, set_learning_rate
from lorad.daemon.training.setup import Line, Run, Unwanted, prepare
from lorad.shared.errors import NotFinite, OutOfMemory
from lorad.shared.messages import (
    Assignment,
    FinishReport,
    ReadyReport,
    SampleReport,
    SavedReport,
)

log = logging.getLogger(__name__)


def train(task: Assignment, line: Line) -> Literal["done", "yielded"]:
    """Train until all steps are taken or somebody wants otherwise.

    Raises:
        LoradError: what went wrong, in one sentence.
    """
    run = None
    try:
        run = prepare(task, line)
        return run_steps(run)
    except Unwanted:
        return "yielded"  # before its first step; the cache keeps what was encoded
    except torch.OutOfMemoryError as error:
        when = f"at step {run.step + 1}" if run else "while it was loading"
        raise OutOfMemory(when=when) from error


def run_steps(run: Run) -> Literal["done", "yielded"]:
    """From where the run stands to its end, or to where it is no longer wanted."""
    figures = LateFigures()
    last, every = run.recipe.train.known_steps or 0, run.recipe.train.checkpointing_steps
    if run.step == 0 and run.line.wanted == "run":
        draw(run)
    run.tell("")
    run.line.report(ReadyReport(step=run.step + 1))
    began = time.perf_counter()
    while run.step < last and run.line.wanted == "run":
        rate = run.rates(run.step)
        loss_and_norm = take_step(run, rate)
        now = time.perf_counter()
        speed = images_a_step(run) / (now - began)
        figures.note(run.step, loss_and_norm, rate, speed)
        run.line.report(*figures.ready())
        if run.step < last:
            if run.preview.due(run.step):
                draw(run)
            if run.step % every == 0:
                save(run)
        began = time.perf_counter() if run.step % every == 0 or run.preview.due(run.step) else now
    run.line.report(*figures.ready(wait=True))
    return finish(run) if run.step == last else leave(run)


def take_step(run: Run, rate: float) -> torch.Tensor:
    """One update of the adapter; [loss, gradient norm] on the device, not waited for."""
    accelerator, train = run.place.accelerator, run.recipe.train
    gamma = run.recipe.objective.snr_gamma
    set_learning_rate(run.adamw, rate)
    total = torch.zeros((), device=run.place.device)
    for micro in range(train.gradient_accumulation_steps):
        batch = run.dataset.batch(run.step, micro)
        assert isinstance(run.family.process, Diffusion)
        alphas = run.family.process.alphas_cumprod
        noisy = objective.add_noise(batch.latents, batch.noise, batch.timesteps, alphas)
        with accelerator.autocast():
            guess = run.family.predict(noisy, batch.timesteps, batch.condition)
        loss = objective.loss(guess, batch.noise, batch.timesteps, alphas, gamma)
        loss = loss / train.gradient_accumulation_steps
        accelerator.backward(loss)
        total += loss.detach()
    limit = train.max_grad_norm or float("inf")
    norm = accelerator.clip_grad_norm_(list(run.parameters.values()), limit)
    run.optimizer.step()
    run.optimizer.zero_grad()
    run.step += 1
    return torch.stack([total, norm.float()])


def images_a_step(run: Run) -> int:
    """Pictures that one update has seen."""
    return run.recipe.train.train_batch_size * run.recipe.train.gradient_accumulation_steps


def draw(run: Run) -> None:
    """The prompts as the model draws them now."""
    if run.recipe.sample.prompts:
        run.tell("drawing pictures")
        count = 0
        for picture in run.preview.draw(run.step):
            run.line.report(SampleReport(picture=picture))
            count += 1
        log.info("Step %d: drew %d pictures", run.step, count)
        run.tell("")


def save(run: Run) -> None:
    """A checkpoint, and the LoRA files beside it in the output folder.

    Raises:
        NotFinite: the weights are broken; the last good checkpoint stays.
        DiskFull: the same.
    """
    if not all(torch.isfinite(parameter).all() for parameter in run.parameters.values()):
        raise NotFinite(step=run.step)
    newest = next(iter(run.preview.pictures(run.step)), None)
    adapter = {name: parameter.detach().cpu() for name, parameter in run.parameters.items()}
    folder = run.checkpoints.save(
        run.state(),
        Tensors(adapter, optimizer_tensors(run.adamw, run.parameters)),
        lambda staged: export(run.family, run.recipe, run.step, run.about, staged, newest),
    )
    for name in (DIFFUSERS_FILE, kohya_file(run.recipe)):
        write_atomically(run.folder / name, (folder / name).read_bytes())
    run.line.report(SavedReport(step=run.step))
    log.info("Step %d: saved %s", run.step, folder.name)


def finish(run: Run) -> Literal["done"]:
    """The last pictures and files."""
    run.line.report(FinishReport())
    draw(run)
    run.tell("saving")
    save(run)
    run.preview.write_before_after(run.step, run.folder / "before_after.png")
    return "done"


def leave(run: Run) -> Literal["yielded"]:
    """Save what there is; a resume goes on from here."""
    run.tell("saving")
    save(run)
    return "yielded"
