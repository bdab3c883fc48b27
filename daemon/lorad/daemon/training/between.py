"""What a run does between two steps: look, draw, save, obey, go back."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

import msgspec
import torch

from lorad.daemon.training.card import write_card
from lorad.daemon.training.checkpoint import Tensors
from lorad.daemon.training.export import DIFFUSERS_FILE, export, kohya_file
from lorad.daemon.training.files import write_atomically
from lorad.daemon.training.health import Verdict, write_incident
from lorad.daemon.training.optimizer import optimizer_state
from lorad.daemon.training.run import Run
from lorad.daemon.training.setup import restore
from lorad.shared.errors import Diverged, NotFinite
from lorad.shared.messages import (
    EndReport,
    FinishReport,
    NoteReport,
    PointReport,
    ReadyReport,
    SampleReport,
    SavedReport,
    ValidationReport,
)
from lorad.shared.recipe import Recipe
from lorad.shared.recipe.changes import changed

log = logging.getLogger(__name__)


def draw(run: Run) -> None:
    """The prompts as the model draws them now."""
    sample = run.recipe.sample
    if sample.prompts and run.peers.leads:
        run.tell("drawing pictures")
        count = 0
        with run.shown():
            for picture in run.preview.draw(run.step, sample):
                run.line.report(SampleReport(picture=picture))
                count += 1
        log.info("Step %d: drew %d pictures", run.step, count)
        run.tell("")


def look(run: Run) -> None:
    """The loss on the pictures held out; the best checkpoint is kept."""
    if run.validator is None:
        return
    if run.peers.leads:
        run.tell("validating")
        with run.shown():
            loss = run.validator.look(run.step)
        run.tell("")
    else:
        loss = 0.0
    loss = run.peers.hear(loss)
    run.looked = run.step
    run.best = run.best.after(run.step, loss)
    better = run.best.step == run.step and run.best.since == 0 and run.best.loss is not None
    run.line.report(ValidationReport(step=run.step, loss=loss, best=better))
    run.trackers.tell(run.step, {"validation_loss": loss}, always=True)
    if better and run.recipe.validate.keep_best and run.step > 0:
        save(run)
        copy_files(run, run.folder / f"checkpoint-{run.step}", run.folder / "best")
    if run.best.stop(run.recipe.validate.patience):
        run.stops_early = True


def judge(run: Run, reports: Iterable[PointReport]) -> Verdict:
    """Tell the figures that have arrived; the gravest verdict on them."""
    for report in reports:
        point = report.point
        run.line.report(report)
        figures = {"loss": point.loss, "grad_norm": point.grad_norm}
        run.trackers.tell(point.step, figures | {"learning_rate": point.learning_rate})
        verdict = run.health.judge(point)
        if verdict == "fine":
            continue
        if run.peers.leads:
            names = run.dataset.names(point.step - 1)
            path = write_incident(run.folder, point, names, run.recipe.train.seed)
            text = (
                f"The loss at step {point.step} is no number; the step was skipped ({path.name})."
            )
            log.warning(text)
            run.line.report(NoteReport(step=point.step, kind="nonfinite", text=text))
        if verdict != "skipped":
            return verdict
    return "fine"


def roll_back(run: Run) -> None:
    """To the newest checkpoint: several steps in a row came to no number.

    Raises:
        Diverged: there is none.
    """
    run.figures.forget()
    found = run.checkpoints.load()
    if found is None:
        raise Diverged(step=run.step)
    then = run.step
    restore(run, *found)
    text = f"Went back from step {then} to the checkpoint of step {run.step}."
    log.warning(text)
    run.line.report(NoteReport(step=run.step, kind="rollback", text=text))


def change(run: Run, recipe: Recipe) -> None:
    """Go on by a changed recipe; what was changed is kept with the run."""
    words = [str(found) for found in changed(msgspec.to_builtins(run.recipe), recipe)]
    run.adopt(recipe)
    for text in words:
        run.note_change(text)
    run.line.report(ReadyReport(step=run.step + 1, last_step=run.last_step))


def save(run: Run) -> None:
    """A checkpoint, and the LoRA files beside it in the output folder.

    Raises:
        NotFinite: the weights are broken; the last good checkpoint stays.
        DiskFull: the same.
    """
    if not all(torch.isfinite(parameter).all() for parameter in run.trained):
        raise NotFinite(step=run.step)
    if not run.peers.leads:
        return
    newest = next(iter(run.preview.pictures(run.step)), None)
    # Copies: on a CPU the very same memory is about to hold the weights that are exported.
    adapter = {name: p.detach().to("cpu", copy=True) for name, p in run.parameters.items()}
    tensors, rest = optimizer_state(run.inner, run.moved)
    average = {k: v.cpu() for k, v in run.ema.averages.items()} if run.ema else {}
    with run.shown():
        folder = run.checkpoints.save(
            run.state(rest),
            Tensors(adapter, tensors, average),
            lambda staged: export(run.family, run.recipe, run.step, run.about, staged, newest),
            spare=run.best.step if run.recipe.validate.keep_best else None,
        )
    copy_files(run, folder, run.folder)
    write_card(run.folder, run.family.name, run.recipe, run.step)
    run.line.report(SavedReport(step=run.step))
    log.info("Step %d: saved %s", run.step, folder.name)


def copy_files(run: Run, checkpoint: Path, folder: Path) -> None:
    """The LoRA files of a checkpoint, for people."""
    if run.peers.leads:
        folder.mkdir(exist_ok=True)
        for name in (DIFFUSERS_FILE, kohya_file(run.recipe)):
            write_atomically(folder / name, (checkpoint / name).read_bytes())


def finish(run: Run) -> EndReport:
    """The last pictures and files."""
    run.line.report(FinishReport())
    if run.looked != run.step:
        look(run)
    draw(run)
    run.tell("saving")
    save(run)
    if run.peers.leads:
        run.preview.write_before_after(run.step, run.folder / "before_after.png")
    if not run.stops_early:
        return EndReport(outcome="done")
    reason = (
        f"stopped early at step {run.step}: the validation loss was lowest at step"
        f" {run.best.step}, whose files are in best/."
    )
    run.line.report(NoteReport(step=run.step, kind="stopped_early", text="It " + reason))
    return EndReport(outcome="done", reason=reason)


def leave(run: Run) -> EndReport:
    """Save what there is; a resume goes on from here."""
    run.tell("saving")
    save(run)
    return EndReport(outcome="yielded")
