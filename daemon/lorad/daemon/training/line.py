"""The run's line to whoever watches and steers it."""

from __future__ import annotations

from typing import Protocol

from lorad.shared.messages import AnyReport, Order, PhaseReport, Wanted


class Line(Protocol):
    """The run's line to whoever watches and steers it."""

    @property
    def wanted(self) -> Wanted:
        """What the run is to do now; a plain variable."""
        ...

    def report(self, *reports: AnyReport) -> None:
        """Say it; never waits."""
        ...

    def settle(self) -> None:
        """Have on record what was reported: a checkpoint is about to make it the past."""
        ...

    def orders(self) -> list[Order]:
        """What else it is told to do, since the last time; never waits."""
        ...


class Unwanted(Exception):
    """The run is to be paused or cancelled before its first step; there is nothing to save."""


def say(line: Line, phase: str) -> None:
    """What the run does before its first step, where it also hears that it is not wanted.

    Raises:
        Unwanted: it is not.
    """
    if line.wanted in ("pause", "cancel"):
        raise Unwanted
    line.report(PhaseReport(phase=phase))
