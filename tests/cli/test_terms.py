"""When a job starts, as people say it."""

from __future__ import annotations

import argparse
import time
from datetime import datetime, timedelta

import pytest

from lorad.tui.commands._terms import gpu_names, job_ids, moment, start_time

NOW = datetime(2026, 11, 23, 14, 30, 15)


@pytest.mark.parametrize(
    ("text", "then"),
    [
        ("90s", NOW + timedelta(seconds=90)),
        ("2h30m", NOW + timedelta(hours=2, minutes=30)),
        ("1d1s", NOW + timedelta(days=1, seconds=1)),
        ("15:00", datetime(2026, 11, 23, 15, 0)),
        ("8:05", datetime(2026, 11, 24, 8, 5)),
        ("14:30", datetime(2026, 11, 24, 14, 30)),
        ("14:30:16", datetime(2026, 11, 23, 14, 30, 16)),
        ("2026-12-01", datetime(2026, 12, 1)),
        ("2026-12-01T08:30", datetime(2026, 12, 1, 8, 30)),
        ("2026-12-01 08:30", datetime(2026, 12, 1, 8, 30)),
    ],
)
def test_a_time(text: str, then: datetime) -> None:
    assert moment(text, NOW) == then


@pytest.mark.parametrize("day", [datetime(2026, 10, 25, 1, 30), datetime(2026, 3, 29, 1, 30)])
def test_two_hours_are_two_hours_when_the_clocks_change(
    monkeypatch: pytest.MonkeyPatch, day: datetime
) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        assert moment("2h", day).timestamp() - day.timestamp() == 7200
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_time_with_a_zone_is_of_that_zone() -> None:
    assert moment("2026-12-01T08:30+02:00", NOW).timestamp() == 1796106600
    assert moment("2026-12-01T06:30Z", NOW).timestamp() == 1796106600


@pytest.mark.parametrize(
    "text", ["", "soon", "5", "h", "25:00", "8:60", "2026-13-01", "30m2h", "-5m", "9" * 30 + "d"]
)
def test_no_time(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"is no time\. Say 2h30m, 08:30 or 2026"):
        start_time(text)


@pytest.mark.parametrize("text", ["2020-01-01", "2020-01-01T00:00Z", "0s"])
def test_a_time_that_is_over(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=f"`{text}` is over already"):
        start_time(text)


def test_from_now() -> None:
    assert 3599 < start_time("1h") - time.time() <= 3600
    assert start_time("none") == start_time("now") == 0


def test_lists() -> None:
    assert job_ids("1,2") == [1, 2]
    assert job_ids("none") == gpu_names("any") == []
    assert gpu_names("0, GPU-a,") == ["0", "GPU-a"]
    with pytest.raises(argparse.ArgumentTypeError, match="`x` is no job number"):
        job_ids("1,x")
