"""Every mistake lorad can tell a person about: the docstring is the sentence they read.

`exit_code` is the command line's: 1 the job or operation failed, 2 usage, recipe or unknown id,
3 no daemon to reach.
"""

from __future__ import annotations

import inspect


class LoradError(Exception):
    """Something went wrong in lorad."""

    exit_code = 1

    def __init__(self, **details: object) -> None:
        """Keep the details; the sentence is made from them when somebody reads it."""
        super().__init__(details)
        self.details = details

    def __str__(self) -> str:
        """The class's sentence, filled in."""
        sentence = " ".join((inspect.getdoc(type(self)) or "").split())
        return sentence.format(**self.details)


# -- the recipe ---------------------------------------------------------------------------------


class RecipeError(LoradError):
    """The recipe cannot be used."""

    exit_code = 2


class RecipeMissing(RecipeError):
    """There is no recipe at {path}. `lorad init` writes one to start from."""


class RecipeUnreadable(RecipeError):
    """{path} cannot be read: {why}."""


class NotToml(RecipeError):
    """{path} is not valid TOML: {why}."""


class UnknownKey(RecipeError):
    """The recipe has an unknown key `{key}`.{hint}"""


class WrongValue(RecipeError):
    """The recipe's `{key}` does not fit: {why}."""


class NotWritable(LoradError):
    """{path} cannot be written: {why}."""

    exit_code = 2


class NameTaken(RecipeError):
    """{path} is there already. Choose another name, or remove it first."""


# -- the data -----------------------------------------------------------------------------------


class DataError(LoradError):
    """The training data cannot be used."""

    exit_code = 2


class FolderMissing(DataError):
    """The picture folder {path} does not exist. Set `data.path` to a folder of pictures."""


class NoPictures(DataError):
    """There are no pictures in {path}. Put .png, .jpg or .webp files there."""


class NoCaptions(DataError):
    """There are no captions in {path}. Add metadata.csv or metadata.jsonl with the columns
    `file_name` and `text`, or a .txt file beside each picture."""


class CaptionsMissing(DataError):
    """{count} of {total} pictures in {path} have no caption: {names}. Write one for each, or
    move those pictures away."""


class ListedFileMissing(DataError):
    """{metadata} lists {names}, which {verb} not there. Add the files or take the lines out."""


class OutsideFolder(DataError):
    """{metadata} lists `{name}`, which lies outside the picture folder. Use paths below it."""


class BadMetadata(DataError):
    """{metadata} cannot be used: {why}."""


class CaptionColumn(DataError):
    """It is not clear which column of {source} holds the captions. Set `data.caption_column` to
    one of: {columns}."""


class BrokenPicture(DataError):
    """{names} cannot be decoded: {why}. Replace or remove {them}."""


class DataChanged(DataError):
    """{names} changed since this run began, so it cannot go on exactly. Put the old files back,
    or `lorad restart` the job to train on the new ones."""


class DataSetUnreachable(DataError):
    """The data set {name} cannot be loaded: {why}. Check the name and the network, or set
    `data.path` to a local folder."""


# -- the model and the machine ------------------------------------------------------------------


class ModelError(LoradError):
    """The base model cannot be used."""

    exit_code = 2


class ModelMissing(ModelError):
    """There is no model at {base}. Set `model.base` to "emoji", a diffusers folder or a hub
    name such as "stable-diffusion-v1-5/stable-diffusion-v1-5"."""


class ModelUnreachable(ModelError):
    """The model {base} is neither a folder here nor to be had from the hub: {why}. Check the
    name and the network, or download it first and set `model.base` to its folder."""


class ModelUnsupported(ModelError):
    """{base} is no Stable Diffusion 1.x model in diffusers format: {why}."""


class TargetsMissing(ModelError):
    """`lora.target_modules` names {names}, which no layer of this U-Net matches. Attention layers
    are called to_q, to_k, to_v and to_out.0."""


class TrainingNotInstalled(LoradError):
    """Training is not installed here ({missing} is missing): this is the thin client. On the GPU
    box run `pip install 'lorad[train]'`."""


class DiskFull(LoradError):
    """The disk that holds {path} is full: {needed_mib} MiB are needed. Free some space, then
    `lorad resume` the job; its last checkpoint is whole."""


class NotFinite(LoradError):
    """The weights hold a NaN or an infinity at step {step}, so nothing was saved over the last
    good checkpoint. Lower `learning_rate` and add the recipe again."""


class OutOfMemory(LoradError):
    """The GPU ran out of memory {when}. Lower `train_batch_size` or `resolution`, or set
    `gradient_checkpointing = true`, and add the recipe again."""


class NoCuda(LoradError):
    """This run was given the GPU {gpu}, but torch finds no CUDA ({why}). Install a CUDA build of
    torch that the driver knows; to train on the CPU, start the daemon with CUDA_VISIBLE_DEVICES
    set to nothing."""


class CheckpointDamaged(LoradError):
    """{folder} is not on the disk as it was written ({why}); the disk may be failing. `lorad
    resume` goes on from the checkpoint before it."""


class NoCheckpoint(LoradError):
    """{folder} holds no checkpoint, so it is not known which model its LoRA belongs to."""


class CheckpointUnusable(LoradError):
    """No checkpoint in {folder} can be read back: {why}. `lorad restart` trains from the start."""


class CannotContinue(LoradError):
    """The checkpoint in {folder} was made by another recipe ({why}), so going on would make a
    different run. `lorad restart` trains from the start."""


# -- the daemon ---------------------------------------------------------------------------------


class DaemonError(LoradError):
    """The daemon said no."""


class NoDaemon(DaemonError):
    """No daemon is running here. `lorad up` starts one."""

    exit_code = 3


class DaemonSilent(DaemonError):
    """The daemon did not answer within {seconds:g} s. `lorad log --daemon` shows what it does."""

    exit_code = 3


class DaemonDidNotStart(DaemonError):
    """The daemon did not start. The end of {log} says: {why}"""

    exit_code = 3


class DaemonRunning(DaemonError):
    """A daemon is running already (pid {pid}). `lorad status` shows its queue."""


class HomeUnusable(DaemonError):
    """{path} cannot hold the daemon's sockets and database: {why}."""


class StoreUnreadable(DaemonError):
    """The queue in {path} cannot be read: {why}. It was left untouched; move it away to begin
    with an empty queue, or put a backup in its place."""


class StoreFull(DaemonError):
    """The disk that holds the queue is full, so nothing was changed. Free some space and try
    again."""


class StoreBusy(DaemonError):
    """The queue's database cannot be written now ({why}), so nothing was changed. Try again; if it
    stays so, see what else has {path} open."""


class UnsupportedProtocol(DaemonError):
    """This client speaks protocol {theirs}, the daemon speaks {ours}. Install the same version of
    lorad for both, then `lorad down` and `lorad up`."""


class StaleEpoch(DaemonError):
    """The daemon was restarted meanwhile, so nothing was done. Look at the queue and say it
    again."""

    exit_code = 3


class BadRequest(DaemonError):
    """The daemon cannot read this request: {why}."""

    exit_code = 2


class UnknownJob(DaemonError):
    """There is no job {id}. `lorad status` lists the jobs."""

    exit_code = 2


class FolderTaken(DaemonError):
    """Job {id} writes to {folder} already. Set another `output.folder`, or leave it out to get one
    of its own."""

    exit_code = 2


class FolderUsed(DaemonError):
    """{folder} holds checkpoints of an earlier run already. Set another `output.folder`, leave it
    out to get one of its own, or move them away."""

    exit_code = 2


class ImpossibleAction(DaemonError):
    """Job {id} is {state}, so it cannot be {participle}. {hint}"""


class NoOutput(DaemonError):
    """Job {id} has no LoRA file yet. It writes the first one at its first checkpoint."""


class RequestRefused(DaemonError):
    """{message}"""

    def __init__(self, kind: str, message: str, exit_code: int) -> None:
        """`kind` is the class's name at the daemon, `message` its sentence."""
        super().__init__(message=message)
        self.kind = kind
        self.exit_code = exit_code
