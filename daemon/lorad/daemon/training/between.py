"""What a run does between two steps: look, draw, save, obey, go back."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from pathlib import Path

import msgspec
import torch

from lorad.daemon.training.card import write_card
from lorad.daemon.training.checkpoint import Tensors
from lorad.daemon.training.export import export, kohya_file
from lorad.daemon.training.files import UNWRITTEN, make_folder, write_atomically
from lorad.daemon.training.fit import refuse_unfit
from lorad.daemon.training.health import Verdict, write_incident
from lorad.daemon.training.optimizer import optimizer_state
from lorad.daemon.training.run import Run
from lorad.daemon.training.setup import restore, tell_passed_over
from lorad.shared import failpoints
from lorad.shared.errors import Diverged, LoradError, NotFinite
from lorad.shared.jobs import LORA_FILE
from lorad.shared.messages import (
    EndReport,
    FinishReport,
    NoteReport,
    Point,
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
    """The prompts as the model draws them now, which answers every call for them so far."""
    run.drawn = run.asked
    sample = run.recipe.sample
    if sample.prompts and run.peers.leads:
        run.tell("drawing pictures")
        count = 0
        with run.shown():
            for picture in run.preview.draw(run.step, sample):
                run.line.report(SampleReport(picture=picture))
                failpoints.passed("preview.told")
                count += 1
        log.info("Step %d: drew %d pictures", run.step, count)
        run.tell("")


def look(run: Run) -> bool:
    """The loss on the pictures held out; the best checkpoint is kept. Whether it saved one."""
    if run.validator is None:
        return False
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
    better = run.best.since == 0
    run.line.report(ValidationReport(step=run.step, loss=loss, best=better))
    run.trackers.tell(run.step, {"validation_loss": loss}, always=True)
    if not (better and run.recipe.validate.keep_best and run.step > 0):
        return False
    save(run)
    copy_files(run, run.folder / f"checkpoint-{run.step}", run.folder / "best")
    return True


def judge(run: Run, reports: Iterable[PointReport]) -> Verdict:
    """Tell the figures that have arrived; the gravest verdict on them."""
    for report in reports:
        point = report.point
        run.line.report(report)
        run.pace.note(point.images_per_second)
        figures = {"loss": point.loss, "grad_norm": point.grad_norm}
        run.trackers.tell(point.step, figures | {"learning_rate": point.learning_rate})
        verdict = run.health.judge(point)
        if verdict == "fine":
            continue
        if run.scaled and verdict == "skipped" and math.isfinite(point.loss):
            log.debug("step %d: the gradient scaler overflowed", point.step)
        elif run.peers.leads:
            tell_incident(run, point)
        if verdict != "skipped":
            return verdict
    return "fine"


def tell_incident(run: Run, point: Point) -> None:
    """Write down and say that a step was skipped; a full disk costs no more than the file."""
    what = "gradient" if math.isfinite(point.loss) else "loss"
    text = f"The {what} at step {point.step} is no number; the step was skipped"
    try:
        names = run.dataset.names(point.step - 1)
        path = write_incident(run.folder, point, names, run.recipe.train.seed)
        text += f" ({path.relative_to(run.folder)})"
    except UNWRITTEN as error:
        log.warning("Its incident file could not be written: %s", error)
    log.warning("%s.", text)
    run.line.report(NoteReport(step=point.step, kind="nonfinite", text=f"{text}."))


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
    tell_passed_over(run)
    run.note("rollback", f"Went back from step {then} to the checkpoint of step {run.step}.")


def change(run: Run, recipe: Recipe) -> None:
    """Go on by a changed recipe; what was changed is kept with the run."""
    then = msgspec.json.decode(msgspec.json.encode(run.recipe))
    words = [str(found) for found in changed(then, recipe)]
    try:
        refuse_unfit(recipe, run.recipe_folder, begins=False)
        run.adopt(recipe)
    except LoradError as error:
        run.note("changed", f"A change was not taken up: {error}")
        return
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
    # A resume goes on behind this step, and nobody would tell of those before it again.
    run.verdict = judge(run, run.figures.ready(wait=True))
    run.line.settle()
    run.tell("saving")
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
            spare=run.best.step if keeps_best(run) else None,
        )
    copy_files(run, folder, run.folder)
    write_card(run.folder, run.family.name, run.recipe, run.step)
    run.pace.keep()
    failpoints.passed("save.before_told")
    run.line.report(SavedReport(step=run.step))
    failpoints.passed("save.told")
    run.tell("")
    log.info("Step %d: saved %s", run.step, folder.name)


def keeps_best(run: Run) -> bool:
    """Whether there is a checkpoint to keep for its validation loss."""
    return run.recipe.validate.keep_best and run.best.loss is not None and run.best.step > 0


def copy_files(run: Run, checkpoint: Path, folder: Path) -> None:
    """The LoRA files of a checkpoint, for people."""
    if run.peers.leads:
        make_folder(folder)
        for name in (LORA_FILE, kohya_file(run.recipe)):
            write_atomically(folder / name, (checkpoint / name).read_bytes(), "final")


def finish(run: Run) -> EndReport:
    """The last pictures and files."""
    run.line.report(FinishReport())
    early = run.step < run.last_step
    draw(run)
    if run.looked == run.step or not look(run):
        save(run)
    if run.peers.leads:
        best = run.folder / f"checkpoint-{run.best.step}"
        if keeps_best(run) and best.exists():
            copy_files(run, best, run.folder / "best")  # again: a run may have been killed there
        run.preview.write_before_after(run.step, run.folder / "before_after.png")
    if not early:
        return EndReport(outcome="done")
    reason = (
        f"stopped early at step {run.step}: the validation loss was lowest at step {run.best.step}"
    )
    reason += ", whose files are in best/." if keeps_best(run) else "."
    run.line.report(NoteReport(step=run.step, kind="stopped_early", text="It " + reason))
    return EndReport(outcome="done", reason=reason)


def leave(run: Run) -> EndReport:
    """Save what there is; a resume goes on from here."""
    save(run)
    return EndReport(outcome="yielded")
