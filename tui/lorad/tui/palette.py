"""What the command palette finds."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.app import SystemCommand
from textual.screen import Screen

from lorad.shared.clean import clean_line
from lorad.tui.mirror import in_order
from lorad.tui.themes import NAMES

if TYPE_CHECKING:
    from lorad.tui.app import LoradApp

JOBS = 200
"""As many are listed; the filter of the queue finds the others."""


def commands(app: LoradApp, screen: Screen[Any]) -> Iterator[SystemCommand]:
    """All that a key does on this screen, then the jobs, then the themes."""
    seen = set()
    for active in screen.active_bindings.values():
        binding = active.binding
        what = binding.tooltip or binding.description
        if not (what and binding.id) or binding.action in seen or binding.id == "app.commands":
            continue
        seen.add(binding.action)
        run = partial(app.run_action, binding.action, active.node)
        yield SystemCommand(what, f"key {app.get_key_display(binding)}", run)
    for job in in_order(app.mirror.jobs.values())[:JOBS]:
        name = f"Go to job {job.id}: {clean_line(job.name, 64)}"
        yield SystemCommand(name, job.state, partial(app.action_select, job.id), discover=False)
    for theme in NAMES:
        yield SystemCommand(
            f"Theme {theme}", "How it looks", partial(setattr, app, "theme", theme), discover=False
        )
