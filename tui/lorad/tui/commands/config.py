"""`lorad config`: what is set once for all, and where."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Mapping
from typing import Any

import msgspec

from lorad.shared.clean import clean, clean_line
from lorad.shared.config import Config, config_path, load_config, save_setting
from lorad.shared.errors import UnknownSetting, WrongSetting
from lorad.shared.recipe.writing import NONE, as_toml
from lorad.shared.toml import NoToml, read_value
from lorad.tui.commands._arguments import add_json, change, print_document


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Perhaps settings to write."""
    parser.add_argument(
        "settings",
        metavar="KEY=VALUE",
        type=change,
        nargs="*",
        help="write down: theme=lorad-light, keys.job.pause=f5, hosts.gpu1=ann@gpu1; `none`"
        " takes one out",
    )
    parser.add_argument("--path", action="store_true", help="only say which file it is")
    parser.add_argument("--keys", action="store_true", help="list what `keys.` can name")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Write, then show."""
    if args.path:
        print(clean(str(config_path())))
    elif args.keys:
        _show_keys(as_json=args.json)
    else:
        settings = [(*_in_full(name), _value(text)) for name, text in args.settings]
        keys = {key: value for table, key, value in settings if table == "keys"}
        for key in keys:
            _refuse_unknown(key)
        _refuse_keys({key: value for key, value in keys.items() if isinstance(value, str)})
        for table, key, value in settings:
            if (table, key) == ("dashboard", "theme"):
                _refuse_theme(value)
        for setting in settings:
            save_setting(*setting)
        _show(load_config(), as_json=args.json)
    return 0


def _in_full(name: str) -> tuple[str, str]:
    """Table and key; the dashboard's own need not say their table."""
    table, _, key = name.partition(".")
    return (table, key) if key else ("dashboard", table)


def _value(text: str) -> Any:
    """A value of TOML; what is none of TOML's is text, but for the word `none`."""
    if text == NONE:
        return None
    try:
        return read_value(text)
    except NoToml:
        return text


def _refuse_theme(name: object) -> None:
    """As with keys: the dashboard takes its own theme for one that it does not know.

    Raises:
        WrongSetting: there is no such theme.
    """
    from textual.theme import BUILTIN_THEMES

    from lorad.tui.themes import NAMES

    if isinstance(name, str) and name not in (known := [*NAMES, *BUILTIN_THEMES]):
        why = f"there is no theme {clean_line(name, 64)}, but {', '.join(known)}"
        raise WrongSetting(path=config_path(), where="", key="dashboard.theme", why=why)


def _refuse_unknown(id: str) -> None:
    """A key for what there is not would be written down and never do anything.

    Raises:
        UnknownSetting: no binding has this id.
    """
    from lorad.tui.bindings import bindings

    if id not in (known := bindings()):
        close = difflib.get_close_matches(id, known, n=1, cutoff=0.5)
        hint = f" Did you mean `keys.{close[0]}`?" if close else ""
        path = clean(str(config_path()))
        raise UnknownSetting(
            key=clean_line(f"keys.{id}"), path=path, where="",
            hint=hint or " `lorad config --keys` lists them.",
        )  # fmt: skip


def _refuse_keys(keys: Mapping[str, str]) -> None:
    """What is no key; and two on one, where nothing was before. Both said at once change places.

    Raises:
        WrongSetting: one of them would do nothing.
    """
    if not keys:
        return
    from lorad.tui.bindings import doubled, strange

    for id, key in keys.items():
        for sentence in strange({id: key}):
            why = sentence.rstrip(".")
            raise WrongSetting(path=config_path(), where="", key=f"keys.{id}", why=why)
    before = load_config().keys
    told = set(doubled(before))
    for sentence in doubled({**before, **keys}):
        if sentence not in told:
            key = next((key for key in keys if f"`{key}`" in sentence), "")
            where = config_path()
            raise WrongSetting(path=where, where="", key=f"keys.{key}", why=sentence.rstrip("."))


def _show(config: Config, *, as_json: bool) -> None:
    tables = msgspec.to_builtins(config)
    if as_json:
        print_document(path=str(config_path()), **tables)
        return
    lines = [f"# {config_path()}"]
    for table, keys in tables.items():
        lines += ["", f"[{table}]"]
        lines += [as_toml({key: value})[1:-1].strip() for key, value in keys.items()]
    print(clean("\n".join(lines)))


def _show_keys(*, as_json: bool) -> None:
    from lorad.tui.bindings import bindings

    found = sorted(bindings().items())
    if as_json:
        print_document(keys={id: binding.key for id, binding in found})
        return
    width = max(len(id) for id, _ in found)
    for id, binding in found:
        print(f"{id:<{width}}  {binding.key:<24} {binding.tooltip or binding.description}")
