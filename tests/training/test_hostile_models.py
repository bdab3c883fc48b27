"""Models and checkpoints that somebody prepared: refused in one sentence, and none of them run."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from support import small_recipe

from lorad.daemon.training.families.registry import find_configuration, find_model, load_family
from lorad.daemon.training.families.registry import load_pipeline as load_whole
from lorad.daemon.training.lora_file import read_lora
from lorad.shared.errors import LoradError, LoraError, ModelError
from lorad.shared.recipe import Model

from .runs import Line, run
from .tiny import tiny_model

EVIL = """
import pathlib
pathlib.Path({mark!r}).touch()
class Evil:
    pass
"""
WEIGHTS = "diffusion_pytorch_model.safetensors"
INDEX = f"{WEIGHTS}.index.json"


class Payload:
    """Unpickled, it makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return (os.mkdir, (str(self.mark),))


def evil_pickle(mark: Path) -> bytes:
    return pickle.dumps(Payload(mark))


@pytest.fixture
def mark(tmp_path: Path) -> Iterator[Path]:
    """Is there only if something was run."""
    signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it waits for ever"))
    signal.alarm(120)
    yield tmp_path / "executed"
    signal.alarm(0)
    assert not (tmp_path / "executed").exists()


def change(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refused(base: Path | str, *words: str, vae: str | None = None, whole: bool = True) -> None:
    """Whatever loads a model refuses it, in one sentence; `whole`: who saves it again as well."""
    model = Model(base=str(base), vae=vae)
    loads: list[Callable[[], object]] = [
        lambda: load_family(model, Path("/"), torch.device("cpu"), torch.float32),
        lambda: load_whole(find_model(model, Path("/"))),
    ]
    for load in loads[: 1 + whole]:
        with pytest.raises(LoradError) as caught:
            load()
        said = str(caught.value)
        assert "\n" not in said
        assert len(said) < 900
        for word in words:
            assert word in said, said


def header(about: object, body: bytes = b"", size: int | None = None) -> bytes:
    text = about if isinstance(about, bytes) else json.dumps(about).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + body


TENSOR = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
DAMAGED = {
    "a header of exabytes": header(b"{}", size=2**62),
    "a header of a gigabyte": header(b"{}", size=1 << 30),
    "a header that is cut off": header({"a": TENSOR})[:20],
    "no header": b"",
    "a header that is no json": header(b"\xff" * 99),
    "a header as deep as the sea": header(b'{"a":' + b"[" * 100_000),
    "tensors that overlap": header({"a": TENSOR, "b": TENSOR}, bytes(16)),
    "tensors beyond the end": header({"a": TENSOR | {"data_offsets": [0, 1 << 40]}}, bytes(16)),
    "a hole between tensors": header({"a": TENSOR | {"data_offsets": [16, 32]}}, bytes(32)),
    "offsets that go back": header({"a": TENSOR | {"data_offsets": [16, 0]}}, bytes(16)),
    "a shape that does not fit": header({"a": TENSOR | {"shape": [1 << 40]}}, bytes(16)),
    "a shape that overflows": header({"a": TENSOR | {"shape": [1 << 40] * 4}}, bytes(16)),
    "a type that nobody knows": header({"a": TENSOR | {"dtype": "PICKLE"}}, bytes(16)),
    "a pickle by another name": b"\x80\x04cos\nsystem\n(S'touch executed'\ntR.",
    "an archive by another name": b"PK\x03\x04" + bytes(99),
}


PLACES = (f"unet/{WEIGHTS}", f"vae/{WEIGHTS}", "text_encoder/model.safetensors")


@pytest.mark.parametrize("what", DAMAGED)
def test_safetensors_that_are_none(what: str, tmp_path: Path, mark: Path) -> None:
    folder = tiny_model("sd1", tmp_path)
    place = list(DAMAGED).index(what) % len(PLACES)
    (folder / PLACES[place]).write_bytes(DAMAGED[what])
    refused(folder, "cannot be trained", whole=place == 0)
    file = tmp_path / "whole.safetensors"
    file.write_bytes(DAMAGED[what])
    with pytest.raises(ModelError, match="damaged or cut off"):
        find_configuration(Model(base=str(file)), tmp_path)
    with pytest.raises(LoraError):
        read_lora(file)


@pytest.mark.parametrize("ending", ["bin", "ckpt", "pt", "pth", "pkl"])
def test_pickles_by_their_names(ending: str, tmp_path: Path, mark: Path) -> None:
    file = tmp_path / f"model.{ending}"
    file.write_bytes(evil_pickle(mark))
    refused(file, "is a pickle", "is not opened")
    folder = tiny_model("sd1", tmp_path)
    (folder / "unet" / WEIGHTS).unlink()
    (folder / "unet" / f"diffusion_pytorch_model.{ending}").write_bytes(evil_pickle(mark))
    refused(folder, f"unet/diffusion_pytorch_model.{ending}", "is a pickle")


def test_a_pickle_beside_its_weights_is_not_opened(tmp_path: Path, mark: Path) -> None:
    folder = tiny_model("sd1", tmp_path)
    for part in ("unet", "vae", "text_encoder", "tokenizer", "scheduler"):
        for name in ("pytorch_model.bin", "diffusion_pytorch_model.bin", "random_states_0.pkl"):
            (folder / part / name).write_bytes(evil_pickle(mark))
    if (weights := folder / "tokenizer").exists():
        for name in weights.glob("*.pkl"):
            name.unlink()
        for name in weights.glob("*.bin"):
            name.unlink()
    for name in (folder / "scheduler").glob("*.[pb]*"):
        name.unlink()
    model = Model(base=str(folder))
    assert load_family(model, tmp_path, torch.device("cpu"), torch.float32).name == "sd1"


def test_programs_in_a_folder(tmp_path: Path, mark: Path) -> None:
    folder = tiny_model("sd1", tmp_path)
    evil = EVIL.format(mark=str(mark))
    for place in (folder, folder / "unet", folder / "text_encoder", folder / "tokenizer"):
        for name in ("pipeline.py", "evil.py", "unet.py", "modeling_evil.py"):
            (place / name).write_text(evil)
    index = folder / "model_index.json"
    kept = index.read_text()
    change(index, _class_name=["pipeline", "Evil"])
    refused(folder, "it is a ['pipeline', 'Evil']")
    index.write_text(kept)
    for part in ("text_encoder", "unet", "tokenizer"):
        name = "tokenizer_config.json" if part == "tokenizer" else "config.json"
        config = folder / part / name
        before = config.read_text()
        change(config, auto_map={"AutoModel": "modeling_evil.Evil", "AutoConfig": "evil.Evil"})
        refused(folder, f"{part}/{name}", "names a program of its own", "never run")
        config.write_text(before)


def test_a_part_that_is_a_program(tmp_path: Path, mark: Path) -> None:
    folder = tiny_model("sd1", tmp_path)
    (folder / "unet" / "evil.py").write_text(EVIL.format(mark=str(mark)))
    change(folder / "model_index.json", unet=["evil", "Evil"])
    family = load_family(Model(base=str(folder)), tmp_path, torch.device("cpu"), torch.float32)
    assert type(family.network).__name__ == "UNet2DConditionModel", "whatever the index says"
    with pytest.raises(ModelError) as caught:
        load_whole(find_model(Model(base=str(folder)), tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "shard", ["../../outside.safetensors", "/etc/passwd", "sub/a.safetensors", "..", ""]
)
@pytest.mark.parametrize("name", [INDEX, INDEX.replace(".json", ".fp16.json")])
def test_shards_that_lie_elsewhere(name: str, shard: str, tmp_path: Path, mark: Path) -> None:
    folder = tiny_model("sd1", tmp_path)
    save_file({"a": torch.zeros(1)}, tmp_path / "outside.safetensors")
    (folder / "unet" / WEIGHTS).unlink()
    about = {"metadata": {"total_size": 4}, "weight_map": {"conv_in.weight": shard}}
    (folder / "unet" / name).write_text(json.dumps(about))
    refused(folder, f"unet/{name}", "names a file outside of it")


@pytest.mark.parametrize("name", [INDEX, INDEX.replace(".json", ".fp16.json")])
def test_a_shard_that_is_a_pickle(name: str, tmp_path: Path, mark: Path) -> None:
    """Another file beside it makes the folder look as if there were none."""
    folder = tiny_model("sd1", tmp_path)
    (folder / "unet" / WEIGHTS).rename(folder / "unet" / "another.safetensors")
    (folder / "unet" / "evil.bin").write_bytes(evil_pickle(mark))
    about = {"metadata": {"total_size": 4}, "weight_map": {"conv_in.weight": "evil.bin"}}
    (folder / "unet" / name).write_text(json.dumps(about))
    refused(folder, f"unet/{name}", "no .safetensors, evil.bin")


@pytest.mark.parametrize("text", ["[" * 100_000, "{", "\xff", '{"a": ' + "9" * 100_000 + "}"])
@pytest.mark.parametrize("name", ["model_index.json", "unet/config.json", "tokenizer/vocab.json"])
def test_configurations_that_are_none(name: str, text: str, tmp_path: Path, mark: Path) -> None:
    folder = tiny_model("sd1", tmp_path)
    (folder / name).write_text(text, encoding="latin-1")
    refused(folder, name, "cannot be read")


def test_a_configuration_of_a_terabyte(tmp_path: Path, mark: Path) -> None:
    folder = tiny_model("sd1", tmp_path)
    with (folder / "unet" / "config.json").open("r+b") as file:
        file.truncate(1 << 40)
    refused(folder, "unet/config.json", "more than 64 MiB")


ODD = ("model_index.json", "unet/config.json", f"unet/{WEIGHTS}", "tokenizer/merges.txt",
       "scheduler/scheduler_config.json", "text_encoder/model.safetensors")  # fmt: skip


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("kind", ["pipe", "socket", "device", "circle", "nowhere"])
def test_what_is_no_file(kind: str, name: str, tmp_path: Path, mark: Path) -> None:
    folder = tiny_model("sd1", tmp_path)
    path = folder / name
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server, pytest.MonkeyPatch.context() as patch:
            patch.chdir(path.parent)
            server.bind(path.name)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.symlink_to(path.name if kind == "circle" else "nothing")
    refused(folder, "cannot be trained")


def test_a_part_that_is_a_circle(tmp_path: Path, mark: Path) -> None:
    folder = tiny_model("sd1", tmp_path)
    shutil.rmtree(folder / "unet")
    (folder / "unet").symlink_to("unet")
    refused(folder, "cannot be trained")


def test_a_pipe_for_a_checkpoint_or_a_lora(tmp_path: Path, mark: Path) -> None:
    os.mkfifo(tmp_path / "pipe.safetensors")
    refused(tmp_path / "pipe.safetensors", "There is no model at")
    with pytest.raises(LoraError):
        read_lora(tmp_path / "pipe.safetensors")


def test_another_vae_is_looked_at_as_well(tmp_path: Path, mark: Path) -> None:
    folder = tiny_model("sd1", tmp_path)
    shutil.copytree(folder / "vae", tmp_path / "vae")
    change(tmp_path / "vae" / "config.json", auto_map={"AutoModel": "evil.Evil"})
    refused(folder, "never run", vae=str(tmp_path / "vae"))


def test_pickles_in_a_checkpoint_are_never_opened(tmp_path: Path, mark: Path) -> None:
    path, out = small_recipe(tmp_path, steps=4, checkpointing_steps=2), tmp_path / "out"
    run(path, out, Line(stop_after=2))
    names = ("random_states_0.pkl", "optimizer.bin", "optimizer.pt", "scheduler.bin", "state.pkl",
             "adapter.bin", "pytorch_lora_weights.bin", "training_args.bin")  # fmt: skip
    for folder in (out, out / "checkpoint-2"):
        for name in names:
            (folder / name).write_bytes(evil_pickle(mark))
    line = Line()
    assert run(path, out, line) == "done"
    assert list(line.losses) == [3, 4]


def test_the_payload_would_have_worked(tmp_path: Path) -> None:
    """Or none of the tests above could fail."""
    pickle.loads(evil_pickle(tmp_path / "executed"))
    assert (tmp_path / "executed").exists()
