from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from support import Daemon, small_recipe

from lorad.daemon.tools.__main__ import main
from lorad.shared.jobs import Job

STEPS = 8


@dataclass(frozen=True)
class Finished:
    """A job that trained without being disturbed."""

    job: Job
    daemon: Daemon
    recipe: Path

    @property
    def folder(self) -> Path:
        return Path(self.job.folder)


def adapter(folder: Path | str) -> dict[str, torch.Tensor]:
    return load_file(Path(folder) / "pytorch_lora_weights.safetensors")


def same(one: Path | str, other: Path | str) -> bool:
    first, second = adapter(one), adapter(other)
    return first.keys() == second.keys() and all(
        torch.equal(first[name], second[name]) for name in first
    )


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    folder = tmp_path_factory.mktemp("finished")
    daemon = Daemon(folder / "home")
    daemon.start()
    recipe = small_recipe(
        folder, steps=STEPS, checkpointing_steps=3, prompts='["cat face", "rocket"]'
    )
    recipe.write_text(
        recipe.read_text()
        .replace("1e-3", "3e-2")
        .replace("rank = 4", 'rank = 4\nalpha = 2\ntarget_modules = ["to_q", "conv1"]')
    )
    job = daemon.add(recipe)
    job = daemon.wait_state(job.id, "done")
    yield Finished(job, daemon, recipe)
    daemon.stop()


Tool = Callable[..., tuple[int, str, str]]
"""What the fixture `tool` is."""


@pytest.fixture
def tool(
    finished: Finished, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Tool:
    """A heavy verb without a process of its own, which would import torch again.

    Its exit code and what it says. Each verb is run as a user runs it at least once.
    """

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setenv("LORAD_HOME", finished.daemon.env["LORAD_HOME"])
        monkeypatch.setattr("sys.argv", ["lorad.daemon.tools", *map(str, words)])
        return main(), *capsys.readouterr()

    return run
