"""All that a daemon keeps is its user's alone, under any umask; nobody puts a trap in its way."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from support import Daemon, quick, small_recipe

from lorad.shared.endpoints import Home
from lorad.shared.errors import HomeUnusable

NOBODY = 65534


def umasked(daemon: Daemon, umask: int) -> None:
    before = os.umask(umask)
    try:
        daemon.start()
    finally:
        os.umask(before)


@pytest.mark.parametrize("umask", quick(1, [0o000, 0o077]))
def test_every_file_and_socket_after_a_run(tmp_path: Path, umask: int) -> None:
    recipe = small_recipe(tmp_path, prompts='["a dot"]')
    daemon = Daemon(tmp_path / "above" / "home")
    umasked(daemon, umask)
    try:
        job = daemon.add(recipe)
        daemon.wait_state(job.id, "done")
        found = dict(below(tmp_path / "above"))
        kinds = {stat.S_IFMT(mode) for mode in found.values()}
        assert kinds == {stat.S_IFDIR, stat.S_IFREG, stat.S_IFSOCK}
        names = {path.name for path in found}
        assert {"lorad.db", "lorad.db-wal", "daemon.log", "lock", "log.txt"} <= names
        assert {"control.sock", "events.sock", "runs.sock", "cache"} <= names
        assert any(name.endswith(".safetensors") for name in names), "something was cached"
        wide = {str(path): oct(mode) for path, mode in found.items() if mode & 0o077}
        assert not wide
        # What the run made for its user is as their umask says.
        output = Path(job.folder)
        assert output.stat().st_mode & 0o777 == 0o777 & ~umask
        whole = next(output.glob("*.safetensors"))
        assert whole.stat().st_mode & 0o777 == 0o666 & ~umask
    finally:
        daemon.stop()


def below(folder: Path) -> list[tuple[Path, int]]:
    return [(path, path.lstat().st_mode) for path in (folder, *folder.rglob("*"))]


def home_in(folder: Path, sockets: Path | None = None) -> Home:
    return Home(folder, sockets or folder, folder / "cache")


def test_a_strangers_folder_or_a_link_is_not_taken(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    link = tmp_path / "link"
    link.symlink_to(real)
    with pytest.raises(HomeUnusable, match="not a folder of yours"):
        home_in(link).make()
    with pytest.raises(HomeUnusable, match="not a folder of yours"):
        home_in(real, sockets=link).make()
    with pytest.raises(HomeUnusable, match="not a folder of yours"):
        home_in(link).check()
    (tmp_path / "file").touch()
    with pytest.raises(HomeUnusable):
        home_in(tmp_path / "file").make()
    assert list(real.iterdir()) == []


def test_a_folder_that_others_could_replace_is_not_taken(tmp_path: Path) -> None:
    common = tmp_path / "common"
    common.mkdir()
    common.chmod(0o777)
    with pytest.raises(HomeUnusable, match="everybody may write in"):
        home_in(common / "home").make()
    common.chmod(0o1777)  # as /tmp is
    home_in(common / "home").make()
    wide = common / "wide"
    wide.mkdir()
    wide.chmod(0o755)
    home_in(wide).make()
    assert wide.stat().st_mode & 0o777 == 0o700


def test_folders_above_are_private_too(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        home_in(tmp_path / "a" / "b" / "c").make()
    finally:
        os.umask(before)
    assert {(tmp_path / deep).stat().st_mode & 0o777 for deep in ("a", "a/b", "a/b/c")} == {0o700}


# -- another user of the same machine ---------------------------------------------------------

STRANGER = """
import os, sys, socket, stat
os.setgroups([]); os.setgid({uid}); os.setuid({uid})
home, folder = {home!r}, {folder!r}
got = []
def attempt(name, act):
    try:
        result = act()
    except OSError:
        return
    got.append((name, result))
def connect(name):
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(3)
        one.connect(os.path.join(folder, name))
        one.sendall(b"\\xff" + bytes(8) + b"\\x7f")
        return one.recv(64)
names = ["lorad.db", "daemon.log", "lock", "runs/1/log.txt", "runs/1/journal-1.msgpack"]
for name in ["control.sock", "events.sock", "runs.sock"]:
    attempt("connect " + name, lambda: connect(name))
    attempt("remove " + name, lambda: os.unlink(os.path.join(folder, name)))
for place in {{home, folder}}:
    attempt("list " + place, lambda: os.listdir(place))
    attempt("rename " + place, lambda: os.rename(place, place + "-old"))
    attempt("remove " + place, lambda: os.rmdir(place))
    attempt("chmod " + place, lambda: os.chmod(place, 0o777))
    attempt("make in " + place, lambda: os.mkdir(os.path.join(place, "trap")))
for name in names:
    attempt("read " + name, lambda: open(os.path.join(home, name), "rb").read(64))
    attempt("stat " + name, lambda: os.stat(os.path.join(home, name)))
for pid in os.listdir("/proc"):
    if pid.isdigit() and pid in {pids!r}:
        attempt("environment", lambda: open(f"/proc/{{pid}}/environ", "rb").read(64))
        attempt("memory", lambda: open(f"/proc/{{pid}}/mem", "rb"))
        attempt("signal", lambda: os.kill(int(pid), 0))
print(got)
sys.exit(bool(got))
"""

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")


def as_stranger(code: str) -> subprocess.CompletedProcess[str]:
    # Not in the test's folder, which a stranger cannot enter.
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd="/", timeout=60
    )


@needs_root
@pytest.mark.parametrize("long", quick(1, [False, True]), ids=["in its home", "in a short folder"])
def test_a_stranger_gets_nothing(tmp_path: Path, long: bool) -> None:
    """A real second user: no byte, no name, no connection, no way to swap the folder."""
    # pytest's own folders are closed already; this one is as open as /tmp.
    open_to_all = Path(f"/tmp/lorad-test-{os.getpid()}-{int(long)}")
    open_to_all.mkdir()
    open_to_all.chmod(0o1777)
    deep = open_to_all / ("x" * 90 if long else "") / "home"
    recipe = small_recipe(tmp_path)
    daemon = Daemon(deep)
    umasked(daemon, 0)
    try:
        if long:
            deep.parent.chmod(0o1777)
        assert daemon.home.sockets == daemon.home.folder or long
        job = daemon.add(recipe)
        daemon.wait_state(job.id, "done")
        assert daemon.process is not None
        code = STRANGER.format(
            uid=NOBODY,
            home=str(deep),
            folder=str(daemon.home.sockets),
            pids=[str(daemon.process.pid)],
        )
        done = as_stranger(code)
        assert (done.returncode, done.stdout) == (0, "[]\n"), done.stdout + done.stderr
        done = as_stranger(textwrap.dedent(code).replace(f"os.setuid({NOBODY})", "pass"))
        assert "control.sock" in done.stdout, "root gets something: the attempts are real ones"
    finally:
        daemon.stop()
        shutil.rmtree(open_to_all, ignore_errors=True)
        shutil.rmtree(daemon.home.sockets, ignore_errors=True)


@needs_root
def test_a_stranger_who_was_first_in_tmp_stops_the_daemon_and_hears_nothing(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / ("x" * 90) / "home")
    short = daemon.home.sockets
    assert short != daemon.home.folder
    try:
        for trap in ("folder", "link"):
            if trap == "folder":
                short.mkdir(mode=0o777)
            else:
                short.symlink_to(tmp_path)
            os.chown(short, NOBODY, NOBODY, follow_symlinks=False)
            done = subprocess.run(
                [sys.executable, "-m", "lorad.daemon"], env=daemon.env, capture_output=True,
                timeout=60,
            )  # fmt: skip
            assert done.returncode == 1
            assert b"not a folder of yours" in done.stderr
            with pytest.raises(HomeUnusable):
                daemon.client().greet()
            if trap == "folder":
                assert list(short.iterdir()) == []
                short.rmdir()
            else:
                short.unlink()
    finally:
        shutil.rmtree(short, ignore_errors=True)
        daemon.stop()
