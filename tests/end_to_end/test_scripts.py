"""The examples, run as a user runs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lorad.shared.recipe import load_recipe

from .conftest import STEPS, Finished

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


def script(name: str, *words: object, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLES / name), *map(str, words)],
        env=env, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_watch_loss(finished: Finished) -> None:
    done = script("watch_loss.py", finished.job.id, env=finished.daemon.env)
    lines = done.stdout.splitlines()
    assert [int(line.split("\t")[0]) for line in lines] == list(range(1, STEPS + 1))
    assert len((EXAMPLES / "watch_loss.py").read_text().splitlines()) <= 20


def test_watch_loss_of_no_job_is_a_sentence(finished: Finished) -> None:
    done = script("watch_loss.py", 999, env=finished.daemon.env)
    assert done.returncode != 0
    assert "There is no job 999" in done.stderr
    assert "Traceback" not in done.stderr


def test_submit_job(finished: Finished) -> None:
    daemon = finished.daemon
    done = script("submit_job.py", finished.recipe, 11, 12, env=daemon.env)
    assert done.returncode == 0, done.stderr
    ids = [int(line) for line in done.stdout.split()]
    for id, seed in zip(ids, (11, 12), strict=True):
        from lorad.shared.messages import CancelJob, GetRecipe

        assert f"seed = {seed}" in daemon.client().ask(GetRecipe(id=id)).recipe
        daemon.client().ask(CancelJob(id=id, force=True))


def test_submit_job_of_no_file_is_a_sentence(finished: Finished) -> None:
    done = script("submit_job.py", "none.toml", 1, env=finished.daemon.env)
    assert done.returncode == 2
    assert "There is no recipe" in done.stderr


@pytest.mark.parametrize("name", ["sd15_style.toml", "hub_dataset.toml"])
def test_recipes_for_real_models_are_recipes(name: str) -> None:
    """They need the network and a GPU to be trained."""
    assert load_recipe(EXAMPLES / name)[0].model.base.startswith("stable-diffusion-v1-5/")
