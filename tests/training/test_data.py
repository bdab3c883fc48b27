"""Every kind of picture folder that people have, and every mistake in one."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import small_data

from lorad.daemon.training.data import find_items
from lorad.daemon.training.data.cache import Cache
from lorad.daemon.training.data.pictures import Broken, decode, fit
from lorad.shared import errors
from lorad.shared.recipe import parse_recipe


def items(folder: Path, data: str = 'path = "pictures"'):
    return find_items(parse_recipe(f'name = "a"\n[data]\n{data}'), folder)


def write_picture(path: Path, colour: str = "red") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (32, 32), colour).save(path)


def test_metadata_csv(tmp_path: Path) -> None:
    small_data(tmp_path, 3)
    found = items(tmp_path)
    assert [item.name for item in found] == ["alarm-clock.png", "ambulance.png", "anchor.png"]
    assert found[0].caption == "alarm clock"
    assert found[0].read()[:4] == b"\x89PNG"


def test_metadata_jsonl_in_a_subfolder_with_a_byte_order_mark(tmp_path: Path) -> None:
    write_picture(tmp_path / "pictures" / "sub" / "a.png")
    line = json.dumps({"file_name": "sub/a.png", "prompt": "a Zoë"}, ensure_ascii=False)
    (tmp_path / "pictures" / "metadata.jsonl").write_text("\ufeff" + line + "\n\n")
    (item,) = items(tmp_path)
    assert item.caption == "a Zoë"  # the only other column of strings


def test_captions_that_are_no_strings_are_refused(tmp_path: Path) -> None:
    metadata(tmp_path, '{"file_name": "a.png", "text": ["one", "two"]}', "metadata.jsonl")
    with pytest.raises(errors.CaptionColumn, match="it has none"):
        items(tmp_path)


def test_a_caption_may_hold_any_line_of_unicode(tmp_path: Path) -> None:
    metadata(tmp_path, '{"file_name": "a.png", "text": "one\u2028two"}', "metadata.jsonl")
    assert items(tmp_path)[0].caption == "one\u2028two"


def test_hidden_files_and_links(tmp_path: Path) -> None:
    write_picture(tmp_path / "elsewhere" / "real.png")
    pictures = tmp_path / "pictures"
    write_picture(pictures / ".ipynb_checkpoints" / "a.png")
    (pictures / "._a.png").write_bytes(b"junk")
    (pictures / "linked.png").symlink_to(tmp_path / "elsewhere" / "real.png")
    (pictures / "metadata.csv").write_text("file_name,text\nlinked.png,a link\n")
    assert [item.name for item in items(tmp_path)] == ["linked.png"]
    (pictures / "metadata.csv").unlink()
    (pictures / "linked.txt").write_text("a link")
    assert [item.name for item in items(tmp_path)] == ["linked.png"]


def test_sidecar_txt(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png"):
        write_picture(tmp_path / "pictures" / name)
        (tmp_path / "pictures" / name).with_suffix(".txt").write_text(f" caption of {name}\n")
    assert [(i.name, i.caption) for i in items(tmp_path)] == [
        ("a.png", "caption of a.png"),
        ("b.JPG", "caption of b.JPG"),
    ]


def test_a_data_set_in_a_format_of_the_hub(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    png = io.BytesIO()
    Image.new("RGB", (8, 8), "blue").save(png, "PNG")
    rows = {"image": [{"bytes": png.getvalue(), "path": None}] * 2, "text": ["one", "two"]}
    features = datasets.Features({"image": datasets.Image(), "text": datasets.Value("string")})
    (tmp_path / "set").mkdir()
    datasets.Dataset.from_dict(rows, features=features).to_parquet(
        tmp_path / "set" / "train.parquet"
    )
    found = items(tmp_path, 'dataset_name = "set"')
    assert [item.caption for item in found] == ["one", "two"]
    assert decode(found[1].read()).getpixel((0, 0)) == (0, 0, 255)


def test_a_data_set_that_is_not_to_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    with pytest.raises(errors.DataSetUnreachable, match="nobody/nothing"):
        items(tmp_path, 'dataset_name = "nobody/nothing"')


def metadata(folder: Path, text: str, name: str = "metadata.csv") -> None:
    write_picture(folder / "pictures" / "a.png")
    (folder / "pictures" / name).write_text(text)


@pytest.mark.parametrize(
    ("text", "error", "sentence"),
    [
        ("file_name,text\nb.png,x\n", errors.ListedFileMissing, "b.png, which is not there"),
        ("file_name,text\n../a.png,x\n", errors.OutsideFolder, "lies outside"),
        ("file_name,text\n/etc/passwd,x\n", errors.OutsideFolder, "lies outside"),
        ("name,text\na.png,x\n", errors.BadMetadata, "no column `file_name`"),
        ("file_name\na.png\n", errors.NoCaptions, "no captions"),
        ("file_name,text\na.png,\n", errors.NoCaptions, "no captions"),
        ("file_name,text\n", errors.NoPictures, "is empty"),
        ("file_name,one,two\na.png,x,y\n", errors.CaptionColumn, "one of: one, two"),
        ('file_name,text\na.png,"x\n', errors.BadMetadata, "unexpected end"),
        ("file_name,text\na.png,x\n./a.png,y\n", errors.BadMetadata, "lists a.png twice"),
        (f"file_name,text\n{'x' * 300},a.png\n", errors.ListedFileMissing, "not there"),
        ("file_name,text\n,x\n", errors.BadMetadata, "no usable `file_name`"),
    ],
)
def test_mistakes_in_metadata(
    tmp_path: Path, text: str, error: type[errors.DataError], sentence: str
) -> None:
    metadata(tmp_path, text)
    with pytest.raises(error, match=sentence) as caught:
        items(tmp_path)
    assert caught.value.exit_code == 2


def test_metadata_twice_or_broken(tmp_path: Path) -> None:
    metadata(tmp_path, "file_name,text\na.png,x\n")
    metadata(tmp_path, "{", "metadata.jsonl")
    with pytest.raises(errors.BadMetadata, match="keep one of them"):
        items(tmp_path)
    (tmp_path / "pictures" / "metadata.csv").unlink()
    with pytest.raises(errors.BadMetadata, match=r"metadata\.jsonl cannot be used"):
        items(tmp_path)


def test_mistakes_in_folders(tmp_path: Path) -> None:
    with pytest.raises(errors.FolderMissing, match="does not exist"):
        items(tmp_path)
    (tmp_path / "pictures").mkdir()
    with pytest.raises(errors.NoPictures, match="no pictures"):
        items(tmp_path)
    write_picture(tmp_path / "pictures" / "a.png")
    with pytest.raises(errors.NoCaptions, match=r"metadata\.csv"):
        items(tmp_path)
    write_picture(tmp_path / "pictures" / "b.png")
    (tmp_path / "pictures" / "a.txt").write_text("x")
    with pytest.raises(errors.CaptionsMissing, match=r"1 of 2 pictures .*: b\.png"):
        items(tmp_path)


def test_every_broken_picture_is_named(tmp_path: Path) -> None:
    small_data(tmp_path, 3)
    good = (tmp_path / "pictures" / "anchor.png").read_bytes()
    (tmp_path / "pictures" / "ambulance.png").write_bytes(good[: len(good) // 2])
    (tmp_path / "pictures" / "alarm-clock.png").write_bytes(b"GIF89a nonsense")
    broken = Broken()
    decoded = [broken.try_decode(item.name, item.read) for item in items(tmp_path)]
    assert [picture is None for picture in decoded] == [True, True, False]
    with pytest.raises(errors.BrokenPicture, match=r"alarm-clock\.png, ambulance\.png cannot"):
        broken.refuse()


def test_what_is_no_picture_is_said_without_pillows_words() -> None:
    broken = Broken()
    for name, data in (("a", b"text"), ("b", png_of(Image.new("I;16", (4, 4), 20000)))):
        broken.try_decode(name, lambda data=data: data)
    with pytest.raises(errors.BrokenPicture, match="a, b cannot be decoded: it is no picture"):
        broken.refuse()
    with pytest.raises(ValueError, match="16 bits"):
        decode(png_of(Image.new("I;16", (4, 4), 20000)))


def png_of(picture: Image.Image, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG", **options)
    return out.getvalue()


def test_transparency_is_white_and_rotation_is_undone() -> None:
    assert decode(png_of(Image.new("RGBA", (4, 4), (255, 0, 0, 0)))).getpixel((0, 0)) == (255,) * 3
    palette = Image.new("RGB", (4, 4), "lime").convert("P")
    assert decode(png_of(palette)).getpixel((0, 0)) == (0, 255, 0)
    exif = Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    Image.new("RGB", (30, 10)).save(out, "JPEG", exif=exif)
    assert decode(out.getvalue()).size == (10, 30)


def test_a_decompression_bomb_is_refused() -> None:
    with pytest.raises(ValueError, match="too many"):
        decode(png_of(Image.new("1", (9000, 9000))))


def test_the_middle_square_is_taken() -> None:
    picture = Image.new("RGB", (300, 100), "white")
    picture.paste("black", (100, 0, 200, 100))
    pixels = fit(picture, 64)
    assert tuple(pixels.shape) == (3, 64, 64)
    assert np.allclose(pixels.numpy(), -1, atol=0.1)


def test_a_damaged_cache_is_made_again(tmp_path: Path) -> None:
    import torch

    cache = Cache(tmp_path / "cache")
    assert cache.get("k") is None
    cache.put("k", {"x": torch.ones(2)})
    assert torch.equal(cache.get("k")["x"], torch.ones(2))
    assert cache.get("other") is None
    for path in (tmp_path / "cache").rglob("*.safetensors"):
        path.write_bytes(b"junk")
    assert cache.get("k") is None
