"""Cards that are asked in a thread of their own: a driver that hangs holds up nobody."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from lorad.daemon.telemetry import BlindError, Cards, NoCards
from lorad.shared.jobs import Gpu

log = logging.getLogger(__name__)
PATIENCE_SECONDS = 2.0
"""A driver answers in milliseconds."""


class LateCards:
    """The cards of this box, as far as its driver answers."""

    def __init__(self, find: Callable[[], Cards], patience: float = PATIENCE_SECONDS) -> None:
        """`find` is called in the thread as well: a driver may hang from the first call on."""
        self._find = find
        self._patience = patience
        self._cards: Cards | None = None
        self.note = ""
        self._newest: list[Gpu] = []
        self._failed: Exception | None = None
        self._asked = 0.0
        """When what is waited for was asked, by the monotonic clock."""
        self._late = False
        self._wanted = threading.Event()
        self._answered = threading.Event()
        self._answered.set()
        threading.Thread(target=self._serve, name="cards", daemon=True).start()

    def sample(self) -> list[Gpu]:
        """Every card as it is now.

        Raises:
            BlindError: the driver does not answer, or says what nobody expects; with the cards as
                they were, but for their gauges.
        """
        if self._answered.is_set():
            self._asked, self._late = time.monotonic(), False
            self._answered.clear()
            self._wanted.set()
        if not self._answered.wait(0.0 if self._late else self._patience):
            self._late = True
            seconds = time.monotonic() - self._asked
            raise BlindError(
                f"the NVIDIA driver has not answered for {seconds:.0f} s", blank(self._newest)
            )
        if self._failed is not None:
            why = str(self._failed) or type(self._failed).__name__
            raise BlindError(why, blank(self._newest)) from self._failed
        return self._newest

    def _serve(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            try:
                if self._cards is None or (isinstance(self._cards, NoCards) and self._cards.blind):
                    self._cards = self._find()  # again: a driver may come back
                self.note = self._cards.note
                self._newest, self._failed = self._cards.sample(), None
            except Exception as error:  # whatever a driver or its library comes across
                self._failed = error
            self._answered.set()


def blank(cards: Sequence[Gpu]) -> list[Gpu]:
    """The same cards without what changes from one second to the next."""
    return [
        replace(
            card,
            utilization_percent=None,
            power_watts=None,
            temperature_celsius=None,
            processes=(),
        )
        for card in cards
    ]
