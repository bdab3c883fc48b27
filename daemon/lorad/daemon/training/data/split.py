"""Which pictures are held out for validation: by their content, so that copies stay together."""

from __future__ import annotations

from collections.abc import Set

from lorad.daemon.training import keyed
from lorad.daemon.training.data.manifest import Entry


def held_out(entries: list[Entry], share: float, seed: int, keep: Set[int]) -> list[bool]:
    """For each picture whether it is held out: of every block about the share, one at least.

    Blocks in `keep` keep all of theirs, and so does a block of one picture. The same picture twice
    is on one side of the split.
    """
    out = [False] * len(entries)
    for block in {entry.block for entry in entries} - keep:
        rows = [row for row, entry in enumerate(entries) if entry.block == block]
        contents = sorted({entries[row].sha256 for row in rows}, key=lambda c: _place(c, seed))
        count = min(max(1, round(share * len(contents))), len(contents) - 1)
        chosen = set(contents[:count])
        for row in rows:
            out[row] = entries[row].sha256 in chosen
    return out


def _place(sha256: str, seed: int) -> int:
    return keyed.key(seed, f"validation {sha256}")
