"""What all tests of the dashboard share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from textual.css.stylesheet import Stylesheet


@pytest.fixture(scope="session", autouse=True)
def styles_are_read_once() -> Iterator[None]:
    """Every test makes an app of its own; what its style sheets say is always the same."""
    own, read = Stylesheet._parse_rules, {}

    def parsed(self: Stylesheet, *words: Any, **named: Any) -> Any:
        key = (*sorted(self._variables.items()), *words, *sorted(named.items()))
        if key not in read:
            read[key] = own(self, *words, **named)
        return read[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stylesheet, "_parse_rules", parsed)
        yield


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting between frames."""
    monkeypatch.setattr("lorad.tui.app.LoradApp.frame_seconds", 0.0)
    # Nobody rests so long on a job in a test, unless it is about that.
    monkeypatch.setattr("lorad.tui.screens.main.WHY_SECONDS", 3600.0)
