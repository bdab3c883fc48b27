"""kohya's picture sets: a dataset file, or folders named `5_cat`.

The rules are those of kohya-ss/sd-scripts, library/config_util.py: a subset's key comes before its
dataset's, that before `[general]`, that before the command line.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from lorad.shared.errors import CannotImport
from lorad.tui.imports.arguments import Arguments, convert
from lorad.tui.imports.draft import Draft, side, told
from lorad.tui.imports.kohya import DATA_ARGUMENTS, LISTS

_OWN_NAMES = {"train_batch_size": "batch_size", "dataset_repeats": "num_repeats"}
"""What a dataset file calls differently from the command line."""
_SUBSET_ONLY = {
    "image_dir": "text",
    "class_tokens": "text",
    "is_reg": "switch",
    "conditioning_data_dir": "text",
    "metadata_file": "text",
    "cache_info": "switch",
    "custom_attributes": "text",
    "network_multiplier": "number",
    "validation_seed": "whole",
    "max_train_samples": "whole",
}
KINDS: dict[str, Any] = {
    _OWN_NAMES.get(name, name): argument.kind for name, argument in DATA_ARGUMENTS.items()
} | _SUBSET_ONLY
_LANDS = {
    "image_dir": "path",
    "class_tokens": "caption",
    "num_repeats": "repeats",
    "is_reg": "is_reg",
    "caption_prefix": "caption_prefix",
    "caption_suffix": "caption_suffix",
    "caption_separator": "caption_separator",
    "shuffle_caption": "shuffle_caption",
    "caption_tag_dropout_rate": "caption_tag_dropout",
    "caption_dropout_rate": "caption_dropout",
    "enable_wildcard": "enable_wildcard",
    "flip_aug": "random_flip",
    "alpha_mask": "alpha_mask",
}
"""A subset's key: data's."""
_NO_COUNTERPART = {
    "keep_tokens_separator": "it has no counterpart; keep_tokens counts the tags that stay.",
    "secondary_separator": "it has no counterpart.",
    "caption_dropout_every_n_epochs": "it has no counterpart; caption_dropout is a share.",
    "token_warmup_min": "it has no counterpart: all tags are read from the start.",
    "token_warmup_step": "it has no counterpart: all tags are read from the start.",
    "color_aug": "it has no counterpart: colours stay.",
    "face_crop_aug_range": "it has no counterpart.",
    "resize_interpolation": "pictures are always scaled by Lanczos.",
    "custom_attributes": "it has no counterpart.",
    "network_multiplier": "it has no counterpart.",
}
_OF_ALL = ("resolution", "batch_size", "enable_bucket", "min_bucket_reso", "max_bucket_reso",
           "bucket_reso_steps", "bucket_no_upscale", "validation_split")  # fmt: skip
"""What each of kohya's datasets may have by itself, and a recipe has once."""


def read_data(arguments: Arguments, file: dict[str, Any] | None, draft: Draft) -> dict[str, Any]:
    """Put the picture sets into the draft; what holds for all of them, by kohya's names.

    Raises:
        CannotImport: the dataset file is not of kohya's form.
    """
    lowest = {
        _OWN_NAMES.get(name, name): arguments[name]
        for name in DATA_ARGUMENTS
        if arguments[name] is not None
    }
    if "caption_extention" in lowest:  # kohya's own older spelling
        lowest["caption_extension"] = lowest.pop("caption_extention")
    masks = arguments["masked_loss"]
    if file is None:
        subsets = _folder_subsets(arguments, draft)
        if arguments["conditioning_data_dir"] and masks:
            lowest["conditioning_data_dir"] = arguments["conditioning_data_dir"]
        draft.data = [_data({**lowest, **subset}, draft, masks=masks) for subset in subsets]
        return lowest
    general = _checked(_table(file.get("general", {}), "general"), draft)
    draft.data, shared = [], []
    for dataset in _tables(file.get("datasets"), "datasets"):
        own = _checked({key: dataset[key] for key in dataset if key != "subsets"}, draft)
        base = {**lowest, **general, **own}
        shared.append({key: base.get(key) for key in _OF_ALL})
        for subset in _tables(dataset.get("subsets"), "datasets.subsets"):
            draft.data.append(_data({**base, **_checked(subset, draft)}, draft, masks=masks))
    for key in _OF_ALL:
        if any(other[key] != shared[0][key] for other in shared):
            draft.remark(
                key, f"the datasets differ in it; a recipe has one, that of the first: "
                f"{shared[0][key]}.",
            )  # fmt: skip
    return shared[0]


def _table(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CannotImport(what="The dataset file", why=f"`{name}` is no table")
    return value


def _tables(value: Any, name: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not value:
        raise CannotImport(what="The dataset file", why=f"it has no [[{name}]]")
    return [_table(table, name) for table in value]


def _checked(table: dict[str, Any], draft: Draft) -> dict[str, Any]:
    """The table's values as their kinds; unknown keys are remarked and left out.

    Raises:
        CannotImport: a value does not fit its key.
    """
    known = {}
    for key, value in table.items():
        if key in LISTS:
            known[key] = value  # one is read as it is, the others are only remarked
        elif key in KINDS:
            known[key] = convert(key, KINDS[key], value)
        else:
            draft.remark(key, "kohya's dataset files have no such key; it is left out.")
    return known


def _folder_subsets(arguments: Arguments, draft: Draft) -> list[dict[str, Any]]:
    """The sub-folders `<repeats>_<class tokens>` of --train_data_dir and --reg_data_dir."""
    subsets: list[dict[str, Any]] = []
    for name, is_reg in (("train_data_dir", False), ("reg_data_dir", True)):
        folder = arguments[name]
        if folder is None:
            continue
        found = sorted(_numbered(Path(folder)))
        if not found:
            subsets.append({"image_dir": folder, "is_reg": is_reg})
            draft.remark(
                f"--{name}",
                f"there are no folders such as `5_cat` in {folder} here, so it is taken as one "
                "set; write a [[data]] table for each, with its repeats and caption.",
            )
        for repeats, tokens, path in found:
            subset = {"image_dir": path, "num_repeats": repeats, "is_reg": is_reg}
            subsets.append(subset | ({"class_tokens": tokens} if tokens else {}))
    return subsets or [{}]


def _numbered(folder: Path) -> list[tuple[int, str, str]]:
    try:
        names = [path.name for path in folder.iterdir() if path.is_dir()]
    except (OSError, ValueError):  # the second: a name that no folder can have
        return []
    parts = [(name, *name.partition("_")[::2]) for name in names]
    return [
        (int(number), tokens, str(folder / name))
        for name, number, tokens in parts
        if number.isascii() and number.isdigit() and int(number) > 0
    ]


def _data(subset: dict[str, Any], draft: Draft, *, masks: bool) -> dict[str, Any]:
    """A subset, everything inherited, as a table of `[[data]]`."""
    data = {ours: subset[theirs] for theirs, ours in _LANDS.items() if subset.get(theirs)}
    data["caption_dropout"] = subset.get("caption_dropout_rate", 0.0)
    data["center_crop"] = not subset.get("random_crop", False)
    _caption_file(subset, data, draft)
    for key, why in _NO_COUNTERPART.items():
        if subset.get(key):
            draft.remark(key, why)
    if kept := subset.get("keep_tokens"):
        if data.get("shuffle_caption") or data.get("caption_tag_dropout"):
            data["keep_tokens"] = kept
        else:
            draft.remark("keep_tokens", "without shuffle_caption no tag moves; it is left out.")
    if "metadata_file" in subset:
        draft.remark(
            "metadata_file",
            "kohya's JSON is not read: write its captions to a .txt beside each picture, or to a "
            "metadata.jsonl of `file_name` and `text`.",
        )
    if folder := subset.get("conditioning_data_dir"):
        if masks and not data.get("alpha_mask"):
            data["mask_path"] = folder
        else:
            draft.remark("conditioning_data_dir", "it holds masks only with --masked_loss.")
    return data


def _caption_file(subset: dict[str, Any], data: dict[str, Any], draft: Draft) -> None:
    extension = subset.get("caption_extension", ".caption")
    if extension in (".txt", ".caption"):
        data["caption_extension"] = extension
    else:
        draft.remark(
            "caption_extension", f"{told(extension)} is not read; rename the files to .txt."
        )


def land_shape(shared: dict[str, Any], processes: int, draft: Draft) -> None:
    """Resolution, batch size and buckets."""
    size = shared["batch_size"] * processes
    draft.put("train.train_batch_size", size, "train_batch_size")
    if processes > 1:
        draft.put("train.num_processes", processes, "--num_processes")
        draft.remark(
            "train_batch_size",
            f"{shared['batch_size']} for each of {processes} processes is {size} in all.",
        )
    _land_resolution(shared.get("resolution"), draft)
    draft.put("buckets.enable_bucket", shared["enable_bucket"])
    if shared["enable_bucket"]:
        resolution = draft.values["train.resolution"]
        usual = {"min": max(resolution // 4 // 8 * 8, 8), "max": 2 * resolution}
        for name in ("min", "max"):
            key = f"{name}_bucket_reso"
            if shared[key] != usual[name]:
                draft.put(f"buckets.{key}", side(shared[key]), key)
        if shared["bucket_reso_steps"] != 64 or resolution < 512:
            draft.put("buckets.bucket_reso_steps", shared["bucket_reso_steps"], "bucket_reso_steps")
        draft.put("buckets.bucket_no_upscale", shared["bucket_no_upscale"])


def _land_resolution(said: Any, draft: Draft) -> None:
    """One side, or width and height, as numbers or as `512,768`; kohya takes each."""
    if said is None:
        draft.remark("resolution", "not given; 512 is written.")
        said = 512
    parts = said.split(",") if isinstance(said, str) else said
    parts = parts if isinstance(parts, list) else [parts]
    sides = [convert("resolution", "whole", part) for part in parts]
    if len(sides) not in (1, 2) or min(sides) < 1:
        raise CannotImport(what="The argument --resolution", why=f"{told(said)} is no resolution")
    resolution = side(math.sqrt(sides[0] * sides[-1]))
    if sides[0] != sides[-1] or resolution != sides[0]:
        text = " x ".join(str(one) for one in sides)
        draft.remark("resolution", f"{text} becomes {resolution}, the side of such an area.")
    draft.put("train.resolution", resolution, "resolution")
