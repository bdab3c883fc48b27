"""kohya's bucket rule, against figures worked out by hand and against its words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lorad.daemon.training.data.buckets import (
    bucket_of,
    resolutions,
    rules,
    scaled_size,
)
from lorad.shared.errors import WrongValue
from lorad.shared.recipe import Recipe, parse_recipe

sides = st.integers(1, 12_000)
sizes = st.tuples(sides, sides)


def recipe(resolution: int, buckets: str = "") -> Recipe:
    return parse_recipe(
        f'name="a"\n[data]\npath="p"\n[train]\nresolution={resolution}\n[buckets]\n{buckets}'
    )


def by_its_words(resolution: int, smallest: int, largest: int, steps: int) -> set[tuple[int, int]]:
    """Of all shapes within the area: those that are the highest of their width, or turned so."""
    grid = range(smallest, largest + 1, steps)
    fits = {(w, h) for w in grid for h in grid if w * h <= resolution**2}
    highest = {(w, h) for w, h in fits if (w, h + steps) not in fits}
    square = resolution // steps * steps
    return highest | {(h, w) for w, h in highest} | {(square, square)}


KOHYA_512 = [
    (256, 832), (256, 896), (256, 960), (256, 1024), (320, 704), (320, 768), (384, 640),
    (448, 576), (512, 512), (576, 448), (640, 384), (704, 320), (768, 320), (832, 256),
    (896, 256), (960, 256), (1024, 256),
]  # fmt: skip
SDXL = [
    (640, 1536), (768, 1344), (832, 1216), (896, 1152), (1024, 1024),
    (1152, 896), (1216, 832), (1344, 768), (1536, 640),
]  # fmt: skip


def test_the_buckets_of_512_as_sd_scripts_prints_them() -> None:
    bounds = "min_bucket_reso = 256\nmax_bucket_reso = 1024"
    assert list(resolutions(rules(recipe(512, bounds)))) == KOHYA_512


@pytest.mark.parametrize(
    ("resolution", "smallest", "largest", "steps"),
    [(512, 128, 1024, 64), (1024, 256, 2048, 64), (64, 16, 128, 8), (256, 64, 512, 32)],
)
def test_the_buckets_by_default(resolution: int, smallest: int, largest: int, steps: int) -> None:
    found = set(resolutions(rules(recipe(resolution))))
    assert found == by_its_words(resolution, smallest, largest, steps)
    assert len(found) > 8


def test_sdxls_own_shapes_are_among_those_of_1024() -> None:
    assert set(SDXL) <= set(resolutions(rules(recipe(1024))))


@pytest.mark.parametrize(
    ("size", "resolution", "wanted"),
    [
        ((1920, 1080), 1024, (1344, 768)),
        ((1080, 1920), 1024, (768, 1344)),
        ((4000, 3000), 512, (576, 448)),
        ((512, 512), 512, (512, 512)),
        ((33, 33), 64, (64, 64)),
        ((300, 100), 64, (104, 32)),
        ((960, 256), 512, (960, 256)),
    ],
)
def test_the_nearest_aspect_is_taken(
    size: tuple[int, int], resolution: int, wanted: tuple[int, int]
) -> None:
    assert bucket_of(size, recipe(resolution)) == wanted


@given(sizes, st.sampled_from([64, 104, 512, 1024]), st.sampled_from([8, 16]))
def test_every_picture_has_a_bucket_that_it_covers(
    size: tuple[int, int], resolution: int, multiple: int
) -> None:
    shape = bucket_of(size, recipe(resolution), multiple)
    assert shape[0] * shape[1] <= resolution**2
    assert all(side % multiple == 0 and side > 0 for side in shape)
    scaled = scaled_size(size, shape)
    assert scaled[0] >= shape[0]
    assert scaled[1] >= shape[1]
    assert scaled[0] == shape[0] or scaled[1] == shape[1]
    assert abs(scaled[0] * size[1] - scaled[1] * size[0]) <= sum(size)  # its aspect is kept


@given(sizes)
def test_no_upscale_only_makes_smaller(size: tuple[int, int]) -> None:
    shape = bucket_of(size, recipe(512, "bucket_no_upscale = true"))
    assert shape[0] * shape[1] <= 512**2 or min(shape) == 64
    for side, own in zip(shape, size, strict=True):
        assert side % 64 == 0
        assert side <= max(own, 64)


def test_no_upscale_by_hand() -> None:
    rule = recipe(512, "bucket_no_upscale = true")
    assert bucket_of((300, 200), rule) == (256, 192)  # small: its own size, floored
    assert bucket_of((3000, 2000), rule) == (576, 384)  # 627x418: 576x384 has 3:2 just so
    assert bucket_of((5699, 46), rule) == (5696, 64)  # a strip: no longer than it is
    assert bucket_of((20, 20), rule) == (64, 64)  # smaller than a step: not dropped


def test_without_buckets_all_are_square() -> None:
    assert bucket_of((1920, 1080), recipe(520, "enable_bucket = false")) == (520, 520)
    with pytest.raises(WrongValue, match=r"train\.resolution.*multiples of 16"):
        bucket_of((1, 1), recipe(520, "enable_bucket = false"), 16)


def test_steps_that_the_model_cannot_have_are_refused() -> None:
    with pytest.raises(WrongValue, match=r"bucket_reso_steps.*multiples of 16"):
        rules(recipe(512, "bucket_reso_steps = 24"), 16)
    assert rules(recipe(64), 16).steps == 16
    assert rules(recipe(504)).steps == 56
