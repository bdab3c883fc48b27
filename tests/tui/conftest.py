"""What all tests of the dashboard share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting between frames."""
    monkeypatch.setattr("lorad.tui.app.LoradApp.frame_seconds", 0.0)
    # Nobody rests so long on a job in a test, unless it is about that.
    monkeypatch.setattr("lorad.tui.screens.main.WHY_SECONDS", 3600.0)
