"""The heavy verbs through the real command: check, generate, demo."""

from __future__ import annotations

import json
import shutil
import subprocess
import sysconfig
from pathlib import Path

import numpy as np
from PIL import Image
from support import Daemon, small_recipe

from .conftest import Finished, Tool

LORAD = str(Path(sysconfig.get_path("scripts")) / "lorad")


def lorad(daemon: Daemon, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LORAD, *map(str, words)], env=daemon.env, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=200,
    )  # fmt: skip


def test_check_of_a_good_recipe(finished: Finished) -> None:
    done = lorad(finished.daemon, "check", finished.recipe)
    assert done.returncode == 0, done.stderr
    assert "Pictures  6, with 6 different captions" in done.stdout
    assert "Buckets   64x64: 6" in done.stdout
    assert "images a second, as measured with small on " in done.stdout  # by this very job
    assert "Note" not in done.stdout
    assert "It can be trained." in done.stdout


def test_what_lies_beside_a_recipe_is_no_module(tmp_path: Path) -> None:
    """Data sets come from strangers, and are checked from within their folder."""
    recipe = small_recipe(tmp_path)
    for name in ("msgspec", "torch", "PIL", "lorad", "json"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    done = subprocess.run(
        [LORAD, "check", recipe.name], cwd=tmp_path, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert "It can be trained." in done.stdout, done.stderr
    assert not (tmp_path / "ran").exists()


def test_check_names_every_problem_at_once(finished: Finished, tmp_path: Path) -> None:
    recipe = small_recipe(tmp_path)
    for name in ("anchor.png", "ambulance.png"):
        (tmp_path / "pictures" / name).write_bytes(b"no picture")
    recipe.write_text(recipe.read_text() + '[model]\nbase = "./none"\n')
    done = lorad(finished.daemon, "check", recipe, "--json")
    assert done.returncode == 2
    report = json.loads(done.stdout)
    assert report["schema"] == 1
    model, pictures = report["problems"]
    assert model.startswith("There is no model at")
    assert pictures.startswith("ambulance.png, anchor.png cannot be decoded: it is no picture")
    assert [broken["name"] for broken in report["broken"]] == ["ambulance.png", "anchor.png"]
    assert report["pictures"] == 6
    assert report["token_limit"] is None  # there is no model to ask
    assert "Traceback" not in done.stderr


def test_check_tells_what_is_odd_and_lets_it_be_trained(
    finished: Finished, tool: Tool, tmp_path: Path
) -> None:
    recipe = small_recipe(tmp_path)
    pictures = tmp_path / "pictures"
    hostile = "\x1b]52;c;aGk=\x07.png"
    shutil.copy(pictures / "anchor.png", pictures / hostile)
    metadata = pictures / "metadata.csv"
    metadata.write_text(metadata.read_text() + f"{hostile},{'many words ' * 40}\n")
    done = lorad(finished.daemon, "check", recipe)
    assert done.returncode == 0, done.stderr
    assert "There more than once: ␛]52;c;aGk=�.png, anchor.png" in done.stdout
    assert "1 with captions past the 24 tokens that are read" in done.stdout
    assert not set("\x1b\x07") & set(done.stdout + done.stderr)
    report = json.loads(tool("check", recipe, "--json")[1])
    assert report["duplicates"] == [[hostile, "anchor.png"]]
    assert report["long_captions"] == [hostile]


def test_check_tells_what_this_machine_lacks_and_what_is_held_out(
    tool: Tool, tmp_path: Path
) -> None:
    recipe = small_recipe(tmp_path)
    more = '[optimizer]\ntype = "adamw8bit"\n[validate]\nsplit = 0.34\n'
    recipe.write_text(recipe.read_text() + more)
    report = json.loads(tool("check", recipe, "--json")[1])
    assert report["problems"] == []
    assert "Not on this machine: " in report["notes"][0]
    assert "adamw8bit needs a GPU" in report["notes"][0]
    assert (report["pictures"], report["held_out"], report["pictures_per_epoch"]) == (6, 2, 4)


def test_check_lists_every_broken_picture_of_many(tool: Tool, tmp_path: Path) -> None:
    recipe = small_recipe(tmp_path)
    (tmp_path / "pictures" / "metadata.csv").unlink()
    for number in range(30):
        (tmp_path / "pictures" / f"broken-{number:02}.png").write_bytes(b"no picture")
    recipe.write_text(recipe.read_text().replace("[lora]", 'caption = "x"\n[lora]'))
    code, said, _ = tool("check", recipe)
    assert code == 2
    assert all(f"Broken    broken-{n:02}.png: it is no picture" in said for n in range(30))


def test_generate_draws_with_the_lora_and_without_it(
    finished: Finished, tool: Tool, tmp_path: Path
) -> None:
    without, whole = tmp_path / "0.png", tmp_path / "1.png"
    done = lorad(
        finished.daemon, "generate", finished.job.id, "cat face", "--steps", 3, "--scale", 0,
        "--out", without,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == str(without)
    words = (f"--folder={finished.folder}", "--prompt=cat face", "--steps=3", f"--out={whole}")
    code, said, _ = tool("generate", *words)
    assert (code, said.strip().splitlines()[-1]) == (0, str(whole))
    pictures = [np.asarray(Image.open(path)).astype(int) for path in (without, whole)]
    assert pictures[0].shape == (64, 64, 3)
    assert np.abs(pictures[0] - pictures[1]).mean() > 1


def test_demo_without_a_terminal_ends_with_the_files(daemon: Daemon, tmp_path: Path) -> None:
    small_recipe(tmp_path, steps=2, prompts='["cat face"]').rename(tmp_path / "demo.toml")
    done = lorad(daemon, "demo", "--here", tmp_path)
    assert done.returncode == 0, done.stderr
    files = [Path(line) for line in done.stdout.split("\n") if line]
    assert [path.name for path in files] == [
        "pytorch_lora_weights.safetensors",
        "small.safetensors",
        "before_after.png",
    ]
    assert all(path.is_absolute() and path.exists() for path in files)
    assert "step 2/2" in done.stderr or "finishing" in done.stderr
