"""Which shape each picture is trained in: kohya's rule, as pure functions.

Facts from sd-scripts: `make_bucket_resolutions` (library/model_util.py) and `BucketManager`
(library/train_util.py). Unlike there the bounds grow with the resolution, and no picture is too
small, too large or too long for a bucket.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

from msgspec import Struct

from lorad.shared.errors import WrongValue
from lorad.shared.recipe import Recipe

Size = tuple[int, int]
"""Width and height in pixels."""
STEP = 64
"""kohya's bucket_reso_steps, from a resolution of 512 on."""
STEPS_A_SIDE = 8
"""Of a smaller resolution, so that its pictures have several shapes too."""


class Bucket(Struct, frozen=True, order=True):
    """A shape, and how many pictures have it."""

    width: int
    height: int
    pictures: int


@dataclass(frozen=True)
class Rules:
    """`[buckets]` with everything filled in, in pixels."""

    resolution: int
    steps: int
    smallest: int
    largest: int
    enabled: bool
    no_upscale: bool


def rules(recipe: Recipe, multiple: int = 8) -> Rules:
    """What holds for a recipe on a model whose sides are multiples of `multiple`.

    Raises:
        WrongValue: the steps, or the resolution of square pictures, are none.
    """
    wanted, resolution = recipe.buckets, recipe.train.resolution
    if not wanted.enable_bucket and resolution % multiple:
        why = f"this model's pictures have sides that are multiples of {multiple}"
        raise WrongValue(key="train.resolution", why=why)
    steps = wanted.bucket_reso_steps or _floor(min(STEP, resolution // STEPS_A_SIDE), multiple)
    if steps % multiple:
        why = f"this model's pictures have sides that are multiples of {multiple}"
        raise WrongValue(key="buckets.bucket_reso_steps", why=why)
    largest = wanted.max_bucket_reso or 2 * resolution
    return Rules(
        resolution=resolution,
        steps=steps,
        smallest=_floor(wanted.min_bucket_reso or resolution // 4, steps),
        largest=-(-largest // steps) * steps,
        enabled=wanted.enable_bucket,
        no_upscale=wanted.bucket_no_upscale,
    )


def bucket_of(size: Size, recipe: Recipe, multiple: int = 8) -> Size:
    """The shape that a picture of this size is trained in.

    Raises:
        WrongValue: as `rules`.
    """
    return choose(size, rules(recipe, multiple))


@functools.lru_cache(maxsize=65536)
def choose(size: Size, rule: Rules) -> Size:
    """The bucket of a picture: the one whose width over height is nearest to the picture's."""
    if not rule.enabled:
        return rule.resolution, rule.resolution
    if rule.no_upscale:
        return _only_smaller(size, rule)
    table = resolutions(rule)
    if size in table:
        return size
    aspect = size[0] / size[1]
    return min(table, key=lambda shape: abs(shape[0] / shape[1] - aspect))


@functools.lru_cache(maxsize=8)
def resolutions(rule: Rules) -> tuple[Size, ...]:
    """All buckets: for each width the greatest height within the area, each also turned, sorted.

    The largest square is always among them.
    """
    area, steps = rule.resolution**2, rule.steps
    square = min(_floor(rule.resolution, steps), rule.largest)
    shapes = {(square, square)}
    for width in range(rule.smallest, rule.largest + 1, steps):
        height = min(rule.largest, area // width // steps * steps)
        if height >= rule.smallest:
            shapes |= {(width, height), (height, width)}
    return tuple(sorted(shapes))


def _only_smaller(size: Size, rule: Rules) -> Size:
    """`bucket_no_upscale`: its own size, or the area's at its own aspect, floored to the steps.

    A picture that is smaller than one step is made larger after all, rather than dropped.
    """
    width, height = size
    area, aspect = rule.resolution**2, width / height
    if width * height > area:
        wide = math.sqrt(area * aspect)
        by_width = _floor(_round(wide), rule.steps)
        by_height = _floor(_round(area / wide), rule.steps)
        along = (by_width, _floor(_round(by_width / aspect), rule.steps))
        across = (_floor(_round(by_height * aspect), rule.steps), by_height)
        if abs(along[0] / along[1] - aspect) < abs(across[0] / across[1] - aspect):
            width, height = by_width, _round(by_width / aspect)
        else:
            width, height = _round(by_height * aspect), by_height
    # A strip thinner than a step is made as high as one, and would be made longer with it.
    return _floor(min(width, size[0]), rule.steps), _floor(min(height, size[1]), rule.steps)


def scaled_size(size: Size, bucket: Size) -> Size:
    """The size at which a picture just covers its bucket; what stands out is cropped."""
    scale = max(bucket[0] / size[0], bucket[1] / size[1])
    width, height = _round(size[0] * scale), _round(size[1] * scale)
    return max(width, bucket[0]), max(height, bucket[1])


def _floor(number: int, steps: int) -> int:
    """The greatest multiple that is no greater, and one step at least."""
    return max(number // steps, 1) * steps


def _round(number: float) -> int:
    return int(number + 0.5)
