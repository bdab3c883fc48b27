"""Training beside diffusers' own script, train_text_to_image_lora.py: same work, taken in turn.

The script is not here: `bench.py reference --reference FILE`, with `--runner FILE` for one that
runs it where torchvision cannot be had. With train_text_to_image_lora_sdxl.py the model is a tiny
SDXL of random weights, else the shipped one.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from lorad.shared import shipped

HERE = Path(__file__).parent
BATCH, RANK, SEED = 4, 4, 7
ROUNDS = 3
STEPS = {64: 80, 256: 24}
"""By resolution."""
FEW = 3
"""Steps where only the first one counts."""
WARM = 8
"""Steps that are not counted: the first ones of a process are slower."""

RECIPE = """
name = "beside"
[model]
base = "{base}"
[data]
path = "{pictures}"
caption_dropout = 0.0
[lora]
rank = {rank}
init_lora_weights = "gaussian"
[train]
max_train_steps = {steps}
train_batch_size = {batch}
resolution = {side}
learning_rate = 1e-4
mixed_precision = "no"
compile = {compile}
seed = {seed}
checkpointing_steps = 100000
[objective]
snr_gamma = 0.0
[schedule]
lr_scheduler = "constant"
lr_warmup_steps = 0
"""


@dataclass(frozen=True)
class Taken:
    """What one process took."""

    first: float
    """Seconds from its start to the end of its first step."""
    first_cpu: float
    """Seconds of processor time until then, its own processes' included."""
    step: float
    """Median wall seconds of a step."""
    cpu: float
    """Median seconds of processor time of a step, which neighbours on the machine disturb less."""
    peak: float
    """Bytes of memory."""


@dataclass(frozen=True)
class Reference:
    """Where the script is, and what runs it."""

    script: Path
    runner: Path | None

    def base(self, folder: Path) -> str:
        """The model that it trains."""
        if "sdxl" not in self.script.name:
            return str(shipped.MODELS["emoji"])
        from training.tiny import tiny_model  # takes as long as all of diffusers

        return str(tiny_model("sdxl", folder))

    def command(self, folder: Path, side: int, **others: object) -> list[str]:
        """The pictures are in `folder`; `others` are the script's options, by their names."""
        runner = [str(self.runner)] if self.runner else []
        options = {
            "pretrained_model_name_or_path": self.base(folder),
            "train_data_dir": folder / "pictures",
            "caption_column": "text",
            "resolution": side,
            "train_batch_size": BATCH,
            "max_train_steps": STEPS[side],
            "rank": RANK,
            "seed": SEED,
            "output_dir": folder / "reference",
            "report_to": "comet_ml",  # not installed, so no tracker costs it time
            "mixed_precision": "no",
            **others,
        }
        words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
        return [*runner, str(self.script), *words]


def beside_reference(
    folder: Path, reference: Reference, sides: tuple[int, ...], kinds: tuple[str, ...]
) -> str:
    """Images a second over the reference's, start to first step and peak memory under it."""
    lines = []
    for side in sides:
        taken = rounds(folder / str(side), reference, side, kinds)
        for kind in kinds:
            speed, cpu, first, first_cpu, peak = (
                statistics.median(ratios)
                for ratios in zip(
                    *(
                        (theirs.step / ours.step, theirs.cpu / ours.cpu,
                         ours.first / theirs.first, ours.first_cpu / theirs.first_cpu,
                         ours.peak / theirs.peak)
                        for theirs, ours in zip(taken["reference"], taken[kind], strict=True)
                    ),
                    strict=True,
                )
            )  # fmt: skip
            lines.append(
                f"{side}x{side} {kind}: images/s {speed:.2f} times (processor time {cpu:.2f}),"
                f" first step after {first:.2f} of the time (processor time {first_cpu:.2f}),"
                f" peak memory {peak:.2f}"
            )
    return "\n  ".join(["", *lines])


def first_step(folder: Path, reference: Reference, sides: tuple[int, ...]) -> str:
    """Start to first step over the reference's, in runs that end soon after it."""
    lines = []
    for side in sides:
        taken = rounds(folder / str(side), reference, side, ("eager",), FEW)
        pairs = list(zip(taken["reference"], taken["eager"], strict=True))
        wall = statistics.median(ours.first / theirs.first for theirs, ours in pairs)
        cpu = statistics.median(ours.first_cpu / theirs.first_cpu for theirs, ours in pairs)
        lines.append(f"{side}x{side}: {wall:.2f} of the time, {cpu:.2f} of the processor time")
    return "\n  ".join(["", *lines])


def rounds(
    folder: Path,
    reference: Reference,
    side: int,
    kinds: tuple[str, ...],
    steps: int | None = None,
) -> dict[str, list[Taken]]:
    """Each kind once a round, all rounds."""
    steps = steps or STEPS[side]
    put_pictures(folder / "pictures", side)
    taken: dict[str, list[Taken]] = {kind: [] for kind in ("reference", *kinds)}
    for number in range(ROUNDS):
        for kind, done in taken.items():
            out = folder / f"{kind}-{number}"
            out.mkdir()
            if kind == "reference":
                command = reference.command(folder, side, max_train_steps=steps)
            else:
                command = lorad(
                    folder, out, side, compiled=kind == "compiled", steps=steps,
                    base=reference.base(folder),
                )  # fmt: skip
            done.append(take(out, command))
            print(
                f"  {side}x{side} round {number}, {kind}: {done[-1].step * 1e3:.1f} ms a step,"
                f" first after {done[-1].first:.1f} s ({done[-1].first_cpu:.1f} of processor time),"
                f" {done[-1].peak / 2**20:.0f} MiB",
                flush=True,
            )
    return taken


def put_pictures(folder: Path, side: int) -> None:
    """The demo's pictures at this size, with their captions."""
    folder.mkdir(parents=True)
    source = shipped.DEMO / "pictures"
    for path in sorted(source.glob("*.png")):
        picture = Image.open(path).convert("RGB")
        picture.resize((side, side), Image.Resampling.BICUBIC).save(folder / path.name)
    shutil.copy(source / "metadata.csv", folder)


def lorad(
    folder: Path,
    out: Path,
    side: int,
    *,
    compiled: bool = False,
    steps: int | None = None,
    base: str = "emoji",
) -> list[str]:
    """The real loop, with nobody listening, on a cache of its own."""
    recipe = folder / f"{out.name}.toml"
    recipe.write_text(
        RECIPE.format(
            base=base, pictures="pictures", rank=RANK, steps=steps or STEPS[side], batch=BATCH,
            side=side, compile=str(compiled).lower(), seed=SEED,
        )
    )  # fmt: skip
    return [str(HERE / "bare.py"), str(recipe), str(out / "run")]


def environment(out: Path) -> dict[str, str]:
    """For a process that is not to find what another one cached."""
    return {
        **os.environ,
        "HF_DATASETS_CACHE": str(out / "datasets"),
        "HF_HUB_OFFLINE": "1",
        "TORCHINDUCTOR_CACHE_DIR": str(out.parent / "compiled"),  # shared: it takes minutes
    }


def take(out: Path, command: list[str]) -> Taken:
    """Run it to its end, with caches of its own so that every start is the first."""
    marks = out / "marks.json"
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, str(HERE / "marks.py"), str(marks), str(began), *command],
        env=environment(out), capture_output=True, text=True,
    )  # fmt: skip
    if not marks.exists():
        raise SystemExit(f"{' '.join(command)}\n{done.stderr[-4000:]}")
    told = json.loads(marks.read_text())
    return Taken(
        first=told["first"],
        first_cpu=told["first_cpu"],
        step=statistics.median(told["wall"][WARM:] or told["wall"]),
        cpu=statistics.median(told["cpu"][WARM:] or told["cpu"]),
        peak=told["peak"],
    )
