"""A place behind a relay, and a link on it, for tests of bad weather."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from relay import Relay, Weather

from lorad.shared.endpoints import Home
from lorad.tui.link import DaemonLink
from lorad.tui.messages import Answered, Declined
from lorad.tui.mirror import Mirror


@dataclass
class Behind:
    """A daemon's sockets behind a relay."""

    folder: Path
    patience: float = 20.0
    curve: None = None

    @property
    def control(self) -> str:
        return f"ipc://{self.folder}/control.sock"

    @property
    def events(self) -> str:
        return f"ipc://{self.folder}/events.sock"

    def open(self) -> None:
        """It always is."""

    def check(self) -> None:
        """Nobody knows."""


class Line:
    """A relay before each of a daemon's sockets, which share one weather."""

    def __init__(self, home: Home, folder: Path, weather: Weather, patience: float = 20.0) -> None:
        folder.mkdir(exist_ok=True)
        self.weather = weather
        self.relays = [
            Relay(folder / name, home.sockets / name, weather)
            for name in ("control.sock", "events.sock")
        ]
        self.place = Behind(folder, patience)

    def drop(self) -> None:
        for relay in self.relays:
            relay.drop()

    def close(self) -> None:
        self.weather.cut.clear()
        for relay in self.relays:
            relay.close()


class Viewer:
    """A dashboard's link without a dashboard; it takes every mirror, as a screen does."""

    def __init__(self, link: DaemonLink) -> None:
        self.link = link
        self.posted: list[tuple[float, object]] = []
        link.start(lambda message: self.posted.append((time.monotonic(), message)))

    def until(self, reached: Callable[[Mirror], object], seconds: float = 60.0) -> Mirror:
        deadline = time.monotonic() + seconds
        while not reached(mirror := self.link.take()):
            assert time.monotonic() < deadline, mirror
            time.sleep(0.02)
        return mirror

    def answers(self) -> list[tuple[float, Answered | Declined]]:
        return [(at, one) for at, one in self.posted if isinstance(one, Answered | Declined)]
