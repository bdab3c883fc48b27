"""Every kind of picture folder that people have, and every mistake in one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from support import find_items, small_data

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
    assert found[0].captions == ("alarm clock",)
    assert found[0].read()[:4] == b"\x89PNG"


def test_metadata_jsonl_in_a_subfolder_with_a_byte_order_mark(tmp_path: Path) -> None:
    write_picture(tmp_path / "pictures" / "sub" / "a.png")
    line = json.dumps({"file_name": "sub/a.png", "prompt": "a Zoë"}, ensure_ascii=False)
    (tmp_path / "pictures" / "metadata.jsonl").write_text("\ufeff" + line + "\n\n")
    (item,) = items(tmp_path)
    assert item.captions == ("a Zoë",)  # the only other column of strings


def test_a_list_of_strings_is_several_captions_and_numbers_are_none(tmp_path: Path) -> None:
    metadata(tmp_path, '{"file_name": "a.png", "text": ["one", "two", ""]}', "metadata.jsonl")
    assert items(tmp_path)[0].captions == ("one", "two")
    metadata(tmp_path, '{"file_name": "a.png", "text": [1, 2]}', "metadata.jsonl")
    with pytest.raises(errors.CaptionColumn, match="it has none"):
        items(tmp_path)


def test_a_caption_may_hold_any_line_of_unicode(tmp_path: Path) -> None:
    metadata(tmp_path, '{"file_name": "a.png", "text": "one\u2028two"}', "metadata.jsonl")
    assert items(tmp_path)[0].captions == ("one\u2028two",)


def test_hidden_files_and_links(tmp_path: Path) -> None:
    write_picture(tmp_path / "elsewhere" / "real.png")
    pictures = tmp_path / "pictures"
    write_picture(pictures / ".ipynb_checkpoints" / "a.png")
    (pictures / "._a.png").write_bytes(b"junk")
    (pictures / "linked.png").symlink_to(tmp_path / "elsewhere" / "real.png")
    (pictures / "metadata.csv").write_text("file_name,text\nlinked.png,a link\n")
    follow = 'path = "pictures"\nfollow_links = true'
    with pytest.raises(errors.OutsideFolder, match=r"linked.png.*follow_links"):
        items(tmp_path)
    assert [item.name for item in items(tmp_path, follow)] == ["linked.png"]
    (pictures / "metadata.csv").unlink()
    (pictures / "linked.txt").write_text("a link")
    with pytest.raises(errors.NoPictures):
        items(tmp_path)
    assert [item.name for item in items(tmp_path, follow)] == ["linked.png"]


def test_sidecar_txt(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png"):
        write_picture(tmp_path / "pictures" / name)
        (tmp_path / "pictures" / name).with_suffix(".txt").write_text(f" caption of {name}\n")
    assert [(i.name, i.captions) for i in items(tmp_path)] == [
        ("a.png", ("caption of a.png",)),
        ("b.JPG", ("caption of b.JPG",)),
    ]


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


# -- imagefolder's rules --------------------------------------------------------------------------


def write_metadata(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_metadata_in_sub_folders_name_files_relative_to_themselves(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    for name in ("a.png", "x/b.png", "x/y/c.png", "unlisted.png"):
        write_picture(pictures / name)
    write_metadata(pictures / "metadata.csv", "file_name,text\na.png,A\n")
    write_metadata(pictures / "x" / "metadata.csv", "file_name,text\nb.png,B\ny/c.png,C\n")
    found = [(item.name, *item.captions) for item in items(tmp_path)]
    assert found == [("a.png", "A"), ("x/b.png", "B"), ("x/y/c.png", "C")]


def test_metadata_in_a_sub_folder_cannot_leave_it(tmp_path: Path) -> None:
    write_picture(tmp_path / "pictures" / "a.png")
    write_metadata(tmp_path / "pictures" / "x" / "metadata.csv", "file_name,text\n../a.png,A\n")
    with pytest.raises(errors.OutsideFolder):
        items(tmp_path)


def test_kinds_of_metadata_are_not_mixed(tmp_path: Path) -> None:
    metadata(tmp_path, "file_name,text\na.png,x\n")
    write_metadata(tmp_path / "pictures" / "x" / "metadata.jsonl", "{}")
    with pytest.raises(errors.BadMetadata, match=r"metadata\.csv and metadata\.jsonl; keep one"):
        items(tmp_path)


def test_one_file_in_two_metadata_is_refused(tmp_path: Path) -> None:
    metadata(tmp_path, "file_name,text\nx/b.png,x\n")
    write_picture(tmp_path / "pictures" / "x" / "b.png")
    write_metadata(tmp_path / "pictures" / "x" / "metadata.csv", "file_name,text\nb.png,B\n")
    with pytest.raises(errors.BadMetadata, match=r"x/b\.png, which another one lists too"):
        items(tmp_path)


def test_metadata_parquet_with_lists_of_captions(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    write_picture(tmp_path / "pictures" / "a.png")
    columns = {"file_name": ["a.png"], "text": [["one", "two"]], "score": [0.5], "raw": [b"\xff"]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "pictures" / "metadata.parquet")
    assert items(tmp_path)[0].captions == ("one", "two")
    (tmp_path / "pictures" / "metadata.parquet").write_bytes(b"PAR1 junk")
    with pytest.raises(errors.BadMetadata, match=r"metadata\.parquet cannot be used"):
        items(tmp_path)


@pytest.mark.parametrize(
    ("header", "data", "why"),
    [
        ("image_file_name,text", "", ""),
        ("photo_file_name,text", "", ""),
        ("input_file_name,output_file_name,text", 'image_column = "input"', ""),
        ("input_file_name,output_file_name,text", "", "several pictures; set `data.image_column`"),
        ("file_names,text", "", "one row a picture"),
    ],
)
def test_columns_that_name_files(tmp_path: Path, header: str, data: str, why: str) -> None:
    row = ",".join(["a.png"] * header.count("file_name") + ["a caption"])
    metadata(tmp_path, f"{header}\n{row}\n")
    data = f'path = "pictures"\ncaption_column = "text"\n{data}'
    if not why:
        assert items(tmp_path, data)[0].captions == ("a caption",)
        return
    with pytest.raises(errors.BadMetadata, match=why):
        items(tmp_path, data)


# -- captions -------------------------------------------------------------------------------------


def beside(folder: Path, **texts: bytes) -> Path:
    """A picture, and caption files by their extension."""
    write_picture(folder / "pictures" / "a.b.png")
    for extension, text in texts.items():
        (folder / "pictures" / f"a.b.{extension}").write_bytes(text)
    return folder


def test_lines_of_a_caption_file(tmp_path: Path) -> None:
    beside(tmp_path, txt=b"\xef\xbb\xbfone\r\n\r\n two \n")
    assert items(tmp_path)[0].captions == ("one two",)
    wild = 'path = "pictures"\nenable_wildcard = true'
    assert items(tmp_path, wild)[0].captions == ("one", "two")


def test_the_extension_decides_and_without_it_txt_does(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    beside(tmp_path, txt=b"of txt", caption=b"of caption")
    assert items(tmp_path)[0].captions == ("of txt",)
    assert "a .txt and a .caption, of which the .txt is read" in caplog.text
    chosen = 'path = "pictures"\ncaption_extension = ".caption"'
    assert items(tmp_path, chosen)[0].captions == ("of caption",)
    (tmp_path / "pictures" / "a.b.txt").unlink()
    assert items(tmp_path)[0].captions == ("of caption",)


def test_a_caption_that_is_not_utf_8_is_read_as_latin_1_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    assert items(beside(tmp_path, txt="Zoë".encode("latin-1")))[0].captions == ("Zoë",)
    assert "not UTF-8, read as latin-1: a.b.txt" in caplog.text
    metadata(tmp_path, "")
    (tmp_path / "pictures" / "metadata.csv").write_bytes(b"file_name,text\na.png,Zo\xeb\n")
    assert items(tmp_path)[0].captions == ("Zoë",)
    assert "metadata.csv is not UTF-8" in caplog.text


def test_ten_megabytes_of_caption_are_cut(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    (item,) = items(beside(tmp_path, txt="é".encode() * 5_000_000))
    assert len(item.captions[0]) == 65_536
    assert "longer than 64 Ki characters" in caplog.text


def test_one_caption_for_all_that_have_none(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        write_picture(tmp_path / "pictures" / name)
    (tmp_path / "pictures" / "a.txt").write_text("own")
    default = 'path = "pictures"\ncaption = "photo of [trigger]"\ntrigger_word = "ohwx"'
    assert [i.captions for i in items(tmp_path, default)] == [("ohwx, own",), ("photo of ohwx",)]
    metadata(tmp_path, '{"file_name": "a.png", "score": 5}', "metadata.jsonl")
    assert items(tmp_path, default)[0].captions == ("photo of ohwx",)


def test_pictures_that_share_a_caption_file_are_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    write_picture(tmp_path / "pictures" / "a.png")
    write_picture(tmp_path / "pictures" / "a.jpg")
    (tmp_path / "pictures" / "a.txt").write_text("of both")
    assert len(items(tmp_path)) == 2
    assert "caption file of another picture: a.png" in caplog.text
