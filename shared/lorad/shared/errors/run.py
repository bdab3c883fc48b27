"""A run, its machine and its checkpoints."""

from __future__ import annotations

from lorad.shared.errors.base import LoradError


class TrainingNotInstalled(LoradError):
    """Training is not installed here ({missing} is missing): this is the thin client. On the GPU
    box run `pip install 'lorad[train]'`."""


class OptimizerMissing(LoradError):
    """The optimizer {type} cannot be used here: {why}. Run `pip install {package}`, or set
    `optimizer.type` to "adamw"."""

    exit_code = 2


class DiskFull(LoradError):
    """The disk that holds {path} is full: {needed_mib} MiB are needed. Free some space, then
    `lorad resume` the job; its last checkpoint is whole."""

    pauses = True


class DiskFailing(LoradError):
    """The disk that holds {path} fails: {why}. Nothing was saved over the last good checkpoint.
    Look after the disk, then `lorad resume` the job; it goes on from the newest one that is
    whole."""

    pauses = True


class FailpointUnknown(LoradError):
    """LORAD_FAILPOINT says `{given}`: {why}. It is for the tests of lorad alone; unset it."""

    exit_code = 2


class SelfTestStuck(LoradError):
    """The self-test waited {seconds:g} s for {what}, in vain. What it did lies in {folder}."""


class NotFinite(LoradError):
    """The weights hold a NaN or an infinity at step {step}, so nothing was saved over the last
    good checkpoint. Lower the rate with `lorad set ID learning_rate=…`, then `lorad resume` it."""

    pauses = True


class Diverged(LoradError):
    """The loss was no number in several steps before step {step}, also after going back to the
    last checkpoint; incidents/ in the output folder names the pictures. Lower the rate with
    `lorad set ID learning_rate=…`, then `lorad resume` it."""

    pauses = True


class OutOfMemory(LoradError):
    """The GPU ran out of memory {when}. Lower `resolution`, set `gradient_checkpointing = true` or
    `optimizer.type = "adamw8bit"`, or free the card of others, and add the recipe again."""


class MemoryShort(OutOfMemory):
    """The GPU ran out of memory {when}, and there is nothing left to make lighter. The last
    checkpoint is whole: free the card of others, then `lorad resume` the job."""

    pauses = True


class CardFault(LoradError):
    """The GPU failed, and not for want of memory: {what}. A new process goes on from the last
    checkpoint; `lorad gpu` says if the card must be reset first."""


class NoCuda(LoradError):
    """This run was given the GPU {gpu}, but torch finds no CUDA ({why}). Install a CUDA build of
    torch that the driver knows; to train on the CPU, start the daemon with CUDA_VISIBLE_DEVICES
    set to nothing."""


class CheckpointDamaged(LoradError):
    """{folder} is not on the disk as it was written ({why}); the disk may be failing. `lorad
    resume` goes on from the checkpoint before it."""


class NoCheckpoint(LoradError):
    """{folder} holds no checkpoint, so it is not known which model its LoRA belongs to."""


class WrongBase(LoradError):
    """{path} cannot be put on {base}: {why}. Name the base model that it was trained on."""

    exit_code = 2


class BaseUnnamed(LoradError):
    """A LoRA file does not say where its base model lies. Name it with --base, as `model.base` in
    a recipe."""

    exit_code = 2


class CheckpointUnusable(LoradError):
    """No checkpoint in {folder} can be read back: {why}. `lorad restart` trains from the start."""


class NoPicture(LoradError):
    """Job {id} has no picture of prompt {index} at step {step}. `lorad samples {id}` lists them."""

    exit_code = 2


class PictureGone(LoradError):
    """The picture {path} cannot be shown: {why}."""


class NoTerminal(LoradError):
    """The dashboard needs a terminal to draw on and to read keys from. `lorad status` prints the
    queue, `lorad events -f` follows it."""

    exit_code = 2


class ImagesMissing(LoradError):
    """Pictures by {wanted} need textual-image, which is not installed: `pip install
    'lorad[images]'` on Python 3.12 or newer. Half blocks, `--images half`, need nothing."""

    exit_code = 2


class ImagesUnknown(LoradError):
    """LORAD_IMAGES is `{given}`, which is none of {known}."""

    exit_code = 2


class PictureTooSlow(LoradError):
    """The box is too busy to make the picture {path} ready now. Ask for it again."""


class LogTooSlow(LoradError):
    """The box is too busy to look through that log now. Ask again."""


class CannotContinue(LoradError):
    """The checkpoint in {folder} was made by another recipe ({why}), so going on would make a
    different run. `lorad restart` trains from the start."""
