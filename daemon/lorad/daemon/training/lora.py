"""The adapter on the U-Net, through peft."""

from __future__ import annotations

from typing import Any

import torch
from peft import LoraConfig
from peft.tuners.tuners_utils import BaseTunerLayer

from lorad.daemon.training import keyed
from lorad.shared.errors import TargetsMissing
from lorad.shared.recipe import Recipe


def add_lora(unet: Any, recipe: Recipe) -> dict[str, torch.nn.Parameter]:
    """Put a fresh adapter on the network; its parameters by name, in fp32.

    Raises:
        TargetsMissing: a target names no layer.
    """
    lora = recipe.lora
    targets = resolve_targets(lora.target_modules)
    names = [name for name, _ in unet.named_modules()]
    missing = [t for t in targets if not any(_meant(name, t) for name in names)]
    if missing:
        raise TargetsMissing(names=", ".join(missing))
    # peft draws the first weights from the global generator; nothing else here does.
    torch.manual_seed(keyed.key(recipe.train.seed, "lora"))
    unet.add_adapter(
        LoraConfig(
            r=lora.rank,
            lora_alpha=lora.lora_alpha,
            target_modules=targets,
        )
    )
    for module in unet.modules():
        if isinstance(module, BaseTunerLayer):
            # peft would cast each input up to fp32 for autocast to cast it down again.
            module.cast_input_dtype_enabled = False
    parameters = {name: p for name, p in unet.named_parameters() if p.requires_grad}
    for parameter in parameters.values():
        parameter.data = parameter.data.float()
    return parameters


def resolve_targets(wanted: str | tuple[str, ...]) -> list[str]:
    """The ends of layer names that a preset stands for."""
    return ["to_q", "to_k", "to_v", "to_out.0"] if wanted == "attention" else list(wanted)


def _meant(name: str, target: str) -> bool:
    """Peft's own rule for a list of targets."""
    return name == target or name.endswith("." + target)
