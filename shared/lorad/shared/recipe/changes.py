"""What of a job's recipe may change, and what the changes come to.

One table for both who ask: `lorad set`, and a run that finds a checkpoint made by another recipe.
A change is a key, such as `train.learning_rate` or `data[1].path`, and its new value as TOML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from lorad.shared.errors import CannotChange, KeyUnclear, UnknownKey, WrongValue
from lorad.shared.recipe.reading import convert_recipe, parse_recipe
from lorad.shared.recipe.sections import Data, Log, Recipe, Sample, Schedule
from lorad.shared.recipe.writing import NONE, as_document, as_toml, with_key
from lorad.shared.toml import NoToml, read_toml

MAY_CHANGE: dict[str, tuple[str, ...]] = {
    "data": ("path",),  # moved: the pictures themselves are held to their hashes
    "train": (
        "learning_rate",
        "text_encoder_lr",
        "max_train_steps",
        "num_train_epochs",
        "checkpointing_steps",
        "gpu_memory_gib",
        "num_processes",
    ),
    "schedule": Schedule.__struct_fields__,
    "sample": Sample.__struct_fields__,
    "validate": ("every_n_steps", "patience", "keep_best"),
    "output": ("keep", "trigger_phrase"),
    "log": Log.__struct_fields__,
}
"""By table of the recipe: what leaves the steps so far as they were."""

WHY_NOT = {
    "name": "its files are called by it",
    "model": "the adapter is one for this base model",
    "buckets": "its pictures are encoded by it",
    "lora": "its adapter is made with it",
    "validate": "its validation losses could not be compared with each other",
    "output": "its files are written by it",
}
"""For all other tables: its steps are taken with it."""

AT_THE_NEXT_START = frozenset({
    "train.num_processes", "train.gpu_memory_gib", "data.path", "log.report_to", "log.project",
})  # fmt: skip
"""What a run reads once, when it starts."""

EITHER = {
    "train.max_train_steps": "train.num_train_epochs",
    "train.num_train_epochs": "train.max_train_steps",
}
"""A key that is set takes the other one out."""

SECTIONS: dict[str, type[Struct]] = {"data": Data} | {
    field.name: field.type
    for field in msgspec.structs.fields(Recipe)
    if isinstance(field.type, type) and issubclass(field.type, Struct)
}
SHORT = {"lr": "train.learning_rate"}
"""As people say it."""
KEY = re.compile(r"(\w+)(?:\[(\d+)\])?\.(\w+)")
PLAIN = re.compile(r"[A-Za-z][\w./ -]*")
"""Text that is taken for what it is without quotes, which shells eat."""


class Change(NamedTuple):
    """A key that is another than it was."""

    key: str
    then: Any
    now: Any
    allowed: bool

    def __str__(self) -> str:
        """`train.learning_rate was 0.0001 and is 5e-05`."""
        return f"{self.key} was {self._words(self.then)} and is {self._words(self.now)}"

    def _words(self, value: Any) -> str:
        if self.key == "data":  # a count in words
            return str(value)
        return "not set" if value is None else as_toml(value)

    @property
    def late(self) -> bool:
        """Whether a run that is at work goes on without it, until it starts again."""
        return is_late(self.key)


def is_late(name: str) -> bool:
    """Whether a key (in full or without its table) holds only when the run starts again."""
    plain = re.sub(r"\[\d+\]", "", name)
    return any(plain in (key, key.partition(".")[2]) for key in AT_THE_NEXT_START)


def apply_changes(recipe: Recipe, changes: Mapping[str, str], *, free: bool = False) -> Recipe:
    """The recipe with other values, as thoroughly checked as a new one.

    `free` also takes what a job's own recipe keeps: for one that has not begun to be a job.

    Raises:
        RecipeError: there is no such key, it may not change, or the value does not fit.
    """
    wanted = tables(recipe)
    keys = _in_full(recipe, changes, free)
    for key, text in keys.items():
        if not free:
            _refuse(key)
        value = read_value(key, text)
        _put(wanted, key, value)
        if (other := EITHER.get(key)) is not None and other not in keys and value is not None:
            _put(wanted, other, None)
    return convert_recipe(wanted)


def plain_changes(
    recipe: Recipe, changes: Mapping[str, str], *, free: bool = False
) -> dict[str, str]:
    """The same changes with their keys in full and their values in one spelling."""
    keys = _in_full(recipe, changes, free)
    return {key: as_toml(read_value(key, value)) for key, value in keys.items()}


def _in_full(recipe: Recipe, changes: Mapping[str, str], free: bool) -> dict[str, str]:
    keys: dict[str, str] = {}
    for name, value in changes.items():
        key = full_key(recipe, name, free=free)
        if key in keys:
            raise WrongValue(key=_shown(key), why="it is set twice")
        keys[key] = value
    return keys


def merge_changes(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """Both, the later ones over the earlier; keys in full."""
    gone = {EITHER[key] for key, value in after.items() if key in EITHER and value != NONE}
    return {key: value for key, value in before.items() if key not in gone} | dict(after)


def changed_source(source: str, changes: Mapping[str, str], *, free: bool = False) -> str:
    """The recipe's own text with the changes (keys in full) in their places.

    Where its way of writing is too much for that, the whole recipe in another one.

    Raises:
        RecipeError: as `apply_changes`.
    """
    recipe = parse_recipe(source)
    wanted = apply_changes(recipe, changes, free=free)
    text = source
    for key, value in changes.items():
        unset = read_value(key, value) is None
        text = with_key(text, *_split(key), None if unset else value)
        if (other := EITHER.get(key)) is not None and other not in changes and not unset:
            text = with_key(text, *_split(other), None)
    try:
        if parse_recipe(text) == wanted:
            return text
    except Exception:  # whatever a text that was never meant to be changed by lines comes to
        pass
    return as_document(wanted)


def _split(key: str) -> tuple[str, str]:
    """The table and the key's own name."""
    table, _, field = key.rpartition(".")
    return table, field


def changed(then: Mapping[str, Any], now: Recipe) -> list[Change]:
    """What is another than in the recipe of a checkpoint, as JSON or `to_builtins` has it.

    A key that the checkpoint does not know is none: an earlier lorad had no such thing.
    """
    before_it = msgspec.json.decode(msgspec.json.encode(then))  # lists, no tuples
    return [
        Change(key, before, value, may_change(key))
        for key, before, value in _pairs(before_it, tables(now))
        if before != value
    ]


def may_change(key: str) -> bool:
    """Whether the table above has this key (in full)."""
    found = KEY.fullmatch(key)
    return found is not None and found[3] in MAY_CHANGE.get(found[1], ())


def full_key(recipe: Recipe, name: str, *, free: bool = False) -> str:
    """The key with its table, and with its number where there are several sets of pictures.

    `free`: of all keys, not just of those that may change.

    Raises:
        UnknownKey: there is none; the nearest is named.
        KeyUnclear: there are several.
        WrongValue: it is a whole table, or a set of pictures that is not there.
    """
    if name == "name":
        return name
    name = SHORT.get(name, name)
    if name in SECTIONS:
        why = f"it is a table; set one of its keys, such as {name}.{_first(name)}"
        raise WrongValue(key=name, why=why)
    found = KEY.fullmatch(name)
    if found is None:
        keys = [f"{table}.{name}" for table, kind in SECTIONS.items()
                if name in kind.__struct_fields__]  # fmt: skip
        offered = [f"`{key}`" for key in keys if free or may_change(key)]
        if len(keys) > 1 and offered:
            raise KeyUnclear(key=name, names=" or ".join(offered))
        if not keys:
            raise _unknown(recipe, name, free=free)
        found = KEY.fullmatch(keys[0])
        assert found is not None
    table, number, field = found.groups()
    if table not in SECTIONS or field not in SECTIONS[table].__struct_fields__:
        raise _unknown(recipe, name, free=free)
    return f"{_numbered(recipe, table, number, field)}.{field}"


def _numbered(recipe: Recipe, table: str, number: str | None, field: str) -> str:
    if table != "data":
        return table
    count = len(recipe.data)
    if number is None and count > 1:
        names = " or ".join(f"`data[{place}].{field}`" for place in range(count))
        raise KeyUnclear(key=f"data.{field}", names=names)
    place = int(number or 0)
    if place >= count:
        why = f"there are {count} sets of pictures, counted from 0"
        if count == 1:
            why = "there is one set of pictures"
        raise WrongValue(key=f"data[{place}].{field}", why=why)
    return f"data[{place}]"


def _unknown(recipe: Recipe, name: str, *, free: bool) -> Exception:
    """The refusal that a recipe with this key would meet."""
    table, _, field = name.rpartition(".")
    wrong: dict[str, Any] = {table: {field: 0}} if table in SECTIONS else {name: 0}
    try:
        convert_recipe({"name": recipe.name, **wrong})
    except UnknownKey as error:
        if error.details["hint"].startswith(" Did you mean"):  # type: ignore[attr-defined]
            return error
        if free:
            return UnknownKey(key=name, hint=" docs/recipe.md lists all keys.")
        keys = ", ".join(f"{table}.{key}" for table, keys in MAY_CHANGE.items() for key in keys)
        return UnknownKey(key=name, hint=f" These can be set: {keys}.")
    raise AssertionError(name)


def _first(table: str) -> str:
    return (MAY_CHANGE.get(table) or SECTIONS[table].__struct_fields__)[0]


def _refuse(key: str) -> None:
    if not may_change(key):
        table = re.split(r"[.\[]", key)[0]
        why = WHY_NOT.get(table, "its steps are taken with it")
        raise CannotChange(key=_shown(key), why=why)


def _shown(key: str) -> str:
    return key.replace("data[0]", "data")


def read_value(key: str, text: str) -> Any:
    """A value as TOML has it; plain words need no quotes.

    The word `none` takes a key out again, where it is none unless it is set.

    Raises:
        WrongValue: it is none, or more than one.
    """
    default = _default(key)
    if text == NONE and default is None:
        return None
    if not text.strip():
        raise WrongValue(
            key=key, why="it is empty; `none` takes a key out, and no text is two quotes"
        )
    try:
        found = read_toml(f"value = {text}")
    except NoToml:
        if not PLAIN.fullmatch(text):
            why = f"{text} is no value of TOML; text goes in quotes, several in brackets"
            raise WrongValue(key=key, why=why) from None
        found = {"value": text}
    if set(found) != {"value"}:
        raise WrongValue(key=key, why="it is more than one value")
    value = found["value"]
    if isinstance(default, tuple) and isinstance(value, str):
        raise WrongValue(key=key, why=f"it is a list, such as {as_toml([value])}")
    return value


def _default(key: str) -> Any:
    """What a key (in full) is unless it is set."""
    found = KEY.fullmatch(key)
    return None if found is None else getattr(SECTIONS[found[1]](), found[3])


def tables(recipe: Recipe) -> dict[str, Any]:
    """A recipe as TOML and JSON have it: lists, no tuples."""
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(recipe))
    return found


def _put(tables: dict[str, Any], key: str, value: Any) -> None:
    if key == "name":
        tables[key] = value
        return
    found = KEY.fullmatch(key)
    assert found is not None, key
    table = tables[found[1]]
    (table[int(found[2])] if found[2] is not None else table)[found[3]] = value


def _pairs(then: dict[str, Any], now: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Every key in full, with its value then and now."""
    for name, table in now.items():
        before = then.get(name, table)
        if name == "data":
            before = [before] if isinstance(before, dict) else before
            if len(before) != len(table):
                sets = "set" if len(before) == 1 else "sets"
                yield "data", f"{len(before)} {sets} of pictures", f"{len(table)}"
                continue
            for place, (old, new) in enumerate(zip(before, table, strict=True)):
                yield from _keys(f"data[{place}]", old, new)
        elif isinstance(table, dict):
            yield from _keys(name, before, table)
        else:
            yield name, before, table


def _keys(table: str, then: dict[str, Any], now: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for key, value in now.items():
        yield f"{table}.{key}", then.get(key, value), value
