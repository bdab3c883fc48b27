"""Another box, the way to it, and the files that come over it."""

from __future__ import annotations

from lorad.shared.errors.daemon import DaemonError


class SshMissing(DaemonError):
    """There is no `ssh` on this machine's PATH, and `--host` goes through it. Install an SSH
    client."""

    exit_code = 3


class HostUnnamed(DaemonError):
    """`{host}` is no host for ssh. Say `--host box` or `--host user@box`."""

    exit_code = 2


class HostUnreachable(DaemonError):
    """{host} cannot be reached: {why}. Try `ssh {host} true`; what it needs, lorad needs too."""

    exit_code = 3


class HostWouldAsk(DaemonError):
    """{host} wants something that ssh cannot ask for here ({why}). Use a key that an agent holds,
    or begin with `lorad --host {host}`, which asks."""

    exit_code = 3


class HostLost(DaemonError):
    """The connection to {host} is gone: {why}. It is tried again."""

    exit_code = 3


class NotInstalledThere(DaemonError):
    """`{command}` is not found on {host}. Install lorad there, or name its place in your
    config.toml: `command = "/path/to/lorad"` under `[hosts.NAME]`."""

    exit_code = 3


class NoDaemonThere(DaemonError):
    """No daemon is running on {host}. `lorad --host {host} up` starts one."""

    exit_code = 3


class RefusedThere(DaemonError):
    """lorad on {host} says: {why}"""

    exit_code = 3


class VersionsDiffer(DaemonError):
    """lorad here speaks protocol {ours}, lorad {version} on {host} speaks {theirs}. Install the
    same version on both."""

    exit_code = 3


class NothingThrough(DaemonError):
    """ssh reaches {host}, but not lorad's sockets there. Either the daemon there has just gone, or
    the server's sshd_config lacks `AllowStreamLocalForwarding yes`."""

    exit_code = 3


class NotOverHost(DaemonError):
    """`lorad {verb}` works on the machine where it is called. Run `ssh {host} lorad {verb} …`."""

    exit_code = 2


class FolderOnBoxNeeded(DaemonError):
    """The recipe is read here, but its pictures are on {host}. Say with `--folder /path` from
    which folder there its relative paths start."""

    exit_code = 2


class RecipeFolderMissing(DaemonError):
    """There is no folder {folder} on {host}, from which the recipe's relative paths would
    start."""

    exit_code = 2


class FileNotThere(DaemonError):
    """Job {id} has no file `{name}`. `lorad get {id} --list` lists its files."""

    exit_code = 2


class NothingToGet(DaemonError):
    """Job {id} has no such files yet. `lorad get {id} --list --all` lists what it has."""


class FileChanged(DaemonError):
    """`{name}` of job {id} kept changing while it was fetched. Run `lorad get {id}` again when the
    run has saved."""


class FileInTheWay(DaemonError):
    """{path} is here already and is no file of job {id}'s, so it was left as it is. Choose another
    folder, or say --force to have it replaced."""

    exit_code = 2


class FileDamaged(DaemonError):
    """`{name}` of job {id} arrived otherwise than it was sent, so it was not kept. Run `lorad get
    {id}` again."""
