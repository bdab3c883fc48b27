"""A client without torch, diffusers, NumPy and Pillow does everything over the link."""

from __future__ import annotations

import os
from pathlib import Path

from remote.conftest import Box

BLOCK = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "diffusers", "numpy", "PIL", "transformers", "peft"}:
            raise ModuleNotFoundError(name)
        if name.startswith("lorad.daemon"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocked())
"""


def test_a_client_that_has_nothing_else(box: Box) -> None:
    """As after `pip install lorad`: whatever is heavy cannot be imported, nor the daemon."""
    box.daemon.start()
    thin = box.folder / "thin"
    thin.mkdir()
    (thin / "sitecustomize.py").write_text(BLOCK)
    path = os.pathsep.join(filter(None, [str(thin), os.environ.get("PYTHONPATH")]))
    box.be(env={"LORAD_HOME": str(box.home), "PATH": box.path,
                "PYTHONPATH": os.environ.get("PYTHONPATH", "")})  # fmt: skip
    (box.folder / "there").mkdir()
    (box.folder / "mono.toml").write_text('name = "mono"\n[data]\npath = "p"\n')
    for words in (
        ("add", "mono.toml", "--stash", "--folder", str(box.folder / "there")),
        ("status",),
        ("why", "1"),
        ("events",),
        ("get", "1", "--list", "--all"),
        ("rm", "1"),
    ):
        done = box.lorad("--host", "box", *words, PYTHONPATH=path)
        assert done.returncode == 0, (words, done.stderr)
    refused = box.lorad("generate", "1", "a cat", PYTHONPATH=path, LORAD_HOST="")
    assert refused.returncode != 0
    assert not list(Path(box.folder).glob("mono-1"))
