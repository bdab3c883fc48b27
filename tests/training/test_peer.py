"""A process beside a run: what it alone meets is said, and it ends."""

from __future__ import annotations

import os
import subprocess
import sys

import msgspec
import pytest

from lorad.daemon.training import loop
from lorad.daemon.training.peer import Silent
from lorad.daemon.training.peers import Peers
from lorad.shared.errors import CardFault
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


def assignment() -> Assignment:
    recipe = parse_recipe('name = "a"\n[data]\npath = "p"\n')
    return Assignment(
        id=1, recipe=recipe, recipe_folder="/", folder="/", cache="/", fresh=True
    )  # fmt: skip


@pytest.mark.timeout(60)
def test_what_only_one_process_meets_ends_it_with_its_sentence() -> None:
    """The run would wait for it for hours."""
    done = subprocess.run(
        [sys.executable, "-c", ALONE], capture_output=True,
        input=msgspec.msgpack.encode(assignment()),
        env={**os.environ, "RANK": "2", "COUNT": "4", "MEETING": "/none"},
    )  # fmt: skip
    assert done.returncode == 1, done.stderr.decode()
    assert done.stdout.decode().startswith("ERROR: process 2: ")
    assert "an illegal memory access" in done.stdout.decode()


def test_a_card_that_fails_while_the_processes_meet_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gather(task: Assignment) -> Peers:
        raise RuntimeError("NCCL error in: ProcessGroupNCCL.cpp:1, unhandled system error")

    monkeypatch.setattr(loop, "gather", gather)
    with pytest.raises(CardFault, match="NCCL error"):
        loop.train(assignment(), Silent())
