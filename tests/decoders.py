"""All that reads bytes which others wrote: each says what is wrong with them in a sentence.

`tests/test_decoders.py` gives them what hypothesis thinks of, `tests/fuzz.py` what atheris does.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from lorad.daemon.journal import read_journal
from lorad.daemon.loglines import read_lines
from lorad.shared import codec
from lorad.shared.clean import clean
from lorad.shared.config import load_config
from lorad.shared.keys import read_allowed, read_pair
from lorad.shared.messages import (
    Acknowledged,
    AddJob,
    EndReport,
    GetLogLines,
    Groups,
    Message,
    PhaseReport,
    Reports,
    SetJob,
    Steer,
)
from lorad.shared.recipe import parse_recipe
from lorad.shared.recipe.changes import read_value
from lorad.tui.imports.reading import import_command, import_config


class Decoder(NamedTuple):
    """What takes bytes, and some that it takes gladly."""

    feed: Callable[[bytes, Path], object]
    """The second is a folder of its own."""
    seeds: list[bytes]


def text(data: bytes) -> str:
    return data.decode(errors="replace")


def of_file(name: str, read: Callable[[Path], object]) -> Callable[[bytes, Path], object]:
    def feed(data: bytes, folder: Path) -> object:
        path = folder / name
        path.write_bytes(data)
        path.chmod(0o600)
        return read(path)

    return feed


def of_frames(decoder: msgspec.msgpack.Decoder[object]) -> Callable[[bytes, Path], object]:
    """The first byte says how long the header is."""

    def feed(data: bytes, folder: Path) -> object:
        border = 1 + data[0] if data else 0
        return codec.decode([data[1:border], data[border:]], decoder)

    return feed


def frames(message: Message, id: str = "c1") -> bytes:
    header, payload = codec.encode(message, id=id)
    return bytes([len(header)]) + header + payload


def pictures(name: str) -> Callable[[bytes, Path], object]:
    """A file beside a picture."""

    def feed(data: bytes, folder: Path) -> object:
        from lorad.daemon.training.data import collect
        from lorad.daemon.training.data.item import Findings

        (folder / "a.png").touch()
        (folder / name).write_bytes(data)
        recipe = parse_recipe(f'name = "a"\n[data]\npath = "{folder}"\n')
        return collect(recipe, folder, Findings())

    return feed


def checkpoint(name: str) -> Callable[[bytes, Path], object]:
    def feed(data: bytes, folder: Path) -> object:
        from lorad.daemon.training.checkpoint import fault

        found = folder / "checkpoint-3"
        found.mkdir(exist_ok=True)
        (found / "state.json").write_bytes(b"{}")
        (found / name).write_bytes(data)
        told = fault(found)
        assert told, "none of these is a checkpoint"
        return told

    return feed


def lora(path: Path) -> object:
    from lorad.daemon.training.lora_file import read_lora

    return read_lora(path)


def shapes(path: Path) -> object:
    from lorad.daemon.training.families.checkpoint_file import read_shapes

    return read_shapes(path, "base")


def earlier(folder: Path) -> object:
    """What `restart` asks of each checkpoint."""
    from lorad.daemon.training.checkpoint import Checkpoints

    return Checkpoints(folder.parent, 2, life="this").clear()


def newest(folder: Path) -> object:
    """What `lorad generate` asks of each checkpoint."""
    from lorad.daemon.tools.generate import of_job

    return of_job(folder.parent)


def state_for(read: Callable[[Path], object]) -> Callable[[bytes, Path], object]:
    def feed(data: bytes, folder: Path) -> object:
        found = folder / "checkpoint-3"
        found.mkdir(exist_ok=True)
        (found / "state.json").write_bytes(data)
        return read(found)

    return feed


def kept_speed(path: Path) -> object:
    from lorad.daemon.training.speed import find_speed

    return find_speed(path)


def looks(path: Path) -> object:
    from lorad.daemon.training.data.index import _load

    return _load(path)


def entries(path: Path) -> object:
    from lorad.daemon.training.data.manifest import hold

    return hold([], path, fresh=False)


def journals() -> list[bytes]:
    """One report, and two."""
    said = [
        msgspec.msgpack.encode(report)
        for report in (PhaseReport(phase="loading"), EndReport(outcome="failed", reason="a cat"))
    ]
    framed = [struct.pack("<I", len(one)) + one for one in said]
    return [framed[0], b"".join(framed)]


def tensors(header: bytes, rest: bytes = bytes(64)) -> bytes:
    return struct.pack("<Q", len(header)) + header + rest


RECIPE = b"""name = "a"
[data]
path = "p"
[train]
learning_rate = 1e-4
max_train_steps = 10
[[sample.prompts]]
prompt = "a cat"
"""
KEY = b"0123456789abcdef" * 4
ONE = b'{"lora_unet_a.lora_down.weight":{"dtype":"F32","shape":[2,4],"data_offsets":[0,32]},'
TWO = b'"lora_unet_a.lora_up.weight":{"dtype":"F32","shape":[4,2],"data_offsets":[32,64]}}'
COMMAND = b"""accelerate launch --num_processes=2 train_text_to_image_lora.py \\
  --pretrained_model_name_or_path="$MODEL" --train_data_dir 'p' --resolution=512 --snr_gamma 5
"""
KOHYA_COMMAND = b"""train_network.py --pretrained_model_name_or_path m --train_data_dir=p \\
  --reg_data_dir r --resolution=512,768 --network_args conv_dim=4
"""
KOHYA = b"""pretrained_model_name_or_path = "m"
train_data_dir = "p"
network_dim = 8
learning_rate = 1e-4
optimizer_args = ["weight_decay=0.1"]
"""

DECODERS = {
    "requests": Decoder(
        of_frames(codec.requests),
        [
            frames(AddJob(recipe=text(RECIPE), folder="/p")),
            frames(SetJob(id=1, changes={"learning_rate": "1e-4"})),
            frames(GetLogLines(id=1, offset=-1, find="x")),
        ],
    ),
    "runs' reports": Decoder(of_frames(codec.from_run), [frames(Reports(first=1, reports=[]))]),
    "words to a run": Decoder(
        of_frames(codec.to_run), [frames(Acknowledged(number=3)), frames(Steer(wanted="pause"))]
    ),
    "replies": Decoder(of_frames(codec.replies), [frames(Groups(groups=[], draining=False))]),
    "events": Decoder(of_frames(codec.events), [b"\x00"]),
    "a journal": Decoder(of_file("journal-1.msgpack", read_journal), journals()),
    "a recipe": Decoder(lambda data, folder: parse_recipe(text(data)), [RECIPE]),
    "a value": Decoder(
        lambda data, folder: read_value("sample.prompts", text(data)), [b'["a", "b"]', b"none"]
    ),
    "settings": Decoder(
        of_file("config.toml", load_config),
        [b'[dashboard]\ntheme = "x"\n[keys]\n"job.pause" = "f5"\n[runs]\nhang_seconds = 900\n'],
    ),
    "keys that may come in": Decoder(
        of_file("keys.toml", read_allowed), [b'[ann]\nkey = "' + KEY + b'"\nright = "watch"\n']
    ),
    "a pair of keys": Decoder(
        of_file("pair.toml", read_pair),
        [b'public = "' + KEY + b'"\nsecret = "' + KEY + b'"\n'],
    ),
    "another trainer's command": Decoder(
        lambda data, folder: import_command(text(data), "It"), [COMMAND, KOHYA_COMMAND]
    ),
    "another trainer's settings": Decoder(
        of_file("kohya.toml", lambda path: import_config(str(path), None)), [KOHYA]
    ),
    "another trainer's data": Decoder(
        of_file("data.toml", lambda path: import_config(None, str(path))),
        [b'[general]\nflip_aug = true\n[[datasets]]\n[[datasets.subsets]]\nimage_dir = "p"\n'],
    ),
    "a log": Decoder(
        lambda data, folder: read_lines(
            io.BytesIO(data), GetLogLines(id=1, offset=-1, back=True, find="a", level="warning")
        ),
        [b"WARNING a\nINFO b\r\n\xff\n"],
    ),
    "text for a terminal": Decoder(lambda data, folder: clean(text(data)), [b"\x1b[2J a\rb"]),
    "metadata.csv": Decoder(pictures("metadata.csv"), [b"file_name,text\na.png,a cat\n"]),
    "metadata.jsonl": Decoder(
        pictures("metadata.jsonl"), [b'{"file_name": "a.png", "text": ["a", "b"]}\n']
    ),
    "metadata.parquet": Decoder(pictures("metadata.parquet"), [b"PAR1" + bytes(20) + b"PAR1"]),
    "a caption": Decoder(pictures("a.txt"), [b"\xef\xbb\xbfa cat, sitting\n"]),
    "a LoRA file": Decoder(of_file("a.safetensors", lora), [tensors(ONE + TWO)]),
    "a model's file": Decoder(of_file("b.safetensors", shapes), [tensors(ONE + TWO)]),
    "a checkpoint's list": Decoder(
        checkpoint("manifest.json"), [b'{"format": 2, "sha256": "a", "files": {"state.json": {}}}']
    ),
    "a checkpoint's state": Decoder(checkpoint("state.json"), [b'{"step": 3, "seed": 1}']),
    "an earlier life": Decoder(state_for(earlier), [b'{"step": 3, "torch": "2", "life": "a"}']),
    "a job's LoRA": Decoder(
        state_for(newest), [b'{"recipe_folder": "a", "recipe": {"name": "a"}}']
    ),
    "a kept speed": Decoder(of_file("speed.json", kept_speed), [b'{"name": "a", "machine": "b"}']),
    "kept looks": Decoder(
        of_file("looks.msgpack", looks), [msgspec.msgpack.encode([1, {"a.png": [1, "abc"]}])]
    ),
    "the list of pictures": Decoder(
        of_file("manifest.json", entries), [b'[{"name": "a.png", "sha256": "a", "caption": "b"}]']
    ),
}
