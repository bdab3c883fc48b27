"""What is learned in equally many steps, beside diffusers' train_text_to_image_lora.py.

Both train on the same part of the demo's pictures with the same objective; then both LoRA files are
loaded into the same base, and held_out.py asks for the loss on the part that was left out.
"""

from __future__ import annotations

import csv
import json
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from reference import BATCH, HERE, RANK, Reference, environment, put_pictures

SIDE = 64
SEEDS = (1, 2, 3)
STEPS = 300
RATE = 1e-3
"""The demo's: at the script's 1e-4 so few steps teach hardly anything."""
EVERY = 6
"""So many pictures have one that is held out."""
MEASURES = ("plain loss", "min-SNR 5 loss")
"""As held_out.py tells them."""

RECIPE = """
name = "quality"
[data]
path = "pictures"
{data}
[lora]
rank = {rank}
{lora}
[train]
max_train_steps = {steps}
train_batch_size = {batch}
resolution = {side}
learning_rate = {rate}
mixed_precision = "no"
seed = {seed}
checkpointing_steps = 100000
{rest}
"""
SAME = {
    "data": "caption_dropout = 0.0",
    "lora": 'init_lora_weights = "gaussian"',
    # The script clips nothing: AdamW has emptied the iterator of parameters that it clips by.
    "rest": """max_grad_norm = 0.0
[objective]
snr_gamma = 0.0
[schedule]
lr_scheduler = "constant"
lr_warmup_steps = 0
""",
}
KINDS = {"same": SAME, "defaults": {"data": "", "lora": "", "rest": ""}}
"""What else a recipe says: as the script does it, and as lorad does it by itself."""
HELD = """
name = "held"
[data]
path = "held"
[train]
train_batch_size = {batch}
resolution = {side}
[validate]
timesteps = 20
"""


def quality(folder: Path, reference: Reference, steps: int) -> str:
    """Loss on pictures that neither has seen, lorad's over the reference's."""
    put_pictures(folder / "all", SIDE)
    split(folder)
    taken: dict[str, list[list[float]]] = {}
    base: list[float] = []
    for seed in SEEDS:
        outs = train_all(folder, reference, steps, seed)
        base, *losses = measure(folder, list(outs.values()))
        for kind, loss in zip(outs, losses, strict=True):
            taken.setdefault(kind, []).append(loss)
        told = ", ".join(f"{kind} {loss[0]:.5f}" for kind, loss in zip(outs, losses, strict=True))
        print(f"  seed {seed}, {steps} steps: base {base[0]:.5f}, {told}", flush=True)
    taken["base"] = [base] * len(SEEDS)
    return "\n  ".join(["", *(compare(taken, number) for number in range(len(MEASURES)))])


def compare(taken: dict[str, list[list[float]]], number: int) -> str:
    """By one measure; 1 is as good as the reference, less is better."""
    parts = []
    for kind, name in (
        ("same", "lorad, same objective"),
        ("defaults", "lorad, its defaults"),
        ("base", "no LoRA"),
    ):
        ratios = [
            ours[number] / theirs[number]
            for ours, theirs in zip(taken[kind], taken["reference"], strict=True)
        ]
        listed = ", ".join(f"{ratio:.4f}" for ratio in ratios)
        parts.append(f"{name} {statistics.median(ratios):.4f} (of {listed})")
    return f"{MEASURES[number]} over the reference's: {'; '.join(parts)}"


def split(folder: Path) -> None:
    """`all` into `pictures` and `held`, with their captions."""
    with (folder / "all/metadata.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    held = rows[::EVERY]
    for name, own in (("held", held), ("pictures", [row for row in rows if row not in held])):
        (folder / name).mkdir()
        for row in own:
            shutil.copy(folder / "all" / row["file_name"], folder / name)
        with (folder / name / "metadata.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(own)


def train_all(folder: Path, reference: Reference, steps: int, seed: int) -> dict[str, Path]:
    """Where each kind's LoRA file is."""
    outs = {kind: folder / f"{kind}-{seed}" for kind in ("reference", *KINDS)}
    command = reference.command(
        folder, SIDE, max_train_steps=steps, seed=seed, learning_rate=RATE,
        output_dir=outs["reference"], checkpointing_steps=100_000, lr_scheduler="constant",
    )  # fmt: skip
    call(outs["reference"], command)
    for kind, rest in KINDS.items():
        recipe = folder / f"{kind}-{seed}.toml"
        text = RECIPE.format(
            rank=RANK, steps=steps, batch=BATCH, side=SIDE, rate=RATE, seed=seed, **rest
        )
        recipe.write_text(text)
        call(outs[kind], [str(HERE / "bare.py"), str(recipe), str(outs[kind])])
    return outs


def measure(folder: Path, outs: list[Path]) -> list[list[float]]:
    """The losses on the held-out pictures by each measure: of the base, then with each LoRA."""
    recipe = folder / "held.toml"
    recipe.write_text(HELD.format(batch=BATCH, side=SIDE))
    told = call(
        folder / "held-out", [str(HERE / "held_out.py"), str(recipe), *(str(out) for out in outs)]
    )
    losses: list[list[float]] = json.loads(told.splitlines()[-1])
    return losses


def call(out: Path, command: list[str]) -> str:
    """What it printed."""
    done = subprocess.run(
        [sys.executable, *command], env=environment(out), capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr[-4000:]}")
    return done.stdout
