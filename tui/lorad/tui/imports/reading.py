"""`lorad import`'s two doors: a command line, and kohya's files. Nothing here is run."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import Any, NamedTuple

from lorad.shared.codec import MAX_MESSAGE
from lorad.shared.errors import CannotImport, WrongValue
from lorad.shared.recipe import parse_recipe
from lorad.shared.recipe.sections import Recipe
from lorad.shared.recipe.sense import LEAST_OF_PRODIGY, NO_EFFECT
from lorad.shared.toml import NoToml, read_toml
from lorad.tui.imports import kohya
from lorad.tui.imports.arguments import Arguments, convert, find_name, read_words
from lorad.tui.imports.diffusers import SCRIPTS
from lorad.tui.imports.diffusers_rules import import_diffusers
from lorad.tui.imports.draft import Draft, side, valid_name
from lorad.tui.imports.kohya_rules import import_kohya
from lorad.tui.imports.launcher import Launcher, read_launcher
from lorad.tui.imports.shell import Call, find_call
from lorad.tui.imports.writing import write_recipe

KNOWN = frozenset(SCRIPTS) | kohya.SCRIPTS
BETA2 = 0.999
"""The default of both: AdamW's."""
UNFIT = frozenset({
    "buckets.min_bucket_reso", "buckets.max_bucket_reso", "schedule.lr_warmup_steps",
    "schedule.lr_decay_steps", "objective.snr_weighting", "lora.init_lora_weights",
    "validate.path",
})  # fmt: skip
"""Keys that are better left out than refused where they do not fit."""


class Imported(NamedTuple):
    """A recipe and what there is to say about it."""

    recipe: str
    remarks: list[str]


def import_source(source: str) -> Imported:
    """A command line, a file that holds one, or kohya's config file.

    Raises:
        CannotImport: it is none of these, or a value in it does not fit.
    """
    if not _looks_like_a_file(source):
        return import_command(source, "The command line")
    if PurePath(source).suffix == ".toml":
        return import_config(source, None)
    return import_command(_read(source), source)


def import_command(text: str, what: str) -> Imported:
    """The first training command in a text; `what` names it in errors.

    Raises:
        CannotImport: there is none, its script is not known, or a value does not fit.
    """
    draft = Draft()
    call = find_call(text, KNOWN, draft, what)
    if call.script in SCRIPTS:
        import_diffusers(call, draft)
        head = [
            f"Imported from a command of diffusers' {call.script}.",
            "What it did not set is as that script has it, not as lorad does.",
        ]
        return _finish(draft, head, valid_name(draft.values.get("output.folder")))
    if call.script in kohya.SCRIPTS:
        return _kohya_call(call, draft)
    raise CannotImport(
        what=what,
        why=f"{call.script} is not known; there are {', '.join(sorted(KNOWN))}",
    )


def import_config(config: str | None, dataset: str | None) -> Imported:
    """A config file and a dataset file of kohya's; one of them may be None.

    Raises:
        CannotImport: one cannot be read or is no such file, or a value does not fit.
    """
    draft = Draft()
    given = _config_file(config, draft) if config else {}
    if dataset:
        given["dataset_config"] = dataset
    name = PurePath(config or dataset or "").name
    return _kohya(given, Launcher(), draft, f"kohya's config file {name}")


def _kohya_call(call: Call, draft: Draft) -> Imported:
    launcher = read_launcher(call.launcher, draft)
    given = read_words(call.words, kohya.ARGUMENTS, draft)
    if config := given.get("config_file"):
        file = config if config.endswith(".toml") else f"{config}.toml"
        given = _config_file(file, draft) | given
    if call.script == "sd3_train_network.py":
        given.setdefault("network_module", "networks.lora_sd3")
    return _kohya(given, launcher, draft, f"a command of kohya's {call.script}")


def _kohya(given: dict[str, Any], launcher: Launcher, draft: Draft, source: str) -> Imported:
    arguments = Arguments(kohya.ARGUMENTS, given)
    path = arguments["dataset_config"]
    import_kohya(arguments, _toml(path) if path else None, launcher, draft)
    head = [
        f"Imported from {source}.",
        "What it did not set is as kohya's scripts have it, not as lorad does.",
    ]
    return _finish(draft, head, valid_name(arguments["output_name"], arguments["output_dir"]))


def _config_file(path: str, draft: Draft) -> dict[str, Any]:
    """A config file's values: its sections are only for the eye."""
    flat: dict[str, Any] = {}
    tables = _toml(path)
    if "datasets" in tables:
        raise CannotImport(
            what=path, why="it is a dataset file; say `--dataset_config` with it"
        )  # fmt: skip
    for key, value in tables.items():
        flat |= value if isinstance(value, dict) else {key: value}
    known = {key: value for key, value in flat.items() if key in kohya.ARGUMENTS}
    if not known or set(tables) - set(kohya.ARGUMENTS) >= {"name", "data"}:
        hint = "it is no config file of kohya's"
        if set(tables) <= set(Recipe.__struct_fields__):
            hint += ", but perhaps a recipe already: `lorad add` queues it"
        raise CannotImport(what=path, why=hint)
    for key in flat:
        if key not in known:
            near = find_name(key, kohya.ARGUMENTS)
            hint = f" Did you mean {near}?" if near else ""
            draft.remark(key, f"kohya's scripts have no such argument; it is left out.{hint}")
    return {
        key: convert(key, kohya.ARGUMENTS[key].kind, _joined(key, value))
        for key, value in known.items()
    }


def _joined(key: str, value: Any) -> Any:
    """A list where the command line has a text: `resolution = [512, 768]`."""
    argument = kohya.ARGUMENTS[key]
    may_be = key in kohya.LISTS or argument.note  # one without a counterpart is only remarked
    if isinstance(value, list) and argument.kind == "text" and may_be:
        return ",".join(map(str, value))
    return value


def _finish(draft: Draft, head: list[str], name: str) -> Imported:
    """Make it valid, write it, and look at it as `lorad add` will.

    Raises:
        CannotImport: a value does not fit.
    """
    _make_valid(draft)
    while True:
        text = write_recipe(draft, name, head)
        try:
            parse_recipe(text)
        except WrongValue as error:
            if not _left_out(draft, str(error.details["key"]), str(error.details["why"])):
                raise _refused(draft, error) from error
        else:
            return Imported(text, draft.remarks)


def _left_out(draft: Draft, key: str, why: str) -> bool:
    """Take out what a script puts up with and a recipe does not, if it is such a thing."""
    if not why.startswith(NO_EFFECT) and key not in UNFIT:
        return False
    table, _, field = key.rpartition(".")
    origin = _origin(draft, key) or key
    if table.startswith("data"):
        number = int(table.removeprefix("data").strip("[]") or 0)
        gone = draft.data[number].pop(field, None)
    else:
        gone = draft.take(key)
    if gone is not None:
        draft.remark(origin, f"{why}. It is left out.")
    return gone is not None


def _origin(draft: Draft, key: str) -> str | None:
    return draft.origin.get(key) or draft.origin.get(f"data.{key.rpartition('.')[2]}")


def _refused(draft: Draft, error: WrongValue) -> CannotImport:
    key = str(error.details["key"])
    origin = _origin(draft, key)
    what = f"The argument {origin}" if origin else f"What gives `{key}`"
    return CannotImport(what=what, why=error.details["why"])


def _make_valid(draft: Draft) -> None:
    """What a recipe must have and what cannot be together, each change remarked."""
    if "model.base" not in draft.values:
        raise CannotImport(
            what="This", why="it names no base model (--pretrained_model_name_or_path)"
        )
    for data in draft.data:
        if "path" not in data and "dataset_name" not in data:
            data["path"] = "pictures"
            draft.remark("data.path", 'no picture set is named; "pictures" stands in its place.')
    resolution = draft.values["train.resolution"]
    if resolution >= 8 and side(resolution) != resolution:
        draft.put("train.resolution", side(resolution))
        draft.remark(
            "--resolution", f"sides are multiples of 8, up to 4096: {side(resolution)} is written."
        )
    if draft.values.get("optimizer.adam_beta2") == BETA2 and _kind(draft) != "lion":
        draft.take("optimizer.adam_beta2")
    rates = [draft.values.get(f"train.{name}") for name in ("learning_rate", "text_encoder_lr")]
    if _kind(draft) == "prodigy" and rates[1] not in (None, rates[0]):
        draft.take("train.text_encoder_lr")
        draft.remark(
            "--text_encoder_lr", "prodigy finds one rate for all that it trains; it is left out."
        )
    if _kind(draft) == "prodigy" and (rates[0] or 0) < LEAST_OF_PRODIGY:
        draft.put("train.learning_rate", 1.0)
        draft.remark("--learning_rate", "prodigy multiplies its own rate by it: 1.0 is written.")
    places = [data.get("path") for data in draft.data] + [draft.values.get("output.folder")]
    relative = [place for place in places if place and not PurePath(place).is_absolute()]
    if relative:
        draft.remark(
            ", ".join(dict.fromkeys(relative)),
            "relative paths start at the recipe's folder: save it where the command was run.",
        )


def _kind(draft: Draft) -> str:
    return str(draft.values.get("optimizer.type", "adamw"))


def _looks_like_a_file(source: str) -> bool:
    if not source.strip():
        return False
    try:
        if Path(source).exists():
            return True
    except (OSError, ValueError):
        return False
    return len(source.split()) == 1 and (
        PurePath(source).suffix in (".sh", ".toml", ".txt", ".bat", ".ps1")
    )


def _read(path: str) -> str:
    try:
        if Path(path).stat().st_size > MAX_MESSAGE:
            raise CannotImport(what=path, why="it is too long for a command or its settings")
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise CannotImport(what=path, why=error.strerror or error) from error
    except UnicodeDecodeError as error:
        raise CannotImport(what=path, why="it is no text in UTF-8") from error
    except ValueError as error:
        raise CannotImport(what=path, why="no file can have such a name") from error


def _toml(path: str) -> dict[str, Any]:
    try:
        return read_toml(_read(path))
    except NoToml as error:
        raise CannotImport(what=path, why=f"it is not valid TOML ({error})") from error
