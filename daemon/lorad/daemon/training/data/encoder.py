"""Pictures and captions into tensors, through the cache: before the first step, or as shown."""

from __future__ import annotations

import itertools
import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import torch

from lorad.daemon.training.data.cache import Cache, Tensors, Writer
from lorad.daemon.training.data.captions import variants
from lorad.daemon.training.data.item import Item
from lorad.daemon.training.data.later import Column, Later
from lorad.daemon.training.data.manifest import Entry
from lorad.daemon.training.data.pictures import broken_pictures, fault
from lorad.daemon.training.data.views import LATENT
from lorad.daemon.training.data.work import Part, Picture, Seen, Shape, Work, plan
from lorad.daemon.training.device import Place, is_full_card
from lorad.daemon.training.families import Family
from lorad.daemon.training.families.base import Tokens
from lorad.shared.errors import DataChanged
from lorad.shared.recipe import Recipe

CACHE_VERSION = 2
"""Counts up when a picture or a caption is encoded in another way."""
CAPTIONS_AT_ONCE = 32
PICTURES_AT_ONCE = 32
PIXEL_BYTES = 0.65 * 2**30 / 512**2
"""Activations of SD 1's encoder in fp32; the other families have the same one."""
DECODERS = 8
"""Threads at most: Pillow decodes and scales without Python's lock."""
TELL_SECONDS = 0.5
T = TypeVar("T")
_Made = tuple[Tensors, Tensors]
"""Pixels and masks by key."""
_Due = tuple[Work, "Future[_Made]"]
_Numbered = tuple[int, _Due]


@dataclass(frozen=True)
class Encoded:
    """A data set as tensors on the host."""

    pictures: list[Picture]
    """In the order of the items."""
    shapes: list[Shape]
    captions: list[list[int]]
    """For each picture the rows of `texts` or `tokens` that it may be read as; the first is the
    first caption."""
    texts: Sequence[Tensors]
    """`text` [tokens, width] and, where there is one, `pooled` [width] of each caption; empty
    where text encoders are trained."""
    tokens: Tokens
    """[captions, tokens] for each tokenizer where text encoders are trained; else empty."""
    empty: int
    """The row of the empty caption."""
    later: list[Later] = field(default_factory=list)
    """What of all this is made when it is first asked for."""


class Encoder:
    """Turns items into tensors."""

    def __init__(self, family: Family, cache: Cache, place: Place, tell: Callable[[str], None]):
        """`tell` hears how far it is, and may end it by raising."""
        self._family = family
        self._cache = cache
        self._place = place
        self._tell = tell
        self._told = -math.inf
        # An exact run must get the same bits when an entry was deleted meanwhile: what else is
        # encoded beside a picture, how many threads there are and the kernels all change some.
        how = f"exact {place.threads}" if place.exact else "fast"
        self._made = f"{CACHE_VERSION}/{place.name}/{how}"
        self._pictures_made = f"{self._made}/{family.vae_digest}"

    def encode(self, items: list[Item], entries: list[Entry], recipe: Recipe) -> Encoded:
        """All of them; what encodes has left the device then.

        Raises:
            BrokenPicture: names those that cannot be decoded, all at once.
            DataChanged: one is not the file that the manifest names.
            WrongValue: the buckets do not fit the model.
        """
        planned = plan(entries, recipe, self._family.size_multiple, self._pictures_made)
        for part in planned.parts:
            part.look(self._cache)
        if works := planned.missing(items, entries, recipe):
            self._encode_pictures(works, planned.parts)
        masked = any(seen.mask_key for part in planned.parts for seen in part.seen)
        shapes = [part.fill(masked=masked) for part in planned.parts]
        texts, captions = _texts(entries, recipe)
        tokens: Tokens = {}
        embedded: list[Tensors] = []
        if recipe.lora.train_text_encoder:
            tokens = self._family.tokenize(texts)
            self._family.unpark()  # they stay
        else:
            embedded = self._embed(texts)
        self._family.park(text=not recipe.lora.train_text_encoder)
        return Encoded(planned.pictures, shapes, captions, embedded, tokens, texts.index(""))

    def encode_later(self, items: list[Item], entries: list[Entry], recipe: Recipe) -> Encoded:
        """As `encode`, but each when it is first asked for, which may raise what `encode` does.

        With the bits of `encode` where that is exact, as everything is encoded by itself. What
        encodes stays on the device: for a CPU.
        """
        planned = plan(entries, recipe, self._family.size_multiple, self._pictures_made)
        masked = any(seen.mask_key for part in planned.parts for seen in part.seen)
        later, shapes = [], []
        for part in planned.parts:
            one = _OnePart(part, items, entries, recipe)
            keys = [seen.key for seen in part.seen]
            pictures = Later(self._cache, part.group, keys, partial(self._posterior, one))
            later.append(pictures)
            part.shape.sizes = [seen.view.sizes for seen in part.seen]
            part.shape.posteriors = Column(pictures, "posterior")
            if masked:
                keys = [seen.mask_key for seen in part.seen]
                later.append(Later(self._cache, part.mask_group, keys, one.mask))
                part.shape.masks = Column(later[-1], "mask")
            shapes.append(part.shape)
        texts, captions = _texts(entries, recipe)
        tokens: Tokens = {}
        embedded: Sequence[Tensors] = []
        if recipe.lora.train_text_encoder:
            tokens = self._family.tokenize(texts)
        else:
            dtype = self._place.dtype
            later.append(
                Later(
                    self._cache,
                    self._captions_group(dtype),
                    texts,
                    lambda row: self._condition([texts[row]], dtype)[0],
                )
            )
            embedded = later[-1]
        empty = texts.index("")
        return Encoded(planned.pictures, shapes, captions, embedded, tokens, empty, later)

    # -- pictures ---------------------------------------------------------------------------------

    def _encode_pictures(self, works: list[Work], parts: list[Part]) -> None:
        """Make what is missing, one bucket after the other, decoding ahead of the encoder."""
        self._family.unpark(network=False)
        self._told = -math.inf
        broken: dict[str, Exception] = {}
        decoders = min(DECODERS, len(os.sched_getaffinity(0)))
        with ThreadPoolExecutor(decoders, "decoder") as pool:
            made = enumerate(_ahead(pool, works, 2 * decoders + PICTURES_AT_ONCE))
            for shape, group in itertools.groupby(made, key=lambda one: one[1][0].shape):
                ready = self._decoded(group, len(works), broken)
                self._encode_part(parts[shape], ready)
        if broken:
            raise broken_pictures(list(broken), fault(next(iter(broken.values()))))

    def _decoded(
        self, made: Iterable[_Numbered], total: int, broken: dict[str, Exception]
    ) -> Iterator[_Made]:
        """What the decoders hand over; once one is broken the others are only looked at."""
        for number, (work, future) in made:
            self._say(f"encoding pictures {number}/{total}")
            try:
                ready = future.result()
            except DataChanged:
                raise
            # Whatever reading and Pillow's decoders come across: to the user it is one thing.
            except Exception as error:
                broken[work.item.name] = error
                continue
            if not broken:
                yield ready

    def _encode_part(self, part: Part, made: Iterable[_Made]) -> None:
        """Encode a bucket's pictures, and map what was written."""
        groups = (self._cache.writer(part.group), self._cache.writer(part.mask_group))
        with groups[0] as writer, groups[1] as masks:
            for group in _in_groups(_pixels(made, masks), self._at_once(part)):
                posteriors = self._encode([pixels for _, pixels in group])
                for (key, _), posterior in zip(group, posteriors, strict=True):
                    writer.put(key, {"posterior": posterior})
        part.look(self._cache)
        part.found |= writer.lost
        part.found_masks |= masks.lost

    def _at_once(self, part: Part) -> int:
        """How many views of a bucket are encoded together."""
        if self._place.exact:
            return 1
        pixels = part.shape.size[0] * part.shape.size[1]
        free = 8 * 512 * 512 * PIXEL_BYTES
        if self._place.device.type == "cuda":
            free = torch.cuda.mem_get_info(self._place.device)[0] / 2
        return max(1, min(PICTURES_AT_ONCE, int(free / (PIXEL_BYTES * pixels))))

    def _encode(self, pixels: list[torch.Tensor]) -> list[torch.Tensor]:
        """[2, c, h/8, w/8] for each; in halves where they do not fit together."""
        try:
            return list(self._family.encode_pictures(torch.stack(pixels)).float().cpu().unbind())
        except RuntimeError as error:
            if not is_full_card(error) or len(pixels) == 1:
                raise
        # Not before here: the error held what had been allocated.
        torch.cuda.empty_cache()
        half = len(pixels) // 2
        return self._encode(pixels[:half]) + self._encode(pixels[half:])

    def _posterior(self, one: _OnePart, row: int) -> Tensors:
        (posterior,) = self._encode([one.pixels(row)])
        return {"posterior": posterior}

    # -- captions ---------------------------------------------------------------------------------

    def _embed(self, texts: list[str]) -> list[Tensors]:
        """The embeddings of each caption."""
        # The network computes in this type, so nothing is lost by keeping no more of the text.
        dtype = self._place.dtype
        group = self._captions_group(dtype)
        found = self._cache.find(group, texts)
        if missing := [text for text in texts if text not in found]:
            self._family.unpark(network=False)
            self._told = -math.inf
            with self._cache.writer(group) as writer:
                at_once = 1 if self._place.exact else CAPTIONS_AT_ONCE
                for number, some in enumerate(_in_groups(missing, at_once)):
                    self._say(f"encoding captions {number * at_once}/{len(missing)}")
                    for text, condition in zip(some, self._condition(some, dtype), strict=True):
                        writer.put(text, condition)
            found |= self._cache.find(group, missing) | writer.lost
        return [found[text] for text in texts]

    def _captions_group(self, dtype: torch.dtype) -> str:
        name = str(dtype).removeprefix("torch.")
        return f"{self._made}/{self._family.text_digest}/captions {name}"

    @torch.no_grad()
    def _condition(self, texts: list[str], dtype: torch.dtype) -> list[Tensors]:
        encoded = self._family.encode_tokens(self._family.tokenize(texts))
        held = {
            name: value.to("cpu", dtype if name == "text" else torch.float32)
            for name, value in encoded.items()
        }
        return [{name: value[row] for name, value in held.items()} for row in range(len(texts))]

    def _say(self, phase: str) -> None:
        """Tell it, but not each picture of a fast encoder."""
        now = time.monotonic()
        if now - self._told >= TELL_SECONDS:
            self._told = now
            self._tell(phase)


@dataclass(frozen=True)
class _OnePart:
    """A bucket whose views are made one by one, from their files."""

    part: Part
    items: list[Item]
    entries: list[Entry]
    recipe: Recipe

    def pixels(self, row: int) -> torch.Tensor:
        """[3, h, w] of a view in -1..1; raises as `encode`."""
        work, seen = self._work(row)
        work.pixels[seen.key] = seen.view
        return _make_one(work)[0][seen.key]

    def mask(self, row: int) -> Tensors:
        """`mask` [1, h/8, w/8] in 0..1, of ones where there is none; raises as `encode`."""
        work, seen = self._work(row)
        if not seen.mask_key:
            width, height = self.part.shape.size
            return {"mask": torch.ones(1, height // LATENT, width // LATENT)}
        work.masks[seen.mask_key] = seen.view
        return {"mask": _make_one(work)[1][seen.mask_key]}

    def _work(self, row: int) -> tuple[Work, Seen]:
        seen = self.part.seen[row]
        entry = self.entries[seen.picture]
        return Work(0, self.items[seen.picture], entry, self.recipe.data[entry.block]), seen


def _make_one(work: Work) -> _Made:
    try:
        return work.make()
    except DataChanged:
        raise
    # Whatever reading and Pillow's decoders come across: to the user it is one thing.
    except Exception as error:
        raise broken_pictures([work.item.name], fault(error)) from error


def _texts(entries: list[Entry], recipe: Recipe) -> tuple[list[str], list[list[int]]]:
    """Every text once, the empty one among them, and for each picture which of them are its."""
    rows: dict[str, int] = {}
    captions = []
    for entry in entries:
        own = variants(entry.captions, recipe.data[entry.block], recipe.train.seed)
        captions.append([rows.setdefault(text, len(rows)) for text in own])
    rows.setdefault("", len(rows))
    return list(rows), captions


def _ahead(pool: ThreadPoolExecutor, works: list[Work], most: int) -> Iterator[_Due]:
    """Each work with its result to be, so many of them begun at a time."""
    waiting: deque[_Due] = deque()
    for work in works:
        waiting.append((work, pool.submit(work.make)))
        if len(waiting) >= most:
            yield waiting.popleft()
    yield from waiting


def _pixels(made: Iterable[_Made], masks: Writer) -> Iterator[tuple[str, torch.Tensor]]:
    """The views that are to be encoded, by key; the masks are ready and put away."""
    for pixels, ready in made:
        for key, mask in ready.items():
            masks.put(key, {"mask": mask})
        yield from pixels.items()


def _in_groups(members: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(members)
    while group := list(itertools.islice(rest, size)):
        yield group
