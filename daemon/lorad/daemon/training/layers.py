"""An adapter as plain tensors, between the network that it sits on and the files it is kept in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from peft.tuners.lora import LoraLayer
from peft.tuners.tuners_utils import BaseTunerLayer

from lorad.daemon.training.families.base import Family

Kind = Literal["lora", "loha", "lokr"]
LORA_PARTS = ("lora_A", "lora_B", "lora_magnitude_vector")
HADA_PARTS = ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2")
LOKR_PARTS = (
    "lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2",
)  # fmt: skip
PARTS = (*LORA_PARTS, *HADA_PARTS, *LOKR_PARTS)
LINEAR_FACTOR = {"lora": ("lora_B",), "loha": ("hada_w1_a",), "lokr": ("lokr_w1", "lokr_w1_a")}
"""The part, or whichever of them is there, in which the whole update is linear."""
ADAPTER = "default"


@dataclass(frozen=True)
class Layer:
    """The adapter on one layer."""

    parts: dict[str, torch.Tensor]
    """By peft's names: `lora_A`, `lora_magnitude_vector`, `hada_w1_a`, `lokr_w1`. peft's shapes:
    `lora_A` [rank, in, …], `lora_B` [out, rank, …], a magnitude [out] or [1, out, 1, 1]."""
    rank: int
    scale: float
    """What the product of the parts is multiplied by: alpha / rank, or rsLoRA's alpha over the
    root of the rank."""

    @property
    def kind(self) -> Kind:
        """Of which type the adapter is."""
        first = next(iter(self.parts))
        return "loha" if first in HADA_PARTS else "lokr" if first in LOKR_PARTS else "lora"

    @property
    def alpha(self) -> float:
        """By kohya's and peft's plain rule, by which the scale is alpha / rank."""
        return self.scale * self.rank

    def map(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Layer:
        """With every part changed."""
        return replace(self, parts={part: change(tensor) for part, tensor in self.parts.items()})

    def rescaled(self, scale: float) -> Layer:
        """The same update at another scale: the difference goes into one factor."""
        if scale == self.scale:
            return self
        part = next(part for part in LINEAR_FACTOR[self.kind] if part in self.parts)
        changed = self.parts[part] * (self.scale / scale)
        return replace(self, parts={**self.parts, part: changed}, scale=scale)


Layers = dict[str, dict[str, Layer]]
"""By component (`unet`, `transformer`, `text_encoder`, `text_encoder_2`) and layer. Layers of a
text encoder are called as in the field's files, `text_model.encoder.…`, whatever transformers
calls them."""


def components(family: Family) -> dict[str, torch.nn.Module]:
    """What an adapter may sit on, by its prefix in a LoRA file."""
    return {family.network_name: family.network, **family.text_encoders}


def field_name(component: str, name: str) -> str:
    """A layer's name in files. transformers 5 took CLIP's `text_model.` away, files have it."""
    bare = not component.startswith("text_encoder") or name.startswith("text_")
    return name if bare else f"text_model.{name}"


def live_name(component: str, module: torch.nn.Module, name: str) -> str:
    """A file's layer as the loaded module calls it."""
    if component.startswith("text_encoder") and not hasattr(module, "text_model"):
        return name.removeprefix("text_model.")
    return name


def tuners(module: torch.nn.Module) -> dict[str, BaseTunerLayer]:
    """The layers of a module that carry an adapter."""
    return {
        name: layer for name, layer in module.named_modules() if isinstance(layer, BaseTunerLayer)
    }


def live_layers(family: Family) -> Layers:
    """The adapter that sits on a family, in fp32 on the host."""
    found: Layers = {}
    for component, module in components(family).items():
        layers = {
            field_name(component, name): Layer(
                {part: value.detach().cpu().float() for part, value in parameters(tuner).items()},
                int(tuner.r[ADAPTER]),
                float(tuner.scaling[ADAPTER]),
            )
            for name, tuner in tuners(module).items()
        }
        if layers:
            found[component] = layers
    return found


def parameters(tuner: Any) -> dict[str, torch.Tensor]:
    """The parts of one layer's adapter, live."""
    held = {part: getattr(tuner, part, {}) for part in tuner.adapter_layer_names if part in PARTS}
    found = {part: values[ADAPTER] for part, values in held.items() if ADAPTER in values}
    if isinstance(tuner, LoraLayer):
        return {part: module.weight for part, module in found.items()}
    return found
