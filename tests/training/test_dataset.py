"""Real pictures through the real shipped model into batches."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from PIL import Image, ImageDraw

from lorad.daemon.training import keyed
from lorad.daemon.training.data import encoder as encoder_module
from lorad.daemon.training.data import tables
from lorad.daemon.training.data.cache import Cache
from lorad.daemon.training.data.dataset import Batch, Dataset
from lorad.daemon.training.data.encoder import Encoded, Encoder
from lorad.daemon.training.data.item import Item
from lorad.daemon.training.data.manifest import Entry, hold
from lorad.daemon.training.data.pictures import decode, decode_mask
from lorad.daemon.training.data.views import View, mask_of, pixels_of, views_of
from lorad.daemon.training.device import Place
from lorad.daemon.training.families import Family, load_family
from lorad.shared.errors import BrokenPicture, DataChanged
from lorad.shared.recipe import Data, Model, Recipe, parse_recipe

CPU = torch.device("cpu")
SHAPES = [(64, 64), (90, 30), (30, 90), (200, 200), (96, 32)]


class Evenly:
    """An objective's timesteps, as a data set asks for them."""

    def timesteps(self, seed: int, places: Sequence[int]) -> torch.Tensor:
        return torch.tensor([keyed.integer(1000, seed, "timestep", place) for place in places])

    def fixed_timesteps(self, count: int) -> torch.Tensor:
        return torch.arange(1, count + 1) * 1000 // (count + 1)


@pytest.fixture(scope="module")
def family() -> Family:
    return load_family(Model(), Path(), CPU, torch.float32)


def place(*, exact: bool = True) -> Place:
    return Place(Accelerator(cpu=True), CPU, torch.float32, exact, 1)


def recipe(data: str = "", more: str = "", train: str = "", batch: int = 4) -> Recipe:
    return parse_recipe(
        f'name="a"\n[[data]]\npath="p"\n{data}\n'
        f"[train]\nresolution=64\ntrain_batch_size={batch}\n{train}\n{more}"
    )


def picture(number: int, size: tuple[int, int], mode: str = "RGB") -> bytes:
    """One that looks like no other, with a corner of its own."""
    made = Image.new(mode, size, (40 * number % 256, 90, 255 - 30 * number % 256, 0)[: len(mode)])
    corner = (0, 0, size[0] // 2, size[1] // 2)
    ImageDraw.Draw(made).rectangle(corner, (255, 20 * number, 0, 255)[: len(mode)])
    out = io.BytesIO()
    made.save(out, "PNG")
    return out.getvalue()


def item(number: int, block: int = 0, **more: object) -> Item:
    data = picture(number, SHAPES[number % len(SHAPES)])
    captions = (f"picture {number}", f"number {number}")
    return Item(f"{number}.png", captions, lambda: data, block=block, **more)


@pytest.fixture
def items() -> list[Item]:
    return [item(number) for number in range(10)]


class Room:
    """A cache and a manifest, and what comes out of them."""

    def __init__(self, folder: Path, family: Family) -> None:
        self.folder, self.family = folder, family
        self.phases: list[str] = []

    def encode(self, items: list[Item], recipe: Recipe, *, exact: bool = True) -> Encoded:
        entries = hold(items, self.folder / "manifest.json", fresh=True)
        return self.encode_entries(items, entries, recipe, exact=exact)

    def encode_entries(
        self, items: list[Item], entries: list[Entry], recipe: Recipe, *, exact: bool = True
    ) -> Encoded:
        encoder = Encoder(
            self.family, Cache(self.folder / "cache"), place(exact=exact), self.phases.append
        )
        return encoder.encode(items, entries, recipe)

    def dataset(self, items: list[Item], recipe: Recipe, *, exact: bool = True) -> Dataset:
        encoded = self.encode(items, recipe, exact=exact)
        return Dataset(encoded, recipe, self.family, Evenly(), place(exact=exact))


@pytest.fixture
def room(tmp_path: Path, family: Family, monkeypatch: pytest.MonkeyPatch) -> Room:
    monkeypatch.setattr(encoder_module, "TELL_SECONDS", 1e9)  # each phase is told once
    return Room(tmp_path, family)


def tensors(batch: Batch) -> dict[str, torch.Tensor]:
    found = {name: value for name, value in vars(batch).items() if isinstance(value, torch.Tensor)}
    return found | batch.condition | batch.tokens


def same(one: Batch, other: Batch) -> bool:
    pairs = tensors(one), tensors(other)
    return (
        one.rows == other.rows
        and pairs[0].keys() == pairs[1].keys()
        and all(torch.equal(pairs[0][name], pairs[1][name]) for name in pairs[0])
    )


# -- views ----------------------------------------------------------------------------------------


def test_the_middle_is_taken_and_the_flip_is_its_mirror() -> None:
    image = Image.new("RGB", (300, 100), "white")
    image.paste("black", (100, 0, 200, 100))
    image.paste("red", (100, 0, 150, 100))
    middle, flipped = views_of((300, 100), (64, 64), "x", Data(random_flip=True))
    pixels = pixels_of(image, middle)
    assert tuple(pixels.shape) == (3, 64, 64)
    assert pixels[:, :, 4:28].amax((1, 2)).tolist() == pytest.approx([1, -1, -1], abs=0.05)
    assert pixels[:, :, 36:60].amax((1, 2)).tolist() == pytest.approx([-1, -1, -1], abs=0.05)
    assert torch.equal(pixels_of(image, flipped), pixels.flip(2))
    assert middle.sizes == [100, 300, 0, 64, 64, 64]


def test_a_crop_is_cut_from_the_scaled_picture() -> None:
    image = Image.effect_noise((130, 70), 80).convert("RGB")
    view = View((130, 70), (119, 64), (64, 64), 31, 0, False)
    scaled = image.resize((119, 64), Image.Resampling.LANCZOS).crop((31, 0, 95, 64))
    wanted = torch.tensor(list(scaled.tobytes()), dtype=torch.float32).view(64, 64, 3)
    assert ((pixels_of(image, view) + 1) * 127.5 - wanted.permute(2, 0, 1)).abs().max() < 1.1


def test_random_crops_are_the_pictures_own() -> None:
    data = Data(center_crop=False, crop_variants=4, random_flip=True)
    views = views_of((300, 100), (64, 64), "x", data)
    assert len(views) == 8
    assert views == views_of((300, 100), (64, 64), "x", data)
    assert views != views_of((300, 100), (64, 64), "y", data)
    assert len({view.left for view in views}) > 1
    assert all(0 <= view.left <= 128 and view.top == 0 for view in views)
    plain, flipped = views[0], views[1]
    assert flipped.sizes[3] == 192 - 64 - plain.sizes[3]
    assert len(views_of((64, 64), (64, 64), "x", data)) == 2  # nothing to choose from


def test_a_picture_as_long_as_a_street_takes_no_more_memory() -> None:
    image = Image.new("RGB", (60_000, 1), "lime")
    (view,) = views_of(image.size, (512, 128), "x", Data())
    assert view.scaled == (7_680_000, 128)
    assert pixels_of(image, view)[1].min() == 1


def test_masks_are_means_over_the_area_of_a_latent() -> None:
    mask = Image.new("L", (64, 64), 0)
    mask.paste(255, (0, 0, 12, 64))
    (view,) = views_of((64, 64), (64, 64), "x", Data())
    assert mask_of(mask, view)[0, 0].tolist() == [1, 0.5, 0, 0, 0, 0, 0, 0]
    large = mask.resize((640, 640), Image.Resampling.NEAREST)
    assert torch.equal(mask_of(large, view), mask_of(mask, view))
    flipped = View(view.original, view.scaled, view.bucket, 0, 0, True)
    assert torch.equal(mask_of(mask, flipped), mask_of(mask, view).flip(2))


# -- encoding -------------------------------------------------------------------------------------


def test_each_picture_has_its_own_latents_and_captions(room: Room, items: list[Item]) -> None:
    """The pairing that others got wrong (diffusers #14430)."""
    encoded = room.encode(items, recipe("random_flip = true"))
    assert [shape.size for shape in encoded.shapes] == [(32, 104), (64, 64), (104, 32)]
    for own, picture, captions in zip(items, encoded.pictures, encoded.captions, strict=True):
        shape = encoded.shapes[picture.shape]
        image = decode(own.read())
        assert len(picture.views) == 2
        for row, view in zip(
            picture.views,
            views_of(image.size, shape.size, picture.sha256, Data(random_flip=True)),
            strict=True,
        ):
            pixels = pixels_of(image, view)[None]
            assert torch.equal(shape.posteriors[row], room.family.encode_pictures(pixels)[0])
            assert shape.sizes[row] == view.sizes
        for row, text in zip(captions, own.captions, strict=True):
            wanted = room.family.encode_tokens(room.family.tokenize([text]))["text"][0]
            assert torch.equal(encoded.texts[row]["text"], wanted)
    empty = room.family.encode_tokens(room.family.tokenize([""]))["text"][0]
    assert torch.equal(encoded.texts[encoded.empty]["text"], empty)


def test_a_cache_that_holds_some_gives_the_same_bits(
    room: Room, items: list[Item], tmp_path: Path
) -> None:
    wanted = room.dataset(items, recipe("random_flip = true"))
    other = Room(tmp_path / "other", room.family)
    other.folder.mkdir()
    other.encode(items[3:7], recipe())  # others beside them, and no flips
    again = other.dataset(items, recipe("random_flip = true"))
    assert all(same(wanted.batch(step, 0), again.batch(step, 0)) for step in range(6))


def test_what_is_in_the_cache_is_not_encoded_again(room: Room, items: list[Item]) -> None:
    room.encode(items, recipe())
    assert room.phases == ["encoding pictures 0/10", "encoding captions 0/21"]
    room.encode(items[::-1], recipe(train="seed = 4"))
    assert len(room.phases) == 2
    room.encode(items, recipe("random_flip = true"))
    assert room.phases[2:] == ["encoding pictures 0/10"]


def test_fast_is_another_entry_and_nearly_the_same(room: Room, items: list[Item]) -> None:
    exact, fast = room.encode(items, recipe()), room.encode(items, recipe(), exact=False)
    assert len(room.phases) == 4
    for one, other in zip(exact.shapes, fast.shapes, strict=True):
        torch.testing.assert_close(torch.stack(one.posteriors), torch.stack(other.posteriors))
    for text, other_text in zip(exact.texts, fast.texts, strict=True):
        torch.testing.assert_close(text["text"], other_text["text"])


def test_every_broken_picture_is_named_and_the_others_are_kept(
    room: Room, items: list[Item]
) -> None:
    entries = hold(items, room.folder / "manifest.json", fresh=True)
    spoiled = list(items)
    for row in (2, 7):
        data = items[row].read()[:90]
        spoiled[row] = Item(items[row].name, items[row].captions, lambda data=data: data)
        entries[row] = Entry(
            entries[row].name, 90, sha256(data), entries[row].captions,
            entries[row].width, entries[row].height, None, 0,
        )  # fmt: skip
    with pytest.raises(BrokenPicture, match=r"2\.png, 7\.png cannot be decoded"):
        room.encode_entries(spoiled, entries, recipe())


def sha256(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()


def test_another_file_than_the_manifests_is_refused(room: Room, items: list[Item]) -> None:
    entries = hold(items, room.folder / "manifest.json", fresh=True)
    items[4] = Item(items[4].name, items[4].captions, items[5].read)
    with pytest.raises(DataChanged, match=r"4\.png changed"):
        room.encode_entries(items, entries, recipe())


def test_what_was_encoded_before_it_was_unwanted_is_kept(
    room: Room, items: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unwanted(Exception):
        pass

    def tell(phase: str) -> None:
        if phase == "encoding pictures 6/10":
            raise Unwanted

    monkeypatch.setattr(encoder_module, "TELL_SECONDS", 0.0)
    entries = hold(items, room.folder / "manifest.json", fresh=True)
    stopped = Encoder(room.family, Cache(room.folder / "cache"), place(), tell)
    with pytest.raises(Unwanted):
        stopped.encode(items, entries, recipe())
    room.encode(items, recipe())
    assert room.phases[0] == "encoding pictures 0/4"


def test_a_group_that_does_not_fit_is_halved(
    room: Room, items: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = room.encode(items, recipe(), exact=False)
    sizes: list[int] = []
    encode = room.family.encode_pictures

    def tight(pixels: torch.Tensor) -> torch.Tensor:
        sizes.append(len(pixels))
        if len(pixels) > 1:
            raise torch.OutOfMemoryError
        return encode(pixels)

    monkeypatch.setattr(room.family, "encode_pictures", tight)
    (room.folder / "cache").rename(room.folder / "old")
    halved = room.encode(items, recipe(), exact=False)
    assert max(sizes) == 4
    for one, other in zip(whole.shapes, halved.shapes, strict=True):
        torch.testing.assert_close(torch.stack(one.posteriors), torch.stack(other.posteriors))


# -- encoded when it is shown ---------------------------------------------------------------------


def later(room: Room, items: list[Item], recipe: Recipe, cache: str = "later") -> Encoded:
    entries = hold(items, room.folder / "manifest.json", fresh=True)
    encoder = Encoder(room.family, Cache(room.folder / cache), place(), room.phases.append)
    return encoder.encode_later(items, entries, recipe)


def test_what_is_encoded_as_it_is_shown_has_the_same_bits(room: Room) -> None:
    items = [item(number) for number in range(6)]
    items[0] = item(0, read_mask=lambda: picture(3, (64, 64), "L"), mask_path=Path("mask.png"))
    made = recipe(RICH)
    at_once = room.dataset(items, made)
    shown = Dataset(later(room, items, made), made, room.family, Evenly(), place())
    again = Dataset(later(room, items, made), made, room.family, Evenly(), place())
    for step in (3, 0, 4, 1):
        assert same(at_once.batch(step, 0), shown.batch(step, 0))
    shown.flush()
    assert not shown.make_more(1e9)
    # All of it is in the cache now, by the names that encoding everything at once looks for.
    room.family.encode_pictures = None  # type: ignore[method-assign]
    try:
        found = Encoder(room.family, Cache(room.folder / "later"), place(), room.phases.append)
        found.encode(items, hold(items, room.folder / "manifest.json", fresh=True), made)
    finally:
        del room.family.encode_pictures
    for step in range(3):
        assert same(at_once.batch(step, 0), again.batch(step, 0))


def test_only_what_is_shown_is_encoded_and_only_once(
    room: Room, items: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[torch.Tensor] = []
    encode = room.family.encode_pictures

    def counted(pixels: torch.Tensor) -> torch.Tensor:
        encoded.extend(pixels)
        return encode(pixels)

    monkeypatch.setattr(room.family, "encode_pictures", counted)
    data = Dataset(later(room, items, recipe()), recipe(), room.family, Evenly(), place())
    assert encoded == []
    shown = set(data.batch(0, 0).rows)
    assert len(encoded) == len(shown)
    data.batch(0, 0)
    assert len(encoded) == len(shown)
    assert data.make_more(0.0)
    assert len(encoded) == len(shown) + 1
    assert not data.make_more(1e9)
    data.batch(1, 0)
    assert len(encoded) == len(items)


def test_a_picture_that_is_another_one_when_it_is_shown(room: Room, items: list[Item]) -> None:
    entries = hold(items, room.folder / "manifest.json", fresh=True)
    encoder = Encoder(room.family, Cache(room.folder / "later"), place(), room.phases.append)
    items[4] = Item(items[4].name, items[4].captions, items[5].read)
    changed = encoder.encode_later(items, entries, recipe())
    data = Dataset(changed, recipe(), room.family, Evenly(), place())
    with pytest.raises(DataChanged, match=r"4\.png changed"):
        data.make_more(1e9)
    items[4] = Item(items[4].name, items[4].captions, lambda: items[3].read()[:90])
    entries[4] = Entry("4.png", 90, sha256(items[3].read()[:90]), ("x",), 64, 64, None, 0)
    broken = Dataset(
        encoder.encode_later(items, entries, recipe()), recipe(), room.family, Evenly(), place()
    )
    with pytest.raises(BrokenPicture, match=r"4\.png cannot be decoded"):
        broken.make_more(1e9)


def test_captions_are_only_tokenised_where_their_encoder_is_trained(
    room: Room, items: list[Item]
) -> None:
    data = room.dataset(items, recipe("caption_dropout = 0.0", "[lora]\ntrain_text_encoder = true"))
    batch = data.batch(0, 0)
    assert list(batch.condition) == ["sizes"]
    texts = [items[row].captions for row in batch.rows]
    for ids, captions in zip(batch.tokens["ids"], texts, strict=True):
        assert any(torch.equal(ids, room.family.tokenize([text])["ids"][0]) for text in captions)


# -- batches --------------------------------------------------------------------------------------

RICH = "random_flip = true\ncaption_dropout = 0.3"
NOISY = "[objective]\nnoise_offset = 0.1\ninput_perturbation = 0.1"


@pytest.mark.parametrize("exact", [True, False])
def test_a_share_is_those_rows_of_the_whole(room: Room, items: list[Item], exact: bool) -> None:
    data = room.dataset(items, recipe(RICH, NOISY, "gradient_accumulation_steps = 2"), exact=exact)
    for step, micro in ((0, 0), (5, 1), (2, 0)):
        whole = tensors(data.batch(step, micro))
        for cut in (1, 2, 3):
            parts = [data.batch(step, micro, slice(0, cut)), data.batch(step, micro, slice(cut, 4))]
            for name, value in whole.items():
                joined = torch.cat([tensors(part)[name] for part in parts])
                assert torch.equal(joined, value), name


@pytest.mark.parametrize("exact", [True, False])
def test_a_batch_is_a_function_of_its_step(room: Room, items: list[Item], exact: bool) -> None:
    wanted = room.dataset(items, recipe(RICH, NOISY), exact=exact)
    batches = [wanted.batch(step, 0) for step in range(8)]
    again = room.dataset(items, recipe(RICH, NOISY), exact=exact)
    torch.manual_seed(1)
    for step in (5, 0, 7, 3):
        assert same(again.batch(step, 0), batches[step])
    other = room.dataset(items, recipe(RICH, NOISY, "seed = 1"), exact=exact)
    assert not same(other.batch(0, 0), batches[0])


def test_a_resident_set_gives_the_same_batches(
    room: Room, items: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    mapped = room.dataset(items, recipe(RICH, NOISY))
    monkeypatch.setattr(tables, "ROWS_AT_ONCE", 3)
    rooms = iter([True, False] * 99)  # some tables fit, some do not
    monkeypatch.setattr(tables.Mover, "take_room", lambda mover, size: next(rooms))
    resident = room.dataset(items, recipe(RICH, NOISY))
    assert all(same(mapped.batch(step, 0), resident.batch(step, 0)) for step in range(6))


@pytest.mark.parametrize("exact", [True, False])
def test_no_draw_is_used_twice(room: Room, items: list[Item], exact: bool) -> None:
    train = "gradient_accumulation_steps = 2"
    data = room.dataset(items, recipe(RICH, "", train), exact=exact)
    noises = [
        noise for step in range(6) for micro in (0, 1) for noise in data.batch(step, micro).noise
    ]
    assert len({float(noise.sum()) for noise in noises}) == len(noises) == 48


def test_latents_are_drawn_from_the_posterior_and_scaled(room: Room, items: list[Item]) -> None:
    data = room.dataset(items, recipe("caption_dropout = 0.0", NOISY))
    encoded = room.encode(items, recipe())
    batch = data.batch(3, 0)
    for n, row in enumerate(batch.rows):
        picture, at = encoded.pictures[row], 3 * 4 + n
        mean, std = encoded.shapes[picture.shape].posteriors[picture.views[0]]
        drawn = mean + std * keyed.normal(tuple(mean.shape), 0, "latent", at)
        torch.testing.assert_close(batch.latents[n], drawn * room.family.scaling_factor)
        noise = keyed.normal(tuple(mean.shape), 0, "noise", at)
        noise = noise + 0.1 * keyed.normal((mean.shape[0], 1, 1), 0, "offset", at)
        assert torch.equal(batch.noise[n], noise)
        more = 0.1 * keyed.normal(tuple(mean.shape), 0, "perturbation", at)
        assert torch.equal(batch.perturbed[n], noise + more)
        assert batch.timesteps[n] == keyed.integer(1000, 0, "timestep", at)
    plain = room.dataset(items, recipe()).batch(0, 0)
    assert plain.perturbed is plain.noise


def test_captions_and_views_are_all_drawn(room: Room, items: list[Item]) -> None:
    data = room.dataset(items, recipe(RICH))
    encoded = room.encode(items, recipe(RICH))
    seen: dict[int, set[int]] = {row: set() for row in range(len(items))}
    dropped, count = 0, 0
    for step in range(60):
        batch = data.batch(step, 0)
        for n, row in enumerate(batch.rows):
            text = batch.condition["text"][n]
            own = [*encoded.captions[row], encoded.empty]
            (at,) = [k for k in own if torch.equal(encoded.texts[k]["text"], text)]
            seen[row].add(at)
            dropped += at == encoded.empty
            count += 1
    assert all(len(found) == 3 for found in seen.values())
    assert 0.2 < dropped / count < 0.4


def test_blocks_weigh_repeat_and_drop_as_they_say(room: Room) -> None:
    blocks = (
        "weight = 2.0\ncaption_dropout = 1.0\nrepeats = 3\n"
        '[[data]]\npath="q"\ncaption_dropout = 0.0\nis_reg = true\nweight = 3.0'
    )
    items = [item(0), item(10), item(20, block=1), item(30, block=1)]
    made = recipe(blocks, "[objective]\nprior_loss_weight = 0.5")
    data = room.dataset(items, made)
    encoded = room.encode(items, made)
    empty = encoded.texts[encoded.empty]["text"]
    assert data.steps(1) == 3  # two pictures thrice, and as many for regularisation
    rows = []
    for step in range(3):
        batch = data.batch(step, 0)
        rows += batch.rows
        for n, row in enumerate(batch.rows):
            assert batch.weights[n] == (2.0 if row < 2 else 1.5)
            assert torch.equal(batch.condition["text"][n], empty) == (row < 2)
    assert sorted(rows) == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]


def test_masks_follow_their_pictures(room: Room) -> None:
    out = io.BytesIO()
    half = Image.new("L", (64, 64), 0)
    half.paste(255, (0, 0, 32, 64))
    half.save(out, "PNG")
    items = [item(0, read_mask=out.getvalue, mask_path=Path("mask.png")), item(10), item(1)]
    data = room.dataset(items, recipe("random_flip = true"))
    seen = set()
    for step in range(8):
        batch = data.batch(step, 0)
        assert batch.mask is not None
        assert batch.mask.shape == (4, 1, *batch.latents.shape[2:])
        for row, mask in zip(batch.rows, batch.mask, strict=True):
            if row == 0:
                left = mask[0, 0, 0].item() == 1
                seen.add(left)
                assert mask.mean() == 0.5
            else:
                assert (mask == 1).all()
    assert seen == {True, False}
    assert room.dataset(items[1:], recipe()).batch(0, 0).mask is None


def test_transparency_as_the_mask(room: Room) -> None:
    data = picture(1, (64, 64), "RGBA")
    own = Item("a.png", ("a",), lambda: data)
    batch = room.dataset([own], recipe("alpha_mask = true")).batch(0, 0)
    assert batch.mask is not None
    assert batch.mask[0, 0, :4, :4].eq(1).all()
    assert batch.mask[0, 0, 5:, 5:].eq(0).all()
    assert decode_mask(data, alpha=True).getextrema() == (0, 255)


def test_sizes_are_sdxls(room: Room, items: list[Item]) -> None:
    data = room.dataset(items, recipe())
    for step in range(4):
        batch = data.batch(step, 0)
        for row, sizes in zip(batch.rows, batch.condition["sizes"].tolist(), strict=True):
            width, height = SHAPES[row % len(SHAPES)]
            assert sizes[:2] == [height, width]
            assert sizes[4:] == [8 * side for side in batch.latents.shape[2:]]


def fixed(data: Dataset, size: int) -> Iterator[tuple[tuple[int, int], dict[str, torch.Tensor]]]:
    for batch in data.fixed_batches(size):
        for n, row in enumerate(batch.rows):
            own = {name: value[n] for name, value in tensors(batch).items()}
            yield (row, int(batch.timesteps[n])), own


def test_validation_is_always_the_same(room: Room, items: list[Item]) -> None:
    validate = "[validate]\nsplit = 0.1\ntimesteps = 3"
    wanted = dict(fixed(room.dataset(items, recipe(RICH, validate)), 3))
    assert set(wanted) == {(row, step) for row in range(10) for step in (250, 500, 750)}
    other = room.dataset(items, recipe(RICH, validate, "seed = 5", batch=2))
    again = dict(fixed(other, 2))
    for key, values in wanted.items():
        assert all(torch.equal(value, again[key][name]) for name, value in values.items())
    encoded = room.encode(items, recipe())
    for (row, _), values in wanted.items():
        mean = encoded.shapes[encoded.pictures[row].shape].posteriors[
            encoded.pictures[row].views[0]
        ][0]
        torch.testing.assert_close(values["latents"], mean * room.family.scaling_factor)
        assert torch.equal(values["text"], encoded.texts[encoded.captions[row][0]]["text"])
    noises = [values["noise"] for values in wanted.values()]
    assert len({float(noise.sum()) for noise in noises}) == len(noises)


def test_names_buckets_and_epochs(
    room: Room, items: list[Item], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    data = room.dataset(items, recipe(train="gradient_accumulation_steps = 2"))
    data.tell_buckets()
    rows = [row for micro in (0, 1) for row in data.batch(1, micro).rows]
    assert data.names(1) == [f"{row}.png" for row in dict.fromkeys(rows)]
    assert [(b.width, b.height, b.pictures) for b in data.buckets] == [
        (32, 104, 2), (64, 64, 4), (104, 32, 4)
    ]  # fmt: skip
    assert data.steps(1) == 2
    assert [data.steps(epochs) for epochs in (2, 3)] == [3, 4]
    assert "shows some twice: 32x104 (2)" in caplog.text
    assert len(data) == 10
