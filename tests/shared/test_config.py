"""Settings: read, refused by name and line, written without touching the rest."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from lorad.shared.config import (
    Config,
    Dashboard,
    Hooks,
    HostEntry,
    config_path,
    load_config,
    save_setting,
)
from lorad.shared.errors import ConfigError
from lorad.shared.toml import read_toml


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lorad" / "config.toml"


def test_without_a_file_everything_is_at_its_default(path: Path) -> None:
    assert load_config(path) == Config()


def test_the_file_is_where_xdg_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LORAD_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert config_path() == tmp_path / "lorad" / "config.toml"
    monkeypatch.setenv("LORAD_CONFIG", str(tmp_path / "mine.toml"))
    assert config_path() == tmp_path / "mine.toml"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[dashboard]\nteme = 'x'", "no setting `dashboard.teme` ({path}, line 2). Did you mean"),
        ("[dash]", "There is no setting `dash` ({path}). Did you mean `dashboard`?"),
        ("[dashboard]\nframe_seconds = 'x'", "({path}, line 2): expected a number, got text in"),
        ("[dashboard]\n\nframe_seconds = 0", "({path}, line 3): expected a number >= 0.05."),
        ("[dashboard]\nimages = 'gif'", 'expected one of "auto", "kitty", "sixel", "half"'),
        ("[keys]\nx = 3", "`keys` does not fit"),
        ("[hooks]\nonn = []", "no setting `hooks.onn` ({path}, line 2). Did you mean `hooks.on`?"),
        ("[hooks]\non = ['finished']", '({path}, line 2): expected one of "done", "failed"'),
        ("[hosts.box]\nshh = 'b'", "no setting `hosts.box.shh` ({path}, line 2). Did you mean"),
        ("[hosts]\nbox = 3", "`hosts` does not fit"),
        ("nonsense", "The settings in {path} are not valid TOML"),
        ("a = " + "[" * 5000, "The settings in {path} are not valid TOML"),
    ],
)
def test_a_mistake_is_told_with_its_place(path: Path, text: str, sentence: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        load_config(path)
    assert sentence.format(path=path) in str(refused.value)


def test_another_box_has_a_name_of_its_own(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("[hosts]\nnear = 'me@near'\n[hosts.far]\nssh = 'me@far'\ncommand = 'there'\n")
    config = load_config(path)
    assert list(config.hosts) == ["near", "far"]
    assert config.host("near") == HostEntry(ssh="me@near")
    assert config.host("far") == HostEntry(ssh="me@far", command="there")
    assert config.host("you@other") == HostEntry(ssh="you@other")


def test_hooks_are_read(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("[hooks]\non = ['done']\ncommand = ['a', 'b c']\n")
    assert load_config(path).hooks == Hooks(on=("done",), command=("a", "b c"))


def test_what_cannot_be_read_is_said(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_config(path)


def test_a_setting_is_written_and_the_rest_stays(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("# mine\n[dashboard]\ntheme = 'nord'  # the best\nimages = 'half'\n")
    save_setting("dashboard", "theme", "lorad-light", path)
    save_setting("keys", "job.pause", "f5", path)
    save_setting("keys", "job.pause", "f6", path)
    assert path.read_text().startswith("# mine\n[dashboard]\n")
    assert load_config(path) == Config(
        dashboard=Dashboard(theme="lorad-light", images="half"), keys={"job.pause": "f6"}
    )


def test_what_would_not_fit_is_not_written(path: Path) -> None:
    with pytest.raises(ConfigError, match="frame_seconds"):
        save_setting("dashboard", "frame_seconds", 0, path)
    with pytest.raises(ConfigError, match=r"no setting `dashboard\.speed`"):
        save_setting("dashboard", "speed", 1, path)
    assert not path.exists()


def test_a_file_with_a_mistake_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("[dashboard]\nteme = 'x'\n")
    with pytest.raises(ConfigError, match="teme"):
        save_setting("dashboard", "theme", "nord", path)
    assert path.read_text() == "[dashboard]\nteme = 'x'\n"


HOSTS = "[hosts.box]\naddress = 'tcp://old:1'\ncommand = 'there'\n[hooks]\non = []\n"


@pytest.mark.parametrize(
    ("text", "table", "key", "value"),
    [
        ("", "hosts", "büro", "ann@b"),
        ("[keys]\n'job.pause' = 'f5'\n", "keys", "job.pause", "f6"),
        ("# mine\ndashboard.theme = 'nord'\n", "dashboard", "notify", "bell"),
        ("# mine\ndashboard.theme = 'nord'\n", "dashboard", "theme", "lorad"),
        (HOSTS, "hosts", "box", {"address": "tcp://new:2", "key": "ab"}),
        (HOSTS, "hosts", "other", {"ssh": "ann@b"}),
    ],
)
def test_a_setting_comes_true_however_the_file_is_written(
    path: Path, text: str, table: str, key: str, value: object
) -> None:
    path.parent.mkdir()
    path.write_text(text)
    wanted = read_toml(text)
    save_setting(table, key, value, path)
    wanted.setdefault(table, {})[key] = value
    assert read_toml(path.read_text()) == wanted
    assert ("# mine" in text) is ("# mine" in path.read_text())
    load_config(path)


@pytest.mark.parametrize(
    ("text", "table", "key", "value"),
    [
        ("dashboard = { theme = 'nord' }\n", "dashboard", "notify", "bell"),
        ("[hosts.box]\nssh = 'me@box'\n", "hosts", "box", "ann@box"),
    ],
)
def test_what_has_no_place_in_the_file_is_for_its_owner_to_write(
    path: Path, text: str, table: str, key: str, value: object
) -> None:
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(ConfigError, match=rf"`{table}\.{key}`.*write it there by hand"):
        save_setting(table, key, value, path)
    assert path.read_text() == text


def test_a_file_stays_as_private_as_it_was(path: Path) -> None:
    save_setting("dashboard", "theme", "nord", path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o640)
    save_setting("dashboard", "theme", "lorad", path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_link_to_the_file_stays_one(path: Path, tmp_path: Path) -> None:
    kept = tmp_path / "dotfiles" / "lorad.toml"
    kept.parent.mkdir()
    kept.write_text("[dashboard]\ntheme = 'nord'\n")
    path.parent.mkdir()
    path.symlink_to(kept)
    save_setting("dashboard", "theme", "lorad", path)
    assert path.is_symlink()
    assert load_config(kept).dashboard.theme == "lorad"
