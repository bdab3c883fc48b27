"""Sample pictures from the live weights: fixed prompts, fixed noise, no second pipeline."""

from __future__ import annotations

import hashlib
import io
import logging
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from lorad.daemon.training.families import Family
from lorad.daemon.training.files import write_atomically
from lorad.shared.messages import SamplePicture
from lorad.shared.recipe import Prompt, Recipe

log = logging.getLogger(__name__)
THUMB_BYTES = 8192
THUMB_SIDES = (64, 56, 48, 40, 32, 24)
SHEET_SIDE = 256
BATCH_PIXELS = 512 * 512
"""Drawn at once; on small pictures most of a step is overhead that a batch shares."""


class Preview:
    """Draws the recipe's prompts and keeps the pictures of the first and the newest round."""

    def __init__(self, family: Family, recipe: Recipe, folder: Path) -> None:
        """Pictures go to `folder`/samples."""
        self._family = family
        self._recipe = recipe
        self._folder = folder / "samples"

    def due(self, step: int) -> bool:
        """Whether pictures are to be drawn after this many steps."""
        every = self._recipe.sample.every_n_steps
        last = self._recipe.train.known_steps
        return step in (0, last) or (every > 0 and step % every == 0)

    def draw(self, step: int) -> Iterator[SamplePicture]:
        """One picture a prompt; a card that is too full for it is said, and nothing lost."""
        sample = self._recipe.sample
        if not sample.prompts:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        network = self._family.network
        network.eval()
        try:
            pipeline = self._family.pipeline()
            pipeline.set_progress_bar_config(disable=True)
            at_once = max(1, min(8, BATCH_PIXELS // self._recipe.train.resolution**2))
            for first in range(0, len(sample.prompts), at_once):
                indices = range(first, min(first + at_once, len(sample.prompts)))
                for index, picture in zip(indices, self._draw(pipeline, indices), strict=True):
                    yield self._keep(picture, step, index, prompt_text(sample.prompts[index]))
        except torch.OutOfMemoryError:
            log.warning("No pictures at step %d: the GPU has too little free memory.", step)
        finally:
            network.train()
            self._family.park()

    def _draw(self, pipeline: Any, indices: range) -> list[Image.Image]:
        """Several prompts at once; each has a seed of its own, so its noise is always the same."""
        sample, side = self._recipe.sample, self._recipe.train.resolution
        dtype: torch.dtype = next(self._family.network.parameters()).dtype
        half = dtype != torch.float32
        with torch.autocast(pipeline.device.type, dtype=dtype if half else None, enabled=half):
            pictures: list[Image.Image] = pipeline(
                [prompt_text(sample.prompts[index]) for index in indices],
                negative_prompt=[sample.negative_prompt] * len(indices),
                height=side,
                width=side,
                num_inference_steps=sample.num_inference_steps,
                guidance_scale=sample.guidance_scale,
                generator=[torch.Generator().manual_seed(sample.seed + i) for i in indices],
            ).images
        return pictures

    def _keep(self, picture: Image.Image, step: int, index: int, prompt: str) -> SamplePicture:
        png = io.BytesIO()
        picture.save(png, "PNG")
        path = self._path(step, index)
        write_atomically(path, png.getvalue())
        width, height, thumb = make_thumb(picture)
        return SamplePicture(
            step=step,
            index=index,
            prompt=prompt,
            seed=self._recipe.sample.seed + index,
            sha256=hashlib.sha256(png.getvalue()).hexdigest(),
            path=str(path),
            width=picture.width,
            height=picture.height,
            thumb_width=width,
            thumb_height=height,
            thumb=thumb,
        )

    def _path(self, step: int, index: int) -> Path:
        return self._folder / f"step-{step:06d}-{index}.png"

    def pictures(self, step: int) -> list[Image.Image]:
        """Those of a round, as far as they are there."""
        paths = [self._path(step, index) for index in range(len(self._recipe.sample.prompts))]
        return [Image.open(path).convert("RGB") for path in paths if path.exists()]

    def write_before_after(self, step: int, path: Path) -> None:
        """A sheet: the base model above, the LoRA below."""
        rounds = [self.pictures(0), self.pictures(step)]
        if not all(rounds):
            return
        count = max(len(pictures) for pictures in rounds)
        sheet = Image.new("RGB", (count * SHEET_SIDE, 2 * SHEET_SIDE), "white")
        for row, pictures in enumerate(rounds):
            for column, picture in enumerate(pictures):
                # Small pictures keep their pixels, large ones shrink smoothly.
                way = Image.Resampling.NEAREST if picture.width < SHEET_SIDE else None
                sheet.paste(
                    picture.resize((SHEET_SIDE, SHEET_SIDE), way),
                    (column * SHEET_SIDE, row * SHEET_SIDE),
                )
        out = io.BytesIO()
        sheet.save(out, "PNG")
        write_atomically(path, out.getvalue())


def make_thumb(picture: Image.Image) -> tuple[int, int, bytes]:
    """Width, height and deflated raw RGB of the largest thumbnail that stays within 8 KiB."""
    for side in THUMB_SIDES:
        small = picture.convert("RGB")
        if max(small.size) > side:
            small.thumbnail((side, side), Image.Resampling.LANCZOS)
        data = zlib.compress(small.tobytes(), 9)
        if len(data) <= THUMB_BYTES:
            break
    return small.width, small.height, data


def prompt_text(prompt: str | Prompt) -> str:
    """The words of one of the recipe's prompts."""
    return prompt if isinstance(prompt, str) else prompt.prompt
