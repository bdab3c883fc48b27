"""The recipe."""

from __future__ import annotations

from lorad.shared.errors.base import LoradError


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
    """`{key}` of a job cannot be changed: {why}. `lorad copy` makes a new job
    with another one."""


class SweepTooLarge(RecipeError):
    """The sweep comes to {count} jobs, and {most} at once is the most. Take out some values."""


class NoSweep(RecipeError):
    """No key of the sweep has several values, such as `rank=8,16`. `lorad copy` makes one job."""


class NotWritable(RecipeError):
    """{path} cannot be written: {why}."""


class NameTaken(RecipeError):
    """{path} is there already. Choose another name, or remove it first."""


class CannotImport(RecipeError):
    """{what} cannot be imported: {why}."""
