"""The daemon and its queue."""

from __future__ import annotations

from lorad.shared.errors.base import LoradError


class DaemonError(LoradError):
    """The daemon said no."""


class NoDaemon(DaemonError):
    """No daemon is running here. `lorad up` starts one."""

    exit_code = 3


class DaemonSilent(DaemonError):
    """The daemon did not answer within {seconds:g} s. `lorad log --daemon` shows what it does."""

    exit_code = 3


class ConnectionBroke(DaemonError):
    """Something unexpected broke the connection ({what}). It is tried again."""


class DaemonDidNotStart(DaemonError):
    """The daemon did not start. The end of {log} says: {why}"""

    exit_code = 3


class DaemonRunning(DaemonError):
    """A daemon is running already (pid {pid}). `lorad status` shows its queue."""


class NoUserManager(DaemonError):
    """No systemd user manager answers here ({why}). `lorad up` starts the daemon without one, and
    `lorad install --print` shows the unit for whoever manages this box."""


class UnitRefused(DaemonError):
    """`{command}` was refused: {why}. `journalctl --user -u lorad` may say more."""


class HomeUnusable(DaemonError):
    """{path} cannot hold the daemon's sockets and database: {why}."""


class HomeOnNetwork(HomeUnusable):
    """{path} is on a network file system ({kind}), where the queue's database is not safe. Set
    LORAD_HOME to a folder on a disk of this machine."""


class StoreUnreadable(DaemonError):
    """The queue in {path} cannot be read: {why}. It was left untouched. Put a backup in its place
    (`ls {path}*` shows what there is), or say `lorad up --new-queue`: it keeps this one aside,
    under a name with the date, and begins with an empty queue."""


class StoreReadable(DaemonError):
    """The queue in {path} can be read, so nothing was put aside. Start the daemon without
    --new-queue."""


class StoreFull(DaemonError):
    """The disk that holds the queue is full, so nothing was changed. Free some space and try
    again."""


class StoreBusy(DaemonError):
    """The queue's database cannot be written now ({why}), so nothing was changed. Try again; if it
    stays so, see what else has {path} open."""


class UnsupportedProtocol(DaemonError):
    """This client speaks protocol {theirs}, the daemon speaks {ours}. Install the same version of
    lorad for both, then `lorad down` and `lorad up`."""


class StaleEpoch(DaemonError):
    """The daemon was restarted meanwhile, so nothing was done. Look at the queue and say it
    again."""

    exit_code = 3


class BadRequest(DaemonError):
    """The daemon cannot read this request: {why}."""

    exit_code = 2


class CannotBeSent(DaemonError):
    """This cannot be sent ({kind}): {why}."""

    exit_code = 2


class HoldsSecret(DaemonError):
    """There is what looks like a token or key in this, so it was not stored. Put it into the
    environment of the daemon, such as HF_TOKEN, and leave it out here."""

    exit_code = 2


class UnknownJob(DaemonError):
    """There is no job {id}. `lorad status` lists the jobs."""

    exit_code = 2


class FolderTaken(DaemonError):
    """Job {id} writes to {folder} already. Set another `output.folder`, or leave it out to get one
    of its own."""

    exit_code = 2


class FolderUsed(DaemonError):
    """{folder} holds checkpoints of an earlier run already. Set another `output.folder`, leave it
    out to get one of its own, or move them away."""

    exit_code = 2


class ImpossibleAction(DaemonError):
    """Job {id} is {state}, so it cannot be {participle}. {hint}"""


class UnknownGroup(DaemonError):
    """There is no group {name}. There are: {names}. `lorad group add {name}` makes it."""

    exit_code = 2


class GroupThere(DaemonError):
    """There is a group {name} already. `lorad group set {name}` changes it."""

    exit_code = 2


class GroupUnfit(DaemonError):
    """The group cannot be made so: {why}."""

    exit_code = 2


class GroupUsed(DaemonError):
    """The group {name} cannot be removed: {why}."""


class UnknownCard(DaemonError):
    """There is no GPU `{name}` here. {there}"""

    exit_code = 2


class TooFewNamed(DaemonError):
    """The recipe wants {wanted} GPUs at once (`train.num_processes`), and the job may have
    {count}: {whose}. Name more of them, or lower it."""

    exit_code = 2


class WaitsForItself(DaemonError):
    """Job {id} cannot wait for job {other}: that one waits for job {id}, so neither would ever
    start."""

    exit_code = 2


class StillAwaited(DaemonError):
    """Job {id} cannot be removed: {names} {verb} until it is done. `lorad update ID --after none`
    lets one start without it."""


class NoPrompts(DaemonError):
    """Job {id} has no prompts to draw. `lorad set {id} 'sample.prompts=["a cat"]'` gives it one."""


class TooFewCards(DaemonError):
    """The recipe wants {wanted} GPUs at once (`train.num_processes`), and this box has {count}.
    Lower it to what there is."""

    exit_code = 2


class NothingDone(DaemonError):
    """{why} None of the {count} changes was made."""

    def __init__(self, why: str, count: int, exit_code: int) -> None:
        """`why` is the sentence of the first that is refused."""
        super().__init__(why=why, count=count)
        self.exit_code = exit_code


class NothingToUndo(DaemonError):
    """There is nothing to undo. What can be taken back: adding and removing jobs, their places,
    priorities and recipes, stash and enqueue, as long as they have not run since."""


class CannotUndo(DaemonError):
    """It cannot be undone any more that {said}: {why}. `lorad undo` again takes back what was done
    before it."""

    def __init__(self, number: int, said: str, why: str) -> None:
        """`number` is the edit's."""
        super().__init__(said=said, why=why)
        self.number = number


class UndoneMeanwhile(DaemonError):
    """The queue was changed meanwhile, so nothing was undone. Look at it and say it again."""


class TooManyJobs(DaemonError):
    """The queue holds {most} jobs already, and it takes no more. `lorad rm` forgets those that have
    ended; their files stay."""


class TooManyRuns(DaemonError):
    """These are {count} jobs, and at most {most} can be compared at once. Leave some out."""

    exit_code = 2


class NoOutput(DaemonError):
    """Job {id} has no LoRA file yet. It writes the first one at its first checkpoint."""


class RequestRefused(DaemonError):
    """{message}"""

    def __init__(self, kind: str, message: str, exit_code: int) -> None:
        """`kind` is the class's name at the daemon, `message` its sentence."""
        super().__init__(message=message)
        self.kind = kind
        self.exit_code = exit_code
