"""The archive that a question about lorad comes with: what helps, and no secret."""

from __future__ import annotations

import io
import json
import os
import platform
import re
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import psutil

from lorad.shared.clean import clean
from lorad.shared.client import Client
from lorad.shared.endpoints import Home
from lorad.shared.errors import LoradError, NameTaken, NotWritable
from lorad.shared.jobs import Job
from lorad.shared.messages import (
    PROTOCOL,
    GetHealth,
    GetLog,
    GetNews,
    GetRecipe,
    GetStatus,
    Log,
)
from lorad.shared.redact import redact_all, redact_fields
from lorad.shared.toml import read_toml
from lorad.tui.commands import _json
from lorad.tui.doctor.lines import Line, told
from lorad.tui.doctor.looking import look_at_install

LOG_BYTES = 256 << 10
NEWS = 1000
TEXT_LIMIT = 4 << 20
WORDS = frozenset(
    (
        "caption",
        "caption_prefix",
        "caption_suffix",
        "trigger_phrase",
        "trigger_word",
        "negative_prompt",
        "prompt",
        "prompts",
    )
)
"""Keys of a recipe whose values describe somebody's pictures."""
_KEYS = "|".join(sorted(WORDS, key=len, reverse=True))
_SET = re.compile(rf"\b((?:{_KEYS})(?: = | was |` does not fit: )).*")
"""What `lorad set` changed, as history, logs and notes say it, to the end of the line."""
HEAD = """\
A support archive of lorad, made {when}.

Tokens and passwords that could be recognised are replaced by ***, and the home folder by ~.
Captions and prompts are {captions}. There are no weights, no pictures and no settings in it.
Logs are as the programs printed them: read them before you give them to somebody.

"""


@dataclass
class Bundle:
    """Texts by their names in the archive, each made safe as it is put in."""

    captions: bool = False
    """Whether captions and prompts are wanted."""
    home: Path = field(default_factory=Path.home)
    files: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    """What could not be had, and why."""

    def put(self, name: str, text: str) -> None:
        """Redacted, shortened, and without what a terminal obeys."""
        self._keep(name, redact_all(clean(text, TEXT_LIMIT)))

    def put_json(self, name: str, /, **fields: Any) -> None:
        """As the verbs print it."""
        # Redacted one by one: as JSON escapes them, quotes hide where a secret begins and ends.
        safe = redact_fields(_each_text(fields, self.without_words))
        self._keep(name, clean(_json.document(**safe), TEXT_LIMIT))

    def _keep(self, name: str, text: str) -> None:
        for home in {str(self.home), json.dumps(str(self.home))[1:-1]} - {"/"}:
            text = re.sub(re.escape(home) + r"(?![\w.-])", "~", text)
        self.files[name] = text if text.endswith("\n") else f"{text}\n"

    def put_log(self, name: str, text: str) -> None:
        """Lines that a program printed."""
        self.put(name, self.without_words(text))

    def attempt(self, name: str, make: Callable[[], None]) -> None:
        """What cannot be had is named, and the rest goes in."""
        try:
            make()
        except (LoradError, OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else error
            self.left_out.append(redact_all(f"{name}: {why}."))

    def without_words(self, text: str) -> str:
        """Lines without what was set for captions and prompts."""
        return text if self.captions else _SET.sub(r"\1***", text)


def _each_text(value: Any, change: Callable[[str], str]) -> Any:
    """The same with other texts, however deep they stand."""
    if isinstance(value, dict):
        return {key: _each_text(inner, change) for key, inner in value.items()}
    if isinstance(value, list):
        return [_each_text(inner, change) for inner in value]
    return change(value) if isinstance(value, str) else value


def collect(bundle: Bundle, lines: list[Line]) -> None:
    """What needs no daemon."""
    bundle.put("doctor.txt", told(lines))
    install = look_at_install()
    bundle.put_json(
        "versions.json",
        lorad=install.lorad,
        protocol=PROTOCOL,
        python=platform.python_version(),
        packages={**install.base, **install.train},
    )
    bundle.put_json(
        "system.json",
        platform=platform.platform(),
        machine=platform.machine(),
        libc=" ".join(platform.libc_ver()),
        cpu_count=psutil.cpu_count(),
        memory_bytes=psutil.virtual_memory().total,
        swap_bytes=psutil.swap_memory().total,
        boot_time=psutil.boot_time(),
        time=time.time(),
        timezone=time.strftime("%z"),
    )


def collect_logs(bundle: Bundle, home: Home, ids: list[int]) -> None:
    """The ends of the logs, from the disk: they are there when the daemon is not."""
    bundle.attempt("daemon.log", lambda: bundle.put_log("daemon.log", tail(home.daemon_log)))
    for id in ids:
        name = f"job-{id}/log.txt"
        bundle.attempt(name, lambda name=name, id=id: bundle.put_log(name, tail(home.log(id))))  # type: ignore[misc]


def collect_far_logs(bundle: Bundle, daemon: Client, ids: list[int]) -> None:
    """The ends of the logs, from a daemon elsewhere."""
    for id in (0, *ids):
        name = f"job-{id}/log.txt" if id else "daemon.log"
        reply = daemon.ask(GetLog(id=id, offset=-LOG_BYTES, limit=LOG_BYTES))
        assert isinstance(reply, Log), reply
        bundle.put_log(name, whole_lines(reply.text.encode(), cut=reply.offset > 0))


def tail(path: Path) -> str:
    """The last lines of a file."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - LOG_BYTES))
        return whole_lines(file.read(), cut=size > LOG_BYTES)


def whole_lines(text: bytes, *, cut: bool) -> str:
    """Without the first line where it was cut: half a token cannot be recognised."""
    return (text.partition(b"\n")[2] if cut else text).decode(errors="replace")


def collect_queue(bundle: Bundle, daemon: Client, ids: list[int]) -> None:
    """What the daemon tells of itself, of its queue and of the jobs that are named."""
    health, status = msgspec.to_builtins(daemon.ask(GetHealth())), daemon.ask(GetStatus())
    del health["type"]
    bundle.put_json("health.json", **health)
    bundle.put_json("status.json", **_json.status_fields(status))
    _put_history(bundle, daemon, "history.json", None)
    for id in ids:
        job = daemon.job(id)
        bundle.put_json(f"job-{id}/job.json", **_json.job_fields(job))
        _put_history(bundle, daemon, f"job-{id}/history.json", id)
        text = daemon.ask(GetRecipe(id=id)).recipe
        if bundle.captions:
            bundle.put(f"job-{id}/recipe.toml", text)
        else:
            recipe = without_words(read_toml(text))
            bundle.put_json(f"job-{id}/recipe.json", **msgspec.to_builtins(recipe))


def collect_manifests(bundle: Bundle, job: Job) -> None:
    """Which files each checkpoint has, their sizes and hashes; nothing of what is in them."""
    for path in sorted(Path(job.folder).glob("checkpoint-*/MANIFEST.json")):
        name = f"job-{job.id}/{path.parent.name}.json"
        bundle.attempt(name, lambda name=name, path=path: bundle.put(name, tail(path)))  # type: ignore[misc]


def _put_history(bundle: Bundle, daemon: Client, name: str, id: int | None) -> None:
    news = daemon.ask(GetNews(id=id, limit=NEWS, newest=True)).happenings
    bundle.put_json(name, changes=[_json.happening_fields(line) for line in news])


def without_words(value: Any) -> Any:
    """A recipe's tables with the lengths of captions and prompts in place of them."""
    if isinstance(value, dict):
        return {
            key: hidden(inner) if key in WORDS else without_words(inner)
            for key, inner in value.items()
        }
    return [without_words(inner) for inner in value] if isinstance(value, list) else value


def hidden(value: Any) -> Any:
    """How much there is of it."""
    if isinstance(value, list):
        return [hidden(inner) for inner in value]
    if isinstance(value, dict):
        return without_words(value)
    return f"({len(value)} characters)" if isinstance(value, str) else value


def write(bundle: Bundle, path: Path) -> None:
    """The archive, for its owner alone; what is there already is never overwritten.

    Raises:
        NameTaken: something has this name.
        NotWritable: it cannot be written.
    """
    when = time.strftime("%Y-%m-%d %H:%M:%S %z")
    head = HEAD.format(when=when, captions="inside, as wished" if bundle.captions else "left out")
    said = [head, *(f"{name}\n" for name in sorted(bundle.files))]
    said += [f"\nLeft out: {why}\n" for why in bundle.left_out]
    bundle.put("README.txt", "".join(said))
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with (
            os.fdopen(handle, "wb") as file,
            tarfile.open(fileobj=file, mode="w:gz", format=tarfile.PAX_FORMAT) as archive,
        ):
            for name, text in sorted(bundle.files.items()):
                archive.addfile(*_member(name, text.encode(errors="replace")))
    except FileExistsError:
        raise NameTaken(path=path) from None
    except OSError as error:
        raise NotWritable(path=path, why=error.strerror or error) from error


def _member(name: str, data: bytes) -> tuple[tarfile.TarInfo, io.BytesIO]:
    about = tarfile.TarInfo(f"lorad-bundle/{name}")
    about.size, about.mode, about.mtime = len(data), 0o600, int(time.time())
    return about, io.BytesIO(data)
