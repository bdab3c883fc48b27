"""The encoded data set, resident where it fits, and its keyed batches."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import torch

from lorad.daemon.training import keyed
from lorad.daemon.training.data.cache import Cache
from lorad.daemon.training.data.item import Item
from lorad.daemon.training.data.manifest import Entry
from lorad.daemon.training.data.pictures import Broken, fit
from lorad.daemon.training.device import Place
from lorad.daemon.training.families import Family
from lorad.daemon.training.families.base import Condition
from lorad.shared.errors import DataChanged
from lorad.shared.recipe import Recipe

CACHE_VERSION = 1
"""Counts up when a picture or a caption is encoded in another way."""
RESIDENT_SHARE = 0.25
"""Of the free memory of a card; a larger data set stays in pinned host memory."""


@dataclass(frozen=True)
class Batch:
    """One micro-batch, on the device."""

    latents: torch.Tensor
    """[batch, c, h/8, w/8], drawn from the posterior and scaled."""
    condition: Condition
    """For each picture, [batch, …]."""
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
        train, data, seed = self._recipe.train, self._recipe.data[0], self._recipe.train.seed
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
        timesteps = [keyed.integer(1000, seed, "timestep", p) for p in places]
        mean, std = self._take(self._posterior, rows, side).unbind(1)
        latents = (mean + std * self._normal(mean, "latent", places)) * self._family.scaling_factor
        return Batch(
            latents=latents,
            condition={"text": self._take(self._text, words)},
            noise=self._noise(mean, places),
            timesteps=self._on_device(torch.tensor(timesteps)),
        )

    def _noise(self, like: torch.Tensor, places: range) -> torch.Tensor:
        noise = self._normal(like, "noise", places)
        if offset := self._recipe.objective.noise_offset:
            # https://www.crosslabs.org/blog/diffusion-with-offset-noise
            noise = noise + offset * self._normal(like[:, :, :1, :1], "offset", places)
        return noise

    def _normal(self, like: torch.Tensor, stream: str, places: range) -> torch.Tensor:
        shape, seed = tuple(like.shape[1:]), self._recipe.train.seed
        return self._on_device(
            torch.stack([keyed.normal(shape, seed, stream, place) for place in places])
        )

    def _take(self, table: torch.Tensor, *indices: list[int]) -> torch.Tensor:
        # Through pinned memory, or the copy would wait for all that the device has to do.
        rows = tuple(torch.tensor(index) for index in indices)
        if table.is_cuda:
            rows = tuple(row.pin_memory().to(table.device, non_blocking=True) for row in rows)
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
    return tensor.to(device) if tensor.nbytes < RESIDENT_SHARE * free else tensor.pin_memory()


class Encoder:
    """Turns items into tensors, through the cache."""

    def __init__(self, family: Family, cache: Cache, place: Place, tell: Callable[[str], None]):
        """`tell` hears how far it is, and may end it by raising."""
        self._family = family
        self._cache = cache
        self._tell = tell
        self._device = place.device
        # An exact run must get the same bits when an entry was deleted meanwhile: what else is
        # encoded beside a picture, how many threads there are and the kernels all change some.
        self._exact = place.exact
        how = f"exact {place.threads}" if place.exact else "fast"
        self._made = f"{CACHE_VERSION}/{place.name}/{how}"

    def dataset(self, items: list[Item], entries: list[Entry], recipe: Recipe) -> Dataset:
        """All of them encoded; what encodes leaves the device.

        Raises:
            DataError: as `pictures`.
        """
        posterior = self.pictures(items, entries, recipe)
        text = self.captions([*(item.caption for item in items), ""])
        self._family.park()
        return Dataset(posterior, text, recipe, self._family, self._device)

    def pictures(self, items: list[Item], entries: list[Entry], recipe: Recipe) -> torch.Tensor:
        """Posterior mean and std, [n, sides, 2, c, h/8, w/8] in fp32.

        Raises:
            BrokenPicture: names those that cannot be decoded, all at once.
            DataChanged: one is not the file that the manifest names.
        """
        size, flip = recipe.train.resolution, recipe.data[0].random_flip
        what = f"{self._made}/{self._family.vae_digest}/square {size}/{flip}"
        keys = [f"{what}/{entry.sha256}" for entry in entries]
        found = [self._cache.get(key) for key in keys]
        missing = [row for row, value in enumerate(found) if value is None]
        # SD 1's encoder takes 0.65 GiB of activations for a picture of 512x512.
        at_once = 1 if self._exact else max(1, min(8, 512 * 512 // size**2))
        broken = Broken()
        for first in range(0, len(missing), at_once):
            self._tell(f"encoding pictures {first}/{len(missing)}")
            pixels = {}
            for row in missing[first : first + at_once]:
                read = functools.partial(_read_as_held, items[row], entries[row])
                if (picture := broken.try_decode(items[row].name, read)) is not None:
                    pixels[row] = fit(picture, size)
            for row, value in zip(pixels, self._encode(list(pixels.values()), flip), strict=True):
                found[row] = {"posterior": value}
                self._cache.put(keys[row], {"posterior": value})
        broken.refuse()
        return torch.stack([value["posterior"] for value in found if value is not None])

    def _encode(self, pixels: list[torch.Tensor], flip: bool) -> list[torch.Tensor]:
        if not pixels:
            return []
        stack = torch.stack(pixels)
        sides = [stack, stack.flip(3)] if flip else [stack]
        encoded = torch.stack([self._family.encode_pictures(side) for side in sides], dim=1)
        return [value.clone() for value in encoded.float().cpu()]

    def captions(self, captions: list[str]) -> torch.Tensor:
        """Embeddings, [n, tokens, width] in fp32."""
        values = []
        for number, caption in enumerate(captions):
            key = f"{self._made}/{self._family.text_digest}/caption/{caption}"
            value = self._cache.get(key)
            if value is None:
                if number % 50 == 0:
                    self._tell(f"encoding captions {number}/{len(captions)}")
                value = {"text": self._encode_caption(caption).float().cpu().clone()}
                self._cache.put(key, value)
            values.append(value["text"])
        return torch.stack(values)

    @torch.no_grad()
    def _encode_caption(self, caption: str) -> torch.Tensor:
        return self._family.encode_tokens(self._family.tokenize([caption]))["text"][0]


def _read_as_held(item: Item, entry: Entry) -> bytes:
    """The file that the manifest names: another one would poison the cache under its hash."""
    data = item.read()
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise DataChanged(names=item.name)
    return data
