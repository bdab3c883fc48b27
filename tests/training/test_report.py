"""The data report: every finding on real files, and that nothing hostile is in its words."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import to_builtins
from PIL import Image

from lorad.daemon.training.data import collect
from lorad.daemon.training.data.alike import COLOUR, HAMMING, alike, same
from lorad.daemon.training.data.buckets import Bucket
from lorad.daemon.training.data.item import Findings
from lorad.daemon.training.data.look import Look, look
from lorad.daemon.training.data.looking import Looking, NoLongerWanted
from lorad.daemon.training.data.report import DataReport, Ports, make_report
from lorad.daemon.training.data.seen import look_over
from lorad.daemon.training.data.survey import survey
from lorad.daemon.training.data.told import report_lines
from lorad.daemon.training.speed import Speed
from lorad.shared import errors
from lorad.shared.recipe import parse_recipe

from .test_pictures import bytes_of

TEXT = 'name = "a"\n[train]\nresolution = 64\ntrain_batch_size = 4\nmax_train_steps = 100\n'


class Words:
    """Counts words."""

    limit = 4

    def counts(self, captions: list[str]) -> list[int]:
        return [len(caption.split()) for caption in captions]


def report_of(folder: Path, data: str = '[data]\npath = "p"', **ports: object) -> DataReport:
    recipe = parse_recipe(TEXT + data)
    findings = Findings()
    items = collect(recipe, folder, findings)
    return make_report(recipe, items, look_over(items), findings, Ports(**ports))


def noise(seed: int, size: tuple[int, int] = (64, 64)) -> Image.Image:
    """A picture like no other: large soft blots."""
    blots = np.random.default_rng(seed).integers(0, 255, (8, 9, 3), dtype=np.uint8)
    return Image.fromarray(blots).resize(size, Image.Resampling.BICUBIC)


def put(path: Path, data: bytes | Image.Image, caption: str | None = "a caption") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else bytes_of(data))
    if caption is not None:
        path.with_suffix(".txt").write_text(caption)


def test_what_is_held_out_is_not_trained(tmp_path: Path) -> None:
    for number in range(12):
        put(tmp_path / "p" / f"{number}.png", noise(number))
    put(tmp_path / "p" / "copy.png", noise(3))
    text = '[data]\npath = "p"\nrepeats = 2\n[validate]\nsplit = 0.5'
    report = report_of(tmp_path, text)
    assert report.pictures == 13
    kept = 13 - report.held_out
    assert kept in (6, 7), "the copies are on one side"
    assert report.pictures_per_epoch == 2 * kept
    assert report.steps_per_epoch == -(-2 * kept // 4)
    assert report.epochs == round(400 / (2 * kept), 1)
    assert f"with 1 caption; {report.held_out} held out for validation" in "".join(
        report_lines(report)
    )


def test_a_folder_without_fault(tmp_path: Path) -> None:
    for number in range(6):
        put(tmp_path / "p" / f"{number}.png", noise(number), f"caption {number % 2}")
    report = report_of(tmp_path)
    assert report.problems == report.notes == report.broken == []
    assert report.duplicates == report.near_duplicates == report.smaller == []
    assert (report.pictures, report.captions) == (6, 2)
    assert report.buckets == [Bucket(64, 64, 6)]
    assert (report.pictures_per_epoch, report.steps_per_epoch, report.steps) == (6, 2, 100)
    assert report.epochs == 66.7


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    good = bytes_of(noise(1), "JPEG")
    put(tmp_path / "p" / "good.jpg", good)
    put(tmp_path / "p" / "cut.jpg", good[: len(good) // 2])
    put(tmp_path / "p" / "text.png", b"no picture")
    put(tmp_path / "p" / "empty.png", b"")
    put(tmp_path / "p" / "bomb.png", Image.new("1", (9000, 9000)))
    put(tmp_path / "p" / "bare.png", noise(2), None)
    put(tmp_path / "m" / "good.png", b"no mask")
    report = report_of(tmp_path, '[data]\npath = "p"\nmask_path = "m"')
    assert {broken.name for broken in report.broken} == {
        "cut.jpg", "text.png", "empty.png", "bomb.png", "the mask of good.jpg",
    }  # fmt: skip
    text = "\n".join(report.problems)
    for part in (
        "1 of 6 pictures",
        "bare.png",
        "bomb.png cannot be decoded: it has 9000x9000 pixels, too many",
        "cut.jpg cannot be decoded: image file is truncated",
        "empty.png, text.png, the mask of good.jpg cannot be decoded: it is no picture",
    ):
        assert part in text
    assert len(report.problems) == 4


def test_a_folder_that_is_not_there_beside_one_that_is(tmp_path: Path) -> None:
    put(tmp_path / "p" / "a.png", noise(1))
    report = report_of(tmp_path, '[[data]]\npath = "p"\n[[data]]\npath = "none"\n')
    assert len(report.problems) == 1
    assert "does not exist" in report.problems[0]
    assert report.pictures == 1


def test_a_survey_has_errors_for_a_run_and_an_index_for_its_manifest(tmp_path: Path) -> None:
    put(tmp_path / "p" / "a.png", noise(1))
    put(tmp_path / "p" / "b.png", b"no picture", None)
    put(tmp_path / "v" / "c.png", b"no picture")
    recipe = parse_recipe(TEXT + '[data]\npath = "p"\n[validate]\npath = "v"\n')
    found = survey(recipe, Looking(recipe, tmp_path, tmp_path / "cache"), Ports())
    assert [str(problem) for problem in found.problems] == found.report.problems
    assert [type(problem) for problem in found.problems] == [
        errors.CaptionsMissing, errors.BrokenPicture, errors.BrokenPicture,
    ]  # fmt: skip
    assert "validation picture c.png cannot be decoded" in found.report.problems[1]
    known = found.index.known(found.items[0].path, whole=True)
    assert known == look((tmp_path / "p" / "a.png").read_bytes())


def test_modes_are_counted(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    put(tmp_path / "p" / "a.jpg", bytes_of(noise(1), "JPEG", exif=exif))
    put(tmp_path / "p" / "b.tif", bytes_of(noise(2).convert("CMYK"), "TIFF", exif=exif))
    put(tmp_path / "p" / "c.png", Image.new("I;16", (64, 64), 9000))
    put(tmp_path / "p" / "d.png", bytes_of(noise(3).quantize(), transparency=0))
    put(tmp_path / "p" / "e.png", noise(4).convert("LA"))
    frames = [noise(5), noise(6)]
    put(tmp_path / "p" / "f.gif", bytes_of(frames[0], "GIF", save_all=True,
                                           append_images=frames[1:]))  # fmt: skip
    marks = report_of(tmp_path).marks
    assert marks == {"rotated": 2, "transparent": 1, "cmyk": 1, "16 bits": 1, "grey": 1,
                     "animated": 1}  # fmt: skip


def test_copies_and_near_copies(tmp_path: Path) -> None:
    for number in range(20):
        put(tmp_path / "p" / f"{number:02}.png", noise(number))
    put(tmp_path / "p" / "copy.png", noise(7))
    put(tmp_path / "p" / "jpeg.jpg", bytes_of(noise(7), "JPEG", quality=70))
    put(tmp_path / "p" / "smaller.png", noise(9).resize((48, 48)))
    put(tmp_path / "p" / "red.png", Image.new("RGB", (64, 64), "red"))
    put(tmp_path / "p" / "blue.png", Image.new("RGB", (64, 64), "blue"))
    report = report_of(tmp_path)
    assert report.duplicates == [["07.png", "copy.png"]]
    assert report.near_duplicates == [["07.png", "copy.png", "jpeg.jpg"], ["09.png", "smaller.png"]]
    assert report.smaller == ["smaller.png"]
    assert not report.problems


def test_small_is_what_does_not_cover_its_bucket(tmp_path: Path) -> None:
    put(tmp_path / "p" / "wide.png", noise(1, (128, 32)))
    put(tmp_path / "p" / "square.png", noise(2, (80, 60)))
    report = report_of(
        tmp_path, bucket_of=lambda size, _: (128, 32) if size[0] > 2 * size[1] else (64, 64)
    )
    assert report.smaller == ["square.png"]
    assert report.buckets == [Bucket(64, 64, 1), Bucket(128, 32, 1)]
    assert report.steps_per_epoch == 2  # no batch mixes them


def test_captions_past_what_is_read(tmp_path: Path) -> None:
    put(tmp_path / "p" / "a.png", noise(1), "one two three four")
    put(tmp_path / "p" / "b.png", noise(2), "one two three four five")
    put(tmp_path / "p" / "c.png", noise(3), "{one two a|three four b}")
    report = report_of(tmp_path, counter=Words())
    assert (report.token_limit, report.long_captions) == (4, ["b.png", "c.png"])
    wild = '[data]\npath = "p"\nenable_wildcard = true\ncaption_variants = 1'
    assert report_of(tmp_path, wild, counter=Words()).long_captions == ["b.png"]


def test_what_an_epoch_shows(tmp_path: Path) -> None:
    for block, count in (("own", 3), ("twice", 2), ("reg", 20)):
        for number in range(count):
            put(tmp_path / block / f"{number}.png", noise(100 * count + number))
    report = report_of(
        tmp_path,
        '[[data]]\npath = "own"\ntrigger_word = "ohwx"\n[[data]]\npath = "twice"\nrepeats = 5\n'
        '[[data]]\npath = "reg"\nis_reg = true\n',
        speed=Speed(images_per_second=10.0, name="it", machine="a \x1b card", time=0.0),
        memory_bytes=3 << 30,
    )  # fmt: skip
    assert [block.pictures_per_epoch for block in report.blocks] == [3, 10, 13]
    assert [block.captions_with_trigger for block in report.blocks] == [3, 0, 0]
    assert (report.pictures_per_epoch, report.steps_per_epoch) == (26, 7)
    assert (report.seconds, report.memory_gib) == (40.0, 3.0)
    lines = report_lines(report)
    assert "Memory: a GPU should have about 3 GiB free, by estimate" in lines
    assert 'Set: own: 3 pictures, "ohwx" in 3 captions' in lines
    assert "Set: twice: 2 pictures, each 5 times an epoch" in lines
    assert "Set: reg: 20 pictures, for regularisation, 13 an epoch" in lines
    took = "10 images a second, as measured with it on a ␛ card"
    assert f"Steps: 100; time: about 0:00:40, at {took}" in lines


def test_epochs_say_how_many_steps(tmp_path: Path) -> None:
    for number in range(9):
        put(tmp_path / "p" / f"{number}.png", noise(number))
    recipe = TEXT.replace("max_train_steps = 100", "num_train_epochs = 5")
    parsed = parse_recipe(recipe + '[data]\npath = "p"')
    items = collect(parsed, tmp_path, findings := Findings())
    report = make_report(parsed, items, look_over(items), findings, Ports())
    assert (report.steps_per_epoch, report.steps) == (3, 15)
    assert "Steps: 15; time: unknown until the first steps" in report_lines(report)


def test_masks_that_are_missing_or_of_another_shape(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        put(tmp_path / "p" / f"{name}.png", noise(ord(name)))
    put(tmp_path / "m" / "a.png", noise(1), None)
    put(tmp_path / "m" / "b.png", noise(1, (64, 32)), None)
    report = report_of(tmp_path, '[data]\npath = "p"\nmask_path = "m"')
    assert (report.blocks[0].masks, report.blocks[0].masks_missing) == (2, 1)
    assert "trained everywhere: 1 of 3 pictures in p" in report.notes[0]
    assert "another shape than their pictures, so stretched: b.png" in report.notes[1]
    put(tmp_path / "p" / "a.png", Image.new("RGBA", (64, 64), (9, 9, 9, 9)))
    own = report_of(tmp_path, '[data]\npath = "p"\nalpha_mask = true')
    assert (own.blocks[0].masks, own.blocks[0].masks_missing) == (1, 2)


def test_trigger_words_that_nobody_learns(tmp_path: Path) -> None:
    put(tmp_path / "p" / "a.png", noise(1), "photo of [trigger]")
    notes = report_of(tmp_path, '[data]\npath = "p"\n[output]\ntrigger_phrase = "ohwx"').notes
    assert "`data.trigger_word` is not set: a.png" in notes[0]
    assert "`output.trigger_phrase` is in no caption" in notes[1]


def test_names_are_clean_in_words_and_whole_in_json(tmp_path: Path) -> None:
    name = "a\x1b]0;t\x07\n\u202e"
    put(tmp_path / "p" / f"{name}.png", b"no picture")
    put(tmp_path / "p" / f"{name}2.png", Image.new("RGB", (8, 8)))
    put(tmp_path / "p" / f"{name}3.png", Image.new("RGB", (8, 8)))
    report = report_of(tmp_path, counter=Words())
    assert report.smaller
    assert report.duplicates
    report.notes.append("\x1b\n")
    report.problems.append("\u202e")
    for line in report_lines(report):
        assert not set("\x1b\x07\n\u202e") & set(line)
    document = json.loads(json.dumps(to_builtins(report)))
    assert document["broken"][0]["name"] == f"{name}.png"


@pytest.mark.parametrize("count", [300])
def test_many_pictures_are_looked_at_in_order(tmp_path: Path, count: int) -> None:
    for number in range(count):
        put(tmp_path / "p" / f"{number:03}.jpg", bytes_of(noise(number, (16, 16 + number)), "JPEG"))
    put(tmp_path / "p" / "150.jpg", b"no picture")
    recipe = parse_recipe(TEXT + '[data]\npath = "p"')
    items = collect(recipe, tmp_path, Findings())
    told: list[int] = []
    sight = look_over(items, tell=told.append)
    assert [seen.look and seen.look.height for seen in sight.pictures] == [
        None if number == 150 else 16 + number for number in range(count)
    ]
    assert told == list(range(0, count, 50))


def test_looking_ends_when_nobody_wants_it(tmp_path: Path) -> None:
    for number in range(60):
        put(tmp_path / "p" / f"{number}.png", noise(number, (16, 16)))
    items = collect(parse_recipe(TEXT + '[data]\npath = "p"'), tmp_path, Findings())

    class Unwanted(Exception):
        pass

    def tell(done: int) -> None:
        if done:
            raise Unwanted

    with pytest.raises(Unwanted):
        look_over(items, tell=tell)


def test_pictures_are_looked_at_before_anybody_waits(tmp_path: Path) -> None:
    for number in range(3):
        put(tmp_path / "p" / f"{number}.png", noise(number, (16, 16)))
    told = threading.Event()
    recipe = parse_recipe(TEXT + '[data]\npath = "p"')
    looking = Looking(recipe, tmp_path, tmp_path / "cache", lambda done: told.set())
    assert told.wait(60)
    found = looking.found()
    assert [seen.look and seen.look.width for seen in found.sight.pictures] == [16] * 3
    assert found.held == []


def test_looking_that_nobody_waits_for_ends(tmp_path: Path) -> None:
    for number in range(60):
        put(tmp_path / "p" / f"{number}.png", noise(number, (16, 16)))
    ended = threading.Event()

    def tell(done: int) -> None:
        ended.wait(60)

    recipe = parse_recipe(TEXT + '[data]\npath = "p"')
    looking = Looking(recipe, tmp_path, tmp_path / "cache", tell)
    looking.end()
    ended.set()
    with pytest.raises(NoLongerWanted):
        looking.found()


# -- what looks alike -----------------------------------------------------------------------------

LOOKS = st.lists(
    st.builds(
        lambda bits, grey, sha: Look(sha, 1, 1, 1, sum(1 << b for b in bits), (grey, grey, grey)),
        st.frozensets(st.integers(0, 9)),
        st.integers(0, 40),
        st.sampled_from("abcdef"),
    ),
    max_size=12,
)


@settings(deadline=None)
@given(LOOKS)
def test_groups_are_what_comparing_all_with_all_gives(looks: list[Look]) -> None:
    def near(one: Look, other: Look) -> bool:
        bits = (one.dhash ^ other.dhash).bit_count()
        return bits <= HAMMING and abs(one.colour[0] - other.colour[0]) <= COLOUR

    groups = [{place} for place in range(len(looks))]
    for place, one in enumerate(looks):
        joined = [group for group in groups if any(near(one, looks[other]) for other in group)]
        groups = [group for group in groups if group not in joined]
        groups.append({place}.union(*joined))
    expected = sorted(sorted(g) for g in groups if len({looks[place].sha256 for place in g}) > 1)
    assert sorted(alike(looks)) == expected


def test_the_same_is_told_in_order() -> None:
    assert same(["b", "a", "b", "c", "a"]) == [[0, 2], [1, 4]]


def test_a_look_is_alike_for_a_picture_and_its_jpeg() -> None:
    one = look(bytes_of(noise(3)))
    other = look(bytes_of(noise(3), "JPEG", quality=60))
    assert one.sha256 != other.sha256
    assert (one.dhash ^ other.dhash).bit_count() <= HAMMING
