"""`lorad key`, and a daemon that is reached with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli.conftest import Lorad
from cli.test_with_daemon import end_daemon
from daemon.test_door import free_ports

from lorad.shared.endpoints import find_home


def test_from_no_key_to_a_steered_daemon(
    lorad: Lorad, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = {"LORAD_CONFIG": str(tmp_path / "there" / "config.toml")}
    here = {
        "LORAD_CONFIG": str(tmp_path / "here" / "config.toml"),
        "LORAD_HOME": str(tmp_path / "mine"),
    }
    address = f"tcp://127.0.0.1:{free_ports()}"
    mine = lorad("key", **here).stdout.strip()
    assert len(mine) == 64
    assert json.loads(lorad("key", "--json", **here).stdout)["key"] == mine
    assert lorad("key", "list", **there).stdout == "No key may connect over the network.\n"
    assert lorad("config", f"daemon.listen={address}", **there).returncode == 0
    refused = lorad("up", **there)
    assert refused.returncode == 3
    assert "no key may connect" in refused.stderr
    assert lorad("key", "allow", "me", mine, **there).stdout == "me may watch.\n"
    try:
        assert lorad("up", **there).returncode == 0
        unknown = lorad("--host", address, "status", **here)
        assert unknown.returncode == 2
        assert "`lorad key server` on its box shows it" in unknown.stderr
        server = lorad("key", "server", **there).stdout.strip()
        entry = f'hosts.box={{address="{address}", key="{server}"}}'
        assert lorad("config", entry, **here).returncode == 0
        for name in ("box", address):
            assert (
                json.loads(lorad("--host", name, "status", "--json", **here).stdout)["jobs"] == []
            )
        drain = lorad("--host", "box", "drain", **here)
        assert drain.returncode == 1
        assert "may only watch" in drain.stderr
        lorad("key", "allow", "me", mine, "--steer", **there)
        assert lorad("--host", "box", "drain", **here).returncode == 0
        listed = json.loads(lorad("key", "list", "--json", **there).stdout)["keys"]
        assert [(one["name"], one["key"], one["right"]) for one in listed] == [
            ("me", mine, "steer")
        ]
        assert lorad("key", "remove", "me", **there).returncode == 0
        gone = lorad("--host", "box", "status", **here)
        assert gone.returncode == 3
        assert "Nobody answers at" in gone.stderr or "may not use" in gone.stderr
        assert lorad("--host", "box", "key", "list", **here).returncode == 2, "it is for this box"
    finally:
        monkeypatch.setenv("LORAD_HOME", str(home))
        end_daemon(find_home())


def test_mistakes_are_sentences(lorad: Lorad) -> None:
    for words, said in (
        (("allow", "a b", "0" * 64), "cannot be changed so"),
        (("allow", "a", "abc"), "This is no key"),
        (("remove", "nobody"), "no key has this name"),
    ):
        done = lorad("key", *words)
        assert done.returncode == 2
        assert said in done.stderr
        assert "Traceback" not in done.stderr
