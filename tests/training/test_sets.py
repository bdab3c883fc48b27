"""Several sets, sets of other kinds than a folder, masks."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest
from PIL import Image
from support import find_items, small_data

from lorad.daemon.training.data import find_validation
from lorad.daemon.training.data.hub import refuse_outside
from lorad.daemon.training.data.pictures import decode
from lorad.shared import errors
from lorad.shared.recipe import parse_recipe

from .test_data import items, write_picture

# -- several sets, masks --------------------------------------------------------------------------


def several(folder: Path, *sources: str):
    text = "".join(f'[[data]]\npath = "{source}"\n' for source in sources)
    return find_items(parse_recipe(f'name = "a"\n{text}'), folder)


def test_several_sets_have_names_of_their_own(tmp_path: Path) -> None:
    for name in ("one/a.png", "two/a.png"):
        write_picture(tmp_path / name)
        (tmp_path / name).with_suffix(".txt").write_text(name)
    found = several(tmp_path, "one", "two")
    assert [(i.name, i.block, *i.captions) for i in found] == [
        ("data[0]/a.png", 0, "one/a.png"),
        ("data[1]/a.png", 1, "two/a.png"),
    ]
    assert [i.name for i in several(tmp_path, "one", "one")] == ["data[0]/a.png", "data[1]/a.png"]


def test_only_the_first_so_many(tmp_path: Path) -> None:
    small_data(tmp_path, 4)
    found = items(tmp_path, 'path = "pictures"\nmax_train_samples = 2')
    assert [item.name for item in found] == ["alarm-clock.png", "ambulance.png"]


def test_validation_pictures_are_captioned_as_those_that_are_trained(tmp_path: Path) -> None:
    small_data(tmp_path, 1)
    write_picture(tmp_path / "held" / "v.png")
    (tmp_path / "held" / "v.txt").write_text("a face")
    head = 'name = "a"\n[data]\npath = "pictures"\ntrigger_word = "ohwx"\n'
    recipe = parse_recipe(head + '[validate]\npath = "held"\n')
    (item,) = find_validation(recipe, tmp_path)
    assert (item.name, item.captions) == ("v.png", ("ohwx, a face",))
    assert find_validation(parse_recipe(head), tmp_path) == []
    with pytest.raises(errors.FolderMissing):
        find_validation(parse_recipe(head + '[validate]\npath = "none"\n'), tmp_path)


MASKED = 'path = "pictures"\nmask_path = "pictures/masks"\ncaption = "x"'


def test_masks_are_matched_by_their_stems_and_are_no_pictures(tmp_path: Path) -> None:
    for name in ("a.jpg", "sub/b.jpg", "c.jpg", "masks/a.png", "masks/sub/b.webp"):
        write_picture(tmp_path / "pictures" / name)
    found = items(tmp_path, MASKED)
    assert [item.name for item in found] == ["a.jpg", "c.jpg", "sub/b.jpg"]
    mask, none, other = (item.read_mask for item in found)
    assert mask is not None
    assert mask()[:4] == b"\x89PNG"
    assert none is None
    assert other is not None
    assert other()[8:12] == b"WEBP"


def test_masks_that_match_nothing_or_are_not_there(tmp_path: Path) -> None:
    write_picture(tmp_path / "pictures" / "a.png")
    with pytest.raises(errors.WrongValue, match=r"`data\.mask_path` does not fit: there is no"):
        items(tmp_path, MASKED)
    write_picture(tmp_path / "pictures" / "masks" / "b.png")
    with pytest.raises(errors.WrongValue, match=r"no mask in .* has a picture's name"):
        items(tmp_path, MASKED)


def test_a_pictures_own_transparency_is_its_mask(tmp_path: Path) -> None:
    write_picture(tmp_path / "pictures" / "a.png")
    (item,) = items(tmp_path, 'path = "pictures"\nalpha_mask = true\ncaption = "x"')
    assert item.read_mask is not None
    assert item.read_mask() == item.read()


# -- data sets of the hub's formats ---------------------------------------------------------------


def write_parquet(folder: Path, **columns: object) -> None:
    datasets = pytest.importorskip("datasets")
    png = io.BytesIO()
    Image.new("RGB", (8, 8), "blue").save(png, "PNG")
    count = len(next(iter(columns.values()))) if columns else 2
    rows = {"image": [{"bytes": png.getvalue(), "path": None}] * count, **columns}
    folder.mkdir(exist_ok=True)
    features = datasets.Dataset.from_dict(columns).features if columns else {}
    features = datasets.Features({"image": datasets.Image(), **features})
    table = datasets.Dataset.from_dict(rows, features=features)
    table.to_parquet(folder / "train.parquet")


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
    assert [item.captions for item in found] == [("one",), ("two",)]
    assert decode(found[1].read()).getpixel((0, 0)) == (0, 0, 255)


def test_a_data_set_that_is_not_to_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    with pytest.raises(errors.DataSetUnreachable, match="nobody/nothing"):
        items(tmp_path, 'dataset_name = "nobody/nothing"')


def test_a_folder_of_parquet_is_a_data_set_by_any_name(tmp_path: Path) -> None:
    write_parquet(tmp_path / "set", text=[["one", "two"], ["three"], ["four"]])
    for data in ('dataset_name = "set"', 'path = "set"'):
        found = items(tmp_path, f"{data}\nmax_train_samples = 2")
        assert [item.captions for item in found] == [("one", "two"), ("three",)]


def test_a_table_that_is_a_link_out_of_its_folder(tmp_path: Path) -> None:
    write_parquet(tmp_path / "far", text=["one"])
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train.parquet").symlink_to(tmp_path / "far" / "train.parquet")
    with pytest.raises(errors.DataSetOutside, match=r"train\.parquet.*follow_links"):
        items(tmp_path, 'dataset_name = "set"')
    assert len(items(tmp_path, 'dataset_name = "set"\nfollow_links = true')) == 1


@pytest.mark.parametrize(
    ("file", "own"),
    [
        ("hf://datasets/ann/cats@0123/data/train.parquet", True),
        ("zip://a.jpg::hf://datasets/ann/cats@0123/a.zip", True),
        ("hf://datasets/ann/cats2@0123/train.parquet", False),
        ("hf://datasets/ann/cats@0123/../../bob/dogs@1/train.parquet", False),
        ("https://example.org/train.parquet", False),
        ("/etc/passwd", False),
    ],
)
@pytest.mark.parametrize("name", ["ann/cats", "hf://datasets/ann/cats"])
def test_files_of_a_data_set_on_the_hub(name: str, file: str, own: bool, tmp_path: Path) -> None:
    with contextlib.nullcontext() if own else pytest.raises(errors.DataSetOutside):
        refuse_outside(name, {"train": [file]}, tmp_path / name, False)


def test_mistakes_in_a_data_set(tmp_path: Path) -> None:
    write_parquet(tmp_path / "set", text=["one", None], other=["x", "y"], score=[1, 2])
    with pytest.raises(errors.CaptionsMissing, match=r"1 of 2 .*: row 1"):
        items(tmp_path, 'dataset_name = "set"')
    with pytest.raises(errors.BadMetadata, match="no column `photo`"):
        items(tmp_path, 'dataset_name = "set"\nimage_column = "photo"')
    with pytest.raises(errors.BadMetadata, match="holds no pictures"):
        items(tmp_path, 'dataset_name = "set"\nimage_column = "score"')
    with pytest.raises(errors.CaptionColumn, match="text, other"):
        items(tmp_path, 'dataset_name = "set"\ncaption_column = "score"')
    filled = items(tmp_path, 'dataset_name = "set"\ncaption = "default"')
    assert [item.captions for item in filled] == [("one",), ("default",)]
    write_parquet(tmp_path / "bare")
    with pytest.raises(errors.CaptionColumn, match="it has none"):
        items(tmp_path, 'dataset_name = "bare"')
    assert len(items(tmp_path, 'dataset_name = "bare"\ncaption = "default"')) == 2


def test_an_imagefolder_by_its_data_set_name(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    write_picture(tmp_path / "pictures" / "sub" / "a.png")
    line = '{"file_name": "sub/a.png", "text": ["one", "two"]}'
    (tmp_path / "pictures" / "metadata.jsonl").write_text(line)
    found = items(tmp_path, 'dataset_name = "pictures"')
    assert [item.captions for item in found] == [("one", "two")]
    assert found[0].read()[:4] == b"\x89PNG"
