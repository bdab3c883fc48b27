"""Which pictures are held out for validation: by their content, so that copies stay together."""

from __future__ import annotations

from collections.abc import Sequence

from lorad.daemon.training import keyed
from lorad.shared.recipe import Recipe


def held_out(pictures: Sequence[tuple[int, str]], recipe: Recipe) -> list[bool]:
    """For each picture whether it is held out: of every block about the share, one at least.

    A picture is its block and the digest of its file. Regularisation sets keep all of theirs, and
    so does a block of one picture. The same picture twice is on one side of the split.
    """
    out, seed = [False] * len(pictures), recipe.train.seed
    keep = {number for number, data in enumerate(recipe.data) if data.is_reg}
    if not recipe.validate.split:
        return out
    for block in {block for block, _ in pictures} - keep:
        rows = [row for row, (one, _) in enumerate(pictures) if one == block]
        contents = sorted({pictures[row][1] for row in rows}, key=lambda c: _place(c, seed))
        count = min(max(1, round(recipe.validate.split * len(contents))), len(contents) - 1)
        chosen = set(contents[:count])
        for row in rows:
            out[row] = pictures[row][1] in chosen
    return out


def _place(sha256: str, seed: int) -> int:
    return keyed.key(seed, f"validation {sha256}")
