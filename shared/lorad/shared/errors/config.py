"""What a person set once for all."""

from __future__ import annotations

from lorad.shared.errors.base import LoradError


class ConfigError(LoradError):
    """The settings cannot be used."""

    exit_code = 2


class ConfigUnreadable(ConfigError):
    """The settings in {path} cannot be read: {why}."""


class ConfigNotToml(ConfigError):
    """The settings in {path} are not valid TOML: {why}."""


class HomeUnknown(ConfigError):
    """There is no home folder for the beginning of {path}. Write the path in full."""


class UnknownSetting(ConfigError):
    """There is no setting `{key}` ({path}{where}).{hint}"""


class WrongSetting(ConfigError):
    """The setting `{key}` does not fit ({path}{where}): {why}."""
