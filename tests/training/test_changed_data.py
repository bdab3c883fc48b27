"""A picture that changes or goes while it is trained: named, never silently another one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from support import quick, small_recipe

from lorad.daemon.training.data.dataset import Dataset
from lorad.shared.errors import DataError
from lorad.shared.messages import AnyReport, PointReport

from .runs import Line, run, weights

STEPS = 6


def other(path: Path) -> None:
    Image.new("RGB", (64, 64), "blue").save(path)


def one_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def circle(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


CHANGES = (other, one_byte, cut, Path.unlink, pipe, folder, circle, link)


@pytest.fixture
def lazy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is encoded before it is shown."""
    monkeypatch.setattr(Dataset, "make_more", lambda self, seconds: True)


def change_at(pictures: Path, change: Callable[[Path], None], step: int) -> Line:
    """A run during which every picture changes that was not shown by then."""

    def hook(report: AnyReport) -> None:
        if isinstance(report, PointReport) and report.point.step == step:
            for path in sorted(pictures.glob("*.png")):
                change(path)

    return Line(hook=hook)


@pytest.mark.usefixtures("lazy")
@pytest.mark.parametrize("change", quick(3, CHANGES))
def test_a_picture_that_changed_is_named_and_no_step_is_lost(
    change: Callable[[Path], None], tmp_path: Path
) -> None:
    path = small_recipe(tmp_path, steps=STEPS, checkpointing_steps=100)
    shutil.copytree(tmp_path / "pictures", tmp_path / "kept")
    run(path, tmp_path / "whole", Line())
    shutil.rmtree(tmp_path / "cache")
    line = change_at(tmp_path / "pictures", change, 1)
    with pytest.raises(DataError) as caught:
        run(path, tmp_path / "out", line)
    assert ".png" in str(caught.value), "it has a name"
    assert "\n" not in str(caught.value)
    taken = max(line.losses)
    assert taken < STEPS
    assert (tmp_path / "out" / f"checkpoint-{taken}").is_dir()
    with pytest.raises(DataError, match=r"\.png"):
        run(path, tmp_path / "out", Line())
    # Put back: the bits of a run that nobody disturbed.
    shutil.rmtree(tmp_path / "pictures")
    (tmp_path / "kept").rename(tmp_path / "pictures")
    last = Line()
    assert run(path, tmp_path / "out", last) == "done"
    assert list(last.losses) == list(range(taken + 1, STEPS + 1))
    one, two = weights(tmp_path / "out"), weights(tmp_path / "whole")
    assert all(one[name].equal(two[name]) for name in one)


def test_what_was_encoded_before_is_what_is_trained(tmp_path: Path) -> None:
    """A file that nobody needs any more may go: the run has what it was."""
    path = small_recipe(tmp_path, steps=STEPS, checkpointing_steps=100)
    run(path, tmp_path / "whole", Line())
    line = change_at(tmp_path / "pictures", Path.unlink, 1)
    assert run(path, tmp_path / "out", line) == "done"
    one, two = weights(tmp_path / "out"), weights(tmp_path / "whole")
    assert all(one[name].equal(two[name]) for name in one)


def test_a_caption_that_changed_is_named_by_the_resume(tmp_path: Path) -> None:
    path = small_recipe(tmp_path, steps=STEPS, checkpointing_steps=100)
    run(path, tmp_path / "out", Line(stop_after=2))
    table = tmp_path / "pictures" / "metadata.csv"
    lines = table.read_text().splitlines()
    lines[1] += " and another word"
    table.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match=lines[1].split(",")[0]):
        run(path, tmp_path / "out", Line())
