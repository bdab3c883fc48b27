"""Files and folders that somebody prepared, or that merely came that way: built anew each time.

Each case is a data folder of its own, with what `lorad check` is to say of it; an empty list is a
folder that is trained without a word. Besides it there is `outside`, which nobody may read.
"""

from __future__ import annotations

import csv
import io
import json
import os
import socket
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

ESC = "a\x1b]52;c;UFdO\x07\x1b[2J"
BIDI = "a\u202egnp.exe"


@dataclass(frozen=True)
class Case:
    """A folder, and what is said of it."""

    make: Callable[[Path], None]
    words: tuple[str, ...]
    """Each is somewhere in what is told; a name among them where a file is at fault."""
    trained: bool = False
    """Whether it can be trained all the same."""
    recipe: str = ""
    """More lines of `[data]`."""


CASES: dict[str, Case] = {}


def case(*words: str, trained: bool = False, recipe: str = "") -> Callable[..., None]:
    """Adds what it decorates, by its name."""

    def add(make: Callable[[Path], None]) -> None:
        CASES[make.__name__] = Case(make, words, trained, recipe)

    return add


def picture(seed: int = 0, size: tuple[int, int] = (64, 64)) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(size)


def data_of(image: Image.Image, kind: str = "PNG", **how: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **how)  # type: ignore[arg-type]
    return out.getvalue()


def put(folder: Path, name: str, data: bytes, caption: str | None = "a caption") -> Path:
    path = folder / name
    path.write_bytes(data)
    if caption is not None:
        path.with_suffix(".txt").write_text(caption)
    return path


def good(folder: Path) -> None:
    """A picture that nothing is wrong with."""
    put(folder, "good.png", data_of(picture(9)))


def bad(folder: Path, name: str, data: bytes) -> None:
    """A file beside one that is good."""
    good(folder)
    put(folder, name, data)


def table(folder: Path, *rows: dict[str, object], name: str = "metadata.jsonl") -> None:
    good(folder)
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *chunks: bytes, rows: bytes = b"") -> bytes:
    """Of one bit a pixel, whatever it holds."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(rows, 9))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + body + chunk(b"IEND", b"")


# -- cut off, empty, of another kind ---------------------------------------------------------------


@case("cut.jpg", "cannot be decoded")
def truncated_jpeg(folder: Path) -> None:
    whole = data_of(picture(), "JPEG")
    bad(folder, "cut.jpg", whole[: len(whole) * 2 // 3])


@case("cut.png", "cannot be decoded")
def truncated_png(folder: Path) -> None:
    bad(folder, "cut.png", data_of(picture())[:-30])


@case("cut.webp", "cannot be decoded")
def truncated_webp(folder: Path) -> None:
    whole = data_of(picture(), "WEBP")
    bad(folder, "cut.webp", whole[: len(whole) // 2])


@case("cut.gif", "cannot be decoded")
def truncated_gif(folder: Path) -> None:
    bad(folder, "cut.gif", data_of(picture(), "GIF")[:40])


@case("cut.tif", "cannot be decoded")
def truncated_tiff(folder: Path) -> None:
    bad(folder, "cut.tif", data_of(picture(), "TIFF")[:200])


@case("head.bmp", "cannot be decoded")
def only_a_header(folder: Path) -> None:
    bad(folder, "head.bmp", data_of(picture(), "BMP")[:54])


@case("zero.png", "it is no picture")
def zero_bytes(folder: Path) -> None:
    bad(folder, "zero.png", b"")


@case("zeros.jpg", "it is no picture")
def only_zeros(folder: Path) -> None:
    bad(folder, "zeros.jpg", bytes(100_000))


@case("noise.webp", "it is no picture")
def only_noise(folder: Path) -> None:
    bad(folder, "noise.webp", np.random.default_rng(1).bytes(100_000))


@case("text.png", "it is no picture")
def text_for_a_picture(folder: Path) -> None:
    bad(folder, "text.png", b"this is no picture\n" * 9)


@case("page.jpg", "it is no picture")
def a_web_page_for_a_picture(folder: Path) -> None:
    bad(folder, "page.jpg", b"<!doctype html><title>404</title>")


@case("program.png", "it is no picture")
def a_program_for_a_picture(folder: Path) -> None:
    bad(folder, "program.png", b"\x7fELF" + bytes(2000))


@case("script.jpg", "it is no picture")
def a_script_for_a_picture(folder: Path) -> None:
    bad(folder, "script.jpg", b"#!/bin/sh\ntouch executed\n")


@case("eps.png", "it is no picture")
def postscript_for_a_picture(folder: Path) -> None:
    program = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(executed) (w) file closefile\n"
    bad(folder, "eps.png", program)


@case("vector.jpg", "it is no picture")
def svg_for_a_picture(folder: Path) -> None:
    text = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
    bad(folder, "vector.jpg", text)


@case("drawing.svg", "Of a kind that is not read", trained=True)
def svg_by_its_name(folder: Path) -> None:
    bad(folder, "drawing.svg", b"<svg/>")


@case("mem.png", "it is no picture")
def a_format_nobody_asked_for(folder: Path) -> None:
    bad(folder, "mem.png", data_of(picture(), "PPM"))


@case(trained=True)
def another_ending(folder: Path) -> None:
    put(folder, "really-png.jpg", data_of(picture()))


@case(trained=True)
def picture_and_archive(folder: Path) -> None:
    put(folder, "both.png", data_of(picture()) + b"PK\x03\x04" + bytes(5000))


@case(trained=True)
def picture_and_script(folder: Path) -> None:
    put(folder, "both.gif", data_of(picture(), "GIF") + b"\n<script>alert(1)</script>")


# -- too much --------------------------------------------------------------------------------------


@case("bomb.png", "13300x13300 pixels, too many")
def a_small_png_of_many_pixels(folder: Path) -> None:
    bad(folder, "bomb.png", png(13300, 13300, rows=bytes((13300 // 8 + 2) * 13300)))


@case("wide.png", "too many")
def a_png_as_wide_as_can_be(folder: Path) -> None:
    bad(folder, "wide.png", png(2**31 - 1, 2**31 - 1))


@case("none.png", "cannot be decoded")
def a_png_without_any_width(folder: Path) -> None:
    bad(folder, "none.png", png(0, 9))


@case("bomb.gif", "too many")
def a_gif_of_many_pixels(folder: Path) -> None:
    whole = bytearray(data_of(picture(), "GIF"))
    whole[6:10] = struct.pack("<HH", 65535, 65535)
    bad(folder, "bomb.gif", bytes(whole))


@case("bomb.bmp", "too many")
def a_bmp_of_many_pixels(folder: Path) -> None:
    whole = bytearray(data_of(picture(), "BMP"))
    whole[18:26] = struct.pack("<ii", 60_000, 60_000)
    bad(folder, "bomb.bmp", bytes(whole))


@case("bomb.tif", "too many")
def a_tiff_of_many_pixels(folder: Path) -> None:
    whole = Image.new("1", (16000, 9000))
    bad(folder, "bomb.tif", data_of(whole, "TIFF", compression="group4"))


@case("bomb.webp", "cannot be decoded")
def a_webp_of_many_pixels(folder: Path) -> None:
    whole = bytearray(data_of(Image.new("RGB", (64, 64)), "WEBP", lossless=True))
    at = whole.index(b"VP8L") + 9
    whole[at : at + 4] = struct.pack("<I", (16383) | (16383 << 14))
    bad(folder, "bomb.webp", bytes(whole))


@case("many.png", "cannot be decoded: ", "too large")
def a_png_whose_text_unpacks_for_ever(folder: Path) -> None:
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(200 << 20), 9))
    bad(folder, "many.png", png(64, 64, text, rows=bytes(9 * 64)))


@case("profile.png", "cannot be decoded: ", "too large")
def a_png_whose_profile_unpacks_for_ever(folder: Path) -> None:
    text = chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(200 << 20), 9))
    bad(folder, "profile.png", png(64, 64, text, rows=bytes(9 * 64)))


@case("sum.png cannot be decoded: Too much memory used in text")
def a_png_of_many_texts(folder: Path) -> None:
    one = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(900_000), 9))
    bad(folder, "sum.png", png(64, 64, *[one] * 200, rows=bytes(9 * 64)))


@case("deep.tif", "cannot be decoded")
def a_tiff_whose_directories_go_round(folder: Path) -> None:
    whole = bytearray(data_of(picture(), "TIFF"))
    whole[4:8] = struct.pack("<I", 4)
    bad(folder, "deep.tif", bytes(whole))


@case("sparse.png", "it has more than 512 MiB")
def a_file_of_a_terabyte(folder: Path) -> None:
    good(folder)
    with (folder / "sparse.png").open("wb") as file:
        file.truncate(1 << 40)
    (folder / "sparse.txt").write_text("a caption")


@case("long.txt", "cut there", trained=True)
def ten_megabytes_of_caption(folder: Path) -> None:
    put(folder, "long.png", data_of(picture()), "word " * (2 << 20))


@case("sparse.txt", "cut there", trained=True)
def a_caption_of_a_terabyte(folder: Path) -> None:
    put(folder, "sparse.png", data_of(picture()))
    with (folder / "sparse.txt").open("r+b") as file:
        file.write(b"words")
        file.truncate(1 << 40)


@case("metadata.csv", "it has more than 256 MiB")
def a_table_of_a_terabyte(folder: Path) -> None:
    good(folder)
    with (folder / "metadata.csv").open("wb") as file:
        file.truncate(1 << 40)


# -- odd pictures ----------------------------------------------------------------------------------


@case("animated", trained=True)
def an_animation(folder: Path) -> None:
    frames = [picture(n) for n in range(60)]
    put(folder, "a.gif", data_of(frames[0], "GIF", save_all=True, append_images=frames[1:]))


@case("animated", trained=True)
def an_animated_png(folder: Path) -> None:
    frames = [picture(n) for n in range(9)]
    put(folder, "a.png", data_of(frames[0], "PNG", save_all=True, append_images=frames[1:]))


@case("animated", trained=True)
def a_tiff_of_many_pages(folder: Path) -> None:
    frames = [picture(n) for n in range(9)]
    put(folder, "a.tif", data_of(frames[0], "TIFF", save_all=True, append_images=frames[1:]))


@case("16 bits", trained=True)
def sixteen_bits(folder: Path) -> None:
    put(folder, "a.png", data_of(Image.new("I;16", (64, 64), 40_000)))


@case("float.tif", "32 bits a pixel")
def floating_point(folder: Path) -> None:
    bad(folder, "float.tif", data_of(Image.new("F", (64, 64), 0.5), "TIFF"))


@case("cmyk", trained=True)
def cmyk_with_a_broken_profile(folder: Path) -> None:
    whole = data_of(picture().convert("CMYK"), "JPEG", icc_profile=b"no profile" * 9)
    put(folder, "a.jpg", whole)


@case(trained=True)
def a_broken_profile(folder: Path) -> None:
    put(folder, "a.png", data_of(picture(), icc_profile=bytes(500)))


@case(trained=True)
def damaged_exif(folder: Path) -> None:
    put(folder, "a.jpg", data_of(picture(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"))


@case("transparent", trained=True)
def wholly_transparent(folder: Path) -> None:
    put(folder, "a.png", data_of(Image.new("RGBA", (64, 64), (255, 0, 0, 0))))


@case("smaller", trained=True)
def one_pixel(folder: Path) -> None:
    put(folder, "a.png", data_of(Image.new("RGB", (1, 1))))


@case(trained=True)
def a_text_that_a_terminal_would_obey(folder: Path) -> None:
    info = PngInfo()
    info.add_text("Comment", ESC)
    put(folder, "a.png", data_of(picture(), pnginfo=info))


@case(trained=True)
def a_palette_that_is_too_short(folder: Path) -> None:
    image = picture().quantize(4)
    put(folder, "a.png", data_of(image))


@case("stripe.png", trained=True)
def as_thin_as_a_line(folder: Path) -> None:
    image = Image.new("RGB", (20_000, 1))
    ImageDraw.Draw(image).line((0, 0, 9, 0), "red")
    put(folder, "stripe.png", data_of(image))


# -- what is no file -------------------------------------------------------------------------------


@case("pipe.png", "Pipes, sockets, devices", trained=True)
def a_pipe(folder: Path) -> None:
    good(folder)
    os.mkfifo(folder / "pipe.png")


@case("pipe.txt", "Pipes, sockets, devices", trained=True, recipe='caption = "one"')
def a_pipe_for_a_caption(folder: Path) -> None:
    put(folder, "pipe.png", data_of(picture()), None)
    os.mkfifo(folder / "pipe.txt")


@case("metadata.csv", "Pipes, sockets, devices", trained=True)
def a_pipe_for_a_table(folder: Path) -> None:
    good(folder)
    os.mkfifo(folder / "metadata.csv")


@case("socket.png", "Pipes, sockets, devices", trained=True)
def a_socket(folder: Path) -> None:
    good(folder)
    here = os.open(".", os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(folder)  # a socket's path has 107 bytes at most
        try:
            server.bind("socket.png")
        finally:
            os.fchdir(here)
            os.close(here)


@case("zero.png", "Links out of the folder", trained=True)
def a_link_to_a_device(folder: Path) -> None:
    good(folder)
    (folder / "zero.png").symlink_to("/dev/zero")


@case("tty.png", "Pipes, sockets, devices", trained=True, recipe="follow_links = true")
def a_link_to_a_terminal(folder: Path) -> None:
    good(folder)
    (folder / "tty.png").symlink_to("/dev/tty")


@case("self.png", "links that lead nowhere", trained=True)
def a_link_to_itself(folder: Path) -> None:
    good(folder)
    (folder / "self.png").symlink_to("self.png")


@case("gone.png", "links that lead nowhere", trained=True)
def a_link_to_nothing(folder: Path) -> None:
    good(folder)
    (folder / "gone.png").symlink_to("nothing.png")


@case(trained=True)
def a_folder_that_holds_itself(folder: Path) -> None:
    good(folder)
    (folder / "again").symlink_to(".")
    (folder / "sub").mkdir()
    (folder / "sub" / "up").symlink_to("..")


@case(trained=True)
def a_folder_called_like_a_picture(folder: Path) -> None:
    good(folder)
    (folder / "folder.png").mkdir()


@case(trained=True)
def folders_within_folders(folder: Path) -> None:
    good(folder)
    deep = folder.joinpath(*["d"] * 300)
    deep.mkdir(parents=True)
    put(deep, "a.png", data_of(picture(3)))


# -- out of the folder -----------------------------------------------------------------------------


@case("secret.png", "Links out of the folder", trained=True)
def a_link_to_a_picture_outside(folder: Path) -> None:
    good(folder)
    (folder / "secret.png").symlink_to("../../outside/secret.png")


@case("theirs", "Links out of the folder", trained=True)
def a_link_to_a_folder_outside(folder: Path) -> None:
    good(folder)
    (folder / "theirs").symlink_to("../../outside")


@case("key.txt", "Links out of the folder", trained=True, recipe='caption = "one"')
def a_link_to_a_caption_outside(folder: Path) -> None:
    put(folder, "key.png", data_of(picture()), None)
    (folder / "key.txt").symlink_to("../../outside/secret.txt")


@case("metadata.csv", "Links out of the folder", trained=True)
def a_link_to_a_table_outside(folder: Path) -> None:
    good(folder)
    (folder / "metadata.csv").symlink_to("../../outside/metadata.csv")


@case("chain.png", "Links out of the folder", trained=True)
def a_chain_of_links_outside(folder: Path) -> None:
    good(folder)
    (folder / ".a").symlink_to("../../outside")
    (folder / "chain.png").symlink_to(".a/secret.png")


@case("in.png", "lies outside the picture folder")
def a_listed_link_outside(folder: Path) -> None:
    table(folder, {"file_name": "in.png", "text": "x"})
    (folder / "in.png").symlink_to("../../outside/secret.png")


@case("through/secret.png", "lies outside the picture folder")
def a_listed_path_through_a_link(folder: Path) -> None:
    table(folder, {"file_name": "through/secret.png", "text": "x"})
    (folder / "through").symlink_to("../../outside")


@case("../../outside/secret.png", "lies outside the picture folder")
def a_listed_path_upwards(folder: Path) -> None:
    table(folder, {"file_name": "../../outside/secret.png", "text": "x"})


@case("sub/../../../outside/secret.png", "lies outside the picture folder")
def a_listed_path_down_and_up(folder: Path) -> None:
    table(folder, {"file_name": "sub/../../../outside/secret.png", "text": "x"})


@case("/etc/passwd", "lies outside the picture folder")
def a_listed_absolute_path(folder: Path) -> None:
    table(folder, {"file_name": "/etc/passwd", "text": "x"})


@case("file:///etc/passwd", "lies outside the picture folder")
def a_listed_file_address(folder: Path) -> None:
    table(folder, {"file_name": "file:///etc/passwd", "text": "x"})


@case("https://example.org/a.png", "lies outside the picture folder")
def a_listed_web_address(folder: Path) -> None:
    table(folder, {"file_name": "https://example.org/a.png", "text": "x"})


@case("its file lies outside the data set")
def a_data_set_that_names_a_file_outside(folder: Path) -> None:
    secret = (folder / "../../outside/secret.png").resolve()
    pictures = [{"bytes": None, "path": str(secret)}]
    parquet(folder / "data.parquet", {"image": pictures, "text": ["x"]})


def listing(folder: Path, files: str) -> None:
    """A good table, and a README.md that takes others for it."""
    outside = folder / "../../outside"
    for place in (folder, outside):
        picture_ = {"bytes": data_of(picture()), "path": None}
        parquet(place / "train.parquet", {"image": [picture_], "text": ["private"]})
    head = f"---\nconfigs:\n- config_name: default\n  data_files: {files}\n---\n"
    (folder / "README.md").write_text(head)


@case("outside/train.parquet for a file of its own")
def a_data_set_whose_card_leads_outside(folder: Path) -> None:
    listing(folder, "../../outside/train.parquet")


@case("outside/train.parquet for a file of its own")
def a_data_set_whose_card_names_a_file_of_the_machine(folder: Path) -> None:
    listing(folder, str((folder / "../../outside/train.parquet").resolve()))


@case("cannot be loaded")
def a_data_set_whose_card_names_the_network(folder: Path) -> None:
    listing(folder, "http://127.0.0.1:1/train.parquet")


# -- tables ----------------------------------------------------------------------------------------


def parquet(path: Path, columns: dict[str, list[object]]) -> None:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table(columns), path)


@case("metadata.jsonl", "cannot be used")
def json_as_deep_as_the_sea(folder: Path) -> None:
    good(folder)
    (folder / "metadata.jsonl").write_text('{"file_name": ' + "[" * 200_000)


@case("metadata.jsonl", "every line must be an object")
def json_that_is_a_list(folder: Path) -> None:
    good(folder)
    (folder / "metadata.jsonl").write_text('["good.png", "x"]\n')


@case("metadata.jsonl", "no usable `file_name`")
def json_with_a_nul(folder: Path) -> None:
    table(folder, {"file_name": "good.png\0.txt", "text": "x"})


@case("metadata.jsonl", "no usable `file_name`")
def json_with_a_number_for_a_name(folder: Path) -> None:
    table(folder, {"file_name": 7, "text": "x"})


@case("metadata.jsonl", "cannot be used")
def json_with_a_number_of_a_million_digits(folder: Path) -> None:
    good(folder)
    (folder / "metadata.jsonl").write_text('{"file_name": ' + "9" * 1_000_000 + "}")


@case("metadata.jsonl", "twice")
def json_that_lists_a_file_twice(folder: Path) -> None:
    table(folder, *[{"file_name": "good.png", "text": "x"}] * 2)


@case("gone.png", "which is not there")
def json_that_lists_what_is_not_there(folder: Path) -> None:
    table(folder, {"file_name": "gone.png", "text": "x"})


@case("metadata.csv", "field larger than field limit")
def csv_with_a_field_of_megabytes(folder: Path) -> None:
    good(folder)
    with (folder / "metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["file_name", "text"], ["good.png", "x" * (4 << 20)]])


@case("metadata.csv", "no column `file_name`")
def csv_with_a_million_columns(folder: Path) -> None:
    good(folder)
    (folder / "metadata.csv").write_text(",".join(f"c{n}" for n in range(300_000)) + "\n1,2\n")


@case("metadata.csv", "cannot be used")
def csv_with_an_open_quote(folder: Path) -> None:
    good(folder)
    (folder / "metadata.csv").write_text('file_name,text\ngood.png,"never closed\n')


@case("its metadata.csv is empty")
def csv_of_nothing_but_nul(folder: Path) -> None:
    good(folder)
    (folder / "metadata.csv").write_bytes(bytes(5000))


@case("latin-1", trained=True)
def csv_that_is_not_utf_8(folder: Path) -> None:
    good(folder)
    (folder / "metadata.csv").write_bytes(b"file_name,text\ngood.png,na\xefve\n")


@case("metadata.parquet", "cannot be used")
def parquet_that_is_none(folder: Path) -> None:
    good(folder)
    (folder / "metadata.parquet").write_bytes(b"PAR1" + bytes(99) + b"PAR1")


@case("metadata.parquet", "no column of strings")
def parquet_with_the_wrong_types(folder: Path) -> None:
    good(folder)
    parquet(folder / "metadata.parquet", {"file_name": [1, 2], "text": [1.5, 2.5]})


@case("metadata.parquet", "no usable `file_name`")
def parquet_with_nothing_in_it(folder: Path) -> None:
    good(folder)
    parquet(folder / "metadata.parquet", {"file_name": ["good.png", None], "text": ["x", None]})


@case("metadata.parquet", "lies outside the picture folder")
def parquet_that_leads_outside(folder: Path) -> None:
    good(folder)
    name = "../../outside/secret.png"
    parquet(folder / "metadata.parquet", {"file_name": [name], "text": ["x"]})


@case("holds no pictures")
def a_data_set_of_numbers(folder: Path) -> None:
    parquet(folder / "data.parquet", {"image": [1, 2], "text": ["x", "y"]})


@case("row 0", "it is no picture")
def a_data_set_of_junk(folder: Path) -> None:
    pictures: list[object] = [{"bytes": b"no picture", "path": None}]
    parquet(folder / "data.parquet", {"image": pictures, "text": ["x"]})


# -- captions and names ----------------------------------------------------------------------------


@case(trained=True)
def a_caption_with_a_byte_order_mark(folder: Path) -> None:
    put(folder, "a.png", data_of(picture()), None)
    (folder / "a.txt").write_bytes("\ufeffa caption".encode())


@case("latin-1", "a.txt", trained=True)
def a_caption_of_wrong_bytes(folder: Path) -> None:
    put(folder, "a.png", data_of(picture()), None)
    (folder / "a.txt").write_bytes(b"na\xefve \xff\xfe")


@case(trained=True)
def a_caption_of_nul(folder: Path) -> None:
    put(folder, "a.png", data_of(picture()), "a\0caption\0")


@case("no caption", "a.png")
def a_caption_of_nothing(folder: Path) -> None:
    bad(folder, "a.png", data_of(picture()))
    (folder / "a.txt").write_text(" \n\n ")


@case(trained=True)
def a_caption_that_a_terminal_would_obey(folder: Path) -> None:
    put(folder, "a.png", data_of(picture()), f"{ESC} {BIDI} [/b] [@click=app.quit]x[/]")


@case(trained=True, recipe="enable_wildcard = true")
def a_caption_of_braces(folder: Path) -> None:
    put(folder, "a.png", data_of(picture()), "{" * 20_000)


@case("it is no picture")
def a_name_that_a_terminal_would_obey(folder: Path) -> None:
    bad(folder, f"{ESC}.png", b"no picture")


@case("it is no picture")
def a_name_that_is_turned_round(folder: Path) -> None:
    bad(folder, f"{BIDI}.png", b"no picture")


@case("two lines.png", "it is no picture")
def a_name_of_two_lines(folder: Path) -> None:
    bad(folder, "two\nlines.png", b"no picture")


@case("it is no picture")
def a_name_that_is_no_utf_8(folder: Path) -> None:
    good(folder)
    for ending, data in ((b".png", b"no picture"), (b".txt", b"x")):
        Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe" + ending)).write_bytes(data)


@case("x" * 100, "it is no picture")
def a_name_as_long_as_can_be(folder: Path) -> None:
    bad(folder, "x" * 251 + ".png", b"no picture")


@case("--help.png", "it is no picture")
def a_name_like_an_option(folder: Path) -> None:
    bad(folder, "--help.png", b"no picture")


@case("$(touch executed).png", "it is no picture")
def a_name_that_a_shell_would_obey(folder: Path) -> None:
    bad(folder, "$(touch executed).png", b"no picture")


@case("{0.__class__}%s.png", "it is no picture")
def a_name_that_a_format_would_obey(folder: Path) -> None:
    bad(folder, "{0.__class__}%s.png", b"no picture")


@case("caption file of another", trained=True)
def two_pictures_of_one_name(folder: Path) -> None:
    put(folder, "a.png", data_of(picture(1)))
    put(folder, "a.jpg", data_of(picture(2), "JPEG"))


@case("There are no pictures")
def nothing_at_all(folder: Path) -> None:
    (folder / "readme.md").write_text("nothing")


def build(root: Path) -> Path:
    """All of them below `root`/cases, with `root`/outside beside them; the latter."""
    outside = root / "outside"
    outside.mkdir(parents=True)
    put(outside, "secret.png", data_of(picture(77)), "SECRET")
    (outside / "metadata.csv").write_text("file_name,text\ngood.png,SECRET\n")
    for name, one in CASES.items():
        folder = root / "cases" / name
        folder.mkdir(parents=True)
        one.make(folder)
    return outside
