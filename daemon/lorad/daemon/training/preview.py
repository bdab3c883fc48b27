"""Sample pictures from the live weights: fixed prompts, fixed noise, no second pipeline."""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import logging
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from lorad.daemon.training.device import is_full_card
from lorad.daemon.training.families import Family
from lorad.daemon.training.files import make_folder, write_atomically
from lorad.daemon.training.sheets import PROMPT, before_after, read_round
from lorad.shared.messages import SamplePicture
from lorad.shared.recipe import Objective, Prompt, Recipe, Sample

T = TypeVar("T")
log = logging.getLogger(__name__)
THUMB_BYTES = 8192
THUMB_SIDES = (64, 56, 48, 40, 32, 24)
BATCH_PIXELS = 512 * 512
"""Drawn at once; on small pictures most of a step is overhead that a batch shares."""


@dataclass(frozen=True)
class Drawing:
    """One picture, all of it said."""

    prompt: str
    negative_prompt: str
    seed: int
    width: int
    height: int
    num_inference_steps: int
    guidance_scale: float
    lora_scale: float

    @property
    def kind(self) -> tuple[object, ...]:
        """What is the same for all pictures that are drawn at once."""
        # Where there is no negative prompt SDXL takes zeros, for the whole batch.
        return (self.width, self.height, self.num_inference_steps, self.guidance_scale,
                self.lora_scale, not self.negative_prompt)  # fmt: skip


def plan(sample: Sample, resolution: int) -> list[Drawing]:
    """The recipe's prompts; what one does not say is as the section has it."""
    drawings = []
    for index, given in enumerate(sample.prompts):
        one = Prompt(prompt=given) if isinstance(given, str) else given
        drawings.append(
            Drawing(
                prompt=one.prompt,
                negative_prompt=_or(one.negative_prompt, sample.negative_prompt),
                seed=_or(one.seed, sample.seed + index),
                width=_or(one.width, resolution),
                height=_or(one.height, resolution),
                num_inference_steps=_or(one.num_inference_steps, sample.num_inference_steps),
                guidance_scale=_or(one.guidance_scale, sample.guidance_scale),
                lora_scale=_or(one.lora_scale, sample.lora_scale),
            )
        )
    return drawings


def _or(value: T | None, default: T) -> T:
    return default if value is None else value


def batches(drawings: list[Drawing]) -> Iterator[list[int]]:
    """The indices of pictures that are drawn together: neighbours alike, as many as fit."""
    for _, alike in itertools.groupby(range(len(drawings)), lambda i: drawings[i].kind):
        indices = list(alike)
        one = drawings[indices[0]]
        at_once = max(1, min(8, BATCH_PIXELS // (one.width * one.height)))
        for first in range(0, len(indices), at_once):
            yield indices[first : first + at_once]


class Preview:
    """Draws prompts and keeps the pictures of every round."""

    def __init__(self, family: Family, recipe: Recipe, folder: Path) -> None:
        """Pictures go to `folder`/samples."""
        self._family = family
        self._resolution = recipe.train.resolution
        self._objective = recipe.objective
        self._folder = folder / "samples"

    @staticmethod
    def due(step: int, last: int, every: int) -> bool:
        """Whether pictures are to be drawn after this many steps; `every` 0: only at the ends."""
        return step in (0, last) or (every > 0 and step % every == 0)

    def draw(self, step: int, sample: Sample) -> Iterator[SamplePicture]:
        """One picture a prompt; a card that is too full for it is said, and nothing lost."""
        if not sample.prompts:
            return
        make_folder(self._folder)
        drawings = plan(sample, self._resolution)
        modules = (self._family.network, *self._family.text_encoders.values())
        trained = any(p.requires_grad for module in modules[1:] for p in module.parameters())
        try:
            with resting(modules):
                pipeline = open_pipeline(self._family, self._objective)
                for indices in batches(drawings):
                    pictures = draw_alike(self._family, pipeline, [drawings[i] for i in indices])
                    for index, picture in zip(indices, pictures, strict=True):
                        yield self._keep(picture, step, index, drawings[index])
        # torch.OutOfMemoryError is one of them.
        except RuntimeError as error:
            if not is_full_card(error):
                raise
            log.warning("No pictures at step %d: the GPU has too little free memory.", step)
        finally:
            self._family.park(text=not trained)

    def _keep(self, picture: Image.Image, step: int, index: int, drawing: Drawing) -> SamplePicture:
        png = io.BytesIO()
        text = PngInfo()
        text.add_itxt(PROMPT, drawing.prompt)
        picture.save(png, "PNG", pnginfo=text)
        path = self._folder / f"step-{step:06d}-{index}.png"
        write_atomically(path, png.getvalue(), "preview")
        width, height, thumb = make_thumb(picture)
        return SamplePicture(
            step=step,
            index=index,
            prompt=drawing.prompt,
            seed=drawing.seed,
            sha256=hashlib.sha256(png.getvalue()).hexdigest(),
            path=str(path),
            width=picture.width,
            height=picture.height,
            thumb_width=width,
            thumb_height=height,
            thumb=thumb,
        )

    def pictures(self, step: int) -> list[Image.Image]:
        """Those of a round, in the order of the prompts, as far as they are there."""
        return [drawn.picture for drawn in read_round(self._folder, step)]

    def write_before_after(self, step: int, path: Path) -> None:
        """A sheet: the base model above, the LoRA below; none where a round is missing."""
        sheet = before_after(self._folder, step)
        if sheet is not None:
            out = io.BytesIO()
            sheet.save(out, "PNG")
            write_atomically(path, out.getvalue(), "sheet")


def open_pipeline(family: Family, objective: Objective) -> Any:
    """The family's pipeline, sampling for what this run is trained for."""
    pipeline = family.pipeline()
    pipeline.set_progress_bar_config(disable=True)
    changes: dict[str, object] = {}
    if objective.prediction_type is not None:
        changes["prediction_type"] = objective.prediction_type
    if objective.rescale_betas_zero_snr:
        # Lin et al. 2023 (arXiv 2305.08891), section 3.3: or the last timestep is never sampled.
        changes |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    if changes:
        scheduler = pipeline.scheduler
        pipeline.scheduler = type(scheduler).from_config(scheduler.config, **changes)
    return pipeline


def draw_alike(family: Family, pipeline: Any, drawings: list[Drawing]) -> list[Image.Image]:
    """Pictures of one kind at once; each has a seed of its own, so its noise is always the same."""
    one, device = drawings[0], pipeline.device.type
    dtype: torch.dtype = next(family.network.parameters()).dtype
    half = dtype != torch.float32
    negative = [drawing.negative_prompt for drawing in drawings] if one.negative_prompt else None
    modules = (family.network, *family.text_encoders.values())
    with (
        torch.autocast(device, dtype=dtype if half else None, enabled=half),
        scaled(modules, one.lora_scale),
    ):
        latents = pipeline(
            [drawing.prompt for drawing in drawings],
            negative_prompt=negative,
            height=one.height,
            width=one.width,
            num_inference_steps=one.num_inference_steps,
            guidance_scale=one.guidance_scale,
            generator=[torch.Generator().manual_seed(drawing.seed) for drawing in drawings],
            output_type="latent",
            **family.pipeline_options,
        ).images
    return family.decode(latents)


@contextlib.contextmanager
def scaled(modules: Iterable[torch.nn.Module], scale: float) -> Iterator[None]:
    """The adapters on these networks at another strength meanwhile; 0 is the base model."""
    layers: list[Any] = [
        layer for net in modules for layer in net.modules() if isinstance(layer, BaseTunerLayer)
    ]
    before = [dict(layer.scaling) for layer in layers]
    try:
        for layer in layers:
            if scale == 0:  # a scale of 0 would leave DoRA's magnitudes in
                layer.enable_adapters(False)
            layer.scaling.update({name: value * scale for name, value in layer.scaling.items()})
        yield
    finally:
        for layer, scaling in zip(layers, before, strict=True):
            layer.scaling.update(scaling)
            if scale == 0:
                layer.enable_adapters(True)


@contextlib.contextmanager
def resting(modules: Iterable[torch.nn.Module]) -> Iterator[None]:
    """The networks in eval mode meanwhile."""
    before = [(module, module.training) for module in modules]
    try:
        for module, _ in before:
            module.eval()
        yield
    finally:
        for module, training in before:
            module.train(training)


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
