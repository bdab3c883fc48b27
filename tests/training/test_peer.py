"""A process beside a run: what it alone meets is said, and it ends."""

from __future__ import annotations

import os
import subprocess
import sys

import msgspec
import pytest

from lorad.shared.messages import Assignment
from lorad.shared.recipe import parse_recipe

ALONE = """
import sys, types
from lorad.shared.errors import CardFault
loop, peers = types.ModuleType("loop"), types.ModuleType("peers")
def train(*_):
    raise CardFault(what="CUDA error: an illegal memory access")
loop.train, peers.meet = train, lambda *_: None
peers.COUNT, peers.MEETING, peers.RANK = "COUNT", "MEETING", "RANK"
sys.modules["lorad.daemon.training.loop"] = loop
sys.modules["lorad.daemon.training.peers"] = peers
from lorad.daemon.training import peer
peer.TOGETHER_SECONDS = 0.0
peer.main()
"""


@pytest.mark.timeout(60)
def test_what_only_one_process_meets_ends_it_with_its_sentence() -> None:
    """The run would wait for it for hours."""
    recipe = parse_recipe('name = "a"\n[data]\npath = "p"\n')
    task = Assignment(
        id=1, recipe=recipe, recipe_folder="/", folder="/", cache="/", fresh=True
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", ALONE], input=msgspec.msgpack.encode(task), capture_output=True,
        env={**os.environ, "RANK": "2", "COUNT": "4", "MEETING": "/none"},
    )  # fmt: skip
    assert done.returncode == 1, done.stderr.decode()
    assert done.stdout.decode().startswith("ERROR: process 2: ")
    assert "an illegal memory access" in done.stdout.decode()
