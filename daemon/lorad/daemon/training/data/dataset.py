"""The encoded data set, resident where it fits, and its keyed batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from lorad.daemon.training import keyed
from lorad.daemon.training.data.cache import Cache
from lorad.daemon.training.data.item import Item
from lorad.daemon.training.data.manifest import Entry
from lorad.daemon.training.data.pictures import load_pixels
from lorad.daemon.training.families import Family
from lorad.shared.recipe import Recipe

ENCODED_AT_ONCE = 8
RESIDENT_SHARE = 0.25
"""Of the free memory of a card; a larger data set stays in pinned host memory."""


@dataclass(frozen=True)
class Batch:
    """One micro-batch, on the device."""

    latents: torch.Tensor
    """[batch, c, h/8, w/8], drawn from the posterior and scaled."""
    text: torch.Tensor
    """[batch, tokens, width]."""
    noise: torch.Tensor
    """[batch, c, h/8, w/8]."""
    timesteps: torch.Tensor
    """[batch], 0..999."""


class Dataset:
    """All pictures as posterior mean and std, all captions as embeddings."""

    def __init__(
        self,
        posterior: torch.Tensor,
        text: torch.Tensor,
        recipe: Recipe,
        family: Family,
        device: torch.device,
    ) -> None:
        """`posterior` [n, sides, 2, c, h/8, w/8], `text` [n + 1, tokens, width], last: empty."""
        self._recipe = recipe
        self._family = family
        self._device = device
        self._posterior = place(posterior, device)
        self._text = place(text, device)

    def __len__(self) -> int:
        """How many pictures."""
        return len(self._posterior)

    def batch(self, step: int, micro: int) -> Batch:
        """The micro-batch of a step: a pure function of the recipe's seed and these numbers."""
        train, data, seed = self._recipe.train, self._recipe.data, self._recipe.train.seed
        size = train.train_batch_size
        first = (step * train.gradient_accumulation_steps + micro) * size
        rows = keyed.rows(len(self), seed, first, size)
        places = range(first, first + size)
        sides = self._posterior.shape[1]
        side = [keyed.integer(sides, seed, "flip", place) for place in places]
        words = [
            len(self) if keyed.chance(data.caption_dropout, seed, "caption", place) else row
            for place, row in zip(places, rows, strict=True)
        ]
        timesteps = [keyed.integer(self._family.timesteps, seed, "timestep", p) for p in places]
        mean, std = self._take(self._posterior, rows, side).unbind(1)
        latents = (mean + std * self._normal(mean, "latent", places)) * self._family.scaling
        return Batch(
            latents=latents,
            text=self._take(self._text, words),
            noise=self._noise(mean, places),
            timesteps=self._on_device(torch.tensor(timesteps)),
        )

    def _noise(self, like: torch.Tensor, places: range) -> torch.Tensor:
        noise = self._normal(like, "noise", places)
        if offset := self._recipe.train.noise_offset:
            # https://www.crosslabs.org/blog/diffusion-with-offset-noise
            noise = noise + offset * self._normal(like[:, :, :1, :1], "offset", places)
        return noise

    def _normal(self, like: torch.Tensor, stream: str, places: range) -> torch.Tensor:
        shape, seed = tuple(like.shape[1:]), self._recipe.train.seed
        return self._on_device(
            torch.stack([keyed.normal(shape, seed, stream, place) for place in places])
        )

    def _take(self, table: torch.Tensor, *indices: list[int]) -> torch.Tensor:
        rows = tuple(torch.tensor(index, device=table.device) for index in indices)
        return self._on_device(table[rows])

    def _on_device(self, tensor: torch.Tensor) -> torch.Tensor:
        if self._device.type == "cuda" and tensor.device.type == "cpu":
            tensor = tensor.pin_memory()
        return tensor.to(self._device, non_blocking=True)


def place(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """On the device if it takes a modest share of its free memory, else where it is."""
    if device.type != "cuda":
        return tensor
    free, _ = torch.cuda.mem_get_info(device)
    return tensor.to(device) if tensor.nbytes < RESIDENT_SHARE * free else tensor


class Encoder:
    """Turns items into a `Dataset`, through the cache."""

    def __init__(self, family: Family, cache: Cache, tell: Callable[[str], None]) -> None:
        """`tell` hears how far it is."""
        self._family = family
        self._cache = cache
        self._tell = tell

    def pictures(self, items: list[Item], entries: list[Entry], recipe: Recipe) -> torch.Tensor:
        """Posterior mean and std, [n, sides, 2, c, h/8, w/8] in fp32.

        Raises:
            BrokenPicture: names those that cannot be decoded, all at once.
        """
        size, flip = recipe.train.resolution, recipe.data.random_flip
        keys = [f"{self._family.vae_digest}/{e.sha256}/square {size}/{flip}" for e in entries]
        found = [self._cache.get(key) for key in keys]
        missing = [row for row, value in enumerate(found) if value is None]
        # All are decoded before any is encoded, so that every broken one is named at once.
        pixels = load_pixels([items[row] for row in missing], size) if missing else None
        for first in range(0, len(missing), ENCODED_AT_ONCE):
            assert pixels is not None
            self._tell(f"encoding pictures {first}/{len(missing)}")
            some = missing[first : first + ENCODED_AT_ONCE]
            for row, value in zip(some, self._encode(pixels, first, flip=flip), strict=True):
                found[row] = {"posterior": value}
                self._cache.put(keys[row], {"posterior": value})
        return torch.stack([value["posterior"] for value in found if value is not None])

    def _encode(self, pixels: torch.Tensor, first: int, *, flip: bool) -> list[torch.Tensor]:
        some = pixels[first : first + ENCODED_AT_ONCE]
        sides = [some, some.flip(3)] if flip else [some]
        encoded = torch.stack([self._family.encode_pictures(side) for side in sides], dim=1)
        return [value.clone() for value in encoded.float().cpu()]

    def captions(self, captions: list[str]) -> torch.Tensor:
        """Embeddings, [n, tokens, width] in fp32."""
        values = []
        for number, caption in enumerate(captions):
            key = f"{self._family.text_digest}/caption/{caption}"
            value = self._cache.get(key)
            if value is None:
                if number % 50 == 0:
                    self._tell(f"encoding captions {number}/{len(captions)}")
                value = {"text": self._family.encode_captions([caption])[0].float().cpu().clone()}
                self._cache.put(key, value)
            values.append(value["text"])
        return torch.stack(values)
