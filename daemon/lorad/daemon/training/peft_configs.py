"""peft's configurations: what a file says of its adapter beside the tensors."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from peft import LoHaConfig, LoKrConfig, LoraConfig, PeftConfig
from peft.utils.other import get_pattern_key

from lorad.daemon.training.layers import Layer
from lorad.daemon.training.targets import Target
from lorad.shared.errors import LoraUnreadable
from lorad.shared.recipe import Lora

MAKERS = {"lora": LoraConfig, "loha": LoHaConfig, "lokr": LoKrConfig}


def config_of_recipe(lora: Lora, targets: dict[str, Target], *, anchored: bool) -> PeftConfig:
    """For a fresh adapter; `anchored` if whole names of layers begin where the module's do."""
    options: dict[str, Any] = {"lora_dropout": lora.dropout} if lora.type == "lora" else {}
    if lora.type == "lora":
        gaussian = lora.init_lora_weights == "gaussian"
        options |= {
            "use_rslora": lora.use_rslora,
            "use_dora": lora.use_dora,
            "init_lora_weights": "gaussian" if gaussian else True,
        }
    else:
        options["rank_dropout"] = lora.dropout
    if lora.type == "lokr":
        options["decompose_factor"] = lora.decompose_factor
    return _config(lora.type, targets, options, anchored=anchored)


def config_of_layers(layers: dict[str, Layer], component: str) -> PeftConfig:
    """For an adapter from a file.

    Raises:
        LoraUnreadable: it mixes types, which no program loads.
    """
    kinds = {layer.kind for layer in layers.values()}
    dora = {"lora_magnitude_vector" in layer.parts for layer in layers.values()}
    if len(kinds) > 1 or len(dora) > 1:
        raise LoraUnreadable(path="The LoRA", why=f"its layers of {component} are of several types")
    targets = {name: Target(layer.rank, layer.alpha) for name, layer in layers.items()}
    options = {"use_dora": dora == {True}} if kinds == {"lora"} else {}
    return _config(kinds.pop(), targets, options, anchored=not component.startswith("text"))


def scales(config: dict[str, Any], names: list[str]) -> dict[str, tuple[int, float]]:
    """Rank and scale of each layer, by the metadata of a file of diffusers' or peft's."""
    ranks, alphas = config.get("rank_pattern") or {}, config.get("alpha_pattern") or {}
    found = {}
    for name in names:
        rank = ranks.get(get_pattern_key(list(ranks), name), config["r"])
        alpha = config.get("lora_alpha", config.get("alpha", rank))
        alpha = alphas.get(get_pattern_key(list(alphas), name), alpha)
        root = math.sqrt(rank) if config.get("use_rslora") else rank
        found[name] = (int(rank), float(alpha) / root)
    return found


def plain(config: PeftConfig) -> dict[str, Any]:
    """A configuration for JSON, the same each time: peft keeps names in sets."""
    return {
        key: sorted(value) if isinstance(value, set) else value
        for key, value in config.to_dict().items()
    }


def _config(
    kind: str, targets: dict[str, Target], options: dict[str, Any], *, anchored: bool
) -> PeftConfig:
    """Ranks and alphas that most layers have, and patterns for the others.

    A name that begins the module's is anchored, or `proj_out` would mean each block's as well.
    Those of text encoders are ends, which fit with and without the `text_model.` of transformers.
    """
    start = "^" if anchored else ""
    targets = {name.removeprefix("text_model."): target for name, target in targets.items()}
    rank = Counter(target.rank for target in targets.values()).most_common(1)[0][0]
    alpha = Counter(target.alpha for target in targets.values()).most_common(1)[0][0]
    options |= {
        "r": rank,
        "lora_alpha" if kind == "lora" else "alpha": int(alpha) if alpha == int(alpha) else alpha,
        "target_modules": list(targets),
        "rank_pattern": {
            f"{start}{name}": target.rank for name, target in targets.items() if target.rank != rank
        },
        "alpha_pattern": {
            f"{start}{name}": target.alpha
            for name, target in targets.items()
            if target.alpha != alpha
        },
    }
    return MAKERS[kind](**options)
