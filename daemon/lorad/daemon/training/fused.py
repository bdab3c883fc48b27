"""SD 3's query, key and value: three layers of diffusers', one of the original.

Three LoRAs side by side are one of thrice the rank: their `lora_A` stacked, their `lora_B` as the
blocks of a diagonal, [3 out, 3 rank]. The way back takes such blocks apart again; of a file that
was trained on the one layer it gives each third all of `lora_A`.
"""

from __future__ import annotations

import re
from collections import defaultdict

import torch

from lorad.daemon.training.layers import Layer
from lorad.daemon.training.names import FUSED

Named = dict[str, Layer]


def fuse(layers: Named) -> tuple[Named, Named]:
    """The fused layers by the original's names, and those that stand alone.

    LoHa and LoKr are no sums of parts, so theirs stay alone; a DoRA with a third missing does,
    since the missing magnitudes are the base model's.
    """
    groups: dict[str, dict[int, str]] = defaultdict(dict)
    for name, layer in layers.items():
        if layer.kind == "lora" and (place := _place_of(name)):
            groups[place[0]][place[1]] = name
    fused, rest = {}, dict(layers)
    for module, names in groups.items():
        thirds = [layers[names[third]] if third in names else None for third in range(3)]
        magnitudes = [third is not None and len(third.parts) == 3 for third in thirds]
        if any(magnitudes) and not all(magnitudes):
            continue
        fused[module] = _side_by_side(thirds)
        for name in names.values():
            del rest[name]
    return fused, rest


def split(module: str, layer: Layer) -> Named:
    """Diffusers' three layers of a fused one; empty where it is not fused."""
    found = re.fullmatch(r"joint_blocks_(\d+)_(.+)", module)
    if found is None or found[2] not in FUSED or layer.kind != "lora":
        return {}
    names = [f"transformer_blocks.{found[1]}.{name}" for name in FUSED[found[2]]]
    down, ups = layer.parts["lora_A"], layer.parts["lora_B"].chunk(3)
    magnitudes = layer.parts.get("lora_magnitude_vector")
    blocks = _blocks(ups)
    thirds = {}
    for third, (name, up) in enumerate(zip(names, ups, strict=True)):
        rows = blocks[third] if blocks else range(down.shape[0])
        if len(rows) == 0:  # nothing was trained there
            continue
        own = slice(rows.start, rows.stop)
        # Copies: a file of safetensors takes no tensors that share their memory.
        parts = {"lora_A": down[own].clone(), "lora_B": up[:, own].clone()}
        if magnitudes is not None:
            parts["lora_magnitude_vector"] = magnitudes.chunk(3)[third].clone()
        thirds[name] = Layer(parts, len(rows), layer.scale)
    return thirds


def _side_by_side(thirds: list[Layer | None]) -> Layer:
    """One layer of up to three; they meet at the first one's scale."""
    present = [third for third in thirds if third is not None]
    scale = present[0].scale
    same = [None if third is None else third.rescaled(scale) for third in thirds]
    out = present[0].parts["lora_B"].shape[0]
    ups = [torch.zeros(out, 0) if third is None else third.parts["lora_B"] for third in same]
    parts = {
        "lora_A": torch.cat([third.parts["lora_A"] for third in same if third is not None]),
        "lora_B": torch.block_diag(*ups),  # type: ignore[no-untyped-call]
    }
    if "lora_magnitude_vector" in present[0].parts:
        parts["lora_magnitude_vector"] = torch.cat(
            [third.parts["lora_magnitude_vector"] for third in present]
        )
    return Layer(parts, parts["lora_A"].shape[0], scale)


def _blocks(ups: tuple[torch.Tensor, ...]) -> list[range] | None:
    """Which columns are each third's own; none if some are shared.

    Three of one rank are looked for first: a new `lora_B` is zero, and says nothing of its place.
    """
    used = torch.stack([up.any(dim=0) for up in ups])
    width = used.shape[1]
    if width % 3 == 0:
        blocks = [range(width // 3 * i, width // 3 * (i + 1)) for i in range(3)]
        if not any(used[i, j] for i in range(3) for j in range(width) if j not in blocks[i]):
            return blocks
    if (used.sum(dim=0) > 1).any() or not used.any():
        return None
    starts = [int(row.nonzero()[0]) if row.any() else width for row in used]
    ends = [min([other for other in starts if other > start], default=width) for start in starts]
    return [range(start, end) for start, end in zip(starts, ends, strict=True)]


def _place_of(name: str) -> tuple[str, int] | None:
    """The fused layer that one is a third of, and which third."""
    found = re.fullmatch(r"transformer_blocks\.(\d+)\.(.+)", name)
    for module, parts in FUSED.items():
        if found and found[2] in parts:
            return f"joint_blocks_{found[1]}_{module}", parts.index(found[2])
    return None
