"""Which layers get an adapter, and at what rank: from the words of `[lora]` to whole names.

Presets are of the field: attention is what diffusers' scripts train, full is what sd-scripts
trains (every linear layer and 1x1 convolution of the transformers, `networks/lora.py`), and
`conv_rank` is its `conv_dim`: the 3x3 convolutions around them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

import torch

from lorad.shared.errors import TargetsMissing, WrongValue
from lorad.shared.recipe import Lora, Recipe
from lorad.shared.recipe.sections import TEXT_TARGETS

ATTENTION = (
    "to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out",
)  # fmt: skip
"""The last four are the text's side of an SD 3 transformer."""
FEED_FORWARD = ("ff.net.0.proj", "ff.net.2", "ff_context.net.0.proj", "ff_context.net.2")
PRESETS = {"attention": ATTENTION, "attention+ff": ATTENTION + FEED_FORWARD}
NAMED = (*PRESETS, "full")
TRANSFORMERS = re.compile(r"(.*\.)?(attentions\.\d+|transformer_blocks\.\d+)\..+")
"""Inside a transformer: of a U-Net (with its proj_in and proj_out), or of SD 3."""
CONVOLUTIONS = re.compile(r"(.*\.)?(resnets|downsamplers|upsamplers)\.\d+\..+")


class Target(NamedTuple):
    """What one layer gets."""

    rank: int
    alpha: float


def export_refusals(recipe: Recipe, family_name: str) -> list[WrongValue]:
    """What `[lora]` asks for and this family's files have no words for, or its layers no place."""
    lora, refusals = recipe.lora, []
    if lora.type != "lora" and lora.init_lora_weights == "gaussian":
        why = f'{lora.type} has no such beginning; take it out, or set type = "lora"'
        refusals.append(WrongValue(key="lora.init_lora_weights", why=why))
    if family_name == "sd3" and lora.conv_rank is not None:
        why = "Stable Diffusion 3 has no 3x3 convolutions; take it out"
        refusals.append(WrongValue(key="lora.conv_rank", why=why))
    return refusals


def find_targets(network: torch.nn.Module, lora: Lora) -> dict[str, Target]:
    """The layers of a U-Net or transformer by name, in the network's order.

    Raises:
        TargetsMissing: `target_modules` names something that no layer matches.
        WrongValue: `conv_rank` is set, and there is no convolution.
    """
    layers = _layers(network)
    wanted = lora.target_modules
    if wanted == "full":
        names = {name for name in layers if TRANSFORMERS.fullmatch(name) and _flat(layers[name])}
    elif isinstance(wanted, str) and wanted not in PRESETS:
        names = {name for name in layers if re.fullmatch(wanted, name)}
        if not names:
            raise TargetsMissing(key="lora.target_modules", names=wanted)
    else:
        ends = PRESETS[wanted] if isinstance(wanted, str) else wanted
        names = _by_ends(layers, ends, "" if isinstance(wanted, str) else "lora.target_modules")
    convolutions = {name for name, layer in layers.items() if _is_convolution(name, layer)}
    if lora.conv_rank is not None:
        if not convolutions:
            raise WrongValue(key="lora.conv_rank", why="this model has no 3x3 convolutions")
        names |= convolutions
    return {
        name: _target(name, lora, convolution=name in convolutions)
        for name in layers
        if name in names
    }


def find_text_targets(text_encoder: torch.nn.Module, lora: Lora) -> dict[str, Target]:
    """The layers of a text encoder by name, in its order.

    Raises:
        TargetsMissing: `text_encoder_target_modules` names something that no layer matches.
    """
    layers = _layers(text_encoder)
    key = "lora.text_encoder_target_modules"
    names = _by_ends(layers, lora.text_encoder_target_modules, key)
    return {name: _target(name, lora, convolution=False) for name in layers if name in names}


def may_be_idle(lora: Lora) -> bool:
    """Whether it names layers in words of its own; presets name some of every family."""
    own = not isinstance(lora.target_modules, str) or lora.target_modules not in NAMED
    texts = lora.train_text_encoder and lora.text_encoder_target_modules != TEXT_TARGETS
    return own or texts or bool(lora.conv_rank or lora.rank_pattern or lora.alpha_pattern)


def refuse_idle_patterns(lora: Lora, names: Iterable[str]) -> None:
    """A pattern that changes nothing is a mistake in it.

    Raises:
        WrongValue: a rank or alpha pattern matches none of the layers that are trained.
    """
    trained = list(names)
    for key in ("rank_pattern", "alpha_pattern"):
        for pattern in getattr(lora, key):
            if not any(matches(pattern, name) for name in trained):
                raise WrongValue(key=f"lora.{key}", why=f"`{pattern}` names no layer to train")


def matches(pattern: str, name: str) -> bool:
    """Whether a layer's name ends so, or is matched as a whole.

    Raises:
        WrongValue: the pattern is neither an end of a name nor a regular expression.
    """
    if _ends(name, pattern):
        return True
    try:
        return re.fullmatch(pattern, name) is not None
    except re.error as error:
        why = f"`{pattern}` is no regular expression ({error})"
        raise WrongValue(key="lora.rank_pattern", why=why) from error


def _target(name: str, lora: Lora, *, convolution: bool) -> Target:
    """A pattern goes before `conv_rank`, and that before `rank`; no alpha means the rank."""
    rank, alpha = lora.rank, lora.alpha
    if convolution and lora.conv_rank is not None:
        rank, alpha = lora.conv_rank, lora.conv_alpha
    for pattern, other in lora.rank_pattern.items():
        if matches(pattern, name):
            rank = other
            break
    for pattern, other_alpha in lora.alpha_pattern.items():
        if matches(pattern, name):
            alpha = other_alpha
            break
    return Target(rank, float(alpha or rank))


def _layers(network: torch.nn.Module) -> dict[str, torch.nn.Module]:
    """Those that an adapter can be put on."""
    kinds = (torch.nn.Linear, torch.nn.Conv2d)
    return {name: layer for name, layer in network.named_modules() if isinstance(layer, kinds)}


def _by_ends(layers: Iterable[str], ends: tuple[str, ...], key: str) -> set[str]:
    """Names that end so; `key` is the recipe's word to blame, none for a preset."""
    found = {end: {name for name in layers if _ends(name, end)} for end in ends}
    missing = [end for end, names in found.items() if not names]
    if missing and key:
        raise TargetsMissing(key=key, names=", ".join(missing))
    return set().union(*found.values())


def _ends(name: str, end: str) -> bool:
    """Peft's own rule for a list of targets."""
    return name == end or name.endswith("." + end)


def _flat(layer: torch.nn.Module) -> bool:
    """Linear, or a 1x1 convolution, which is the same."""
    return not isinstance(layer, torch.nn.Conv2d) or layer.kernel_size == (1, 1)


def _is_convolution(name: str, layer: torch.nn.Module) -> bool:
    return CONVOLUTIONS.fullmatch(name) is not None and not _flat(layer)
