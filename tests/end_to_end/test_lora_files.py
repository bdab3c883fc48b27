"""`lorad lora` on the files of a real run: converted, merged, pushed to a hub of our own."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file

from lorad.shared import shipped

from .conftest import Finished, Tool, adapter
from .test_tools import LORAD, lorad
from .test_train import drawn, pipeline

pytestmark = pytest.mark.filterwarnings("ignore:While injecting the PEFT adapters")


class Hub(ThreadingHTTPServer):
    """As much of the hub as an upload needs; it keeps what it is given."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.files: dict[str, bytes] = {}
        self.created: list[dict[str, Any]] = []
        self.tokens: set[str | None] = set()
        self.refuse = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answer(BaseHTTPRequestHandler):
    server: Hub

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.tokens.add(self.headers.get("Authorization"))
        if self.server.refuse:
            self._say({"error": "no"}, self.server.refuse)
        elif self.path == "/api/repos/create":
            asked = json.loads(body)
            self.server.created.append(asked)
            self._say({"url": f"{self.server.url}/me/{asked['name']}", "name": asked["name"]})
        elif self.path.endswith("/preupload/main"):
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            self._say({"files": files})
        elif self.path.endswith("/commit/main"):
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    value = line["value"]
                    self.server.files[value["path"]] = base64.b64decode(value["content"])
            self._say({"commitUrl": f"{self.server.url}/me/x/commit/1", "commitOid": "1" * 40})
        else:
            self._say({})

    def do_GET(self) -> None:
        self._say({"siblings": [], "id": "me/x", "sha": "1" * 40})

    def _say(self, answer: dict[str, Any], code: int = 200) -> None:
        data = json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[Hub]:
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def push(finished: Finished, hub: Hub, *words: object) -> subprocess.CompletedProcess[str]:
    env = {
        **finished.daemon.env, "HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_secret",
        "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_TELEMETRY": "1",
    }  # fmt: skip
    return subprocess.run(
        [LORAD, "lora", "push", *map(str, words)], env=env, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=200,
    )  # fmt: skip


def test_there_and_back(finished: Finished, tool: Tool, tmp_path: Path) -> None:
    kohya = tmp_path / "kohya.safetensors"
    done = lorad(finished.daemon, "lora", "convert",
                 finished.folder / "pytorch_lora_weights.safetensors", "--out", kohya)  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (0, str(kohya)), done.stderr
    ours = load_file(finished.folder / "small.safetensors")
    theirs = load_file(kohya)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    back = tmp_path / "pytorch_lora_weights.safetensors"
    code, *said = tool("convert", f"--file={kohya}", "--to=diffusers", f"--out={back}")
    assert code == 0, said
    one, two = adapter(finished.folder), adapter(tmp_path)
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_merged_model_draws_what_the_lora_draws(
    finished: Finished, tool: Tool, tmp_path: Path
) -> None:
    out, file = tmp_path / "merged", finished.folder / "small.safetensors"
    done = lorad(finished.daemon, "lora", "merge", file, "--base", "emoji", "--out", out)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == str(out)
    merged = StableDiffusionPipeline.from_pretrained(out).to(torch.float32)
    merged.set_progress_bar_config(disable=True)
    change = abs(drawn(merged) - drawn(pipeline(finished.folder))).mean()
    assert change < 1 < abs(drawn(merged) - drawn(pipeline())).mean()
    weights = "unet/diffusion_pytorch_model.safetensors"
    stored = load_file(out / weights)
    before = load_file(shipped.MODELS["emoji"] / weights)
    assert {n: (t.shape, t.dtype) for n, t in stored.items()} == {
        n: (t.shape, t.dtype) for n, t in before.items()
    }
    code, _, why = tool("merge", f"--file={file}", "--base=emoji", f"--out={out}")
    assert (code, "is there already" in why) == (2, True)


def test_a_push_is_the_card_the_files_and_the_newest_samples(finished: Finished, hub: Hub) -> None:
    done = push(finished, hub, finished.job.id, "me/small", "--private")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == f"{hub.url}/me/small"
    assert set(hub.files) == {
        "README.md", "samples.png", "pytorch_lora_weights.safetensors", "small.safetensors",
        "before_after.png", "samples/step-000008-0.png", "samples/step-000008-1.png",
    }  # fmt: skip
    for name, content in hub.files.items():
        assert (finished.folder / name).read_bytes() == content
    assert hub.created[0]["visibility"] == "private"
    assert hub.tokens == {"Bearer hf_secret"}


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (401, "hf auth login"),
        pytest.param(403, "this token may not write there", marks=pytest.mark.proof),
    ],
)
def test_what_the_hub_refuses_is_a_sentence(
    finished: Finished, hub: Hub, code: int, why: str
) -> None:
    hub.refuse = code
    done = push(finished, hub, finished.folder, "me/small")
    assert done.returncode == 1
    said = done.stderr.strip().splitlines()[-1]
    assert said.startswith("lorad: Nothing was pushed to me/small: ")
    assert why in said
    assert "Traceback" not in done.stderr
    assert not hub.files


def test_mistakes_are_sentences(finished: Finished, hub: Hub, tool: Tool, tmp_path: Path) -> None:
    code, _, why = tool("push", f"--folder={tmp_path}", "--repo=me/small")
    assert (code, "holds no pytorch_lora" in why) == (1, True)
    done = push(finished, hub, tmp_path / "none", "me/small")
    assert (done.returncode, "there is no folder" in done.stderr) == (1, True)
    done = push(finished, hub, 9999, "me/small")
    assert (done.returncode, "There is no job 9999" in done.stderr) == (2, True)
    done = lorad(finished.daemon, "lora", "convert", finished.recipe)
    assert (done.returncode, "cannot be read as a LoRA" in done.stderr) == (2, True)
    done = lorad(finished.daemon, "lora", "unmerge")
    assert (done.returncode, "unmerge" in done.stderr) == (2, True)
