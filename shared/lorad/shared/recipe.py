"""The recipe: one TOML file is one run. Names are diffusers' and peft's own where they have one."""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from lorad.shared.errors import (
    NotToml,
    RecipeMissing,
    RecipeUnreadable,
    UnknownKey,
    WrongValue,
)

# Bounds that no sane value meets keep out what neither the database nor the wire can hold:
# integers beyond 64 bits, infinity, NaN.
LARGEST = 1e38
Count = Annotated[int, Meta(ge=1, le=2**31)]
Whole = Annotated[int, Meta(ge=0, le=2**62)]
Rate = Annotated[float, Meta(gt=0, le=LARGEST)]
Share = Annotated[float, Meta(ge=0, le=1)]
NotNegative = Annotated[float, Meta(ge=0, le=LARGEST)]
Side = Annotated[int, Meta(ge=8, le=4096, multiple_of=8)]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
RESERVED = frozenset({"adapter", "optimizer", "pytorch_lora_weights"})
"""The run's own files, beside which `<name>.safetensors` is written."""


class _Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the recipe; a key that is not listed is refused."""


class Model(_Section, frozen=True):
    """`[model]`: what is trained on."""

    base: str = "emoji"
    """The shipped model by its name, a diffusers folder, or a hub name `owner/model`."""
    revision: str | None = None
    """Branch, tag or commit of a hub model."""


class Data(_Section, frozen=True):
    """`[data]`: the pictures and their captions."""

    path: str | None = None
    """A folder of pictures, relative to the recipe."""
    dataset_name: str | None = None
    """Instead of `path`: a data set on the hub, `owner/set`."""
    dataset_config_name: str | None = None
    split: str = "train"
    image_column: str = "image"
    caption_column: str | None = None
    """None: `text`, else the only other column of strings."""
    random_flip: bool = False
    caption_dropout: Share = 0.05
    """How often a picture is trained without its caption, so that guidance goes on working."""


class Lora(_Section, frozen=True):
    """`[lora]`: the adapter, as peft's LoraConfig names it."""

    rank: Count = 16
    alpha: Rate | None = None
    """None: equal to the rank, so that the update is not scaled."""
    target_modules: tuple[str, ...] = ("to_q", "to_k", "to_v", "to_out.0")
    """Ends of layer names in the U-Net; attention by default."""

    @property
    def lora_alpha(self) -> float:
        """The alpha that holds, as peft names it."""
        return self.alpha or self.rank


class Train(_Section, frozen=True):
    """`[train]`: the loop."""

    max_train_steps: Count = 1000
    train_batch_size: Count = 4
    gradient_accumulation_steps: Count = 1
    resolution: Side = 512
    learning_rate: Rate = 1e-4
    max_grad_norm: NotNegative = 1.0
    """0: gradients are not clipped."""
    snr_gamma: NotNegative = 5.0
    """Min-SNR weighting; 0: every timestep weighs the same."""
    noise_offset: NotNegative = 0.0
    seed: Whole = 0
    mixed_precision: Literal["auto", "no", "fp16", "bf16"] = "auto"
    """auto: bf16 on a GPU that has it, fp16 on an older one, no on a CPU."""
    gradient_checkpointing: bool = False
    checkpointing_steps: Count = 500
    exact: bool | None = None
    """Only what repeats bit for bit. None: true on a CPU, false on a GPU."""
    gpu_memory_gib: Annotated[float, Meta(ge=0, le=1e6)] = 0.0
    """Free memory that a card must have before the run starts on it; 0: estimated."""


class Optimizer(_Section, frozen=True):
    """`[optimizer]`: AdamW."""

    adam_beta1: Annotated[float, Meta(ge=0, lt=1)] = 0.9
    adam_beta2: Annotated[float, Meta(ge=0, lt=1)] = 0.999
    adam_weight_decay: NotNegative = 1e-2
    adam_epsilon: Rate = 1e-8


class Schedule(_Section, frozen=True):
    """`[schedule]`: the learning rate over the steps, by diffusers' names."""

    lr_scheduler: Literal[
        "constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts", "polynomial"
    ] = "cosine"
    lr_warmup_steps: Whole | None = None
    """None: a tenth of the steps, at most 500."""


class Sample(_Section, frozen=True):
    """`[sample]`: the pictures drawn while it trains, always from the same noise."""

    prompts: tuple[str, ...] = ()
    negative_prompt: str = ""
    every_n_steps: Whole = 250
    """0: only before the first step and after the last."""
    num_inference_steps: Annotated[int, Meta(ge=1, le=1000)] = 25
    guidance_scale: NotNegative = 7.5
    seed: Whole = 1


class Output(_Section, frozen=True):
    """`[output]`: the files."""

    folder: str | None = None
    """Relative to the recipe; none: `output/<name>-<id>`."""
    keep: Annotated[int, Meta(ge=2)] = 2
    """Checkpoints kept; two at least, since the newest could be damaged."""
    trigger_phrase: str = ""
    """Written into the file for the programs that show it."""


class Recipe(_Section, frozen=True):
    """One run."""

    name: str
    model: Model = Model()
    data: Data = Data()
    lora: Lora = Lora()
    train: Train = Train()
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    sample: Sample = Sample()
    output: Output = Output()


def load_recipe(path: Path) -> tuple[Recipe, str]:
    """The recipe in a file, and the file's text.

    Raises:
        RecipeError: it is missing, unreadable, no TOML, or does not say what a recipe may say.
    """
    try:
        source = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RecipeMissing(path=path) from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeUnreadable(path=path, why=error) from error
    return parse_recipe(source, str(path)), source


def parse_recipe(source: str, path: str = "the recipe") -> Recipe:
    """The recipe in a text; `path` only names it in errors.

    Raises:
        RecipeError: as `load_recipe`.
    """
    try:
        tables = tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        raise NotToml(path=path, why=error) from error
    _refuse_unknown(tables, Recipe, "")
    try:
        recipe = msgspec.convert(tables, Recipe)
    except msgspec.ValidationError as error:
        raise _translated(error) from error
    _check_sense(recipe)
    return recipe


def _refuse_unknown(tables: dict[str, Any], section: type[Struct], prefix: str) -> None:
    """Raise UnknownKey for the first key that no field of the section has."""
    fields = {field.name: field.type for field in msgspec.structs.fields(section)}
    for key, value in tables.items():
        if key not in fields:
            raise UnknownKey(key=prefix + key, hint=_hint(key, section, prefix))
        inner = fields[key]
        if isinstance(value, dict) and isinstance(inner, type) and issubclass(inner, Struct):
            _refuse_unknown(value, inner, f"{prefix}{key}.")


def _hint(key: str, section: type[Struct], prefix: str) -> str:
    """The nearest name there is: in the same table first, then in any other."""
    here = {name: prefix + name for name in section.__struct_fields__}
    elsewhere = {
        name: f"{table.name}.{name}"
        for table in msgspec.structs.fields(Recipe)
        if isinstance(table.type, type) and issubclass(table.type, Struct)
        for name in table.type.__struct_fields__
    }
    if key in elsewhere:
        return f" Did you mean `{elsewhere[key]}`?"
    for names in (here, elsewhere):
        if close := difflib.get_close_matches(key, names, n=1, cutoff=0.6):
            return f" Did you mean `{names[close[0]]}`?"
    return f" There are: {', '.join(sorted(here.values()))}."


def _translated(error: msgspec.ValidationError) -> WrongValue:
    """The sentence of msgspec, with the key in the recipe's own spelling."""
    why, _, where = str(error).partition(" - at `$.")
    if missing := re.fullmatch(r"Object missing required field `(\w+)`", why):
        key = ".".join(filter(None, [where.rstrip("`"), missing.group(1)]))
        return WrongValue(key=key, why="it is missing")
    if why.startswith("Invalid enum value"):
        why = f"Expected one of {', '.join(_choices(where.rstrip('`')))}"
    why = re.sub(r"`(\w+)`", lambda found: _WORDS.get(found.group(1), found.group(0)), why)
    return WrongValue(key=where.rstrip("`") or "recipe", why=why[:1].lower() + why[1:])


def _choices(key: str) -> list[str]:
    """The words that a key takes, quoted."""
    section: Any = Recipe
    for part in key.split("."):
        section = next(f.type for f in msgspec.structs.fields(section) if f.name == part)
    return [f'"{word}"' for word in get_args(section)]


_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text in quotes",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}


def _check_sense(recipe: Recipe) -> None:
    """What types alone cannot say."""
    if not NAME.fullmatch(recipe.name):
        raise WrongValue(
            key="name", why="use up to 64 letters, digits, dots, dashes and underscores"
        )
    if recipe.data.path is None and recipe.data.dataset_name is None:
        raise WrongValue(key="data", why="set `path` to a folder, or `dataset_name`")
    if recipe.data.path is not None and recipe.data.dataset_name is not None:
        raise WrongValue(key="data", why="set either `path` or `dataset_name`, not both")
    if recipe.name in RESERVED:
        raise WrongValue(key="name", why="another file in the output has that name")
    if recipe.schedule.lr_warmup_steps and recipe.schedule.lr_scheduler == "constant":
        why = '"constant" has no warm-up; use lr_scheduler = "constant_with_warmup"'
        raise WrongValue(key="schedule.lr_warmup_steps", why=why)
    if not recipe.lora.target_modules:
        raise WrongValue(key="lora.target_modules", why="it is empty, so nothing would be trained")


TEMPLATE = """\
# A run of lorad. `lorad check {file}` looks it over, `lorad add {file}` queues it.
name = "{name}"

[model]
base = "emoji"            # the shipped model; or a diffusers folder, or a hub name such as
                          # "stable-diffusion-v1-5/stable-diffusion-v1-5" (resolution 512)

[data]
path = "pictures"         # beside this file: pictures with metadata.csv, metadata.jsonl or a
                          # .txt for each; or instead: dataset_name = "owner/set" from the hub
# caption_column = "text" # where the captions are; "text" unless there is only one other column
# random_flip = false     # train mirror images too
# caption_dropout = 0.05  # how often a caption is left out

[lora]
rank = 16                 # size of the adapter
# alpha = 16              # strength; equal to the rank unless set
# target_modules = ["to_q", "to_k", "to_v", "to_out.0"]   # add "conv1", "conv2" for style

[train]
max_train_steps = 300
train_batch_size = 8
resolution = 64           # 512 for Stable Diffusion 1.x
learning_rate = 1e-3      # 1e-4 for Stable Diffusion 1.x
seed = 7
checkpointing_steps = 50
# gradient_accumulation_steps = 1
# mixed_precision = "auto"          # auto, no, fp16, bf16
# gradient_checkpointing = false    # true: less memory, slower
# snr_gamma = 5.0
# exact = true                      # bit for bit; true on a CPU unless set, false on a GPU

# [schedule]
# lr_scheduler = "cosine"
# lr_warmup_steps = 30              # a tenth of the steps unless set

[sample]
prompts = ["cat face", "rocket"]
every_n_steps = 100
guidance_scale = 4.0      # 7.5 for Stable Diffusion 1.x

# [output]
# folder = "output/{name}"
# keep = 2                          # checkpoints
"""


def template(name: str, file: str) -> str:
    """A commented recipe to start from, as `lorad init` writes it."""
    return TEMPLATE.format(name=name, file=file)
