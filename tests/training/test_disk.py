"""Disks that are full, fail or lie, and killed writers: no checkpoint is lost or made up."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from support import SOAK, small_recipe

from lorad.daemon.training.checkpoint import MANIFEST, Checkpoints, fault
from lorad.shared import failpoints
from lorad.shared.errors import CheckpointUnusable, DiskFailing, DiskFull
from lorad.shared.failpoints import POINTS
from lorad.shared.messages import NoteReport, PointReport, ValidationReport

from .runs import Line, run, weights
from .writer import export, state, tensors

SEED = 20261
KILLS_QUICK, KILLS = 10, 200 * SOAK
FLIPS_QUICK, FLIPS = 100, 2000 * SOAK
WRITES = [name for name, point in POINTS.items() if name.startswith("save.")]
FAULTS = [(name, action) for name in WRITES for action in POINTS[name].actions if action != "kill"]


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    failpoints.arm("")


def counts(quick: int, whole: int) -> list[object]:
    return [quick, pytest.param(whole, marks=[pytest.mark.proof, pytest.mark.timeout(3600)])]


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def met(do: Callable[[], object]) -> DiskFull | DiskFailing | None:
    """The fault of the disk that somebody met, if any; then the disk is well again."""
    try:
        do()
    except (DiskFull, DiskFailing) as error:
        return error
    finally:
        failpoints.arm("")
    return None


# -- a save that goes wrong -----------------------------------------------------------------------


def saved(folder: Path, *steps: int) -> Checkpoints:
    checkpoints = Checkpoints(folder, 2)
    for step in steps:
        checkpoints.save(state(step), tensors(step), export, None)
    return checkpoints


def holds(folder: Path) -> int:
    """The step of the newest checkpoint, whose tensors are those of that step."""
    found = Checkpoints(folder, 2).load()
    assert found is not None
    step = found[0].step
    for name, part in tensors(step).parts().items():
        assert same(getattr(found[1], name), part), name
    return step


@pytest.mark.parametrize(("name", "action"), FAULTS)
def test_a_save_that_goes_wrong_anywhere_leaves_the_one_before(
    tmp_path: Path, name: str, action: str
) -> None:
    """Every time that the place is passed in one save, the oldest being pruned in it."""
    for time_ in itertools.count(1):
        folder = tmp_path / str(time_)
        checkpoints = saved(folder, 1, 2)
        failpoints.arm(f"{name}:{action}@{time_}")
        error = met(lambda to=checkpoints: to.save(state(3), tensors(3), export, None))
        if error is None:
            break
        assert isinstance(error, DiskFull) == (action == "enospc")
        assert error.pauses
        assert "lorad resume" in str(error)
        assert action != "enospc" or "MiB are needed" in str(error)
        named = name in ("save.after_rename", "save.before_prune")
        assert holds(folder) == (3 if named else 2)
        assert not [path.name for path in folder.iterdir() if path.name.startswith(".")]
        again = Checkpoints(folder, 2)
        again.save(state(3), tensors(3), export, None)
        assert holds(folder) == 3
        shutil.rmtree(folder)
    assert time_ > 1, "it was never passed"
    files = len(list((tmp_path / str(time_) / "checkpoint-3").iterdir()))
    assert time_ - 1 == (files - 1 if name == "save.file" else 1)


RUNS = ["save.file:enospc@9", "save.manifest:eio@2", "save.file:short@8"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, torch.Tensor], Line]:
    """What a run comes to that nothing happens to."""
    folder = tmp_path_factory.mktemp("whole")
    recipe = small_recipe(folder, steps=4, checkpointing_steps=2, prompts='["cat face"]')
    recipe.write_text(recipe.read_text().replace("[train]", "[train]\nema_decay = 0.9"))
    line = Line()
    assert run(recipe, folder / "out", line) == "done"
    return recipe, weights(folder / "out"), line


def fails_once(whole: tuple[Path, dict[str, torch.Tensor], Line], out: Path, armed: str) -> bool:
    """Whether a run met the fault; it went on from before it to the same end."""
    recipe, wanted, line = whole
    failpoints.arm(armed)
    first, second = Line(), Line()
    error = met(lambda: run(recipe, out, first))
    if error is None:
        return False
    assert error.pauses
    assert run(recipe, out, second) == "done"
    assert first.losses | second.losses == line.losses
    assert same(weights(out), wanted)
    return True


@pytest.mark.parametrize("armed", RUNS)
def test_a_run_whose_save_fails_goes_on_bit_for_bit(
    whole: tuple[Path, dict[str, torch.Tensor], Line], tmp_path: Path, armed: str
) -> None:
    assert fails_once(whole, tmp_path / "out", armed)


@pytest.mark.proof
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("name", "action"),
    [
        (name, action)
        for name, point in POINTS.items()
        for action in point.actions
        if action != "kill" and name.partition(".")[0] in ("save", "final", "card", "preview")
    ],
)
def test_a_run_meets_every_fault_of_the_disk_at_every_pass(
    whole: tuple[Path, dict[str, torch.Tensor], Line], tmp_path: Path, name: str, action: str
) -> None:
    for time_ in itertools.count(1):
        out = tmp_path / str(time_)
        if not fails_once(whole, out, f"{name}:{action}@{time_}"):
            break
        shutil.rmtree(out)
    assert time_ > 1, "it was never passed"


SMALL = """
import shutil, sys
from pathlib import Path
from training.runs import Line, run
from lorad.daemon.training import checkpoint
from lorad.shared.errors import DiskFull
from lorad.shared.messages import SavedReport
disk, recipe = Path(sys.argv[1]), Path(sys.argv[2])

def fill(report):
    if isinstance(report, SavedReport):
        ballast.write_bytes(bytes(shutil.disk_usage(disk).free - 400_000))

ballast = disk / "ballast"
asked = checkpoint.refuse_without_room
checkpoint.refuse_without_room = lambda *_: None  # or it would be refused before it is written
try:
    run(recipe, disk / "out", Line(hook=fill))
except DiskFull as error:
    print(error)
checkpoint.refuse_without_room = asked
ballast.unlink()
last = Line()
print(run(recipe, disk / "out", last), min(last.losses))
shutil.copytree(disk / "out", recipe.parent / "copied")
"""
MOUNT = ["unshare", "-rm", "sh", "-c",
         'mount -t tmpfs -o size=12m tmpfs "$1" && shift && exec "$@"', "sh"]  # fmt: skip


@pytest.mark.proof
def test_a_small_disk_that_is_really_full(
    whole: tuple[Path, dict[str, torch.Tensor], Line], tmp_path: Path
) -> None:
    """Some MiB of memory as a disk, in a name space of its own: nobody need be root for that."""
    disk = tmp_path / "disk"
    disk.mkdir()
    tried = subprocess.run([*MOUNT, str(disk), "true"], capture_output=True, text=True)
    if tried.returncode != 0:
        pytest.skip(f"no small disk can be mounted here: {tried.stderr.strip()}")
    words = [sys.executable, "-c", SMALL, str(disk), str(whole[0])]
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    done = subprocess.run(
        [*MOUNT, str(disk), *words],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    said = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr[-2000:]
    assert "is full" in said[0]
    assert "MiB are needed" in said[0]
    assert said[-1] == "done 3"
    assert same(weights(whole[0].parent / "copied"), whole[1])


# -- what the disk did not keep -------------------------------------------------------------------


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A folder with the checkpoints of steps 1 and 2."""
    saved(tmp_path / "out", 1, 2)
    return tmp_path / "out"


@pytest.mark.parametrize("count", counts(FLIPS_QUICK, FLIPS))
def test_every_flipped_bit_is_noticed(two: Path, count: int) -> None:
    dice = random.Random(SEED)
    files = sorted((two / "checkpoint-2").iterdir())
    for number in range(count):
        path = files[number % len(files)]
        whole = path.read_bytes()
        bit = dice.randrange(8 * len(whole))
        broken = bytearray(whole)
        broken[bit // 8] ^= 1 << bit % 8
        path.write_bytes(broken)
        assert fault(two / "checkpoint-2"), f"bit {bit} of {path.name}"
        if number % 100 == 0:
            assert holds(two) == 1
        path.write_bytes(whole)
    assert holds(two) == 2


def test_every_cut_and_every_tail_of_zeros_is_noticed(two: Path) -> None:
    newest = two / "checkpoint-2"
    for path in sorted(newest.iterdir()):
        whole = path.read_bytes()
        every = 1 if len(whole) < 5000 else 97
        for length in range(0, len(whole), every):
            path.write_bytes(whole[:length])
            assert fault(newest), f"{path.name} cut to {length}"
            zeroed = whole[:length] + bytes(len(whole) - length)
            if zeroed != whole:
                path.write_bytes(zeroed)
                assert fault(newest), f"{path.name} with zeros from {length}"
        path.write_bytes(whole)
    assert not fault(newest)


def test_swapped_files_and_folders_are_noticed(two: Path) -> None:
    one, other = two / "checkpoint-1", two / "checkpoint-2"
    names = sorted(path.name for path in other.iterdir())
    pairs = [(other / a, other / b) for a, b in itertools.combinations(names, 2)]
    pairs += [(one / name, other / name) for name in names]
    for first, second in pairs:
        data = first.read_bytes(), second.read_bytes()
        if data[0] == data[1]:
            continue
        first.write_bytes(data[1])
        second.write_bytes(data[0])
        assert fault(other), f"{first} and {second}"
        first.write_bytes(data[0])
        second.write_bytes(data[1])
    for name in names:
        (other / name).rename(two / "aside")
        assert fault(other), f"without {name}"
        (two / "aside").rename(other / name)
    one.rename(two / "aside")
    other.rename(one)
    (two / "aside").rename(other)
    assert fault(one) == "it is the checkpoint of step 2"
    with pytest.raises(CheckpointUnusable, match="it is the checkpoint of step 1"):
        Checkpoints(two, 2).load()


def test_a_manifest_of_before_is_still_read(two: Path) -> None:
    path = two / "checkpoint-2" / MANIFEST
    told = json.loads(path.read_text())
    path.write_text(json.dumps({"format": 1, "files": told["files"]}))
    assert holds(two) == 2
    path.write_text(json.dumps(told | {"format": 3}))
    assert "another version of lorad" in fault(two / "checkpoint-2")


def damage(checkpoint: Path) -> None:
    path = checkpoint / "adapter.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"?")


@pytest.mark.parametrize("step", [2, 3])
def test_a_damaged_one_is_not_among_those_that_are_kept(two: Path, step: int) -> None:
    damage(two / "checkpoint-2")
    checkpoints = Checkpoints(two, 2)
    assert checkpoints.load()
    checkpoints.save(state(step), tensors(step), export, None)
    assert [path.name for path in checkpoints.all()] == ["checkpoint-1", f"checkpoint-{step}"]
    checkpoints.save(state(4), tensors(4), export, None)
    assert [path.name for path in checkpoints.all()] == [f"checkpoint-{step}", "checkpoint-4"]


def test_it_is_said_that_the_one_before_is_used(tmp_path: Path) -> None:
    recipe = small_recipe(tmp_path, steps=4, checkpointing_steps=1)
    out = tmp_path / "out"
    run(recipe, out, Line(stop_after=2))
    damage(out / "checkpoint-2")
    line = Line()
    assert run(recipe, out, line) == "done"
    assert [r.text for r in line.reports if isinstance(r, NoteReport) and r.kind == "rollback"] == [
        "A checkpoint cannot be used, and it goes on from step 1: checkpoint-2:"
        " adapter.safetensors is not what was written."
    ]


class Settling(Line):
    """Knows how much of what it was told would outlive the process."""

    settled = 0

    def settle(self) -> None:
        self.settled = len(self.reports)


def test_what_a_checkpoint_makes_the_past_is_on_record_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = small_recipe(tmp_path, steps=4, checkpointing_steps=1)
    recipe.write_text(recipe.read_text() + "[validate]\nsplit = 0.2\nevery_n_steps = 2\n")
    line, told = Settling(), []

    def passed(name: str) -> None:
        if name == "save.begun":
            kept = line.reports[: line.settled]
            points = [r.point.step for r in kept if isinstance(r, PointReport)]
            looks = [r.step for r in kept if isinstance(r, ValidationReport)]
            told.append((points[-1], looks[-1]))

    monkeypatch.setattr(failpoints, "passed", passed)
    run(recipe, tmp_path / "out", line)
    assert set(told) == {(1, 0), (2, 2), (3, 2), (4, 4)}


# -- a writer that is killed ----------------------------------------------------------------------


@pytest.mark.parametrize("count", counts(KILLS_QUICK, KILLS))
def test_a_killed_writer_loses_nothing_that_it_said_was_saved(tmp_path: Path, count: int) -> None:
    dice = random.Random(SEED)
    out = tmp_path / "out"
    out.mkdir()
    script = Path(__file__).with_name("writer.py")
    writer = subprocess.Popen(
        [sys.executable, str(script), str(out)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert writer.stdin is not None
    assert writer.stdout is not None
    acknowledged = middle = 0
    for _ in range(count):
        writer.stdin.write(b"\n")
        writer.stdin.flush()
        pid = int(writer.stdout.readline().split()[1])
        time.sleep(dice.uniform(0.0, 0.3))
        os.kill(pid, signal.SIGKILL)
        while (line := writer.stdout.readline()) != b"gone\n":
            acknowledged = max(acknowledged, int(line))
        middle += any(path.name.startswith(".") for path in out.iterdir())
        checkpoints = [path for path in out.iterdir() if path.name.startswith("checkpoint-")]
        assert all(not fault(path) for path in checkpoints)
        found = Checkpoints(out, 2).load()
        assert (found[0].step if found else 0) >= acknowledged
        if found:
            wanted = tensors(found[0].step, 200_000)
            assert same(found[1].adapter, wanted.adapter)
    writer.stdin.close()
    assert writer.wait(20) == 0
    writer.stdout.close()
    print(f"seed {SEED}: {count} kills, {middle} in the middle of a save, at step {acknowledged}")
    assert middle > count // 5
