"""Tiny families with adapters, and what the tests of adapters share.

They know their layers' names and nothing of pictures: a forward through each part is enough.
"""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any

import torch

from lorad.daemon.training.families.base import Diffusion, Flow
from lorad.daemon.training.layers import parameters, tuners
from lorad.daemon.training.lora import add_lora
from lorad.daemon.training.metadata import About
from lorad.shared.recipe import Recipe, parse_recipe

from .tiny import WIDTH_2, Name, build

ABOUT = About(pictures=6, tags={"cat": 6}, precision="no", started=1.0)
MODELS: dict[str, Name] = {"sd1": "sd1", "sd2": "sd2-v", "sdxl": "sdxl", "sd3": "sd35"}


@cache
def built(name: str) -> Any:
    """A pipeline of random weights, the same each time; nobody's own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return build(MODELS[name], blocks="CD")  # fewer do, and many adapters are put on


class Tiny:
    """A family of random weights, the same each time."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.base = f"somewhere/tiny-{name}"
        self.architecture = {
            "sd1": "stable-diffusion-v1", "sd2": "stable-diffusion-v2-768-v",
            "sdxl": "stable-diffusion-xl-v1-base", "sd3": "stable-diffusion-3-medium",
        }[name]  # fmt: skip
        self.base_model_version = {
            "sd1": "sd_v1", "sd2": "sd_v2_768_v", "sdxl": "sdxl_base_v1-0", "sd3": "sd3_m",
        }[name]  # fmt: skip
        self.network_name = "transformer" if name == "sd3" else "unet"
        encoders = ("text_encoder", "text_encoder_2")[: 1 + (name in ("sdxl", "sd3"))]
        self.network: Any = copy.deepcopy(getattr(built(name), self.network_name))
        self.text_encoders: dict[str, Any] = {
            part: copy.deepcopy(getattr(built(name), part)) for part in encoders
        }
        self.process: Any = (
            Flow(3.0, 1000)
            if name == "sd3"
            else Diffusion("v_prediction" if name == "sd2" else "epsilon", torch.ones(10))
        )
        for module in (self.network, *self.text_encoders.values()):
            module.requires_grad_(False)
            module.eval()

    def pipeline(self) -> Any:
        """Over the same weights without the adapter."""
        whole = built(self.name)
        takes = (self.network_name, *self.text_encoders)  # an adapter; the others are as they are
        kept = [part for name, part in whole.components.items() if name not in takes]
        return copy.deepcopy(whole, {id(part): part for part in kept})


def make_recipe(lora: str = "", more: str = "") -> Recipe:
    rank = "" if lora.startswith("rank = ") else "rank = 4"
    return parse_recipe(
        f'name = "small"\n[[data]]\npath = "pictures"\n[lora]\n{rank}\n{lora}\n{more}'
    )


def adapted(name: str, lora: str = "", more: str = "", folder: Path = Path()) -> Tiny:
    """With an adapter that does something, in every factor of it."""
    family = Tiny(name)
    add_lora(family, make_recipe(lora, more), folder)
    disturb(family)
    return family


def disturb(family: Tiny) -> None:
    """As if it had been trained for a while."""
    generator = torch.Generator().manual_seed(11)
    for module in (family.network, *family.text_encoders.values()):
        for tuner in tuners(module).values():
            for part, tensor in parameters(tuner).items():
                noise = 0.2 * torch.randn(tensor.shape, generator=generator)
                if part == "lora_magnitude_vector":
                    noise *= tensor.detach()
                with torch.no_grad():
                    tensor.add_(noise)


def outputs(family: Tiny, parts: Any = None) -> dict[str, torch.Tensor]:
    """What each component makes of fixed numbers; `parts` are a pipeline's instead of its own."""
    generator = torch.Generator().manual_seed(3)
    config = family.network.config
    width = config.joint_attention_dim if family.name == "sd3" else config.cross_attention_dim
    noisy = torch.randn(2, config.in_channels, 8, 8, generator=generator)
    text = torch.randn(2, 5, width, generator=generator)
    pooled = torch.randn(2, getattr(config, "pooled_projection_dim", WIDTH_2), generator=generator)
    network = family.network if parts is None else getattr(parts, family.network_name)
    when = torch.tensor([10, 700])
    with torch.no_grad():
        if family.name == "sd3":
            told = {"encoder_hidden_states": text, "pooled_projections": pooled}
            found = network(noisy, timestep=when, **told, return_dict=False)[0]
        else:
            added = {"text_embeds": pooled, "time_ids": torch.ones(2, 6)}
            extra = {"added_cond_kwargs": added} if family.name == "sdxl" else {}
            found = network(noisy, when, text, return_dict=False, **extra)[0]
        made = {family.network_name: found}
        ids = torch.arange(16).reshape(2, 8)
        for name, own in family.text_encoders.items():
            encoder = own if parts is None else getattr(parts, name)
            made[name] = encoder(ids, output_hidden_states=True).hidden_states[-1]
    return made
