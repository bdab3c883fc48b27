"""Every mistake lorad can tell a person about: the docstring is the sentence they read.

`exit_code` is the command line's: 1 the job or operation failed, 2 usage, recipe or unknown id,
3 no daemon to reach.
"""

from __future__ import annotations

import inspect


class LoradError(Exception):
    """Something went wrong in lorad."""

    exit_code = 1
    pauses = False
    """Whether a run that meets it is paused rather than failed, to be resumed when it is gone."""

    def __init__(self, **details: object) -> None:
        """Keep the details; the sentence is made from them when somebody reads it."""
        super().__init__(details)
        self.details = details

    def __str__(self) -> str:
        """The class's sentence, filled in."""
        sentence = " ".join((inspect.getdoc(type(self)) or "").split())
        return sentence.format(**self.details)


class Unforeseen(LoradError):
    """Something unexpected happened ({what}). `LORAD_TRACEBACK=1` shows the traceback."""


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


class KeyUnclear(RecipeError):
    """There are several keys `{key}` in a recipe. Say {names}."""


class CannotChange(RecipeError):
    """`{key}` of a job cannot be changed: {why}. Add the recipe again with another one."""


class NotWritable(RecipeError):
    """{path} cannot be written: {why}."""


class NameTaken(RecipeError):
    """{path} is there already. Choose another name, or remove it first."""


class CannotImport(RecipeError):
    """{what} cannot be imported: {why}."""


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
    """There is no model at {base}. Set `model.base` to "emoji", a diffusers folder, a
    `.safetensors` checkpoint or a hub name such as
    "stable-diffusion-v1-5/stable-diffusion-v1-5"."""


class ModelUnreachable(ModelError):
    """The model {base} is neither a folder here nor to be had from the hub: {why}. Check the
    name and the network, or download it first and set `model.base` to its folder."""


class ModelConfigUnreachable(ModelError):
    """The checkpoint {base} holds weights only. Its configuration is that of {reference}, which is
    not to be had from the hub: {why}. Check the network, or put that model's files, without the
    weights, into the folder {beside}."""


class PickledModel(ModelError):
    """{base} is a pickle, which may run any program when it is read, so it is not opened. Use the
    same model as a `.safetensors` file or a diffusers folder."""


class ModelUnsupported(ModelError):
    """{base} cannot be trained: {why}. It takes a whole Stable Diffusion 1.x, 2.x, XL, 3 or 3.5
    model, as a diffusers folder or a `.safetensors` checkpoint."""


class TargetsMissing(ModelError):
    """`{key}` names {names}, which no layer of this model matches. Attention layers are called
    to_q, to_k, to_v and to_out.0; of a text encoder q_proj, k_proj, v_proj and out_proj."""


class LoraError(ModelError):
    """A LoRA file cannot be used."""


class FileMissing(LoraError):
    """There is no file {path}."""


class LoraUnreadable(LoraError):
    """{path} cannot be read as a LoRA: {why}."""


class LoraKeysUnknown(LoraError):
    """{path} holds what is no LoRA of Stable Diffusion in keys of diffusers or kohya: {names}."""


class LoraUnfit(LoraError):
    """{path} does not fit: {why}."""


class NotConvertible(LoraError):
    """{path} cannot be converted: {why}."""


class NotPushed(LoradError):
    """Nothing was pushed to {repo}: {why}."""


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


class NoPrompts(DaemonError):
    """Job {id} has no prompts to draw. `lorad set {id} 'sample.prompts=["a cat"]'` gives it one."""


class TooFewCards(DaemonError):
    """The recipe wants {wanted} GPUs at once (`train.num_processes`), and this box has {count}.
    Lower it to what there is."""

    exit_code = 2


class NoOutput(DaemonError):
    """Job {id} has no LoRA file yet. It writes the first one at its first checkpoint."""


class RequestRefused(DaemonError):
    """{message}"""

    def __init__(self, kind: str, message: str, exit_code: int) -> None:
        """`kind` is the class's name at the daemon, `message` its sentence."""
        super().__init__(message=message)
        self.kind = kind
        self.exit_code = exit_code
