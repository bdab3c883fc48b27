"""Groups, and what a job waits for, on disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lorad.daemon.store.database import Database
from lorad.shared.errors import UnknownGroup
from lorad.shared.jobs import Group

COLUMNS = {
    "group": "in_group",
    "after": "after",
    "start_after": "start_after",
    "gpus": "gpus",
    "retries": "retries",
    "after_reboot": "after_reboot",
}
"""Where the fields of a job that say what it waits for are kept."""


class Grouped(Database):
    """The part of the store that says what jobs wait for."""

    def groups(self) -> list[Group]:
        """All groups, `default` first, then by name."""
        found = self._db.execute(
            "SELECT name, slots, gpus, on_failure, paused, cause FROM groups"
            " ORDER BY name != 'default', name"
        )
        return [_group(row) for row in found]

    def group(self, name: str) -> Group:
        """One group.

        Raises:
            UnknownGroup: there is none of that name.
        """
        groups = {group.name: group for group in self.groups()}
        if name not in groups:
            raise UnknownGroup(name=name, names=", ".join(groups))
        return groups[name]

    def set_group(self, group: Group) -> None:
        """A new group, or another shape for the one of that name."""
        with self.transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO groups VALUES (?, ?, ?, ?, ?, ?)",
                (
                    group.name,
                    group.slots,
                    json.dumps(group.gpus),
                    group.on_failure,
                    group.paused,
                    group.cause,
                ),
            )

    def remove_group(self, name: str) -> None:
        """Forget it."""
        with self.transaction():
            self._db.execute("DELETE FROM groups WHERE name = ?", (name,))

    def draining(self) -> bool:
        """Whether nothing is to start."""
        found = self._db.execute("SELECT value FROM settings WHERE name = 'draining'").fetchone()
        return found is not None

    def set_draining(self, draining: bool) -> None:
        """Start nothing, or start jobs again."""
        with self.transaction():
            if draining:
                self._db.execute("INSERT OR REPLACE INTO settings VALUES ('draining', 'yes')")
            else:
                self._db.execute("DELETE FROM settings WHERE name = 'draining'")

    def boot(self) -> str:
        """The boot of the machine in which a daemon was here last; empty if none said so yet."""
        found = self._db.execute("SELECT value FROM settings WHERE name = 'boot'").fetchone()
        return "" if found is None else str(found[0])

    def set_boot(self, boot: str) -> None:
        """A daemon is here in this boot."""
        with self.transaction():
            self._db.execute("INSERT OR REPLACE INTO settings VALUES ('boot', ?)", (boot,))

    def write_terms(self, job_id: int, terms: Mapping[str, Any]) -> None:
        """What a job waits for, by the names of its fields."""
        with self.transaction():
            for name, value in terms.items():
                stored = json.dumps(value) if isinstance(value, tuple) else value
                self._db.execute(
                    f"UPDATE jobs SET {COLUMNS[name]} = ? WHERE id = ?", (stored, job_id)
                )


def _group(row: tuple[Any, ...]) -> Group:
    name, slots, gpus, on_failure, paused, cause = row
    return Group(
        name=name,
        slots=slots,
        gpus=tuple(json.loads(gpus)),
        on_failure=on_failure,
        paused=bool(paused),
        cause=cause,
    )
